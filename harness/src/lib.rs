//! authlab: a test harness and lab kit for Kubernetes authentication.
//!
//! The library starts real servers ([`lab`]), asks them who a credential is
//! ([`probe`]) and carries feature files out against them ([`scenario`]). It
//! never prints and never exits: what happens is told as [`event`]s, and
//! the command on top of it decides what a person sees.

pub mod auth_proxy;
pub mod behaviour;
pub mod cause;
pub mod cli;
pub mod cluster;
pub mod credential;
pub mod dirs;
pub mod engine;
pub mod event;
pub mod explain;
pub mod hint;
pub mod identity_provider;
pub mod interrupt;
pub mod lab;
pub mod lesson;
pub mod listener;
pub mod login;
pub mod loopback;
pub mod owner;
pub mod pki;
pub mod printable;
pub mod private;
pub mod probe;
pub mod process;
pub mod report;
pub mod sabotage;
pub mod scenario;
pub mod secret;
pub mod server_binaries;
pub mod shell_word;
pub mod tls;
pub mod token_webhook;
pub mod walk_through;
