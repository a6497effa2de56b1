//! The list of files in a finished directory of the cache.
//!
//! The main type is [`Manifest`]: the list of files with their size and SHA-256, written last. A directory without one is not finished.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::options::Source;

/// The manifest's name in its directory.
pub(super) const FILE: &str = "manifest.json";

/// The version of the manifest's format; manifests of other versions are ignored.
const SCHEMA: u32 = 1;

/// The files of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    schema: u32,
    /// The product with its version: `Kubernetes 1.37.2`.
    pub product: String,
    /// The source of the files.
    pub source: Source,
    /// The time at which the directory was finished.
    pub made: jiff::Timestamp,
    /// The files and links, by their path.
    pub files: BTreeMap<String, Record>,
}

/// An entry of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// A file with contents.
    File {
        /// The size in bytes.
        bytes: u64,
        /// The SHA-256, in hexadecimal.
        sha256: String,
    },
    /// A symbolic link: another name for a file.
    Link {
        /// The target as the link states it.
        link: PathBuf,
    },
}

impl Manifest {
    /// Describes the current contents of `directory`.
    pub(super) fn describe(directory: &Path, product: String, source: Source) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for path in files_below(directory)? {
            let found = record(&directory.join(&path))?;
            files.insert(path, found);
        }
        Ok(Self {
            schema: SCHEMA,
            product,
            source,
            made: jiff::Timestamp::now(),
            files,
        })
    }

    /// Reads the manifest of `directory`; `None` if there is no readable one.
    pub(super) fn of(directory: &Path) -> io::Result<Option<Self>> {
        match fs_err::read(directory.join(FILE)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)
                .ok()
                .filter(|manifest: &Self| manifest.schema == SCHEMA)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the manifest into `directory`.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs_err::write(directory.join(FILE), text)
    }

    /// Returns the size of all files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files
            .values()
            .map(|record| if let Record::File { bytes, .. } = record { *bytes } else { 0 })
            .sum()
    }

    /// Returns the first file that is missing or has another size: quick, since it reads no contents.
    pub(super) fn first_missing(&self, directory: &Path) -> Option<String> {
        let sound = |path: &str, record: &Record| match record {
            Record::File { bytes, .. } => {
                fs_err::symlink_metadata(directory.join(path)).is_ok_and(|found| found.is_file() && found.len() == *bytes)
            }
            Record::Link { link } => fs_err::read_link(directory.join(path)).is_ok_and(|found| found == *link),
        };
        self.files
            .iter()
            .find(|(path, record)| !sound(path, record))
            .map(|(path, _)| path.clone())
    }

    /// Returns the differences from the manifest, one line each; empty if there are none. Files that the manifest does not list count as
    /// damage, too.
    pub(super) fn damage(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut damage = Vec::new();
        for (path, expected) in &self.files {
            match record(&directory.join(path)) {
                Ok(found) if found == *expected => {}
                Ok(found) => damage.push(format!("{path}: expected {expected}, found {found}")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => damage.push(format!("{path}: missing")),
                Err(error) => return Err(error),
            }
        }
        for path in files_below(directory)? {
            if path != FILE && !path.starts_with(super::checked::FILE) && !self.files.contains_key(&path) {
                damage.push(format!("{path}: not in the manifest"));
            }
        }
        Ok(damage)
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { bytes, sha256 } => write!(f, "{bytes} bytes with SHA-256 {sha256}"),
            Self::Link { link } => write!(f, "a link to {}", link.display()),
        }
    }
}

/// Describes the file or link at `path`: hashes a file.
pub(super) fn record(path: &Path) -> io::Result<Record> {
    if fs_err::symlink_metadata(path)?.is_symlink() {
        return Ok(Record::Link {
            link: fs_err::read_link(path)?,
        });
    }
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => {
                return Ok(Record::File {
                    bytes,
                    sha256: hex::encode(hash.finalize()),
                });
            }
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Returns every file and link below `directory`, as paths relative to it.
fn files_below(directory: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in fs_err::read_dir(directory.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else {
                files.push(
                    path.to_str()
                        .ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?
                        .to_owned(),
                );
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        fs_err::create_dir(directory.path().join("bin")).expect("a directory");
        fs_err::write(directory.path().join("bin/etcd"), "etcd").expect("a file");
        std::os::unix::fs::symlink("etcd", directory.path().join("bin/kubectl")).expect("a link");
        directory
    }

    fn described(directory: &Path) -> Manifest {
        let manifest = Manifest::describe(directory, "kubernetes 1.37.2".to_owned(), Source::GoBuild).expect("readable");
        manifest.write(directory).expect("writable");
        Manifest::of(directory).expect("readable").expect("there")
    }

    #[test]
    fn a_described_directory_is_sound() {
        let directory = directory();
        let manifest = described(directory.path());
        assert_eq!(manifest.files.keys().collect::<Vec<_>>(), ["bin/etcd", "bin/kubectl"]);
        assert_eq!(manifest.bytes(), 4);
        assert_eq!(manifest.first_missing(directory.path()), None);
        assert_eq!(manifest.damage(directory.path()).expect("readable"), Vec::<String>::new());
    }

    #[test]
    fn changed_missing_and_added_files_are_damage() {
        let directory = directory();
        let manifest = described(directory.path());
        // The size is the same, so only the contents reveal the change.
        fs_err::write(directory.path().join("bin/etcd"), "evil").expect("a file");
        assert_eq!(manifest.first_missing(directory.path()), None);
        fs_err::remove_file(directory.path().join("bin/kubectl")).expect("there");
        assert_eq!(manifest.first_missing(directory.path()), Some("bin/kubectl".to_owned()));
        fs_err::write(directory.path().join("added"), "").expect("a file");
        let damage = manifest.damage(directory.path()).expect("readable");
        assert!(damage[0].starts_with("bin/etcd: expected 4 bytes with SHA-256"), "{damage:?}");
        assert_eq!(damage[1..], ["bin/kubectl: missing", "added: not in the manifest"]);
    }

    #[test]
    fn a_truncated_or_foreign_manifest_is_none() {
        let directory = directory();
        assert_eq!(Manifest::of(directory.path()).expect("readable"), None);
        for text in ["{", r#"{"schema": 99}"#] {
            fs_err::write(directory.path().join(FILE), text).expect("a file");
            assert_eq!(Manifest::of(directory.path()).expect("readable"), None);
        }
    }
}
