//! Keycloak and k3s for [testcontainers](https://docs.rs/testcontainers): real tokens, and a real Kubernetes API server with your own AuthenticationConfiguration.
//!
//! The main types are `Keycloak` and `K3s` (feature `testcontainers`, on by default). Both are ready when they can be used, are published
//! on 127.0.0.1 alone, run without capabilities, and end with their handles, as testcontainers' do. A start that fails says the last
//! lines of the log. `blocking` (feature `blocking`) has the same without `async`.
//!
//! ```no_run
//! # #[cfg(feature = "testcontainers")]
//! # async fn example() -> Result<(), authlab_testcontainers::Error> {
//! use authlab_testcontainers::{K3s, Keycloak};
//!
//! let realm = r#"{"realm": "people", "enabled": true,
//!     "clients": [{"clientId": "portal", "secret": "portal-secret", "serviceAccountsEnabled": true}]}"#;
//! let keycloak = Keycloak::default().with_realm(realm).start().await?;
//! let token = keycloak.client_credentials_token("people", "portal", "portal-secret").await?;
//! assert!(keycloak.issuer_url("people").starts_with("http://127.0.0.1:"));
//! println!("{}", token.access_token);
//!
//! let k3s = K3s::default().start().await?;
//! std::fs::write("kubeconfig.yaml", k3s.kubeconfig())?;
//! # Ok(())
//! # }
//! ```
//!
//! [`description`] has no dependencies: the images, command lines, files and readiness, for programs that start containers themselves.

pub mod description;

#[cfg(feature = "testcontainers")]
mod containers;

#[cfg(feature = "blocking")]
pub use containers::blocking;
#[cfg(feature = "testcontainers")]
pub use containers::{Client, DescribedImage, Error, K3s, Keycloak, LastLines, RunningK3s, RunningKeycloak, Token};
#[cfg(feature = "testcontainers")]
pub use testcontainers;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
