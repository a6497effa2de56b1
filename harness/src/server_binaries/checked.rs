//! Which files of the cache were hashed, and have not been changed since.
//!
//! The main type is [`Checked`]. A lab may not start later because its servers are hashed, and may not run what somebody changed
//! either: so a version is hashed when it is first used, and again when a file of it is another one than then.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;

/// Its name in the directory of the version.
pub(super) const FILE: &str = "checked.json";

/// Files as they were when they were hashed, by their path.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checked(BTreeMap<String, Stamp>);

/// The attributes that change with a file's contents. The time of its inode's last change is not among them: labs make further links
/// to Keycloak's libraries.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Checked {
    /// The files of `manifest` in `directory` as they are now.
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

    /// Reads what is noted in `directory`; a note that cannot be read counts as none.
    pub(super) fn noted(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&fs_err::read(directory.join(FILE)).ok()?).ok()
    }

    /// Notes it in `directory`, whole or not at all: others read it at any moment.
    pub(super) fn note(&self, directory: &Path) -> io::Result<()> {
        let unfinished = directory.join(format!("{FILE}.{}", std::process::id()));
        fs_err::write(&unfinished, serde_json::to_vec(self)?)?;
        fs_err::rename(unfinished, directory.join(FILE))
    }
}
