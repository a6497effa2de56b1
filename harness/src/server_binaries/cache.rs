//! The cache: one directory per version, complete or not there.
//!
//! The main type is [`Entry`]: the place of one version. It is filled in a temporary sibling and renamed, under a lock file per version: a
//! process that fills or removes it holds the lock exclusively, its users share the lock.

use std::fs::{File, TryLockError};
use std::future::ready;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::dirs::NoDirectory;
use crate::event::Events;
use crate::private::{self, NotPrivate, Others};
use crate::process::wait::{self, Condition, WaitError};

use super::checked::Checked;
use super::claim::Claim;
use super::lock::Mode;
use super::manifest::Manifest;
use super::options::Options;

/// The time that a lock may linger after its holder has released it.
const MOMENT: Duration = Duration::from_millis(500);

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// No directory for the cache is known.
    #[error(transparent)]
    NoDirectory(#[from] NoDirectory),
    /// The cache cannot be read or written.
    #[error("could not use the cache at {}", path.display())]
    Storage {
        /// The file or directory in the cache.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Other users could have changed the cache's contents.
    #[error("the cache at {} is not used", path.display())]
    Untrusted {
        /// The directory or file.
        path: PathBuf,
        /// The reason for the distrust.
        #[source]
        why: NotPrivate,
    },
    /// A lock file does not work.
    #[error("could not lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another authlab has been filling the entry for too long.
    #[error("another authlab has held {} for more than {limit:?}", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// The time waited.
        limit: Duration,
    },
    /// A lab uses the entry that should be replaced or removed.
    #[error("{product} in the cache is in use by a lab that runs")]
    InUse {
        /// The product with its version.
        product: String,
    },
    /// Another process removed the entry right after it was made.
    #[error("{product} was removed from {} while it was being made", path.display())]
    Removed {
        /// The product with its version.
        product: String,
        /// The directory that is gone.
        path: PathBuf,
    },
}

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

/// Expects that only this user and root can change `path`, since programs in the cache are executed. A missing path is fine.
fn expect_trusted(path: &Path) -> Result<(), CacheError> {
    // The cache itself may be a link to a larger disk: the directory that it leads to counts.
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    let trusted = match private::expect_directory(&real, Others::Read) {
        // An administrator may have filled a cache for all users.
        Err(NotPrivate::Foreign { owner: 0, .. }) => private::expect_unwritable(&real),
        // A file in place of the directory is reported when the cache is used.
        Err(NotPrivate::NotADirectory) => Ok(()),
        other => other,
    };
    trusted.map_err(|why| CacheError::Untrusted {
        path: path.to_owned(),
        why,
    })
}

/// The place of one version in the cache.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) product: Product,
    pub(super) version: String,
    pub(super) parent: PathBuf,
}

/// The state of an entry's place.
#[derive(Debug)]
pub(super) enum Presence {
    /// Nothing is there.
    Absent,
    /// The contents are unusable; holds the reason.
    Damaged(String),
    /// The entry is complete.
    Finished(Manifest),
}

/// A finished entry that stays as long as this value lives.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) manifest: Manifest,
    pub(super) hold: Hold,
}

/// The result of looking for an entry.
pub(super) enum Found {
    /// The entry is finished.
    Ready(Ready),
    /// The entry is missing, and only the caller may fill it.
    Missing(Claim),
}

/// A finished entry in use: `prune` and forced builds leave it alone while a clone of this value lives, in any process.
#[derive(Clone, Debug)]
pub struct Hold {
    _lock: Option<Arc<File>>,
}

impl Hold {
    /// Creates a hold from `lock`, a lock in shared mode.
    pub(super) fn sharing(lock: File) -> Self {
        Self {
            _lock: Some(Arc::new(lock)),
        }
    }

    /// Creates a hold on nothing, for files outside of the cache: authlab never removes those.
    pub(super) fn nothing() -> Self {
        Self { _lock: None }
    }
}

impl Entry {
    pub(super) fn new(options: &Options, product: Product, version: impl Into<String>) -> Result<Self, CacheError> {
        Ok(Self {
            product,
            version: version.into(),
            parent: root(options)?.join(product.directory()),
        })
    }

    /// Returns the finished directory.
    pub(super) fn directory(&self) -> PathBuf {
        self.parent.join(&self.version)
    }

    /// Returns the log with the output of the tools that filled the entry last.
    pub(super) fn log(&self) -> PathBuf {
        self.parent.join(format!("{}.log", self.version))
    }

    /// Returns the product with its version: `Kubernetes 1.37.2`.
    pub(super) fn product(&self) -> String {
        format!("{} {}", self.product, self.version)
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.parent.join(format!("{}.lock", self.version))
    }

    pub(super) fn temporary_prefix(&self) -> String {
        format!(".{}.partial-", self.version)
    }

    /// Returns the current state of the entry; reads sizes, not contents.
    pub(super) fn presence(&self) -> Result<Presence, CacheError> {
        let directory = self.directory();
        if !directory.exists() {
            return Ok(Presence::Absent);
        }
        let manifest = Manifest::of(&directory).map_err(|source| CacheError::Storage {
            path: directory.clone(),
            source,
        })?;
        Ok(match manifest {
            None => Presence::Damaged("it has no manifest".to_owned()),
            Some(manifest) => match manifest.first_missing(&directory) {
                Some(file) => Presence::Damaged(format!("{file} is missing or has another size")),
                None => Presence::Finished(manifest),
            },
        })
    }

    /// Checks the entry down to its contents: hashes them, unless that was done before and no file has changed since. The caller holds the
    /// lock.
    async fn inspect(&self, events: &Events) -> Result<Presence, CacheError> {
        let presence = self.presence()?;
        let Presence::Finished(manifest) = presence else {
            return Ok(presence);
        };
        let directory = self.directory();
        let storage = |source| CacheError::Storage {
            path: directory.clone(),
            source,
        };
        // A cache that root filled is trusted like root's other programs; this user could not record the check there.
        if private::expect_directory(&directory, Others::Read).is_err() {
            return Ok(Presence::Finished(manifest));
        }
        let now = Checked::now(&directory, &manifest).map_err(storage)?;
        if Checked::noted(&directory).is_some_and(|noted| noted == now) {
            return Ok(Presence::Finished(manifest));
        }
        let phase = events.phase(format!("verify {}", self.product()));
        let (at, hashed) = (directory.clone(), manifest.clone());
        let damage = tokio::task::spawn_blocking(move || hashed.damage(&at))
            .await
            .expect("hashing does not panic")
            .map_err(storage)?;
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

    /// Returns the finished entry, or the exclusive right to fill it; waits for another authlab that is filling it.
    pub(super) async fn find_or_claim(&self, events: &Events) -> Result<Found, CacheError> {
        loop {
            if let Some(ready) = self.ready(events).await? {
                return Ok(Found::Ready(ready));
            }
            let claim = self.claim(events).await?;
            match self.inspect(events).await? {
                // Another authlab was faster.
                Presence::Finished(_) => drop(claim),
                Presence::Damaged(why) => {
                    events.note(format!("{} in the cache is damaged and will be replaced: {why}", self.product()));
                    return Ok(Found::Missing(claim));
                }
                Presence::Absent => return Ok(Found::Missing(claim)),
            }
        }
    }

    /// Returns the finished entry, shared and verified; `None` if it is missing or damaged.
    pub(super) async fn ready(&self, events: &Events) -> Result<Option<Ready>, CacheError> {
        let Some(lock) = self.shared(events).await? else { return Ok(None) };
        Ok(match self.inspect(events).await? {
            Presence::Finished(manifest) => Some(Ready {
                manifest,
                hold: Hold::sharing(lock),
            }),
            Presence::Absent | Presence::Damaged(_) => None,
        })
    }

    /// Acquires the right to read the entry, which cannot change meanwhile; `None` if there is none.
    pub(super) async fn shared(&self, events: &Events) -> Result<Option<File>, CacheError> {
        self.expect_trusted()?;
        // Reading must not create directories: a cache that is only read may be on a read-only disk.
        if !matches!(self.presence()?, Presence::Finished(_)) && !self.lock_path().exists() {
            return Ok(None);
        }
        self.lock(Mode::Shared, events).await.map(Some)
    }

    /// Expects that no other user can have put programs into the entry.
    fn expect_trusted(&self) -> Result<(), CacheError> {
        let directory = self.directory();
        let above = self.parent.parent().unwrap_or(&self.parent);
        [above, &self.parent, &directory].into_iter().try_for_each(expect_trusted)
    }

    /// Acquires the exclusive right to fill, replace or remove the entry.
    pub(super) async fn claim(&self, events: &Events) -> Result<Claim, CacheError> {
        private::make_directory(&self.parent).map_err(|source| self.storage(source))?;
        self.expect_trusted()?;
        let lock = self.lock(Mode::Exclusive, events).await?;
        Ok(Claim::new(self.clone(), lock))
    }

    /// Acquires the same right almost at once; `None` while the entry is in use or being filled. A released lock can be held a moment
    /// longer by a program that was started meanwhile, until it execs.
    pub(super) async fn claim_now(&self) -> Result<Option<Claim>, CacheError> {
        let lock = self.open_lock()?;
        let tried = wait::until("the lock of the cache", MOMENT, || {
            ready(match lock.try_lock() {
                Ok(()) => Ok(Condition::Met(())),
                Err(TryLockError::WouldBlock) => Ok(Condition::NotYet("it is in use".to_owned())),
                Err(TryLockError::Error(source)) => Err(CacheError::Lock {
                    path: self.lock_path(),
                    source,
                }),
            })
        })
        .await;
        match tried {
            Ok(()) => Ok(Some(Claim::new(self.clone(), lock))),
            Err(WaitError::TimedOut { .. }) => Ok(None),
            Err(WaitError::Failed(error)) => Err(error),
        }
    }

    pub(super) fn storage(&self, source: io::Error) -> CacheError {
        CacheError::Storage {
            path: self.parent.clone(),
            source,
        }
    }

    /// Returns every entry of the cache that `options` name: finished ones and leftovers.
    pub(super) fn all(options: &Options) -> Result<Vec<Self>, CacheError> {
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
            entries.extend(versions.into_iter().map(|version| Self {
                product,
                version,
                parent: parent.clone(),
            }));
        }
        Ok(entries)
    }
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
