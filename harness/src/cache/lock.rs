//! The lock of an entry of the cache. The main type is [`Mode`]: filling or removing the entry takes an exclusive lock, using it a shared
//! one.

use std::fs::{File, TryLockError};
use std::future::ready;
use std::io;
use std::time::{Duration, Instant};

use super::{CacheError, Entry};
use crate::event::{Events, Phase};
use crate::process::wait::{self, Condition, WaitError};

/// The time limit for another authlab to fill an entry.
const FILLING: Duration = Duration::from_secs(60 * 60);

/// The time to wait for a lock that is only shared: long enough for others that look at the same moment, too short for a lab.
const SHARED: Duration = Duration::from_secs(3);

/// The mode in which a lock is held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Shared,
    Exclusive,
}

impl Entry {
    pub(super) fn open_lock(&self) -> Result<File, CacheError> {
        let path = self.lock_path();
        let shared_only =
            |error: &io::Error| error.kind() == io::ErrorKind::ReadOnlyFilesystem || error.kind() == io::ErrorKind::PermissionDenied;
        match File::options().read(true).write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok(file),
            // A reader without write permission can still take a shared lock.
            Err(error) if shared_only(&error) => File::open(&path).map_err(|_| CacheError::Lock { path, source: error }),
            Err(source) => Err(CacheError::Lock { path, source }),
        }
    }

    pub(super) async fn lock(&self, mode: Mode, events: &Events) -> Result<File, CacheError> {
        let path = self.lock_path();
        let file = self.open_lock()?;
        let mut phase: Option<Phase> = None;
        let mut shared_since: Option<Instant> = None;
        let waited = wait::until("the lock of the cache", FILLING, || {
            let tried = match mode {
                Mode::Shared => file.try_lock_shared(),
                Mode::Exclusive => file.try_lock(),
            };
            ready(match tried {
                Ok(()) => Ok(Condition::Met(())),
                Err(TryLockError::Error(source)) => Err(CacheError::Lock {
                    path: path.clone(),
                    source,
                }),
                Err(TryLockError::WouldBlock) => {
                    // If the lock can be shared, users hold it; if not, another authlab is filling the entry. The probe opens the file
                    // anew, since a lock belongs to the open file.
                    let users = mode == Mode::Exclusive && File::open(&path).is_ok_and(|probe| probe.try_lock_shared().is_ok());
                    if !users {
                        shared_since = None;
                        phase.get_or_insert_with(|| {
                            let phase = events.phase(format!("wait for {}", self.product));
                            phase.detail("another authlab is building it");
                            phase
                        });
                        Ok(Condition::NotYet("another authlab is building it".to_owned()))
                    } else if shared_since.get_or_insert_with(Instant::now).elapsed() < SHARED {
                        Ok(Condition::NotYet("a running lab uses it".to_owned()))
                    } else {
                        Err(CacheError::InUse {
                            product: self.product.clone(),
                        })
                    }
                }
            })
        })
        .await;
        match waited {
            Ok(()) => {
                if let Some(phase) = phase {
                    phase.succeeded();
                }
                Ok(file)
            }
            Err(WaitError::Failed(error)) => Err(error),
            Err(WaitError::TimedOut { limit, .. }) => Err(CacheError::Busy { path, limit }),
        }
    }
}
