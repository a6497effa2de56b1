//! The cache: directories that one process makes and others use, complete or not there.
//!
//! The main type is [`Entry`], a directory with a lock file beside it: a process that fills or removes it holds the lock exclusively, its
//! users share the lock. Two processes never fill the same entry, and the kernel releases the lock however its holder ends.

mod claim;
mod lock;

use std::fs::{File, TryLockError};
use std::future::ready;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use claim::{Claim, size_of};
use lock::Mode;

use crate::dirs::NoDirectory;
use crate::event::Events;
use crate::hint::Hint;
use crate::private::{self, NotPrivate, Others};
use crate::process::wait::{self, Condition, WaitError};

/// The time that a lock may linger after its holder has released it.
const MOMENT: Duration = Duration::from_millis(500);

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// No directory for the cache is known.
    #[error(transparent)]
    NoDirectory(#[from] NoDirectory),
    /// The cache cannot be read or written.
    #[error("cannot use the cache at {}", path.display())]
    Storage {
        /// The file or directory in the cache.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Other users could have changed the cache's contents.
    #[error("cannot trust the cache at {}", path.display())]
    Untrusted {
        /// The directory or file.
        path: PathBuf,
        /// The reason for the distrust.
        #[source]
        why: NotPrivate,
    },
    /// A lock file does not work.
    #[error("cannot lock {}", path.display())]
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

impl Hint for CacheError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoDirectory(_) => Some("set AUTHLAB_CACHE_DIR".to_owned()),
            Self::Storage { source, .. } | Self::Lock { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    Some("free some space (`authlab server-binaries prune`), or set AUTHLAB_CACHE_DIR to a directory with more".to_owned())
                }
                _ => Some("set AUTHLAB_CACHE_DIR to a directory that can be written".to_owned()),
            },
            Self::Untrusted { path, why } => Some(
                why.remedy(path)
                    .unwrap_or_else(|| "set AUTHLAB_CACHE_DIR to a directory of your own".to_owned()),
            ),
            Self::Busy { .. } => Some("end the other authlab, if it hangs".to_owned()),
            Self::InUse { .. } => Some("stop the lab first: `authlab down`".to_owned()),
            Self::Removed { .. } => Some("try again".to_owned()),
        }
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

/// A directory of the cache.
#[derive(Clone, Debug)]
pub struct Entry {
    root: PathBuf,
    parent: PathBuf,
    name: String,
    product: String,
    last: &'static str,
}

/// The state of an entry.
#[derive(Debug)]
pub enum Presence<T> {
    /// Nothing is there.
    Absent,
    /// The contents are unusable; holds the reason.
    Damaged(String),
    /// The entry is complete.
    Finished(T),
}

/// A finished entry that stays as long as its hold lives.
#[derive(Debug)]
pub struct Ready<T> {
    /// The result of the inspection.
    pub contents: T,
    /// The use of the entry.
    pub hold: Hold,
}

/// The result of looking for an entry.
#[derive(Debug)]
pub enum Found<T> {
    /// The entry is finished.
    Ready(Ready<T>),
    /// The entry is missing, and only the caller may fill it.
    Missing(Claim),
}

/// A finished entry in use: nobody removes or replaces it while a clone of this value lives, in any process.
#[derive(Clone, Debug)]
pub struct Hold {
    _lock: Option<Arc<File>>,
}

impl Hold {
    /// Creates a hold from `lock`, a lock in shared mode.
    fn sharing(lock: File) -> Self {
        Self {
            _lock: Some(Arc::new(lock)),
        }
    }

    /// Creates a hold on nothing, for files outside of the cache: authlab never removes those.
    pub fn nothing() -> Self {
        Self { _lock: None }
    }
}

impl Entry {
    /// Returns the entry `name` in the directory `kind` of the cache at `root`. `product` is what it is for people, and `last` the file in
    /// it that is written last.
    pub fn new(root: &Path, kind: &str, name: impl Into<String>, product: impl Into<String>, last: &'static str) -> Self {
        Self {
            root: root.to_owned(),
            parent: root.join(kind),
            name: name.into(),
            product: product.into(),
            last,
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it is for people: `Kubernetes 1.37.2`.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// Returns the directory that holds it beside others of its kind.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// Returns the finished directory.
    pub fn directory(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// Returns the log with the output of the tools that filled the entry last.
    pub fn log(&self) -> PathBuf {
        self.parent.join(format!("{}.log", self.name))
    }

    fn lock_path(&self) -> PathBuf {
        self.parent.join(format!("{}.lock", self.name))
    }

    fn temporary_prefix(&self) -> String {
        format!(".{}.partial-", self.name)
    }

    /// Returns the finished entry, or the exclusive right to fill it; waits for another authlab that is filling it. `inspect` reads the
    /// entry while nobody can change it.
    ///
    /// # Errors
    /// The cache cannot be used, or `inspect` fails.
    pub async fn find_or_claim<T, E, F>(&self, events: &Events, inspect: impl Fn() -> F) -> Result<Found<T>, E>
    where
        E: From<CacheError>,
        F: Future<Output = Result<Presence<T>, E>>,
    {
        loop {
            if let Some(ready) = self.ready(events, &inspect).await? {
                return Ok(Found::Ready(ready));
            }
            let claim = self.claim(events).await?;
            match inspect().await? {
                // Another authlab was faster.
                Presence::Finished(_) => drop(claim),
                Presence::Damaged(why) => {
                    events.note(format!("{} in the cache is damaged and will be replaced: {why}", self.product));
                    return Ok(Found::Missing(claim));
                }
                Presence::Absent => return Ok(Found::Missing(claim)),
            }
        }
    }

    /// Returns the finished entry, shared; `None` if it is missing or damaged.
    async fn ready<T, E, F>(&self, events: &Events, inspect: impl Fn() -> F) -> Result<Option<Ready<T>>, E>
    where
        E: From<CacheError>,
        F: Future<Output = Result<Presence<T>, E>>,
    {
        let Some(lock) = self.shared(events).await? else { return Ok(None) };
        Ok(match inspect().await? {
            Presence::Finished(contents) => Some(Ready {
                contents,
                hold: Hold::sharing(lock),
            }),
            Presence::Absent | Presence::Damaged(_) => None,
        })
    }

    /// Acquires the right to read the entry, which cannot change meanwhile; `None` if there is none.
    ///
    /// # Errors
    /// The cache cannot be used.
    pub async fn shared(&self, events: &Events) -> Result<Option<File>, CacheError> {
        self.expect_trusted()?;
        // Reading must not create directories: a cache that is only read may be on a read-only disk.
        if !self.directory().exists() && !self.lock_path().exists() {
            return Ok(None);
        }
        self.lock(Mode::Shared, events).await.map(Some)
    }

    /// Expects that no other user can have put programs into the entry.
    fn expect_trusted(&self) -> Result<(), CacheError> {
        [&self.root, &self.parent, &self.directory()]
            .into_iter()
            .try_for_each(|path| expect_trusted(path))
    }

    /// Acquires the exclusive right to fill, replace or remove the entry.
    ///
    /// # Errors
    /// The cache cannot be used, or the entry is in use.
    pub async fn claim(&self, events: &Events) -> Result<Claim, CacheError> {
        private::make_directory(&self.parent).map_err(|source| self.storage(source))?;
        self.expect_trusted()?;
        let lock = self.lock(Mode::Exclusive, events).await?;
        Ok(Claim::new(self.clone(), lock))
    }

    /// Acquires the same right almost at once; `None` while the entry is in use or being filled. A released lock can be held a moment
    /// longer by a program that was started meanwhile, until it execs.
    ///
    /// # Errors
    /// The lock does not work.
    pub async fn claim_now(&self) -> Result<Option<Claim>, CacheError> {
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

    fn storage(&self, source: io::Error) -> CacheError {
        CacheError::Storage {
            path: self.parent.clone(),
            source,
        }
    }
}
