//! The file that marks a directory as a lab's: without it nothing in a directory is emptied or deleted.
//!
//! The main type is [`Marker`]: the lab's random id, and its owner. [`look`] returns what is at a lab's place.

use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ownership;
use super::contents::is_bare;
use super::lock::{self, State};
use crate::owner::{LabId, Owner};
use crate::private::{self, NotPrivate, Others};

/// The marker's name.
pub(super) const MARKER: &str = "authlab-lab.json";

/// The marker's name while it is being written.
pub(super) const UNFINISHED: &str = "authlab-lab.json.new";

/// The version of the marker's format.
const SCHEMA: u32 = 1;

/// A marker takes a few hundred bytes; a larger file was not written by authlab.
const LARGEST: u64 = 64 * 1024;

/// The content of a lab's marker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::lab) struct Marker {
    schema: u32,
    /// The lab's id.
    pub(in crate::lab) id: LabId,
    /// The process that created the lab.
    pub(in crate::lab) owner: Owner,
}

/// The reason why a directory is not accepted as a lab's.
#[derive(Debug, thiserror::Error)]
pub enum NotALab {
    /// Other users can change it, or it cannot be examined.
    #[error(transparent)]
    Untrusted(#[from] NotPrivate),
    /// It has no marker, and is not empty.
    #[error("it is not empty and has no {MARKER}, which every lab's directory has")]
    Unmarked,
    /// Its marker was not written by authlab.
    #[error("its {MARKER} is invalid: {0}")]
    Damaged(String),
}

/// The state of a place where a lab can be.
#[derive(Debug)]
pub(in crate::lab) enum There {
    /// There is nothing.
    Nothing,
    /// A lab. It has no marker for a moment while it is being created; if that was interrupted, its directory is as good as empty.
    Lab(Option<Marker>, Ownership),
    /// Something else, which is left alone.
    Other(NotALab),
}

impl Marker {
    /// Returns the marker of a new lab, which this process owns.
    pub(in crate::lab) fn new() -> Self {
        Self {
            schema: SCHEMA,
            id: LabId::random(),
            owner: Owner::here(),
        }
    }

    /// Writes it into `directory`, atomically.
    pub(in crate::lab) fn write(&self, directory: &Path) -> io::Result<()> {
        let unfinished = directory.join(UNFINISHED);
        private::write(&unfinished, &serde_json::to_string_pretty(self)?)?;
        std::fs::rename(unfinished, directory.join(MARKER))
    }

    /// Reads the marker of `directory`; `None` if there is no such file.
    pub(in crate::lab) fn read(directory: &Path) -> Result<Option<Self>, NotALab> {
        let damaged = |why: &dyn std::fmt::Display| NotALab::Damaged(why.to_string());
        let file = match private::open(&directory.join(MARKER), Others::Read) {
            Ok(file) => file,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(damaged(&error)),
        };
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(|error| damaged(&error))?;
        let marker: Self = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
        if marker.schema != SCHEMA {
            return Err(damaged(&format!("its schema is {} (expected {SCHEMA})", marker.schema)));
        }
        Ok(Some(marker))
    }
}

/// Examines `path` without changing anything.
pub(in crate::lab) fn look(path: &Path) -> There {
    match private::expect_directory(path, Others::Read) {
        Ok(()) => {}
        Err(error) if error.is_absent() => return There::Nothing,
        Err(error) => return There::Other(error.into()),
    }
    // This comes before reading the marker: a marker created in between makes it a lab, not something else.
    let bare = is_bare(path);
    let marker = match (Marker::read(path), bare) {
        (Ok(None), false) => return There::Other(NotALab::Unmarked),
        (Ok(marker), _) => marker,
        (Err(error), _) => return There::Other(error),
    };
    match lock::state(path) {
        Ok(State::Held) => There::Lab(marker, Ownership::Owned),
        Ok(State::Free) => There::Lab(marker, Ownership::Crashed),
        Ok(State::Absent) if marker.is_some() => There::Lab(marker, Ownership::Kept),
        Ok(State::Absent) => There::Lab(marker, Ownership::Crashed),
        Err(error) => There::Other(error.into()),
    }
}
