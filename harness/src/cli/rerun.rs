//! `--rerun`: the scenarios that failed in an earlier report. The main type is [`Rerun`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::CommandError;
use super::exit::Exit;
use crate::event::{Events, Outcome};
use crate::report::matrix::merge;
use crate::report::record::RunRecord;
use crate::report::saved;
use crate::scenario::{Selection, Suite};

/// The failed scenarios of an earlier report: of a run, or of all cells of a matrix.
#[derive(Clone, Debug)]
pub(super) struct Rerun {
    place: PathBuf,
    failed: BTreeSet<String>,
    inverted: bool,
    /// The run was not whole: the reason, and what is left out now.
    cut_short: Option<String>,
}

impl Rerun {
    /// Reads the report at `place`, its directory or its `run.json`.
    ///
    /// # Errors
    /// The report cannot be used, or no scenario failed in it.
    pub(super) fn read(place: &Path) -> Result<Self, CommandError> {
        let is_matrix = place.is_dir() && !place.join(saved::RECORD).exists() && place.join(crate::report::matrix::CELLS).is_dir();
        let records = if is_matrix {
            let found = merge::find(std::slice::from_ref(&place.to_owned()));
            found.map_err(|error| CommandError::hinted(Exit::Usage, error))?.records
        } else {
            vec![saved::read(place).map_err(|error| CommandError::hinted(Exit::Usage, error))?]
        };
        let scenarios = records.iter().flat_map(|record| &record.scenarios);
        let failed: BTreeSet<String> = scenarios
            .filter(|scenario| scenario.outcome == Outcome::Failed)
            .map(|scenario| scenario.id.clone())
            .collect();
        if failed.is_empty() {
            return Err(nothing_failed(place, &records));
        }
        Ok(Self {
            place: place.to_owned(),
            failed,
            inverted: records.iter().any(|record| record.inverted),
            cut_short: cut_short(&records),
        })
    }

    /// Adds to `selection` that only these scenarios are meant.
    pub(super) fn narrow(&self, selection: &mut Selection) {
        selection.only = Some(self.failed.clone());
    }

    /// Returns whether `suite` has any of these scenarios.
    pub(super) fn is_about(&self, suite: &Suite) -> bool {
        suite.scenarios().any(|scenario| self.failed.contains(&scenario.id))
    }

    /// Tells which of the scenarios `suite` does not have any more, and whether the report is of a run of another kind.
    ///
    /// # Errors
    /// The suite has none of them.
    pub(super) fn compare(&self, suite: &Suite, inverted: bool, events: &Events) -> Result<(), CommandError> {
        let known: BTreeSet<&str> = suite.scenarios().map(|scenario| scenario.id.as_str()).collect();
        let gone: Vec<&str> = self.failed.iter().map(String::as_str).filter(|id| !known.contains(id)).collect();
        if gone.len() == self.failed.len() {
            let error = format!(
                "none of the scenarios that failed in `{}` exists: {}",
                self.place.display(),
                gone.join(", ")
            );
            return Err(CommandError::new(Exit::NothingSelected, error)
                .hint("name the feature files of that run; a scenario with another title has another identity"));
        }
        for id in gone {
            events.note(format!("failed in `{}`, and does not exist any more: {id}", self.place.display()));
        }
        if let Some(why) = &self.cut_short {
            events.note(format!(
                "the run of `{}` was not whole: {why}; --rerun leaves the others out",
                self.place.display()
            ));
        }
        if self.inverted != inverted {
            let (was, is) = if self.inverted { ("", "not ") } else { ("not ", "") };
            events.note(format!(
                "the run of `{}` was {was}inverted (--invert), and this one is {is}inverted",
                self.place.display()
            ));
        }
        Ok(())
    }
}

/// Returns why not all of the scenarios of `records` were carried out, if so.
fn cut_short(records: &[RunRecord]) -> Option<String> {
    let not_run: usize = records.iter().map(RunRecord::not_run).sum();
    match records.iter().find_map(|record| record.error.as_deref()) {
        Some(error) => Some(error.lines().next().unwrap_or_default().to_owned()),
        None if records.iter().any(|record| record.interrupted) => Some("it was interrupted".to_owned()),
        None if not_run > 0 => Some(format!("{not_run} scenarios were not run after the failures")),
        None => None,
    }
}

/// Returns the error for a report without failures, with the reason.
fn nothing_failed(place: &Path, records: &[RunRecord]) -> CommandError {
    let sum = |count: fn(&RunRecord) -> usize| records.iter().map(count).sum::<usize>();
    let why = match records.iter().find_map(|record| record.error.as_deref()) {
        Some(error) => format!("the run ended with an error: {}", error.lines().next().unwrap_or_default()),
        None if records.iter().any(|record| record.interrupted) => "the run was interrupted".to_owned(),
        None => {
            let (passed, skipped) = (sum(|record| record.totals.passed), sum(|record| record.totals.skipped));
            format!("{passed} passed, {skipped} skipped")
        }
    };
    CommandError::new(
        Exit::NothingSelected,
        format!("no scenario failed in `{}` ({why})", place.display()),
    )
    .hint("leave out --rerun to carry out all scenarios")
}
