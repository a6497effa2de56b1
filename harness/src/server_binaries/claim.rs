//! Filling, replacing and removing entries of the cache.
//!
//! The main type is [`Claim`]: the lock of an entry, held exclusively. A directory gets its final name only when it is complete, whatever
//! happens before.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::event::Events;

use super::cache::{CacheError, Entry, Hold, Presence, Ready};
use super::checked::Checked;
use super::manifest::{self, Manifest, size_of};
use super::options::Source;

/// The exclusive right to fill, replace or remove an entry, until it is dropped.
pub(super) struct Claim {
    entry: Entry,
    lock: File,
}

impl Claim {
    pub(super) fn new(entry: Entry, lock: File) -> Self {
        Self { entry, lock }
    }

    /// Creates a temporary directory to fill, after removing the leftovers of interrupted runs.
    pub(super) fn staging(&self) -> Result<tempfile::TempDir, CacheError> {
        self.clear_leftovers()?;
        tempfile::Builder::new()
            .prefix(&self.entry.temporary_prefix())
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&self.entry.parent)
            .map_err(|source| self.entry.storage(source))
    }

    /// Removes the leftovers of interrupted runs; returns their size in bytes.
    pub(super) fn clear_leftovers(&self) -> Result<u64, CacheError> {
        let storage = |source| self.entry.storage(source);
        let prefix = self.entry.temporary_prefix();
        let mut bytes = 0;
        for found in fs_err::read_dir(&self.entry.parent).map_err(storage)? {
            let found = found.map_err(storage)?;
            if found.file_name().to_string_lossy().starts_with(&prefix) {
                bytes += size_of(&found.path());
                remove_tree(&found.path()).map_err(storage)?;
            }
        }
        Ok(bytes)
    }

    /// Turns `filled`, a directory within the staging directory, into the entry.
    pub(super) async fn publish(self, filled: &Path, source: Source, events: &Events) -> Result<Ready, CacheError> {
        let Self { entry, lock } = self;
        let (from, product) = (filled.to_owned(), entry.product());
        let described = tokio::task::spawn_blocking(move || {
            let manifest = Manifest::describe(&from, product, source)?;
            // The files were hashed just now.
            Checked::now(&from, &manifest)?.note(&from)?;
            manifest.write(&from).map(|()| manifest)
        })
        .await
        .expect("describing a directory does not panic");
        let manifest = described.map_err(|source| entry.storage(source))?;

        let directory = entry.directory();
        // An interruption leaves this directory as a leftover like any other.
        let old = entry.parent.join(format!("{}old", entry.temporary_prefix()));
        if directory.exists() {
            fs_err::rename(&directory, &old).map_err(|source| entry.storage(source))?;
        }
        fs_err::rename(filled, &directory).map_err(|source| entry.storage(source))?;
        if old.exists() {
            remove_tree(&old).map_err(|source| entry.storage(source))?;
        }
        // Downgrades the lock from exclusive to shared; another process may get in between.
        if lock.try_lock_shared().is_ok() && matches!(entry.presence()?, Presence::Finished(_)) {
            return Ok(Ready {
                manifest,
                hold: Hold::sharing(lock),
            });
        }
        drop(lock);
        let removed = CacheError::Removed {
            product: entry.product(),
            path: directory,
        };
        entry.ready(events).await?.ok_or(removed)
    }

    /// Removes the entry, its log and leftovers; returns the number of bytes freed. The lock file stays: other processes may be waiting on
    /// it.
    pub(super) fn remove(self) -> Result<u64, CacheError> {
        let mut bytes = self.clear_leftovers()?;
        for path in [self.entry.directory(), self.entry.log()] {
            if path.exists() {
                bytes += size_of(&path);
                remove_tree(&path).map_err(|source| self.entry.storage(source))?;
            }
        }
        Ok(bytes)
    }
}

/// Removes a file, or a directory with all its contents. The manifest goes first, so that a half-removed entry never looks finished.
fn remove_tree(path: &Path) -> io::Result<()> {
    if !fs_err::symlink_metadata(path)?.is_dir() {
        return fs_err::remove_file(path);
    }
    let manifest = path.join(manifest::FILE);
    if manifest.exists() {
        fs_err::remove_file(manifest)?;
    }
    fs_err::remove_dir_all(path)
}
