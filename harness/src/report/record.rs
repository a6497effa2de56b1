//! The record of a run: `run.json`, from which everything else can be drawn
//! again. The main types are [`RunRecord`] and its [`Recorder`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Reporter;
use super::cell::Cell;
use crate::event::{Event, LabReport, Outcome, ScenarioReport};

/// The version of the record's form. It changes when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 2;

/// All that is kept of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of this form.
    pub schema: u32,
    /// The version of authlab.
    pub authlab: String,
    /// When it started.
    pub started: Timestamp,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Whether it was given up.
    pub interrupted: bool,
    /// Whether sound twins were presented in place of flawed credentials: what passed has noticed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverted: bool,
    /// Why it came to nothing, when the lab could not be started.
    pub error: Option<String>,
    /// What tells this run from the others of a matrix. Absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// What was in the lab; nothing, when it never became ready.
    pub lab: Option<LabReport>,
    /// The features of Kubernetes (`fixtures/kubernetes.toml`) that the lab's version does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_features: Vec<String>,
    /// What took how long, in the order in which it ended.
    pub phases: Vec<PhaseRecord>,
    /// What a person was told, in order.
    pub notes: Vec<String>,
    /// How each scenario ended, in the order of their identities.
    pub scenarios: Vec<ScenarioReport>,
    /// How many ended how.
    pub totals: Totals,
}

/// A named part of the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Its name.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How many scenarios ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Every step held.
    pub passed: usize,
    /// A step did not hold.
    pub failed: usize,
    /// The lab was not able to.
    pub skipped: usize,
}

impl Totals {
    /// One more.
    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }
}

impl RunRecord {
    /// Totals per flow, with the milliseconds of its scenarios together.
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

    /// The record as text.
    ///
    /// # Errors
    /// Never, for what a [`Recorder`] recorded.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// Writes the record to `path`, all of it or nothing.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        super::directory::write(path, self.to_json()?.as_bytes())
    }
}

/// Keeps what happens.
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
    /// Starts now.
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

    /// It came to nothing, because of `why`.
    pub fn failed(&mut self, why: &str) {
        self.record.error = Some(crate::secret::redact(why).into_owned());
    }

    /// It is a run of `cell`.
    pub fn of_cell(&mut self, cell: Cell) {
        self.record.cell = Some(cell);
    }

    /// Its lab's version of Kubernetes does not have the features `names`.
    pub fn lacks(&mut self, names: Vec<String>) {
        self.record.absent_features = names;
    }

    /// Nobody asked for a version: the cell is that of the version which the lab has, if there came to be one.
    pub fn found_version(&mut self) {
        if let (Some(cell), Some(_)) = (&mut self.record.cell, &self.record.lab) {
            cell.kubernetes.clear();
        }
        self.record.cell = self.record.cell.as_ref().map(|_| Cell::of(&self.record));
    }

    /// The record so far.
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
