//! Filling, replacing and removing entries of the cache.
//!
//! The main type is [`Claim`]: the lock of an entry, held exclusively. A directory gets its final name only when it is complete, whatever
//! happens before.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::event::Events;

use super::{CacheError, Entry, Hold, Presence, Ready};

/// The exclusive right to fill, replace or remove an entry, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    entry: Entry,
    lock: File,
}

impl Claim {
    pub(super) fn new(entry: Entry, lock: File) -> Self {
        Self { entry, lock }
    }

    /// Creates a temporary directory to fill, after removing the leftovers of interrupted runs.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn staging(&self) -> Result<tempfile::TempDir, CacheError> {
        self.clear_leftovers()?;
        tempfile::Builder::new()
            .prefix(&self.entry.temporary_prefix())
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&self.entry.parent)
            .map_err(|source| self.entry.storage(source))
    }

    /// Removes the leftovers of interrupted runs; returns their size in bytes.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn clear_leftovers(&self) -> Result<u64, CacheError> {
        let storage = |source| self.entry.storage(source);
        let prefix = self.entry.temporary_prefix();
        let mut bytes = 0;
        for found in fs_err::read_dir(&self.entry.parent).map_err(storage)? {
            let found = found.map_err(storage)?;
            if found.file_name().to_string_lossy().starts_with(&prefix) {
                bytes += size_of(&found.path());
                self.remove_tree(&found.path()).map_err(storage)?;
            }
        }
        Ok(bytes)
    }

    /// Moves `filled`, a directory within the staging directory, to the place of the entry.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn replace(&self, filled: &Path) -> Result<(), CacheError> {
        let storage = |source| self.entry.storage(source);
        let directory = self.entry.directory();
        // An interruption leaves this directory as a leftover like any other.
        let old = self.entry.parent.join(format!("{}old", self.entry.temporary_prefix()));
        if directory.exists() {
            fs_err::rename(&directory, &old).map_err(storage)?;
        }
        fs_err::rename(filled, &directory).map_err(storage)?;
        if old.exists() {
            self.remove_tree(&old).map_err(storage)?;
        }
        Ok(())
    }

    /// Turns the exclusive right into a use of the entry, which `inspect` reads.
    ///
    /// # Errors
    /// `inspect` fails, or another process removed the entry in between.
    pub async fn share<T, E, F>(self, events: &Events, inspect: impl Fn() -> F) -> Result<Ready<T>, E>
    where
        E: From<CacheError>,
        F: Future<Output = Result<Presence<T>, E>>,
    {
        let Self { entry, lock } = self;
        // Downgrades the lock from exclusive to shared; another process may get in between.
        if lock.try_lock_shared().is_ok()
            && let Presence::Finished(contents) = inspect().await?
        {
            return Ok(Ready {
                contents,
                hold: Hold::sharing(lock),
            });
        }
        drop(lock);
        let removed = || CacheError::Removed {
            product: entry.product.clone(),
            path: entry.directory(),
        };
        entry.ready(events, inspect).await?.ok_or_else(|| removed().into())
    }

    /// Removes the entry, its log and leftovers; returns the number of bytes freed. The lock file stays: other processes may be waiting on
    /// it.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn remove(self) -> Result<u64, CacheError> {
        let mut bytes = self.clear_leftovers()?;
        for path in [self.entry.directory(), self.entry.log()] {
            if path.exists() {
                bytes += size_of(&path);
                self.remove_tree(&path).map_err(|source| self.entry.storage(source))?;
            }
        }
        Ok(bytes)
    }

    /// Removes a file, or a directory with all its contents. The files written last go first, so that a half-removed entry never looks
    /// finished.
    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        if !fs_err::symlink_metadata(path)?.is_dir() {
            return fs_err::remove_file(path);
        }
        let last = path.join(self.entry.last);
        if last.exists() {
            fs_err::remove_file(last)?;
        }
        fs_err::remove_dir_all(path)
    }
}

/// Returns the size of everything below `path` in bytes; unreadable files count as 0.
pub fn size_of(path: &Path) -> u64 {
    let Ok(found) = fs_err::symlink_metadata(path) else { return 0 };
    if !found.is_dir() {
        return if found.is_file() { found.len() } else { 0 };
    }
    let Ok(entries) = fs_err::read_dir(path) else { return 0 };
    entries.flatten().map(|entry| size_of(&entry.path())).sum()
}
