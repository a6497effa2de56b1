//! Tests that need no server: pure logic, and the runner on a toy world.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod command;
mod explaining;
mod inverting;
mod logins;
#[path = "../browser/story.rs"]
mod story;
mod toy;

mod matrix;
mod ownership;
mod printing;
mod privileges;
mod reports;
mod running;
mod selecting;
mod server_binaries;
