//! Keycloak and k3s as plain descriptions: image, command line, files and readiness, without any container engine.
//!
//! The main types are [`keycloak::Server`] and [`k3s::Server`]. This crate starts them with testcontainers, and authlab with a supervisor
//! of its own.

pub mod k3s;
pub mod keycloak;
