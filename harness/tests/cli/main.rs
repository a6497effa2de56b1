//! The command line as users type it: help, success and refusal of each command, exit codes, and that no process
//! or file is left behind. The environment of the command is [`stage::Stage`].
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

mod chaos;
mod check;
mod check_files;
mod check_versions;
mod credentials;
mod diagrams;
mod documents;
mod engines;
mod existing;
mod explaining;
mod explaining_cases;
mod explaining_like_kubectl;
mod explaining_requests;
mod explaining_servers;
mod failing_starts;
mod identity_providers;
mod issuing;
mod kubeconfigs;
mod lessons;
mod live;
mod logins;
mod matrix;
mod other_clusters;
mod own_features;
mod ownership;
mod recordings;
mod reports;
mod robot;
mod running_tests;
mod serving;
#[path = "../shown/mod.rs"]
mod shown;
#[path = "../browser/story.rs"]
mod story;
mod transcript;
mod trying;
mod trying_projects;
mod trying_realm;
mod usage;
mod visiting;
mod walk_pages;
mod walk_throughs;
mod walking;
