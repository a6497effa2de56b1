//! Files and directories that nobody but this user controls.
//!
//! The main type is [`NotPrivate`]: why one of them is not trusted. [`directory`] and [`open`] look before anything in it is believed,
//! [`make_directory`] and [`write`] make what passes.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The rights that other users may have to a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nothing: it holds secrets.
    Nothing,
    /// Read it: only its content has to be ours.
    Read,
}

/// Why a file or directory is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum NotPrivate {
    /// It cannot be looked at; it may not be there.
    #[error("it cannot be looked at ({0})")]
    Unseen(#[source] io::Error),
    /// It is a symbolic link: its target is somebody else's choice.
    #[error("it is a symbolic link")]
    Link,
    /// A directory was expected.
    #[error("it is not a directory")]
    NotADirectory,
    /// A file was expected, and no device, pipe or socket.
    #[error("it is not a regular file")]
    NotAFile,
    /// It belongs to another user.
    #[error("it belongs to another user (uid {owner}, not {me})")]
    Foreign {
        /// The user id of its owner.
        owner: u32,
        /// The user id of this process.
        me: u32,
    },
    /// Others can change it.
    #[error("others can write it (mode {mode:03o})")]
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// Others can see or change it.
    #[error("others can read or write it (mode {mode:03o})")]
    Readable {
        /// Its permission bits.
        mode: u32,
    },
}

impl NotPrivate {
    /// Returns `true` if it is not there at all.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Unseen(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Says what the person can do about it at `path`.
    #[must_use]
    pub fn remedy(&self, path: &Path) -> Option<String> {
        match self {
            Self::Writable { .. } => Some(format!("if it is yours: chmod go-w '{}'", path.display())),
            Self::Readable { .. } => Some(format!("if it is yours: chmod go= '{}'", path.display())),
            Self::Unseen(_) | Self::Link | Self::NotADirectory | Self::NotAFile | Self::Foreign { .. } => None,
        }
    }
}

/// Expects that what was `seen` belongs to this user, and that others can do no more than `others` says.
///
/// # Errors
/// It belongs to somebody else, or its mode allows more.
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

/// Expects a directory of this user at `path`, and no link to one.
///
/// # Errors
/// It is not there, or not to be trusted.
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

/// Expects a directory at `path`, whoever's, that nobody but its owner can change.
///
/// # Errors
/// It is not there, no directory, or its mode allows more.
pub fn expect_unwritable(path: &Path) -> Result<(), NotPrivate> {
    let seen = std::fs::symlink_metadata(path).map_err(NotPrivate::Unseen)?;
    let mode = seen.mode() & 0o777;
    match seen.is_dir() {
        true if mode & 0o022 == 0 => Ok(()),
        true => Err(NotPrivate::Writable { mode }),
        false => Err(NotPrivate::NotADirectory),
    }
}

/// Opens the file `path` of this user for reading; neither a link nor a pipe that never ends.
///
/// # Errors
/// It is not there, or not to be trusted.
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

/// Makes the directory `path`, and those above it that are missing, for this user alone.
///
/// # Errors
/// It cannot be made.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only its owner can read. The mode of one that is there already is changed before the text is in it.
///
/// # Errors
/// It cannot be written, or its mode cannot be changed.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    // A terminal or a pipe has neither a mode of ours nor a length.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

/// Writes the file `path` anew, for its owner alone; whole, or not at all.
///
/// # Errors
/// It cannot be written; the file that was there still is.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    // Left by a process of the same id that was killed.
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
        // The root directory belongs to root; for root, something has to be given away first.
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
