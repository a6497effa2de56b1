//! New files, complete or not at all, in place of nothing. The main function is [`write_new`].

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The result of writing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The file is new.
    New,
    /// There was one already.
    LeftAlone,
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", file.display())]
pub(super) struct NotWritten {
    file: PathBuf,
    source: io::Error,
}

/// Writes the file `path` and creates its missing parents. A file, directory or link of this name stays as it is.
///
/// # Errors
/// The file cannot be written; then there is none.
pub(super) fn write_new(path: &Path, text: &str) -> Result<Written, NotWritten> {
    let failed = |source: io::Error| NotWritten {
        file: path.to_owned(),
        source,
    };
    if path.symlink_metadata().is_ok() {
        return Ok(Written::LeftAlone);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    // The umask takes its share, as from any new file.
    let unfinished = tempfile::Builder::new()
        .prefix(".authlab-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder);
    let mut unfinished = unfinished.map_err(failed)?;
    unfinished.write_all(text.as_bytes()).map_err(failed)?;
    match unfinished.persist_noclobber(path) {
        Ok(_) => Ok(Written::New),
        // Somebody else was faster.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Written::LeftAlone),
        Err(error) => Err(failed(error.error)),
    }
}
