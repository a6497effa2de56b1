//! The lock on a file in a lab's directory: the owner holds it as long as it lives, and the kernel releases it however the owner
//! ends. Checking whether a lab is up therefore needs no process ids, which are reused.
//!
//! The main functions are [`take`] and [`state`].

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::private::{self, NotPrivate};

/// The lock's file. It contains the process id of its holder.
pub(super) const LOCK: &str = "owner.lock";

/// The state of a lock, as other processes see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A process holds it.
    Held,
    /// The file exists, and is not locked.
    Free,
    /// The file does not exist.
    Absent,
}

/// A lock that this process holds.
#[derive(Debug)]
pub(super) struct Held {
    file: File,
    /// `false` if this process created the lock's file: an owner that keeps a directory on purpose removes the file.
    pub(super) was_there: bool,
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

/// Locks the directory `path` for this process; `None` if another process holds the lock, or the directory is gone.
pub(super) fn take(path: &Path) -> io::Result<Option<Held>> {
    let file = path.join(LOCK);
    let (lock, was_there) = match options().write(true).open(&file) {
        Ok(lock) => (lock, true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match options().write(true).create_new(true).mode(0o600).open(&file) {
            Ok(lock) => (lock, false),
            // The directory is gone, or another process was faster.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => return Ok(None),
            Err(error) => return Err(error),
        },
        Err(error) => return Err(error),
    };
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
        Ok(()) => {}
    }
    // The owner may have removed the file since it was opened: then this lock protects nothing.
    Ok(is_at(&lock, &file)?.then_some(Held { file: lock, was_there }))
}

fn is_at(lock: &File, path: &Path) -> io::Result<bool> {
    let ours = lock.metadata()?;
    Ok(std::fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

impl Held {
    /// Writes down the id of this process as the holder's.
    pub(super) fn sign(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(std::process::id().to_string().as_bytes(), 0)
    }
}

/// A program that this process is starting inherits all open files until it is executed, and would hold the lock for that long.
impl Drop for Held {
    fn drop(&mut self) {
        // Closing the file releases the lock anyway.
        let _closed = self.file.unlock();
    }
}

/// Returns the state of the lock in `path`.
pub(super) fn state(path: &Path) -> Result<State, NotPrivate> {
    let lock = match options().open(path.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent),
        Err(error) => return Err(NotPrivate::Unseen(error)),
    };
    // The lock is shared, so that two processes that check at the same time do not take each other for the owner.
    match lock.try_lock_shared() {
        Ok(()) => {
            let _closed = lock.unlock();
            Ok(State::Free)
        }
        Err(TryLockError::WouldBlock) => Ok(State::Held),
        // A file system without locks proves nothing.
        Err(TryLockError::Error(error)) => Err(NotPrivate::Unseen(error)),
    }
}

/// Returns the process id that the holder of the lock in `path` wrote down, if it has done so already.
pub(super) fn signature(path: &Path) -> Option<u32> {
    use std::io::Read;
    let file = private::open(&path.join(LOCK), private::Others::Read).ok()?;
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Returns `true` if the process `pid` has the lock's file open.
#[cfg(target_os = "linux")]
pub(super) fn is_open_in(path: &Path, pid: u32) -> bool {
    let Ok(file) = std::fs::symlink_metadata(path.join(LOCK)) else {
        return false;
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    // The entries lead to the open files, even if they have been removed since.
    let mut open = open.filter_map(|entry| std::fs::metadata(entry.path()).ok());
    open.any(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()))
}
