//! The cache's contents: listing, verifying and pruning them.
//!
//! The main functions are [`list`], [`verify`] and [`prune`]; each considers the pinned versions together with the contents of the disk.

use std::path::PathBuf;

use serde::Serialize;

use crate::cache::{CacheError, Entry, Presence, size_of};
use crate::event::Events;

use super::cache::{self, Product};
use super::options::{Options, Source};
use super::versions::Versions;

/// A version that is pinned, cached or both.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The product.
    pub product: Product,
    /// The product's version.
    pub version: String,
    /// The version of etcd that belongs to it.
    pub etcd: Option<String>,
    /// `true` if this authlab was made for the version.
    pub pinned: bool,
    /// `true` if the version is the default.
    pub default: bool,
    /// The version's state in the cache.
    pub state: State,
    /// The size in the cache in bytes.
    pub bytes: Option<u64>,
    /// The source of the files.
    pub source: Option<Source>,
    /// The version's directory in the cache.
    pub directory: PathBuf,
}

/// The state of a version in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The version is not in the cache.
    Absent,
    /// The version is complete.
    Cached,
    /// Files are missing or have another size.
    Damaged,
}

/// Returns every pinned version, then every other one that the cache holds.
///
/// # Errors
/// The cache cannot be read.
pub fn list(options: &Options) -> Result<Vec<Listed>, CacheError> {
    let versions = Versions::pinned();
    let mut listed = Vec::new();
    for kubernetes in &versions.kubernetes {
        let entry = cache::entry(options, Product::Kubernetes, &kubernetes.version.to_string())?;
        let default = kubernetes.version == versions.newest().version;
        listed.push(Listed {
            etcd: Some(kubernetes.etcd.clone()),
            default,
            ..describe(Product::Kubernetes, &entry, true)?
        });
    }
    for keycloak in versions.keycloaks() {
        let entry = cache::entry(options, Product::Keycloak, &keycloak.version)?;
        listed.push(Listed {
            default: keycloak.version == versions.keycloak.version,
            ..describe(Product::Keycloak, &entry, true)?
        });
    }
    for (product, entry) in cache::all(options)? {
        if !is_pinned(product, entry.name()) && entry.directory().exists() {
            listed.push(describe(product, &entry, false)?);
        }
    }
    Ok(listed)
}

fn describe(product: Product, entry: &Entry, pinned: bool) -> Result<Listed, CacheError> {
    let (state, bytes, source) = match cache::presence(entry)? {
        Presence::Absent => (State::Absent, None, None),
        Presence::Damaged(_) => (State::Damaged, Some(size_of(&entry.directory())), None),
        Presence::Finished(manifest) => (State::Cached, Some(manifest.bytes()), Some(manifest.source)),
    };
    Ok(Listed {
        product,
        version: entry.name().to_owned(),
        etcd: None,
        pinned,
        default: false,
        state,
        bytes,
        source,
        directory: entry.directory(),
    })
}

fn is_pinned(product: Product, version: &str) -> bool {
    let versions = Versions::pinned();
    match product {
        Product::Kubernetes => versions
            .kubernetes
            .iter()
            .any(|kubernetes| kubernetes.version.to_string() == version),
        Product::Keycloak => versions.keycloaks().iter().any(|keycloak| keycloak.version == version),
    }
}

/// The result of hashing a version anew.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The product.
    pub product: Product,
    /// The product's version.
    pub version: String,
    /// The version's directory in the cache.
    pub directory: PathBuf,
    /// The differences from the manifest; empty if there are none.
    pub damage: Vec<String>,
}

/// Hashes every file of the cache and compares the hashes with the manifests.
///
/// # Errors
/// The cache cannot be read.
pub async fn verify(options: &Options, events: &Events) -> Result<Vec<Verified>, CacheError> {
    let mut verified = Vec::new();
    for (product, entry) in cache::all(options)? {
        let directory = entry.directory();
        let _lock = entry.shared(events).await?;
        let damage = match cache::presence(&entry)? {
            Presence::Absent => continue,
            Presence::Damaged(why) => vec![why],
            Presence::Finished(manifest) => {
                let phase = events.phase(format!("verify {}", entry.product()));
                let at = directory.clone();
                let damage = tokio::task::spawn_blocking(move || manifest.damage(&at))
                    .await
                    .expect("hashing does not panic");
                let damage = damage.map_err(|source| CacheError::Storage {
                    path: directory.clone(),
                    source,
                })?;
                if damage.is_empty() {
                    phase.succeeded()
                } else {
                    phase.failed("files are damaged")
                }
                damage
            }
        };
        verified.push(Verified {
            product,
            version: entry.name().to_owned(),
            directory,
            damage,
        });
    }
    Ok(verified)
}

/// The result of pruning a version.
#[derive(Clone, Debug, Serialize)]
pub struct Pruned {
    /// The product.
    pub product: Product,
    /// The product's version.
    pub version: String,
    /// The number of bytes freed.
    pub bytes: u64,
    /// `true` if the version stays because it is in use or being made.
    pub in_use: bool,
}

/// A selection of versions to prune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// Versions that are not pinned, and visibly damaged ones.
    Unneeded,
    /// These versions, of any product.
    Versions(Vec<String>),
    /// All versions.
    Everything,
}

impl Unwanted {
    fn includes(&self, product: Product, entry: &Entry) -> Result<bool, CacheError> {
        Ok(match self {
            Self::Unneeded => !is_pinned(product, entry.name()) || matches!(cache::presence(entry)?, Presence::Damaged(_)),
            Self::Versions(versions) => versions.iter().any(|version| version == entry.name()),
            Self::Everything => true,
        })
    }
}

/// Removes the unwanted versions, except those that a running lab or another authlab uses. Always removes the leftovers of interrupted
/// runs.
///
/// # Errors
/// The cache cannot be read or written.
pub async fn prune(options: &Options, unwanted: &Unwanted) -> Result<Vec<Pruned>, CacheError> {
    let mut pruned = Vec::new();
    for (product, entry) in cache::all(options)? {
        let goes = unwanted.includes(product, &entry)?;
        let (bytes, in_use) = match entry.claim_now().await? {
            None => (0, goes),
            Some(claim) if goes => (claim.remove()?, false),
            Some(claim) => (claim.clear_leftovers()?, false),
        };
        if bytes > 0 || in_use {
            pruned.push(Pruned {
                product,
                version: entry.name().to_owned(),
                bytes,
                in_use,
            });
        }
    }
    Ok(pruned)
}
