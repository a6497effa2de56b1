//! Tests that need no server: pure logic, and the runner on a toy world.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod command;
mod described_containers;
#[cfg(target_os = "linux")]
mod doctor;
mod explaining;
mod help;
mod identity_providers;
mod inverting;
mod issuing;
mod logins;
#[path = "../shown/mod.rs"]
mod shown;
#[path = "../browser/story.rs"]
mod story;
mod toy;

mod matrix;
mod ownership;
mod printing;
mod privileges;
mod rcgen_certificates;
mod reports;
mod rerunning;
mod running;
mod selecting;
mod server_binaries;
mod stopping;
