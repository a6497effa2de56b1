//! The lock on a file in a lab's directory: its owner holds it as long as it lives, and the kernel lets go of it however the owner
//! ends. So "is it up?" needs no process ids, which are used again.
//!
//! The main functions are [`take`] and [`state`].

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::private::{self, NotPrivate};

/// The file. The process id of its holder is in it.
pub(super) const LOCK: &str = "owner.lock";

/// The state of a lock, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A process holds it.
    Held,
    /// It is there, and free.
    Free,
    /// There is no file.
    Absent,
}

/// A lock that this process holds.
#[derive(Debug)]
pub(super) struct Held {
    file: File,
    /// `false` if this process made its file: an owner that kept a directory on purpose took it away.
    pub(super) was_there: bool,
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

/// Locks the directory `path` for this process; `None` when another has it, or it is gone.
pub(super) fn take(path: &Path) -> io::Result<Option<Held>> {
    let file = path.join(LOCK);
    let (lock, was_there) = match options().write(true).open(&file) {
        Ok(lock) => (lock, true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match options().write(true).create_new(true).mode(0o600).open(&file) {
            Ok(lock) => (lock, false),
            // The directory is gone, or somebody else was faster.
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
    // Its owner may have removed it since it was opened: then this is the lock of nothing.
    Ok(is_at(&lock, &file)?.then_some(Held { file: lock, was_there }))
}

fn is_at(lock: &File, path: &Path) -> io::Result<bool> {
    let ours = lock.metadata()?;
    Ok(std::fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
}

impl Held {
    /// Writes down that this process is the holder.
    pub(super) fn sign(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(std::process::id().to_string().as_bytes(), 0)
    }
}

/// A program that this process is starting has all of its open files until it is executed, and would hold the lock for so long.
impl Drop for Held {
    fn drop(&mut self) {
        // Closed, it is let go of all the same.
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
    // Shared, so that two who look at the same time do not take each other for the owner.
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

/// The process id that the holder of the lock in `path` wrote down, if it did so already.
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
    // The entries lead to what is open, also where nothing has that name any more.
    let mut open = open.filter_map(|entry| std::fs::metadata(entry.path()).ok());
    open.any(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()))
}
