//! Who vouches for people: a real Keycloak.
//!
//! [`keycloak::prepare`] initialises it once, [`keycloak::Keycloak`] runs it, and
//! [`keycloak::KeycloakClient`] talks to it as a relying party does.

pub mod keycloak;
