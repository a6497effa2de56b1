//! Who vouches for people: servers that give out OpenID Connect tokens.
//!
//! [`keycloak`] is the real one, [`issuer`] a small one of ours that signs whatever it is asked to, and [`existing`] one that
//! is there already.

use std::net::IpAddr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub mod existing;
pub mod issuer;
pub mod keycloak;

/// Where an issuer of the harness listens, and what its URL calls that: the same for people on this machine and for
/// API servers, wherever they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What it binds to.
    pub listen: IpAddr,
    /// The host of its URL.
    pub host: String,
}

impl Address {
    /// Loopback, for servers that are processes of this machine.
    pub fn loopback() -> Self {
        Self::at(IpAddr::from([127, 0, 0, 1]))
    }

    /// An address that holds on both sides as it is.
    pub fn at(address: IpAddr) -> Self {
        Self {
            listen: address,
            host: address.to_string(),
        }
    }
}

/// How an identity provider runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Keycloak as an ordinary process.
    Process,
    /// Keycloak in a container.
    Container,
    /// A Keycloak that is there already.
    Existing,
}

impl Driver {
    /// Its name, as options and files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Container => "container",
            Self::Existing => "existing",
        }
    }
}
