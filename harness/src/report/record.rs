//! The record of a run: `run.json`, from which every report can be drawn
//! again. The main types are [`RunRecord`] and its [`Recorder`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Reporter;
use super::cell::Cell;
use crate::event::{Event, LabReport, Outcome, ScenarioReport, SkipKind};

/// The record's schema version. It changes when a field changes its meaning or is removed.
pub const SCHEMA: u32 = 2;

/// The record of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The schema version.
    pub schema: u32,
    /// The version of authlab.
    pub authlab: String,
    /// The start time.
    pub started: Timestamp,
    /// The duration in milliseconds.
    pub ms: u64,
    /// `true` if the run was interrupted.
    pub interrupted: bool,
    /// `true` if sound twins were presented in place of flawed credentials: a scenario that passed has noticed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverted: bool,
    /// The error that ended the run, if the lab could not be started.
    pub error: Option<String>,
    /// The cell of a matrix that this run belongs to. Absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// The lab's contents; `None` if it never became ready.
    pub lab: Option<LabReport>,
    /// The features of Kubernetes (`fixtures/kubernetes.toml`) that the lab's version does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_features: Vec<String>,
    /// The phases and their durations, in the order in which they ended.
    pub phases: Vec<PhaseRecord>,
    /// The notes shown to the user, in order.
    pub notes: Vec<String>,
    /// The results of the scenarios, ordered by identity.
    pub scenarios: Vec<ScenarioReport>,
    /// The number of scenarios by outcome.
    pub totals: Totals,
}

/// A named part of the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// The phase's name.
    pub name: String,
    /// The duration in milliseconds.
    pub ms: u64,
    /// The reason for the failure, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The number of scenarios by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Scenarios in which every step held.
    pub passed: usize,
    /// Scenarios in which a step did not hold.
    pub failed: usize,
    /// Scenarios that the lab was not able to run.
    pub skipped: usize,
}

impl Totals {
    /// Counts one more scenario.
    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }
}

impl RunRecord {
    /// Returns the totals of each flow, with the sum of its scenarios' milliseconds.
    #[must_use]
    pub fn by_flow(&self) -> BTreeMap<&str, (Totals, u64)> {
        let mut flows: BTreeMap<&str, (Totals, u64)> = BTreeMap::new();
        for scenario in &self.scenarios {
            let (totals, ms) = flows.entry(&scenario.flow).or_default();
            totals.count(scenario.outcome);
            *ms += scenario.ms;
        }
        flows
    }

    /// Returns the number of scenarios that did not begin, because the run stopped after as many failures as were allowed.
    #[must_use]
    pub fn not_run(&self) -> usize {
        let reasons = self.scenarios.iter().filter_map(|scenario| scenario.skipped.as_ref());
        reasons.filter(|skip| skip.kind == SkipKind::NotRun).count()
    }

    /// Returns the record as JSON.
    ///
    /// # Errors
    /// Never fails for the record of a [`Recorder`].
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// Writes the record to `path`, completely or not at all.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        super::directory::write(path, self.to_json()?.as_bytes())
    }
}

/// A reporter that records the events of a run.
#[derive(Debug)]
pub struct Recorder {
    record: RunRecord,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Returns a recorder whose run starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            record: RunRecord {
                schema: SCHEMA,
                authlab: env!("CARGO_PKG_VERSION").to_owned(),
                started: Timestamp::now(),
                ms: 0,
                interrupted: false,
                inverted: false,
                error: None,
                cell: None,
                lab: None,
                absent_features: Vec::new(),
                phases: Vec::new(),
                notes: Vec::new(),
                scenarios: Vec::new(),
                totals: Totals::default(),
            },
        }
    }

    /// Records `why` the run ended without a result.
    pub fn failed(&mut self, why: &str) {
        self.record.error = Some(crate::secret::redact(why).into_owned());
    }

    /// Records that the run belongs to `cell`.
    pub fn of_cell(&mut self, cell: Cell) {
        self.record.cell = Some(cell);
    }

    /// Records the features `names` that the lab's version of Kubernetes does not have.
    pub fn lacks(&mut self, names: Vec<String>) {
        self.record.absent_features = names;
    }

    /// Sets the cell's version to that of the lab, if one was started: the user did not ask for a version.
    pub fn found_version(&mut self) {
        if let (Some(cell), Some(_)) = (&mut self.record.cell, &self.record.lab) {
            cell.kubernetes.clear();
        }
        self.record.cell = self.record.cell.as_ref().map(|_| Cell::of(&self.record));
    }

    /// Returns the record so far.
    #[must_use]
    pub fn record(&self) -> RunRecord {
        let mut record = self.record.clone();
        record.scenarios.sort_by(|one, other| one.id.cmp(&other.id));
        record
    }
}

impl Reporter for Recorder {
    fn on(&mut self, event: &Event) {
        match event {
            Event::PhaseFinished { phase, ms, failed } => {
                self.record.phases.push(PhaseRecord {
                    name: phase.clone(),
                    ms: *ms,
                    failed: failed.clone(),
                });
            }
            Event::Note { text } => self.record.notes.push(text.clone()),
            Event::RunStarted { inverted, .. } => self.record.inverted = *inverted,
            Event::LabReady { lab } => self.record.lab = Some(lab.clone()),
            Event::ScenarioFinished { report } => {
                self.record.totals.count(report.outcome);
                self.record.scenarios.push((**report).clone());
            }
            Event::RunFinished { ms, interrupted } => {
                self.record.ms = *ms;
                self.record.interrupted = *interrupted;
            }
            _ => {}
        }
    }
}
