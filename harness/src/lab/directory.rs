//! The directory of a lab, and who owns it.
//!
//! The main type is [`Directory`]. The owner holds a lock on a file in it for as long as it lives; the kernel
//! lets go of the lock however the owner ends. So "is it up?" needs no process ids, which are used again.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{LabError, leftovers};
use crate::process::wait::{Condition, WaitError, until};
use crate::secret::redact_log;

/// A lab's directory. Dropped by its owner before it was [kept](Directory::keep), it is removed.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// `None` when another process owns the lab.
    lock: Option<File>,
    settled: AtomicBool,
}

/// A name that is not one path component of letters, digits, `-`, `_` and `.`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' cannot be a lab's name: up to 40 letters, digits, '-', '_' and '.' can, beginning with a letter or digit")]
pub struct InvalidName(pub String);

/// A lab's directory that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The lab's name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// What it says about its owner.
    pub ownership: Ownership,
}

/// What a lab's directory says about its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The owner lives.
    Owned,
    /// The owner ended without clearing up.
    Crashed,
    /// The owner kept it on purpose, for its logs, and ended.
    Kept,
}

const MEBIBYTE: u64 = 1024 * 1024;

/// What a lab takes in the first minutes: etcd alone sets two times 64 MB aside for its log.
const SPACE: u64 = 256 * MEBIBYTE;

const LOCK: &str = "owner.lock";

/// Directories that are being removed begin with this; no lab's name does.
const GOING: &str = ".going-";

impl Directory {
    /// Makes the directory of the lab `name` and becomes its owner. What a crashed owner left is cleared.
    ///
    /// # Errors
    /// A lab of that name is up, or the directory cannot be made.
    pub(super) async fn create(name: &str) -> Result<Self, LabError> {
        let path = place(name)?;
        let wrong = |source| LabError::Directory {
            path: path.clone(),
            source,
        };
        // Somebody who looks whether the lab is up holds the lock, too, but only for a moment.
        let locked = until("the lab's lock", Duration::from_millis(300), || async {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            Ok(lock(&path)?.map_or_else(|| Condition::NotYet("somebody has it".to_owned()), Condition::Met))
        });
        let lock = locked.await.map_err(|error| match error {
            WaitError::Failed(source) => wrong(source),
            WaitError::TimedOut { .. } => LabError::UpAlready {
                name: name.to_owned(),
                owner: owner(&path),
            },
        })?;
        let directory = Self {
            path: path.clone(),
            lock: Some(lock),
            settled: AtomicBool::new(false),
        };
        leftovers::kill(&path).await;
        for entry in std::fs::read_dir(&path)
            .map_err(wrong)?
            .flatten()
            .filter(|entry| entry.file_name() != LOCK)
        {
            let old = entry.path();
            if old.is_dir() {
                std::fs::remove_dir_all(&old)
            } else {
                std::fs::remove_file(&old)
            }
            .map_err(wrong)?;
        }
        Ok(directory)
    }

    /// Becomes the owner of the directory `path` that nobody owns, in order to remove it; `None` when somebody does, or it is gone.
    pub(super) fn take_over(path: &Path) -> Result<Option<Self>, LabError> {
        let wrong = |source| LabError::Directory {
            path: path.to_owned(),
            source,
        };
        let lock = lock(path).map_err(wrong)?;
        // Not removed just because the removal was given up half way.
        Ok(lock.map(|lock| Self {
            path: path.to_owned(),
            lock: Some(lock),
            settled: AtomicBool::new(true),
        }))
    }

    /// The directory of a lab that somebody else owns.
    pub(super) fn of_another(path: PathBuf) -> Self {
        Self {
            path,
            lock: None,
            settled: AtomicBool::new(true),
        }
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
            .map_err(|source| LabError::Directory {
                path: path.clone(),
                source,
            })?;
        Ok(path)
    }

    /// That a lab has room in it.
    ///
    /// # Errors
    /// It has not.
    pub(super) fn expect_space(&self) -> Result<(), LabError> {
        // A file system that does not tell has its chance: a server will.
        let Ok(there) = rustix::fs::statvfs(&self.path) else {
            return Ok(());
        };
        let free = there.f_bavail.saturating_mul(there.f_frsize);
        if free >= SPACE {
            return Ok(());
        }
        let path = self.path.clone();
        Err(LabError::NoSpace {
            path,
            free: free / MEBIBYTE,
            expected: SPACE / MEBIBYTE,
        })
    }

    /// Leaves it to whoever wants to read its logs; it is no longer taken for that of a lab. Servers write tokens that they were shown
    /// into their logs, so these are redacted first.
    pub(super) fn keep(&self) {
        self.settled.store(true, Ordering::Relaxed);
        redact_logs(&self.path);
        // Without the lock's file it counts as kept; with it, as crashed, which is cleared sooner.
        let _ = std::fs::remove_file(self.path.join(LOCK));
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(&self) -> Result<(), LabError> {
        self.settled.store(true, Ordering::Relaxed);
        let wrong = |source| LabError::Directory {
            path: self.path.clone(),
            source,
        };
        // Under another name, a server that was killed a moment ago finds it no more and cannot fill it anew.
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let going = self.path.with_file_name(format!("{GOING}{}-{name}", std::process::id()));
        match std::fs::rename(&self.path, &going) {
            Ok(()) => remove_tree(&going).map_err(wrong),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(_) => remove_tree(&self.path).map_err(wrong),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.lock.is_some() && !self.settled.load(Ordering::Relaxed) {
            // Nobody is left to tell; the next `down` tries again.
            let _ = self.remove();
        }
    }
}

/// Redacts every log below `directory`. One that cannot be is removed: better none than a secret that is shown around.
fn redact_logs(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => redact_logs(&path),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|extension| extension == "log" || extension == "jsonl") => {
                let _ = redact_log(&path).or_else(|_| std::fs::remove_file(&path));
            }
            _ => {}
        }
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Locks the directory `path` for this process; `None` when another has it, or it is gone.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = path.join(LOCK);
    let lock = match File::options().create(true).truncate(false).read(true).write(true).open(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    // Its owner may have removed it since it was opened: then this is the lock of nothing.
    let ours = lock.metadata()?;
    if !file
        .metadata()
        .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
    {
        return Ok(None);
    }
    std::fs::write(&file, std::process::id().to_string())?;
    Ok(Some(lock))
}

/// What the directory `path` says about its owner.
pub(super) fn ownership(path: &Path) -> Ownership {
    let Ok(lock) = File::open(path.join(LOCK)) else {
        return Ownership::Kept;
    };
    // Shared, so that two who look at the same time do not take each other for the owner.
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Ownership::Owned,
        _ => Ownership::Crashed,
    }
}

/// The process id of the owner of the lab in `path`, while it lives. It may not have written it down yet.
pub(super) fn owner(path: &Path) -> Option<u32> {
    if ownership(path) != Ownership::Owned {
        return None;
    }
    std::fs::read_to_string(path.join(LOCK)).ok()?.trim().parse().ok()
}

/// Where the lab called `name` is or would be.
pub(super) fn place(name: &str) -> Result<PathBuf, LabError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let sound = name.len() <= 40 && name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if sound {
        Ok(all()?.join(name))
    } else {
        Err(InvalidName(name.to_owned()).into())
    }
}

/// Where all labs are.
fn all() -> Result<PathBuf, LabError> {
    Ok(crate::dirs::state()?.join("labs"))
}

/// The labs that are up or being started, by name.
///
/// # Errors
/// There is no directory for labs.
pub fn labs() -> Result<Vec<Found>, LabError> {
    Ok(found()?.into_iter().filter(|lab| lab.ownership == Ownership::Owned).collect())
}

/// Every lab's directory there is, by name.
pub(super) fn found() -> Result<Vec<Found>, LabError> {
    let mut found: Vec<Found> = directories()?
        .into_iter()
        .filter(|(name, _)| !name.starts_with(GOING))
        .map(|(name, path)| Found {
            ownership: ownership(&path),
            name,
            path,
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Removes what somebody began to remove and did not live to finish.
pub(super) fn remove_going() -> Result<(), LabError> {
    for (_, path) in directories()?.into_iter().filter(|(name, _)| name.starts_with(GOING)) {
        remove_tree(&path).map_err(|source| LabError::Directory { path, source })?;
    }
    Ok(())
}

fn directories() -> Result<Vec<(String, PathBuf)>, LabError> {
    let path = all()?;
    let entries = match std::fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(LabError::Directory { path, source }),
        Ok(entries) => entries,
    };
    let directories = entries.flatten().filter(|entry| entry.path().is_dir());
    Ok(directories
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(path: PathBuf) -> Directory {
        std::fs::create_dir(&path).expect("a directory");
        let lock = lock(&path).expect("it can be locked");
        Directory {
            path,
            lock,
            settled: AtomicBool::new(false),
        }
    }

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for name in ["", "..", ".hidden", "a/b", "a b", &"a".repeat(41)] {
            assert!(matches!(place(name), Err(LabError::Name(_))), "{name}");
        }
        assert!(place("training-1").is_ok());
    }

    #[test]
    fn a_directory_that_is_dropped_is_removed_and_one_that_is_kept_is_not() {
        let state = tempfile::tempdir().expect("a directory");
        let path = state.path().join("lab");
        drop(owned(path.clone()));
        assert!(!path.exists());
        let directory = owned(path.clone());
        assert_eq!(ownership(&path), Ownership::Owned);
        assert_eq!(owner(&path), Some(std::process::id()));
        directory.keep();
        drop(directory);
        assert_eq!(ownership(&path), Ownership::Kept);
    }

    #[test]
    fn the_logs_of_a_directory_that_is_kept_are_redacted() {
        let state = tempfile::tempdir().expect("a directory");
        let path = state.path().join("lab");
        let directory = owned(path.clone());
        let servers = path.join("api-servers/main");
        std::fs::create_dir_all(&servers).expect("a directory in it");
        let (log, key) = (servers.join("kube-apiserver.log"), servers.join("kube-apiserver.key"));
        let shown = "shown eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0\n";
        std::fs::write(&log, shown).expect("a log");
        std::fs::write(&key, shown).expect("no log");
        directory.keep();
        let read = |path| std::fs::read_to_string(path).expect("it is there");
        assert_eq!(read(&log), "shown eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbm…\n");
        assert_eq!(read(&key), shown);
    }

    #[test]
    fn nobody_takes_over_what_is_owned_and_everybody_what_is_not() {
        let state = tempfile::tempdir().expect("a directory");
        let path = state.path().join("lab");
        let first = owned(path.clone());
        assert!(Directory::take_over(&path).expect("it can be asked").is_none());
        // As if its process had died: the lock is gone, the file is not.
        first.settled.store(true, Ordering::Relaxed);
        drop(first);
        assert_eq!(ownership(&path), Ownership::Crashed);
        let taken = Directory::take_over(&path).expect("it can be asked").expect("nobody owns it");
        taken.remove().expect("it can be removed");
        assert!(!path.exists());
        assert!(Directory::take_over(&path).expect("it can be asked").is_none());
    }
}
