//! authlab: a test harness and lab kit for Kubernetes authentication.
//!
//! The library starts real servers, sends them requests with any credential, and shows how they identify it, or why they refuse it.
//! It never prints and never exits: it emits [`event`]s, and the command on top of it decides what the user sees.
//!
//! Start with these modules:
//!
//! - [`lab`]: [`with_lab`](lab::with_lab) uses a lab that is up or starts one, and ends what it started.
//! - [`pki`] and [`credential`]: certificates, sound and flawed, and everything else that can be presented to an API server;
//!   [`identity_provider`] has an issuer that signs any token, and [`issuer`] serves it alone.
//! - [`probe`]: one request, and the answer with the server's own record of it.
//! - [`scenario`] and [`cli::features`]: feature files with steps of your own ([`World`](scenario::World),
//!   [`main_with`](cli::features::main_with)).
//!
//! # Stability
//!
//! The command and the schema of `run.json` are stable, as CHANGELOG.md says. The library is unstable until 1.0: a release that changes
//! it raises the middle number of its version. The modules on this page are meant for other crates; hidden ones are the command's own
//! parts, and change at any time.
//!
//! # Features
//!
//! | Feature | Adds | Implies |
//! |---|---|---|
//! | none | [`lab`], [`probe`], [`credential`], [`pki`], [`identity_provider`], [`cluster`] with the driver `process` and existing clusters | |
//! | `containers` | servers in containers: the drivers `container`, `k3s` and `kind`, Keycloak's image | |
//! | `report` | reports from events and records | |
//! | `issuer` | [`issuer`], an issuer alone | |
//! | `scenarios` | [`scenario`] and [`trial`] | |
//! | `cli` (default) | [`cli`], [`main_with`](cli::features::main_with) and the command | all others |
//!
//! A driver whose feature is missing is an error that names the feature.
//!
//! # A complete program
//!
//! `cargo run --example with_lab`:

#![doc = concat!("```rust,ignore\n", include_str!("../examples/with_lab.rs"), "```")]
#![cfg_attr(
    not(feature = "cli"),
    allow(
        dead_code,
        unused_imports,
        reason = "the command uses all parts; each set of features without it, others"
    )
)]

#[cfg(windows)]
compile_error!(
    "authlab does not run on Windows: it uses Unix sockets, signals and file permissions. Use it in WSL 2 or as a container image: \
     https://github.com/authlab/authlab/blob/main/docs/windows.md"
);

#[cfg(feature = "cli")]
pub mod cli;
pub mod cluster;
pub mod credential;
pub mod event;
pub mod identity_provider;
#[cfg(feature = "issuer")]
pub mod issuer;
pub mod lab;
pub mod pki;
pub mod probe;
#[cfg(feature = "scenarios")]
pub mod scenario;
pub mod secret;
#[cfg(feature = "scenarios")]
pub mod trial;

// The command's own parts, which this package's tests and benchmarks look at.
#[doc(hidden)]
pub mod behaviour;
#[doc(hidden)]
pub mod diagnostic;
#[cfg(feature = "containers")]
#[doc(hidden)]
pub mod engine;
#[cfg(not(feature = "containers"))]
#[path = "engine/without.rs"]
mod engine;
#[cfg(feature = "scenarios")]
#[doc(hidden)]
pub mod explain;
#[doc(hidden)]
pub mod hint;
#[doc(hidden)]
pub mod interrupt;
#[doc(hidden)]
pub mod jwt;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod lesson;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod mutation;
#[doc(hidden)]
pub mod owner;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod playground;
#[doc(hidden)]
pub mod printable;
#[doc(hidden)]
pub mod process;
#[cfg(feature = "scenarios")]
#[doc(hidden)]
pub mod project;
#[cfg(feature = "report")]
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod sabotage;
#[doc(hidden)]
pub mod server_binaries;
#[doc(hidden)]
pub mod tls;
#[cfg(any(feature = "scenarios", feature = "issuer"))]
#[doc(hidden)]
pub mod token_shape;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod walk_through;

mod access_webhook;
mod auth_proxy;
mod cache;
mod cause;
#[cfg(feature = "scenarios")]
mod configuration;
mod dirs;
#[cfg(all(test, feature = "cli"))]
mod foreign_input;
mod kubeconfig;
mod listener;
#[cfg(feature = "cli")]
mod login;
#[cfg(any(feature = "cli", feature = "issuer"))]
mod loopback;
mod merge_patch;
mod pem;
mod private;
mod shell_word;
#[cfg(feature = "scenarios")]
mod similar;
mod template;
mod token_webhook;
mod yaml;
