//! Files and directories that only this user controls.
//!
//! The main type is [`NotPrivate`]: the reason why a file or directory is not trusted. [`directory`] and [`open`] check before anything
//! in it is used; [`make_directory`] and [`write`] create files and directories that pass these checks.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The rights that other users may have to a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// No rights: it holds secrets.
    Nothing,
    /// Reading: only its integrity matters.
    Read,
}

/// The reason why a file or directory is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum NotPrivate {
    /// The path cannot be inspected; it may not exist.
    #[error("cannot read its metadata ({0})")]
    Unseen(#[source] io::Error),
    /// The path is a symbolic link, whose target another user may have chosen.
    #[error("it is a symbolic link")]
    Link,
    /// The path is not a directory, but should be.
    #[error("it is not a directory")]
    NotADirectory,
    /// The path is not a regular file, but a directory, device, pipe or socket.
    #[error("it is not a regular file")]
    NotAFile,
    /// The owner is another user.
    #[error("it belongs to another user (uid {owner}, not {me})")]
    Foreign {
        /// The user id of the owner.
        owner: u32,
        /// The user id of this process.
        me: u32,
    },
    /// Other users can write it.
    #[error("others can write it (mode {mode:03o})")]
    Writable {
        /// The permission bits.
        mode: u32,
    },
    /// Other users can read or write it.
    #[error("others can read or write it (mode {mode:03o})")]
    Readable {
        /// The permission bits.
        mode: u32,
    },
}

impl NotPrivate {
    /// Returns `true` if the path does not exist.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Unseen(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Returns the remedy at `path`.
    #[must_use]
    pub fn remedy(&self, path: &Path) -> Option<String> {
        match self {
            Self::Writable { .. } => Some(format!("if it is yours: chmod go-w '{}'", path.display())),
            Self::Readable { .. } => Some(format!("if it is yours: chmod go= '{}'", path.display())),
            Self::Unseen(_) | Self::Link | Self::NotADirectory | Self::NotAFile | Self::Foreign { .. } => None,
        }
    }
}

/// Checks that the file or directory with the metadata `seen` belongs to this user, and that others have at most the rights `others`.
///
/// # Errors
/// Fails if it belongs to another user, or if its mode allows more.
pub fn expect_owned(seen: &Metadata, others: Others) -> Result<(), NotPrivate> {
    let (owner, me) = (seen.uid(), rustix::process::geteuid().as_raw());
    if owner != me {
        return Err(NotPrivate::Foreign { owner, me });
    }
    let mode = seen.mode() & 0o777;
    match others {
        Others::Nothing if mode & 0o077 != 0 => Err(NotPrivate::Readable { mode }),
        Others::Read if mode & 0o022 != 0 => Err(NotPrivate::Writable { mode }),
        Others::Nothing | Others::Read => Ok(()),
    }
}

/// Checks that `path` is a directory of this user, and not a link to one.
///
/// # Errors
/// Fails if it does not exist, or is not trusted.
pub fn expect_directory(path: &Path, others: Others) -> Result<(), NotPrivate> {
    let seen = std::fs::symlink_metadata(path).map_err(NotPrivate::Unseen)?;
    if seen.is_symlink() {
        return Err(NotPrivate::Link);
    }
    if !seen.is_dir() {
        return Err(NotPrivate::NotADirectory);
    }
    expect_owned(&seen, others)
}

/// Checks that `path` is a directory, of any user, that only its owner can write.
///
/// # Errors
/// Fails if it does not exist, is not a directory, or if its mode allows more.
pub fn expect_unwritable(path: &Path) -> Result<(), NotPrivate> {
    let seen = std::fs::symlink_metadata(path).map_err(NotPrivate::Unseen)?;
    let mode = seen.mode() & 0o777;
    match seen.is_dir() {
        true if mode & 0o022 == 0 => Ok(()),
        true => Err(NotPrivate::Writable { mode }),
        false => Err(NotPrivate::NotADirectory),
    }
}

/// Opens the file `path` of this user for reading; refuses links, and pipes, which might never end.
///
/// # Errors
/// Fails if it does not exist, or is not trusted.
pub fn open(path: &Path, others: Others) -> Result<File, NotPrivate> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(NotPrivate::Unseen)?;
    let seen = file.metadata().map_err(NotPrivate::Unseen)?;
    if !seen.is_file() {
        return Err(NotPrivate::NotAFile);
    }
    expect_owned(&seen, others)?;
    Ok(file)
}

/// Creates the directory `path` and its missing parents, for this user alone.
///
/// # Errors
/// Fails if it cannot be created.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only its owner can read. The mode of an existing file is changed before the text is written.
///
/// # Errors
/// Fails if the file cannot be written, or its mode cannot be changed.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    // The mode and length of a terminal or pipe are left alone.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

/// Replaces the file `path`, for its owner alone: completely, or not at all.
///
/// # Errors
/// Fails if the file cannot be written; the old file then stays.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    // A killed process with the same id may have left the file.
    let _absent = std::fs::remove_file(&unfinished);
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    let written = written.and_then(|()| std::fs::rename(&unfinished, path));
    written.inspect_err(|_| {
        let _absent = std::fs::remove_file(&unfinished);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }

    fn seen(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn a_file_that_was_open_to_others_is_closed_before_it_is_written() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("key");
        write(&path, "a first text").expect("it can be made");
        assert_eq!(seen(&path), 0o600);
        mode(&path, 0o644);
        write(&path, "second").expect("it can be written");
        assert_eq!(std::fs::read_to_string(&path).expect("it is ours"), "second");
        assert_eq!(seen(&path), 0o600);
    }

    #[test]
    fn links_files_and_directories_that_others_can_change_are_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let (directory, link, file) = (home.path().join("directory"), home.path().join("link"), home.path().join("file"));
        make_directory(&directory).expect("it can be made");
        std::os::unix::fs::symlink(&directory, &link).expect("a link");
        write(&file, "").expect("a file");
        assert_eq!(seen(&directory), 0o700);
        expect_directory(&directory, Others::Nothing).expect("it is ours");
        assert!(matches!(expect_directory(&link, Others::Read), Err(NotPrivate::Link)));
        assert!(matches!(expect_directory(&file, Others::Read), Err(NotPrivate::NotADirectory)));
        let absent = expect_directory(&home.path().join("nothing"), Others::Read).expect_err("it is not there");
        assert!(absent.is_absent(), "{absent}");
        for (bits, reading, writing) in [
            (0o755, false, true),
            (0o775, false, false),
            (0o707, false, false),
            (0o700, true, true),
        ] {
            mode(&directory, bits);
            assert_eq!(expect_directory(&directory, Others::Nothing).is_ok(), reading, "{bits:o}");
            assert_eq!(expect_directory(&directory, Others::Read).is_ok(), writing, "{bits:o}");
        }
    }

    #[test]
    fn links_and_pipes_are_not_read() {
        let home = tempfile::tempdir().expect("a directory");
        let (file, link) = (home.path().join("file"), home.path().join("link"));
        write(&file, "text").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        open(&file, Others::Nothing).expect("it is ours");
        assert!(matches!(open(&link, Others::Read), Err(NotPrivate::Unseen(_))));
        assert!(matches!(open(home.path(), Others::Read), Err(NotPrivate::NotAFile)));
        mode(&file, 0o602);
        let told = open(&file, Others::Read).expect_err("others can write it").to_string();
        assert_eq!(told, "others can write it (mode 602)");
    }

    #[test]
    fn somebody_elses_directory_is_refused() {
        let me = rustix::process::geteuid().as_raw();
        // The root directory belongs to root; if the test runs as root, it has to give a directory away first.
        let given = tempfile::tempdir().expect("a directory");
        let path = if me == 0 {
            std::os::unix::fs::chown(given.path(), Some(1), None).expect("root may");
            given.path()
        } else {
            Path::new("/")
        };
        let told = expect_directory(path, Others::Read).expect_err("it is another's");
        assert!(
            matches!(told, NotPrivate::Foreign { owner, me: mine } if owner != me && mine == me),
            "{told}"
        );
    }
}
