//! What the cache holds, whether it is sound, and what may go.
//!
//! The main functions are [`list`], [`verify`] and [`prune`]; each takes the
//! pinned versions and what is found on disk together.

use std::path::PathBuf;

use serde::Serialize;

use crate::event::Events;

use super::cache::{CacheError, Entry, Presence, Product};
use super::manifest::size_of;
use super::options::{Options, Source};
use super::versions::Versions;

/// A version that is pinned, cached or both.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// What it is.
    pub product: Product,
    /// In which version.
    pub version: String,
    /// The etcd that belongs to it.
    pub etcd: Option<String>,
    /// Whether this authlab was made for it.
    pub pinned: bool,
    /// Whether it is what is used when nothing is said.
    pub default: bool,
    /// Whether it is in the cache.
    pub state: State,
    /// The size in the cache.
    pub bytes: Option<u64>,
    /// Where the files came from.
    pub source: Option<Source>,
    /// The place in the cache.
    pub directory: PathBuf,
}

/// Whether a version is in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is not.
    Absent,
    /// All of it.
    Cached,
    /// Files are missing or have another size.
    Damaged,
}

/// Every pinned version, then every other one that the cache holds.
///
/// # Errors
/// The cache cannot be read.
pub fn list(options: &Options) -> Result<Vec<Listed>, CacheError> {
    let versions = Versions::pinned();
    let mut listed = Vec::new();
    for kubernetes in &versions.kubernetes {
        let entry = Entry::new(options, Product::Kubernetes, kubernetes.version.to_string())?;
        let default = kubernetes.version == versions.newest().version;
        listed.push(Listed {
            etcd: Some(kubernetes.etcd.clone()),
            default,
            ..describe(&entry, true)?
        });
    }
    for keycloak in versions.keycloaks() {
        let entry = Entry::new(options, Product::Keycloak, &keycloak.version)?;
        listed.push(Listed {
            default: keycloak.version == versions.keycloak.version,
            ..describe(&entry, true)?
        });
    }
    for entry in Entry::all(options)? {
        if !is_pinned(&entry) && entry.directory().exists() {
            listed.push(describe(&entry, false)?);
        }
    }
    Ok(listed)
}

fn describe(entry: &Entry, pinned: bool) -> Result<Listed, CacheError> {
    let (state, bytes, source) = match entry.presence()? {
        Presence::Absent => (State::Absent, None, None),
        Presence::Damaged(_) => (State::Damaged, Some(size_of(&entry.directory())), None),
        Presence::Finished(manifest) => (State::Cached, Some(manifest.bytes()), Some(manifest.source)),
    };
    Ok(Listed {
        product: entry.product,
        version: entry.version.clone(),
        etcd: None,
        pinned,
        default: false,
        state,
        bytes,
        source,
        directory: entry.directory(),
    })
}

fn is_pinned(entry: &Entry) -> bool {
    let versions = Versions::pinned();
    match entry.product {
        Product::Kubernetes => versions
            .kubernetes
            .iter()
            .any(|kubernetes| kubernetes.version.to_string() == entry.version),
        Product::Keycloak => versions.keycloaks().iter().any(|keycloak| keycloak.version == entry.version),
    }
}

/// What hashing a version anew showed.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// What it is.
    pub product: Product,
    /// In which version.
    pub version: String,
    /// The place in the cache.
    pub directory: PathBuf,
    /// What is not as it was when it was obtained; empty when all is sound.
    pub damage: Vec<String>,
}

/// Hashes every file of the cache and compares with the manifests.
///
/// # Errors
/// The cache cannot be read.
pub async fn verify(options: &Options, events: &Events) -> Result<Vec<Verified>, CacheError> {
    let mut verified = Vec::new();
    for entry in Entry::all(options)? {
        let directory = entry.directory();
        let _lock = entry.shared(events).await?;
        let damage = match entry.presence()? {
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
            product: entry.product,
            version: entry.version,
            directory,
            damage,
        });
    }
    Ok(verified)
}

/// What pruning did with a version.
#[derive(Clone, Debug, Serialize)]
pub struct Pruned {
    /// What it is.
    pub product: Product,
    /// In which version.
    pub version: String,
    /// How many bytes are free now.
    pub bytes: u64,
    /// Whether it stays because somebody uses or makes it.
    pub in_use: bool,
}

/// What pruning removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// What no pinned version needs, and what is visibly damaged.
    Unneeded,
    /// These versions, of whatever product.
    Versions(Vec<String>),
    /// All there is.
    Everything,
}

impl Unwanted {
    fn includes(&self, entry: &Entry) -> Result<bool, CacheError> {
        Ok(match self {
            Self::Unneeded => !is_pinned(entry) || matches!(entry.presence()?, Presence::Damaged(_)),
            Self::Versions(versions) => versions.contains(&entry.version),
            Self::Everything => true,
        })
    }
}

/// Removes what is unwanted: never what a lab that runs, or another authlab, uses. What
/// interrupted authlabs left goes in any case.
///
/// # Errors
/// The cache cannot be read or written.
pub async fn prune(options: &Options, unwanted: &Unwanted) -> Result<Vec<Pruned>, CacheError> {
    let mut pruned = Vec::new();
    for entry in Entry::all(options)? {
        let goes = unwanted.includes(&entry)?;
        let (bytes, in_use) = match entry.claim_now().await? {
            None => (0, goes),
            Some(claim) if goes => (claim.remove()?, false),
            Some(claim) => (claim.clear_leftovers()?, false),
        };
        if bytes > 0 || in_use {
            pruned.push(Pruned {
                product: entry.product,
                version: entry.version,
                bytes,
                in_use,
            });
        }
    }
    Ok(pruned)
}
