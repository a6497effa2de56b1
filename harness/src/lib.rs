//! authlab: a test harness and lab kit for Kubernetes authentication.
//!
//! The library starts real servers, sends them requests with any credential, and shows how they identify it, or why they refuse it.
//! It never prints and never exits: it emits [`event`]s, and the command on top of it decides what the user sees.
//!
//! Start with these modules:
//!
//! - [`lab`]: [`with_lab`](lab::with_lab) uses a lab that is up or starts one, and ends what it started.
//! - [`pki`] and [`credential`]: certificates, sound and flawed, and everything else that can be presented to an API server;
//!   [`identity_provider`] has an issuer that signs any token.
//! - [`probe`]: one request, and the answer with the server's own record of it.
//! - [`scenario`] and [`cli::features`]: feature files with steps of your own ([`World`](scenario::World),
//!   [`main_with`](cli::features::main_with)).
//!
//! A complete program, `cargo run --example with_lab`:

#![doc = concat!("```rust,ignore\n", include_str!("../examples/with_lab.rs"), "```")]

pub mod cli;
pub mod cluster;
pub mod credential;
pub mod event;
pub mod identity_provider;
pub mod lab;
pub mod pki;
pub mod probe;
pub mod scenario;
pub mod secret;

// The command's own parts, which this package's tests and benchmarks look at.
#[doc(hidden)]
pub mod behaviour;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod explain;
#[doc(hidden)]
pub mod hint;
#[doc(hidden)]
pub mod interrupt;
#[doc(hidden)]
pub mod jwt;
#[doc(hidden)]
pub mod lesson;
#[doc(hidden)]
pub mod owner;
#[doc(hidden)]
pub mod printable;
#[doc(hidden)]
pub mod process;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod sabotage;
#[doc(hidden)]
pub mod server_binaries;
#[doc(hidden)]
pub mod tls;
#[doc(hidden)]
pub mod walk_through;

mod auth_proxy;
mod cache;
mod cause;
mod dirs;
mod kubeconfig;
mod listener;
mod login;
mod loopback;
mod merge_patch;
mod pem;
mod private;
mod shell_word;
mod template;
mod token_webhook;
