//! The directory of all labs, and the names in it.
//!
//! The main type is [`Found`]. Neither the state directory nor that of the labs may be a link, belong to another user or be writable
//! by others: the user that controls it decides what is emptied.

use std::io;
use std::path::{Path, PathBuf};

use super::marker::{There, look};
use super::{Ownership, contents};
use crate::lab::LabError;
use crate::private::{self, Others};

/// A name that is not one path component of letters, digits, `-`, `_` and `.`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' cannot be a lab's name (expected up to 40 letters, digits, '-', '_' and '.', beginning with a letter or digit)")]
pub struct InvalidName(pub String);

/// A lab's directory that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The lab's name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// The state of its owner.
    pub ownership: Ownership,
    /// The reason why it is not accepted as a lab's, if its ownership is unknown.
    pub doubt: Option<String>,
}

/// The prefix of directories that are being removed; no lab's name begins with it.
const GOING: &str = ".going-";

/// Returns the directory of the lab `name`, which need not exist.
pub(in crate::lab) fn place(name: &str) -> Result<PathBuf, LabError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let sound = name.len() <= 40 && name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if sound {
        Ok(all()?.join(name))
    } else {
        Err(InvalidName(name.to_owned()).into())
    }
}

/// Returns the directory of all labs.
fn all() -> Result<PathBuf, LabError> {
    Ok(crate::dirs::state()?.join("labs"))
}

/// Returns the path to which the lab's directory `path` is renamed while it is being removed.
pub(super) fn going(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{GOING}{}-{name}", &crate::owner::random()[..8]))
}

/// Creates the state directory and that of the labs, if they do not exist, and expects both to be trusted.
pub(in crate::lab) fn prepare() -> Result<(), LabError> {
    let labs = all()?;
    for path in labs.parent().into_iter().chain([labs.as_path()]) {
        private::make_directory(path).map_err(|source| {
            // If something else is in its place, the error says what it is.
            match private::expect_directory(path, Others::Read) {
                Err(why) if !why.is_absent() => LabError::Untrusted {
                    path: path.to_owned(),
                    why,
                },
                _ => LabError::Directory {
                    path: path.to_owned(),
                    source,
                },
            }
        })?;
    }
    expect_trusted().map(drop)
}

/// Expects the state directory and that of the labs to be trusted; `false` if they do not exist.
pub(in crate::lab) fn expect_trusted() -> Result<bool, LabError> {
    let labs = all()?;
    for path in labs.parent().into_iter().chain([labs.as_path()]) {
        match private::expect_directory(path, Others::Read) {
            Ok(()) => {}
            Err(why) if why.is_absent() => return Ok(false),
            Err(why) => {
                return Err(LabError::Untrusted {
                    path: path.to_owned(),
                    why,
                });
            }
        }
    }
    Ok(true)
}

/// Returns the labs that are up or being started, by name.
///
/// # Errors
/// There is no directory for labs, or it is not trusted.
pub fn labs() -> Result<Vec<Found>, LabError> {
    Ok(found()?.into_iter().filter(|lab| lab.ownership == Ownership::Owned).collect())
}

/// Returns every directory at a lab's place, by name.
pub(in crate::lab) fn found() -> Result<Vec<Found>, LabError> {
    let entries = directories()?.into_iter().filter(|(name, _)| !name.starts_with(GOING));
    let mut found: Vec<Found> = entries.filter_map(|(name, path)| found_at(name, path)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Returns the lab `name`; `None` if nothing is at its place.
pub(in crate::lab) fn find(name: &str) -> Result<Option<Found>, LabError> {
    let path = place(name)?;
    Ok(if expect_trusted()? { found_at(name.to_owned(), path) } else { None })
}

fn found_at(name: String, path: PathBuf) -> Option<Found> {
    let (ownership, doubt) = match look(&path) {
        There::Nothing => return None,
        There::Lab(_, ownership) => (ownership, None),
        There::Other(why) => (Ownership::Unknown, Some(why.to_string())),
    };
    Some(Found {
        name,
        path,
        ownership,
        doubt,
    })
}

/// Removes directories whose removal was begun but not finished.
pub(in crate::lab) fn remove_going() -> Result<(), LabError> {
    for (_, path) in directories()?.into_iter().filter(|(name, _)| name.starts_with(GOING)) {
        match look(&path) {
            There::Nothing => {}
            There::Lab(..) => contents::remove(&path).map_err(|source| LabError::Directory { path, source })?,
            There::Other(why) => return Err(LabError::NotALab { path, why }),
        }
    }
    Ok(())
}

/// Returns the names and paths of all entries that are directories, or links.
fn directories() -> Result<Vec<(String, PathBuf)>, LabError> {
    if !expect_trusted()? {
        return Ok(Vec::new());
    }
    let path = all()?;
    let entries = match std::fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(LabError::Directory { path, source }),
        Ok(entries) => entries,
    };
    let named = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink()));
    Ok(named
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect())
}
