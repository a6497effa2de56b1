//! Keycloak as an ordinary process or in a container: prepared once into the cache or into an image, started from
//! a copy of its database in a few seconds, used over HTTPS.
//!
//! The main types are [`KeycloakContainer`], [`PreparedImage`], [`Prepared`] (built, initialised, with a class archive), [`Keycloak`]
//! (a running server), [`Front`] (the public address, open before Keycloak runs) and
//! [`KeycloakClient`] (a relying party); [`KeycloakAdmin`] changes users and roles.

mod admin;
mod client;
mod container;
mod description;
mod error;
pub mod export;
mod found;
mod front;
mod image;
pub mod java;
mod launch;
mod line;
mod overheard;
mod prepare;
mod realm;
mod server;
mod training;

pub use admin::{KeycloakAdmin, NewUser, UserRecord};
pub use client::{Introspection, KeycloakClient, TokenSet};
pub use container::{KeycloakContainer, KeycloakContainerSpec, KeycloakImage};
pub use description::KeycloakDescription;
pub use error::KeycloakError;
pub use front::Front;
pub use image::{PreparedImage, prepare_image};
pub use prepare::{Prepared, prepare};
pub use server::{Keycloak, Settings, start, start_in_container, start_with_realm};

/// The realm that the API servers trust.
pub const REALM: &str = "kubernetes";
/// Another realm of the same Keycloak, which no API server trusts.
pub const OTHER_REALM: &str = "elsewhere";
/// The confidential client whose name is the audience that API servers expect.
pub const CLIENT: &str = "kubernetes";
/// The client whose service account may change users and roles.
pub const ADMIN_CLIENT: &str = "authlab-admin";
