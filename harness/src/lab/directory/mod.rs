//! The directory of a lab, and its owner.
//!
//! The main types are [`Directory`], held by an owner, and [`Abandoned`], taken over by a process in order to remove it. A directory
//! is a lab's if it has a marker; a lock shows whether the lab is up.

mod contents;
mod lock;
mod marker;
mod places;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::existing::InCluster;
use super::{LabError, leftovers};
use crate::owner::{LabId, Owner};
use crate::private;
use crate::process::Running;
use crate::process::wait::{Condition, WaitError, until};

pub use marker::NotALab;
pub(super) use marker::{Marker, There, look};
pub use places::{Found, InvalidName, labs};
pub(super) use places::{expect_trusted, find, found, place, prepare, remove_going};

/// A lab's directory. If its owner drops it before it was [kept](Directory::keep), it is removed.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    id: LabId,
    /// `None` if another process owns the lab.
    lock: Option<lock::Held>,
    settled: AtomicBool,
}

/// The state of a lab's owner, as its directory shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The owner lives.
    Owned,
    /// The owner ended without clearing up.
    Crashed,
    /// The owner kept it on purpose, for its logs, and ended.
    Kept,
    /// It is not a lab's directory, or cannot be examined: it is left alone.
    Unknown,
}

/// The proof that is required before an owner's leftovers are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The owner and its servers are proved to be gone.
    Proved,
    /// The lock is free; the user asserts the rest.
    Asserted,
}

const MEBIBYTE: u64 = 1024 * 1024;

/// The space that a lab takes in the first minutes: etcd alone reserves two times 64 MB for its log.
const SPACE: u64 = 256 * MEBIBYTE;

/// A process that only checks whether a lab is up holds its lock, too, but only briefly.
const LOOKING: Duration = Duration::from_millis(300);

impl Directory {
    /// Creates the directory of the lab `name` and becomes its owner. Leftovers of a crashed owner are cleared.
    ///
    /// # Errors
    /// A lab of that name is up, something else is in its place, the owner of an existing directory is not proved to be gone, or the
    /// directory cannot be created.
    pub(super) async fn create(name: &str) -> Result<Self, LabError> {
        let path = place(name)?;
        let wrong = |source| LabError::Directory {
            path: path.clone(),
            source,
        };
        places::prepare()?;
        let locked = until("the lab's lock", LOOKING, || async {
            match look(&path) {
                There::Nothing => private::make_directory(&path).map_err(wrong)?,
                There::Lab(..) => {}
                There::Other(why) => return Err(LabError::NotALab { path: path.clone(), why }),
            }
            let lock = lock::take(&path).map_err(wrong)?;
            Ok(lock.map_or_else(|| Condition::NotYet("another process has it".to_owned()), Condition::Met))
        });
        let lock = locked.await.map_err(|error| match error {
            WaitError::Failed(error) => error,
            WaitError::TimedOut { .. } => LabError::UpAlready {
                name: name.to_owned(),
                owner: owner(&path),
            },
        })?;
        let left = Abandoned::expect(&path, lock, Claim::Proved)?;
        left.lock.sign().map_err(wrong)?;
        if let Some(marker) = &left.marker {
            InCluster::expect_nothing_of(name, &path)?;
            leftovers::clear_servers(&path, marker, Claim::Proved, &mut 0).await?;
            leftovers::clear_containers(&path, marker).await?;
        }
        // The previous lab's marker stays until this lab's marker replaces it.
        contents::empty(&path).map_err(wrong)?;
        let marker = Marker::new();
        marker.write(&path).map_err(wrong)?;
        Ok(Self {
            path,
            id: marker.id,
            lock: Some(left.lock),
            settled: AtomicBool::new(false),
        })
    }

    /// Returns the directory of a lab that another process owns.
    pub(super) fn of_another(path: PathBuf, id: LabId) -> Self {
        Self {
            path,
            id,
            lock: None,
            settled: AtomicBool::new(true),
        }
    }

    /// Returns the directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the lab's random id.
    pub fn id(&self) -> &LabId {
        &self.id
    }

    /// Returns a directory below it, which is created if it does not exist.
    pub(super) fn below(&self, name: &str) -> Result<PathBuf, LabError> {
        let path = self.path.join(name);
        private::make_directory(&path).map_err(|source| LabError::Directory {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// Expects enough free space for a lab.
    ///
    /// # Errors
    /// The file system has less.
    pub(super) fn expect_space(&self) -> Result<(), LabError> {
        match self.free_space() {
            Some(free) if free < SPACE => Err(LabError::NoSpace {
                path: self.path.clone(),
                free: free / MEBIBYTE,
                expected: SPACE / MEBIBYTE,
            }),
            // If a file system does not report its space, the lab is started: a server will fail instead.
            _ => Ok(()),
        }
    }

    /// Returns the free space of its file system, in bytes; `None` if that does not report it.
    pub(super) fn free_space(&self) -> Option<u64> {
        let there = rustix::fs::statvfs(&self.path).ok()?;
        Some(there.f_bavail.saturating_mul(there.f_frsize))
    }

    /// Keeps it so that users can read its logs; it no longer counts as a running lab's. Servers write tokens that they received
    /// into their logs, so these are redacted first.
    pub(super) fn keep(&self) {
        self.settled.store(true, Ordering::Relaxed);
        contents::redact_logs(&self.path);
        // Keycloak's database has all secrets of its realms, a user's own among them, and nobody reads it later.
        let _ = std::fs::remove_dir_all(self.path.join("keycloak/data"));
        // The same holds for the settings of node-oidc-provider, which are there if its start was given up.
        let _ = std::fs::remove_file(self.path.join("oidc-provider/settings.json"));
        // Without the lock's file it counts as kept; with it, as crashed, which is cleared sooner.
        let _ = std::fs::remove_file(self.path.join(lock::LOCK));
    }

    /// Removes it with all its contents.
    pub(super) fn remove(&self) -> Result<(), LabError> {
        self.settled.store(true, Ordering::Relaxed);
        remove(&self.path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.lock.is_some() && !self.settled.load(Ordering::Relaxed) && InCluster::of("", &self.path).is_none() {
            // An error has no reader any more; the next `down` tries again.
            let _ = self.remove();
        }
    }
}

/// The directory of a lab without an owner, locked by this process.
#[derive(Debug)]
pub(super) struct Abandoned {
    path: PathBuf,
    lock: lock::Held,
    /// `None` if its owner died before it could write the marker; then nothing else is in it.
    pub(super) marker: Option<Marker>,
}

impl Abandoned {
    /// Takes over the directory `path` if it has no owner; `None` if it has one, or it is gone.
    ///
    /// # Errors
    /// It is not a lab's directory, or it is unknown whether its owner lives.
    pub(super) async fn take_over(path: &Path, claim: Claim) -> Result<Option<Self>, LabError> {
        let wrong = |source| LabError::Directory {
            path: path.to_owned(),
            source,
        };
        let locked = until("the lab's lock", LOOKING, || async {
            match look(path) {
                There::Nothing => return Ok(Condition::Met(None)),
                There::Lab(..) => {}
                There::Other(why) => {
                    let path = path.to_owned();
                    return Err(LabError::NotALab { path, why });
                }
            }
            let lock = lock::take(path).map_err(wrong)?;
            Ok(lock.map_or_else(
                || Condition::NotYet("another process has it".to_owned()),
                |lock| Condition::Met(Some(lock)),
            ))
        });
        let lock = match locked.await {
            Ok(Some(lock)) => lock,
            Ok(None) | Err(WaitError::TimedOut { .. }) => return Ok(None),
            Err(WaitError::Failed(error)) => return Err(error),
        };
        let taken = Self::expect(path, lock, claim)?;
        taken.lock.sign().map_err(wrong)?;
        Ok(Some(taken))
    }

    /// Expects the locked directory to be a lab's, whose owner is gone to the degree that `claim` requires. Nothing in it is changed.
    fn expect(path: &Path, lock: lock::Held, claim: Claim) -> Result<Self, LabError> {
        let not_a_lab = |why| LabError::NotALab {
            path: path.to_owned(),
            why,
        };
        let marker = Marker::read(path).map_err(not_a_lab)?;
        match &marker {
            Some(marker) if lock.was_there && claim == Claim::Proved => {
                let ended = marker.owner.expect_ended_with_its_lock(&Owner::here());
                ended.map_err(|of| LabError::Elsewhere { path: path.to_owned(), of })?;
            }
            // An owner that kept the directory had ended everything.
            Some(_) => {}
            None if contents::is_bare(path) => {}
            None => return Err(not_a_lab(NotALab::Unmarked)),
        }
        Ok(Self {
            path: path.to_owned(),
            lock,
            marker,
        })
    }

    /// Removes it with all its contents.
    pub(super) fn remove(self) -> Result<(), LabError> {
        remove(&self.path)
    }
}

fn remove(path: &Path) -> Result<(), LabError> {
    let wrong = |source| LabError::Directory {
        path: path.to_owned(),
        source,
    };
    // A server that was killed a moment ago cannot find the renamed directory, so it cannot fill it again.
    let going = places::going(path);
    match std::fs::rename(path, &going) {
        Ok(()) => contents::remove(&going).map_err(wrong),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) => contents::remove(path).map_err(wrong),
    }
}

/// Returns the state of the owner of the directory `path`.
pub(super) fn ownership(path: &Path) -> Ownership {
    match look(path) {
        There::Lab(_, ownership) => ownership,
        There::Nothing | There::Other(_) => Ownership::Unknown,
    }
}

/// Returns the process id of the owner of the lab in `path`, while it lives. The owner may not have written it down yet.
pub(super) fn owner(path: &Path) -> Option<u32> {
    (ownership(path) == Ownership::Owned).then(|| lock::signature(path)).flatten()
}

/// Returns the process that owns the lab in `path`, held so that a signal reaches no other; `None` without a proof that it is the owner.
pub(super) fn owners_process(path: &Path) -> Option<Running> {
    let There::Lab(Some(marker), Ownership::Owned) = look(path) else {
        return None;
    };
    marker.owner.expect_visible_from(&Owner::here()).ok()?;
    // A different number belongs to a process that clears the directory.
    let signed = lock::signature(path)?;
    let process = Running::open(signed).ok()?.filter(|_| signed == marker.owner.pid)?;
    // The process was opened first: as long as it has not ended, its number cannot refer to another process.
    let holds = holds_lock(path, signed) && ownership(path) == Ownership::Owned;
    (holds && matches!(process.has_ended(), Ok(false))).then_some(process)
}

#[cfg(target_os = "linux")]
fn holds_lock(path: &Path, pid: u32) -> bool {
    lock::is_open_in(path, pid)
}

/// On this system the holder of an open file is unknown. The lock is held, and its holder wrote its number down twice.
#[cfg(not(target_os = "linux"))]
fn holds_lock(_: &Path, _: u32) -> bool {
    true
}

#[cfg(test)]
mod tests;
