//! node-oidc-provider as an ordinary process: a certified OpenID Connect provider beside Keycloak, so that what holds for any issuer is
//! proved with two.
//!
//! [`install`] puts it into the cache by npm, [`start`] returns a running [`OidcProvider`], and [`OidcProviderClient`] is a relying party with
//! a user agent.

mod agent;
mod client;
mod description;
mod error;
mod install;
pub mod node;
mod server;

pub use client::OidcProviderClient;
pub use description::OidcProviderDescription;
pub use error::OidcProviderError;
pub use install::{Installed, install, version};
pub use server::{OidcProvider, OidcProviderSettings, start};
