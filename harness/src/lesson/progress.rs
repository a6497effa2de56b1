//! Who has reached what: a small file for each learner, and all of them side by side.
//!
//! The main types are [`Progress`] and [`Row`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Learner, LessonError};
use crate::lab::{Lab, put};

/// How far somebody is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The lesson that they started last.
    pub current: Option<String>,
    /// The lessons that they started.
    pub lessons: BTreeMap<String, Reached>,
}

/// How far somebody is in one lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// When it was started, or taken back to its start.
    pub started: Timestamp,
    /// How often it was checked.
    pub checks: u32,
    /// How often a hint was asked for.
    pub hints: u32,
    /// How many goals held when it was checked last.
    pub held: usize,
    /// How many goals it has; 0 before it was checked.
    pub goals: usize,
    /// When all held for the first time.
    pub done: Option<Timestamp>,
    /// Which hint was given last, and how often: the next one says more.
    #[serde(default)]
    pub last_hint: Option<(usize, usize)>,
}

impl Reached {
    /// Begun now.
    pub(super) fn begun() -> Self {
        Self {
            started: Timestamp::now(),
            checks: 0,
            hints: 0,
            held: 0,
            goals: 0,
            done: None,
            last_hint: None,
        }
    }
}

impl Progress {
    const FILE: &'static str = "progress.json";

    /// What `learner` has reached.
    ///
    /// # Errors
    /// The file cannot be read, or is none.
    pub fn of(learner: &Learner, lab: &Lab) -> Result<Self, LessonError> {
        let path = learner.home(lab).join(Self::FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(LessonError::File { path, source }),
            Ok(text) => text,
        };
        serde_json::from_str(&text).map_err(|error| LessonError::Damaged {
            path,
            why: error.to_string(),
        })
    }

    pub(super) fn save(&self, learner: &Learner, lab: &Lab) -> Result<(), LessonError> {
        let text = serde_json::to_string_pretty(self)?;
        Ok(put(&learner.home(lab).join(Self::FILE), &format!("{text}\n"))?)
    }
}

/// A learner's line on the board.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Who.
    pub learner: String,
    /// How far they are.
    #[serde(flatten)]
    pub progress: Progress,
}

/// Everybody of the lab, in the order of their numbers.
///
/// # Errors
/// Somebody's file cannot be read.
pub fn board(lab: &Lab) -> Result<Vec<Row>, LessonError> {
    let row = |learner: Learner| {
        Ok(Row {
            progress: Progress::of(&learner, lab)?,
            learner: learner.name().to_owned(),
        })
    };
    Learner::in_lab(lab).into_iter().map(row).collect()
}
