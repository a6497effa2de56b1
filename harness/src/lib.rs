//! authlab: a test harness and lab kit for Kubernetes authentication.
//!
//! The library starts real servers ([`lab`]), sends them requests to find out how
//! they identify a credential ([`probe`]) and runs feature files against them
//! ([`scenario`]). It never prints and never exits: it emits [`event`]s, and
//! the command on top of it decides what the user sees.

pub mod auth_proxy;
pub mod behaviour;
pub mod cache;
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
pub mod jwt;
pub mod kubeconfig;
pub mod lab;
pub mod lesson;
pub mod listener;
pub mod login;
pub mod loopback;
pub mod merge_patch;
pub mod owner;
pub mod pem;
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
pub mod template;
pub mod tls;
pub mod token_webhook;
pub mod walk_through;
