//! The progress of learners: a small file for each learner, and a board of all of them.
//!
//! The main types are [`Progress`] and [`Row`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Learner, LessonError};
use crate::lab::{Lab, put};

/// A learner's progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The lesson that was started last.
    pub current: Option<String>,
    /// The progress in each lesson that was started.
    pub lessons: BTreeMap<String, Reached>,
}

/// A learner's progress in one lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The time of the start, or of the last reset.
    pub started: Timestamp,
    /// The number of checks.
    pub checks: u32,
    /// The number of hints that were requested.
    pub hints: u32,
    /// The number of goals that held at the last check.
    pub held: usize,
    /// The number of goals; 0 before the first check.
    pub goals: usize,
    /// The time when all goals held for the first time.
    pub done: Option<Timestamp>,
    /// The hint that was given last, and how often: the next text says more.
    #[serde(default)]
    pub last_hint: Option<(usize, usize)>,
}

impl Reached {
    /// Returns the progress in a lesson that starts now.
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

    /// Reads the progress of `learner`.
    ///
    /// # Errors
    /// The file cannot be read, or is invalid.
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
    /// The learner's name.
    pub learner: String,
    /// The learner's progress.
    #[serde(flatten)]
    pub progress: Progress,
}

/// Returns the progress of every learner in the lab, in the order of their numbers.
///
/// # Errors
/// The file of a learner cannot be read.
pub fn board(lab: &Lab) -> Result<Vec<Row>, LessonError> {
    let row = |learner: Learner| {
        Ok(Row {
            progress: Progress::of(&learner, lab)?,
            learner: learner.name().to_owned(),
        })
    };
    Learner::in_lab(lab).into_iter().map(row).collect()
}
