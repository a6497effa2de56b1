//! Identity providers: servers that issue OpenID Connect tokens.
//!
//! [`keycloak`] and [`oidc_provider`] are real ones, [`issuer`] is a small one of our own that signs any requested token, and [`existing`] one
//! that already runs. A [`Provider`] is a relying party of a lab's, whichever that is; a [`Kind`] says in what they differ.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub mod existing;
pub mod issuer;
pub mod keycloak;
mod kind;
pub mod oidc_provider;
mod provider;

pub use kind::{Asked, Facts, Kind, LoginRequest};
pub use provider::{AccountChange, Provider, ProviderError};

/// The address that an issuer of the harness listens on, and the host in its URL: the same for users on this machine and for
/// API servers, wherever they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address to bind to.
    pub listen: IpAddr,
    /// The host in the URL.
    pub host: String,
}

impl Address {
    /// Returns the loopback address, for servers that are processes of this machine.
    pub fn loopback() -> Self {
        Self::at(IpAddr::from([127, 0, 0, 1]))
    }

    /// Returns an address that is valid on both sides as it is.
    pub fn at(address: IpAddr) -> Self {
        Self {
            listen: address,
            host: address.to_string(),
        }
    }
}

/// The way in which an identity provider runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// As an ordinary process.
    Process,
    /// In a container.
    Container,
    /// An OpenID Connect issuer that already runs.
    Existing,
}

impl Driver {
    /// Returns the name, as flags and files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Container => "container",
            Self::Existing => "existing",
        }
    }
}
