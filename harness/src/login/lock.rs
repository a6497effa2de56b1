//! The lock for logging in, which one process holds at a time, and the result of the login that others waited for: they end with the
//! same result, and do not ask the same user again.
//!
//! The main type is [`Lock`]. The result is in the locked file, which only the lock's holder reads.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// The lock for a login; the kernel releases it however its holder ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// The reason that the login that was waited for failed, if it did.
    given_up: Option<String>,
    is_begun: bool,
}

/// A login that has not succeeded.
#[derive(Serialize, Deserialize)]
struct Attempt {
    /// The time at which it failed; `None` if its process was killed.
    ended: Option<Timestamp>,
    why: String,
}

impl Attempt {
    fn begun() -> Self {
        Self {
            ended: None,
            why: "its process was killed".to_owned(),
        }
    }
}

impl Lock {
    /// Returns the lock on the file at `path`, unless another process has it.
    pub(super) fn try_new(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self::of(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns the lock on the file at `path`, once another process releases it: for operations that take a moment.
    pub(super) fn wait(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        file.lock()?;
        Ok(Self::of(file))
    }

    fn of(file: File) -> Self {
        Self {
            file,
            given_up: None,
            is_begun: false,
        }
    }

    /// Sets the result of the login that the caller has been waiting for since `since`.
    pub(super) fn after_waiting_since(mut self, since: Timestamp) -> Self {
        let mut text = String::new();
        let read = self.file.rewind().and_then(|()| self.file.read_to_string(&mut text));
        let attempt = read.ok().and_then(|_| serde_json::from_str::<Attempt>(&text).ok());
        // A login that ended earlier is not the one that the caller waited for.
        let waited_for = attempt.filter(|attempt| attempt.ended.is_none_or(|ended| ended >= since));
        self.given_up = waited_for.map(|attempt| attempt.why);
        self
    }

    /// Returns the reason that the login that was waited for failed, if it did.
    pub(super) fn given_up(&self) -> Option<&str> {
        self.given_up.as_deref()
    }

    /// Marks the beginning of a login: waiting processes learn of its end, even if it is killed.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.is_begun = true;
        self.write(Some(&Attempt::begun()))
    }

    /// Marks the login as successful: waiting processes find the stored login.
    pub(super) fn succeed(mut self) {
        self.is_begun = false;
        // A process that reads the old result finds the stored login first.
        let _ = self.write(None);
    }

    /// Marks the login as failed.
    pub(super) fn fail(mut self, why: &str) {
        self.end(why);
    }

    fn end(&mut self, why: &str) {
        self.is_begun = false;
        let attempt = Attempt {
            ended: Some(Timestamp::now()),
            why: why.to_owned(),
        };
        // Without it, waiting processes only learn that this process was killed.
        let _ = self.write(Some(&attempt));
    }

    fn write(&mut self, attempt: Option<&Attempt>) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        match attempt {
            Some(attempt) => self.file.write_all(&serde_json::to_vec(attempt)?),
            None => Ok(()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_begun {
            self.end("it was interrupted");
        }
        // A program that this process is starting has the file open, too, until it is executed.
        let _closed = self.file.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn held(path: &Path) -> Lock {
        Lock::try_new(path).expect("it is ours").expect("nobody has it")
    }

    #[test]
    fn who_waited_hears_what_became_of_the_login_and_who_comes_later_does_not() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("lock");
        let before = Timestamp::now() - Duration::from_secs(1);
        let waited = || held(&path).after_waiting_since(before).given_up().map(str::to_owned);
        assert_eq!(waited(), None);

        let mut lock = held(&path);
        lock.begin().expect("it is ours");
        lock.fail("nobody came back");
        // Each of them, one after the other.
        assert_eq!(waited().as_deref(), Some("nobody came back"));
        assert_eq!(waited().as_deref(), Some("nobody came back"));
        let later = Timestamp::now() + Duration::from_secs(1);
        assert_eq!(held(&path).after_waiting_since(later).given_up(), None);

        let mut lock = held(&path);
        lock.begin().expect("it is ours");
        drop(lock);
        assert_eq!(waited().as_deref(), Some("it was interrupted"));

        let mut lock = held(&path);
        lock.begin().expect("it is ours");
        // The state that a killed process leaves behind.
        lock.is_begun = false;
        drop(lock);
        assert_eq!(waited().as_deref(), Some("its process was killed"));

        let mut lock = held(&path);
        lock.begin().expect("it is ours");
        lock.succeed();
        assert_eq!(waited(), None);
    }
}
