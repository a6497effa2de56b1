//! The descriptions as containers of testcontainers: started, waited for, and asked.
//!
//! The main types are [`Keycloak`] and [`K3s`].

#[cfg(feature = "blocking")]
pub mod blocking;
mod error;
mod files;
mod http;
mod image;
mod k3s;
mod keycloak;
mod kubeconfig;
mod pinned;
mod start;
mod token;

pub use error::{Error, LastLines};
pub use image::DescribedImage;
pub use k3s::{K3s, RunningK3s};
pub use keycloak::{Keycloak, RunningKeycloak};
pub use token::{Client, Token};
