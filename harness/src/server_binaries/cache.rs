//! The cache of servers: an entry for each version of a product, verified by its manifest.
//!
//! The main functions are [`entry`], [`inspect`] and [`publish`].

use std::io;
use std::path::{Path, PathBuf};

use super::checked::Checked;
use super::manifest::{self, Manifest};
use super::options::{Options, Source};
use crate::cache::{CacheError, Claim, Entry, Presence, Ready};
use crate::dirs::NoDirectory;
use crate::event::Events;
use crate::private::{self, Others};

/// A product whose versions the cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// etcd, kube-apiserver, kube-controller-manager and kubectl.
    Kubernetes,
    /// Keycloak's distribution.
    Keycloak,
}

impl Product {
    pub(super) const ALL: [Self; 2] = [Self::Kubernetes, Self::Keycloak];

    pub(super) fn directory(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Keycloak => "keycloak",
        }
    }
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kubernetes => "Kubernetes",
            Self::Keycloak => "Keycloak",
        })
    }
}

/// Returns the directory of the cache that `options` name.
pub(super) fn root(options: &Options) -> Result<PathBuf, NoDirectory> {
    match &options.cache {
        Some(directory) => Ok(directory.clone()),
        None => crate::dirs::cache(),
    }
}

/// Returns the entry of `version`.
pub(super) fn entry(options: &Options, product: Product, version: &str) -> Result<Entry, CacheError> {
    let title = format!("{product} {version}");
    Ok(Entry::new(&root(options)?, product.directory(), version, title, manifest::FILE))
}

/// Returns every entry of the cache that `options` name: finished ones and leftovers.
pub(super) fn all(options: &Options) -> Result<Vec<(Product, Entry)>, CacheError> {
    let mut entries = Vec::new();
    for product in Product::ALL {
        let parent = root(options)?.join(product.directory());
        let found = match fs_err::read_dir(&parent) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(CacheError::Storage { path: parent, source }),
        };
        let mut versions: Vec<String> = found
            .flatten()
            .filter_map(|file| Some(version_in(file.file_name().to_str()?)?.to_owned()))
            .collect();
        versions.sort();
        versions.dedup();
        for version in versions {
            entries.push((product, entry(options, product, &version)?));
        }
    }
    Ok(entries)
}

fn storage(path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |source| CacheError::Storage { path, source }
}

/// Returns the current state of `entry`; reads sizes, not contents.
pub(super) fn presence(entry: &Entry) -> Result<Presence<Manifest>, CacheError> {
    let directory = entry.directory();
    if !directory.exists() {
        return Ok(Presence::Absent);
    }
    let manifest = Manifest::of(&directory).map_err(storage(&directory))?;
    Ok(match manifest {
        None => Presence::Damaged("it has no manifest".to_owned()),
        Some(manifest) => match manifest.first_missing(&directory) {
            Some(file) => Presence::Damaged(format!("{file} is missing or has another size")),
            None => Presence::Finished(manifest),
        },
    })
}

/// Checks `entry` down to its contents: hashes them, unless that was done before and no file has changed since. The caller holds the lock.
pub(super) async fn inspect(entry: &Entry, events: &Events) -> Result<Presence<Manifest>, CacheError> {
    let presence = presence(entry)?;
    let Presence::Finished(manifest) = presence else {
        return Ok(presence);
    };
    let directory = entry.directory();
    // A cache that root filled is trusted like root's other programs; this user could not record the check there.
    if private::expect_directory(&directory, Others::Read).is_err() {
        return Ok(Presence::Finished(manifest));
    }
    let now = Checked::now(&directory, &manifest).map_err(storage(&directory))?;
    if Checked::noted(&directory).is_some_and(|noted| noted == now) {
        return Ok(Presence::Finished(manifest));
    }
    let phase = events.phase(format!("verify {}", entry.product()));
    let (at, hashed) = (directory.clone(), manifest.clone());
    let damage = tokio::task::spawn_blocking(move || hashed.damage(&at))
        .await
        .expect("hashing does not panic")
        .map_err(storage(&directory))?;
    match damage.into_iter().next() {
        Some(damage) => {
            phase.failed(&damage);
            Ok(Presence::Damaged(damage))
        }
        None => {
            phase.succeeded();
            // On a read-only disk the check cannot be recorded, so the files are hashed each time.
            let _ = now.note(&directory);
            Ok(Presence::Finished(manifest))
        }
    }
}

/// Turns `filled`, a directory within the staging directory of `claim`, into `entry`.
pub(super) async fn publish(
    entry: &Entry,
    claim: Claim,
    filled: &Path,
    source: Source,
    events: &Events,
) -> Result<Ready<Manifest>, CacheError> {
    let (from, product) = (filled.to_owned(), entry.product().to_owned());
    let described = tokio::task::spawn_blocking(move || {
        let manifest = Manifest::describe(&from, product, source)?;
        // The files were hashed just now.
        Checked::now(&from, &manifest)?.note(&from)?;
        manifest.write(&from)
    });
    described
        .await
        .expect("describing a directory does not panic")
        .map_err(storage(entry.parent()))?;
    claim.replace(filled)?;
    claim.share(events, || inspect(entry, events)).await
}

/// Returns the version that a file name in the cache belongs to; `None` for names that are not authlab's.
fn version_in(name: &str) -> Option<&str> {
    let version = match name.strip_prefix('.') {
        Some(temporary) => temporary.split_once(".partial-")?.0,
        None => name.strip_suffix(".log").or_else(|| name.strip_suffix(".lock")).unwrap_or(name),
    };
    let numbers = version.split('.').filter(|number| number.parse::<u32>().is_ok()).count();
    (numbers == 3 && version.split('.').count() == 3).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_versions_are_the_caches_own() {
        for name in ["1.37.2", "1.37.2.lock", "1.37.2.log", ".1.37.2.partial-Ab1", ".1.37.2.partial-old"] {
            assert_eq!(version_in(name), Some("1.37.2"), "{name}");
        }
        for name in [
            "",
            ".",
            "1.37",
            "1.37.2.3",
            "notes.txt",
            "1.37.x",
            ".1.37.2",
            "26.7.4-prepared",
            ".DS_Store",
        ] {
            assert_eq!(version_in(name), None, "{name}");
        }
    }
}
