//! The record of files in the cache that were hashed and have not changed since.
//!
//! The main type is [`Checked`]. Hashing must not delay the start of a lab, and a lab must not run servers that were tampered with: so a
//! version is hashed on its first use, and again when one of its files has been replaced or changed.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;

/// The record's name in the directory of the version.
pub(super) const FILE: &str = "checked.json";

/// The state of files at the time they were hashed, by their path.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checked(BTreeMap<String, Stamp>);

/// The attributes that change with a file's contents. The time of the inode's last change (ctime) is not among them: labs create further
/// links to Keycloak's libraries.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Checked {
    /// Returns the current state of the files of `manifest` in `directory`.
    pub(super) fn now(directory: &Path, manifest: &Manifest) -> io::Result<Self> {
        let stamp = |path: &String| {
            let seen = fs_err::symlink_metadata(directory.join(path))?;
            let stamp = Stamp {
                bytes: seen.len(),
                inode: seen.ino(),
                seconds: seen.mtime(),
                nanoseconds: seen.mtime_nsec(),
            };
            Ok((path.clone(), stamp))
        };
        manifest.files.keys().map(stamp).collect::<io::Result<_>>().map(Self)
    }

    /// Reads the record in `directory`; `None` if it cannot be read.
    pub(super) fn noted(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&fs_err::read(directory.join(FILE)).ok()?).ok()
    }

    /// Writes the record to `directory` atomically: other processes may read it at any moment.
    pub(super) fn note(&self, directory: &Path) -> io::Result<()> {
        let unfinished = directory.join(format!("{FILE}.{}", std::process::id()));
        fs_err::write(&unfinished, serde_json::to_vec(self)?)?;
        fs_err::rename(unfinished, directory.join(FILE))
    }
}
