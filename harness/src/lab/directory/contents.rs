//! The contents of a lab's directory: emptied, redacted, removed. Links in it are removed, never followed.

use std::io;
use std::path::Path;

use super::lock::LOCK;
use super::marker::{MARKER, UNFINISHED};
use crate::secret::redact_log;

/// Removes everything in the lab's directory `path` except its marker and its lock.
pub(super) fn empty(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == LOCK || entry.file_name() == MARKER {
            continue;
        }
        let removed = if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())
        } else {
            std::fs::remove_file(entry.path())
        };
        gone_is_fine(removed)?;
    }
    Ok(())
}

/// Removes the lab's directory `path` and its contents. The marker goes last: after an interruption, it is still a lab's directory.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    gone_is_fine(empty(path))?;
    for file in [LOCK, MARKER] {
        gone_is_fine(std::fs::remove_file(path.join(file)))?;
    }
    gone_is_fine(std::fs::remove_dir(path))
}

fn gone_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Redacts every log below `directory`. A log that cannot be redacted is removed: losing it is better than leaking a secret.
pub(super) fn redact_logs(directory: &Path) {
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

/// Returns `true` if the directory contains only the files that a lab begins with.
pub(super) fn is_bare(path: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(path) else { return false };
    entries.all(|entry| {
        entry.is_ok_and(|entry| {
            let first = entry.file_name() == LOCK || entry.file_name() == UNFINISHED;
            first && entry.file_type().is_ok_and(|kind| kind.is_file())
        })
    })
}
