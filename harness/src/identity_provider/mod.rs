//! Who vouches for people: servers that give out OpenID Connect tokens.
//!
//! [`keycloak`] is the real one, [`issuer`] a small one of ours that signs whatever it is asked to, and [`existing`] one that
//! is there already.

use serde::{Deserialize, Serialize};

pub mod existing;
pub mod issuer;
pub mod keycloak;

/// How an identity provider runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Keycloak as a process of this machine.
    Process,
    /// Keycloak in a container.
    Container,
    /// An issuer that is there already.
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
