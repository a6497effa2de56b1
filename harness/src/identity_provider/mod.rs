//! Who vouches for people: servers that give out OpenID Connect tokens.

pub mod issuer;
pub mod keycloak;
