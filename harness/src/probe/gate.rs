//! One request at a time per API server, while the log is searched for its refusal.
//!
//! The log's line about a refusal does not name its request. A caller that needs the reason therefore
//! lets one request through at a time: within this process by a queue, between processes by a file lock.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use tokio::sync::OwnedMutexGuard;

type Queue = Arc<tokio::sync::Mutex<()>>;

static QUEUES: LazyLock<Mutex<HashMap<PathBuf, Queue>>> = LazyLock::new(Mutex::default);

/// Exclusive passage through the gate of one API server, until dropped.
#[derive(Debug)]
pub struct Gate {
    // Fields drop in order: other processes are let in first, then our own queue.
    _file: std::fs::File,
    _queue: OwnedMutexGuard<()>,
}

impl Gate {
    /// Waits for its turn at the gate whose file is `path`.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub async fn enter(path: &Path) -> std::io::Result<Self> {
        Self::enter_later(path, || ()).await
    }

    /// Waits for its turn like [`Gate::enter`], and calls `waits` once if somebody else is there.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub async fn enter_later(path: &Path, waits: impl FnOnce()) -> std::io::Result<Self> {
        let queue = {
            let mut queues = QUEUES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(queues.entry(path.to_owned()).or_default())
        };
        let mut waits = Some(waits);
        let queue = match Arc::clone(&queue).try_lock_owned() {
            Ok(queue) => queue,
            Err(_) => {
                if let Some(waits) = waits.take() {
                    waits();
                }
                queue.lock_owned().await
            }
        };
        let file = std::fs::File::options().read(true).write(true).open(path)?;
        let file = match file.try_lock() {
            Ok(()) => file,
            Err(std::fs::TryLockError::WouldBlock) => {
                if let Some(waits) = waits.take() {
                    waits();
                }
                tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await??
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        };
        Ok(Self {
            _file: file,
            _queue: queue,
        })
    }
}
