//! The directory of a lab, and who owns it.
//!
//! The owner holds a lock on a file in it for as long as it lives; the kernel lets go of the lock
//! however the owner ends. So "is it up?" needs no process ids, which are used again.

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LabError;
use crate::process::wait::{Condition, WaitError, until};

/// A lab's directory. While the owner lives it holds the lock.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _lock: Option<File>,
}

/// A name that is not one path component of letters, digits, `-`, `_` and `.`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' cannot be a lab's name: up to 40 letters, digits, '-', '_' and '.' can, beginning with a letter or digit")]
pub struct InvalidName(pub String);

/// A lab's directory that was found, with or without a living owner.
#[derive(Clone, Debug)]
pub struct Found {
    /// The lab's name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Whether its owner lives.
    pub owned: bool,
}

const LOCK: &str = "owner.lock";

/// Files that belong to the owner that is starting, not to a crashed one.
fn kept(name: &std::ffi::OsStr) -> bool {
    name == LOCK || super::supervisor::KEPT.iter().any(|kept| name == *kept)
}

impl Directory {
    /// Makes the directory of the lab `name` and becomes its owner.
    ///
    /// # Errors
    /// A lab of that name is up, or the directory cannot be made.
    pub(super) async fn create(name: &str) -> Result<Self, LabError> {
        let path = place(name)?;
        let wrong = |source| LabError::Directory { path: path.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(wrong)?;
        let lock = File::options().create(true).truncate(false).read(true).write(true).open(path.join(LOCK)).map_err(wrong)?;
        // Somebody who looks whether the lab is up holds the lock, too, but only for a moment.
        let locked = until("the lab's lock", Duration::from_millis(300), || async {
            match lock.try_lock() {
                Ok(()) => Ok(Condition::Met(())),
                Err(TryLockError::WouldBlock) => Ok(Condition::NotYet("somebody has it".to_owned())),
                Err(TryLockError::Error(source)) => Err(source),
            }
        });
        locked.await.map_err(|error| match error {
            WaitError::Failed(source) => wrong(source),
            WaitError::TimedOut { .. } => LabError::UpAlready { name: name.to_owned(), owner: owner(&path).unwrap_or_default() },
        })?;
        // What a crashed owner of the same name left.
        super::leftovers::kill(&path);
        for entry in std::fs::read_dir(&path).map_err(wrong)?.flatten().filter(|entry| !kept(&entry.file_name())) {
            let old = entry.path();
            if old.is_dir() { std::fs::remove_dir_all(&old) } else { std::fs::remove_file(&old) }.map_err(wrong)?;
        }
        std::fs::write(path.join(LOCK), std::process::id().to_string()).map_err(wrong)?;
        Ok(Self { path, _lock: Some(lock) })
    }

    /// The directory of a lab that somebody else owns.
    pub(super) fn of_another(path: PathBuf) -> Self {
        Self { path, _lock: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory below it, made where it is not there.
    pub(super) fn below(&self, name: &str) -> Result<PathBuf, LabError> {
        let path = self.path.join(name);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| LabError::Directory { path: path.clone(), source })?;
        Ok(path)
    }

    pub(super) fn remove(&self) -> Result<(), LabError> {
        remove(&self.path)
    }
}

pub(super) fn remove(path: &Path) -> Result<(), LabError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(LabError::Directory { path: path.to_owned(), source }),
        _ => Ok(()),
    }
}

/// The process id of the owner of the lab in `path`, while it lives.
pub(super) fn owner(path: &Path) -> Option<u32> {
    let lock = File::options().read(true).write(true).open(path.join(LOCK)).ok()?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => std::fs::read_to_string(path.join(LOCK)).ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// Where the lab called `name` is or would be.
pub(super) fn place(name: &str) -> Result<PathBuf, LabError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let sound = name.len() <= 40 && name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if sound { Ok(all()?.join(name)) } else { Err(InvalidName(name.to_owned()).into()) }
}

/// Where all labs are.
pub(super) fn all() -> Result<PathBuf, LabError> {
    Ok(crate::dirs::state()?.join("labs"))
}

/// The labs that are up, by name.
///
/// # Errors
/// There is no directory for labs.
pub fn labs() -> Result<Vec<Found>, LabError> {
    Ok(found()?.into_iter().filter(|lab| lab.owned).collect())
}

/// Every lab's directory there is, by name.
pub(super) fn found() -> Result<Vec<Found>, LabError> {
    let mut found: Vec<Found> = std::fs::read_dir(all()?)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| Found { name: entry.file_name().to_string_lossy().into_owned(), owned: owner(&entry.path()).is_some(), path: entry.path() })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for name in ["", "..", ".hidden", "a/b", "a b", &"a".repeat(41)] {
            assert!(matches!(place(name), Err(LabError::Name(_))), "{name}");
        }
        assert!(place("training-1").is_ok());
    }
}
