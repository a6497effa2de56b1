//! The command line as users type it: help, success and refusal of each command, exit codes, and that no process
//! or file is left behind. The environment of the command is [`stage::Stage`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

mod credentials;
mod diagrams;
mod documents;
mod engines;
mod existing;
mod explaining;
mod explaining_cases;
mod explaining_cases_tokens;
mod explaining_like_kubectl;
mod explaining_requests;
mod explaining_servers;
mod failing_starts;
mod kubeconfigs;
mod lessons;
mod live;
mod logins;
mod matrix;
mod ownership;
mod reports;
mod robot;
#[path = "../browser/story.rs"]
mod story;
mod transcript;
mod usage;
mod walk_pages;
mod walk_throughs;
mod walking;
