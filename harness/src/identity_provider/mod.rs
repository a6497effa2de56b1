//! Who vouches for people: servers that give out OpenID Connect tokens.
//!
//! [`keycloak`] is the real one, [`issuer`] a small one of ours that signs whatever it is asked to.

pub mod issuer;
pub mod keycloak;
