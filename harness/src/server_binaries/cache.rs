//! The cache: one directory per version, complete or not there.
//!
//! The main type is [`Entry`]: the place of one version. It is filled in a
//! temporary sibling and renamed, under a lock file per version: who fills
//! or removes it holds the lock alone, who uses it shares the lock.

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

/// How long a lock may linger that nobody holds any more.
const MOMENT: Duration = Duration::from_millis(500);

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no place for it.
    #[error(transparent)]
    NoDirectory(#[from] NoDirectory),
    /// It cannot be read or written.
    #[error("could not use the cache at {}", path.display())]
    Storage {
        /// The place in it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could have changed what is in it.
    #[error("the cache at {} is not used", path.display())]
    Untrusted {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        #[source]
        why: NotPrivate,
    },
    /// A lock file does not work.
    #[error("could not lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another authlab has been filling the entry for too long.
    #[error("another authlab has held {} for more than {limit:?}", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// A lab uses the entry that should be replaced or removed.
    #[error("{product} in the cache is in use by a lab that runs")]
    InUse {
        /// What it is and in which version.
        product: String,
    },
    /// Somebody removed the entry right after it was made.
    #[error("{product} was removed from {} while it was being made", path.display())]
    Removed {
        /// What it is and in which version.
        product: String,
        /// The directory that is gone.
        path: PathBuf,
    },
}

/// What the cache holds versions of.
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

/// The directory of the cache that `options` name.
pub(super) fn root(options: &Options) -> Result<PathBuf, NoDirectory> {
    match &options.cache {
        Some(directory) => Ok(directory.clone()),
        None => crate::dirs::cache(),
    }
}

/// Expects that nobody but this user and root can change `path`, since programs in the cache are run. A missing path is fine.
fn expect_trusted(path: &Path) -> Result<(), CacheError> {
    // The cache itself may be a link to a larger disk: the directory counts that it leads to.
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    let trusted = match private::expect_directory(&real, Others::Read) {
        // An administrator may have filled a cache for all.
        Err(NotPrivate::Foreign { owner: 0, .. }) => private::expect_unwritable(&real),
        // A file in its place is told when it is used.
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

/// What is at a place.
#[derive(Debug)]
pub(super) enum Presence {
    /// Nothing.
    Absent,
    /// Something unusable, and why.
    Damaged(String),
    /// All of it.
    Finished(Manifest),
}

/// A finished entry that stays as long as this lives.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) manifest: Manifest,
    pub(super) hold: Hold,
}

/// What looking for an entry led to.
pub(super) enum Found {
    /// It is there.
    Ready(Ready),
    /// It is not, and the caller alone may fill it.
    Missing(Claim),
}

/// A finished entry in use: `prune` and forced builds leave it alone while a
/// clone of this lives, in whatever process.
#[derive(Clone, Debug)]
pub struct Hold {
    _lock: Option<Arc<File>>,
}

impl Hold {
    /// `lock` is held shared.
    pub(super) fn sharing(lock: File) -> Self {
        Self {
            _lock: Some(Arc::new(lock)),
        }
    }

    /// For files that are not the cache's: nobody removes them.
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

    /// The finished directory.
    pub(super) fn directory(&self) -> PathBuf {
        self.parent.join(&self.version)
    }

    /// The output of the tools that filled it last.
    pub(super) fn log(&self) -> PathBuf {
        self.parent.join(format!("{}.log", self.version))
    }

    /// `Kubernetes 1.37.2`.
    pub(super) fn product(&self) -> String {
        format!("{} {}", self.product, self.version)
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.parent.join(format!("{}.lock", self.version))
    }

    pub(super) fn temporary_prefix(&self) -> String {
        format!(".{}.partial-", self.version)
    }

    /// What is there now; reads sizes, not contents.
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

    /// Looks at what is there, down to the contents: hashed, unless it was and no file changed since. The caller holds the lock.
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
        // A cache that root filled is trusted as root's other programs are; nothing could be noted there.
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
                // On a read-only disk it cannot be noted, and is hashed each time.
                let _ = now.note(&directory);
                Ok(Presence::Finished(manifest))
            }
        }
    }

    /// The finished entry, or the sole right to fill it; waits for another
    /// authlab that is filling it.
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

    /// The finished entry, shared and sound; `None` when it is not there, or damaged.
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

    /// The right to look at the entry, which stays as it is meanwhile; `None` when there is nothing.
    pub(super) async fn shared(&self, events: &Events) -> Result<Option<File>, CacheError> {
        self.expect_trusted()?;
        // Looking must not make directories: a cache that is only read may be read-only.
        if !matches!(self.presence()?, Presence::Finished(_)) && !self.lock_path().exists() {
            return Ok(None);
        }
        self.lock(Mode::Shared, events).await.map(Some)
    }

    /// Expects that nobody else can have put there what is run.
    fn expect_trusted(&self) -> Result<(), CacheError> {
        let directory = self.directory();
        let above = self.parent.parent().unwrap_or(&self.parent);
        [above, &self.parent, &directory].into_iter().try_for_each(expect_trusted)
    }

    /// The sole right to fill, replace or remove the entry.
    pub(super) async fn claim(&self, events: &Events) -> Result<Claim, CacheError> {
        private::make_directory(&self.parent).map_err(|source| self.storage(source))?;
        self.expect_trusted()?;
        let lock = self.lock(Mode::Exclusive, events).await?;
        Ok(Claim::new(self.clone(), lock))
    }

    /// The same almost at once; `None` while anybody uses or fills the entry. A lock
    /// that was let go can be held a moment longer: by a program that was started
    /// meanwhile, until it execs.
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

    /// Every entry of the cache that `options` name: finished ones and leftovers.
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

/// The version that a name in the cache belongs to; other names are not ours.
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
