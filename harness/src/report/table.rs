//! The findings of each run for each behaviour: behaviours down, versions (cells of a matrix) across. The main type is
//! [`Table`], which every report draws in its own way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cell::{Cell, Part};
use super::failure;
use super::record::{RunRecord, Totals};
use crate::behaviour::{Catalogue, Kind};
use crate::event::{Cause, Outcome, ScenarioReport, SkipKind};

/// A table of behaviours × cells.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// The cells (across), in the order of the records.
    pub columns: Vec<Column>,
    /// The behaviours (down) that any scenario of any record proves, in the order of their ids.
    pub rows: Vec<Row>,
}

/// One cell of a matrix, with all of its shards.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    /// The name of the requested cell (`process-1.37`).
    pub name: String,
    /// The cluster driver that was used.
    pub cluster: String,
    /// The version of Kubernetes that the API server reports; the requested one if there was no API server.
    pub kubernetes: String,
    /// The identity provider that was used; empty if there was none.
    pub identity_provider: String,
    /// The reasons why the result is missing or incomplete.
    pub problems: Vec<String>,
    /// `true` if shards of it are missing.
    pub lacks_shards: bool,
    /// The duration in milliseconds, the sum of all shards.
    pub ms: u64,
    /// The number of its scenarios by outcome.
    pub totals: Totals,
}

/// The findings for one behaviour.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The id in the catalogue.
    pub behaviour: String,
    /// The promise; empty if the catalogue does not have the behaviour.
    pub described_as: String,
    /// One entry for each column.
    pub entries: Vec<Entry>,
}

/// The finding of one cell for one behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The overall finding.
    pub finding: Finding,
    /// The scenarios that prove the behaviour.
    pub scenarios: Vec<Witness>,
}

/// The finding of one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// The scenario's identity.
    pub scenario: String,
    /// The finding.
    pub finding: Finding,
    /// The expectation of its step, where the server differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The server's behaviour: where it differs, and where it refused as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// The reason why the behaviour was not proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The finding for a behaviour in one cell. Of several scenarios, the finding that is last in this order counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// No scenario about it ran: not selected, interrupted, or the cluster driver lacks a capability.
    #[default]
    NotRun,
    /// This version of Kubernetes does not have the feature yet.
    Absent,
    /// The behaviour holds.
    Proved,
    /// The behaviour is a refusal, and the server refused, with its own reason.
    Refused,
    /// The server's behaviour differs from the expected one.
    Differs,
    /// A scenario failed before the server could be compared with the expectation.
    Failed,
}

impl Finding {
    /// All findings, the best first, which is the order of legends.
    pub const ALL: [Self; 6] = [Self::Proved, Self::Refused, Self::Absent, Self::Differs, Self::Failed, Self::NotRun];

    /// Returns the finding in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotRun => "not run",
            Self::Absent => "absent",
            Self::Proved => "proved",
            Self::Refused => "refused as expected",
            Self::Differs => "differs from the expectation",
            Self::Failed => "failed",
        }
    }

    /// Returns the name that records use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotRun => "not_run",
            Self::Absent => "absent",
            Self::Proved => "proved",
            Self::Refused => "refused",
            Self::Differs => "differs",
            Self::Failed => "failed",
        }
    }

    /// Returns the finding as one character.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::NotRun => '·',
            Self::Absent => '–',
            Self::Proved => '✓',
            Self::Refused => '⊘',
            Self::Differs => '≠',
            Self::Failed => '✗',
        }
    }

    /// Returns whether the finding needs attention.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Differs | Self::Failed)
    }
}

impl Table {
    /// Returns the table of `records`, which may be of one cell or of many, in shards or whole.
    #[must_use]
    pub fn of(records: &[RunRecord]) -> Self {
        let mut cells: Vec<(Cell, Vec<&RunRecord>)> = Vec::new();
        for record in records {
            let whole = Cell::of(record).whole();
            match cells.iter_mut().find(|(cell, _)| *cell == whole) {
                Some((_, of_cell)) => of_cell.push(record),
                None => cells.push((whole, vec![record])),
            }
        }
        let mut rows: BTreeMap<(String, u32, String), Vec<Entry>> = BTreeMap::new();
        for (column, (_, of_cell)) in cells.iter().enumerate() {
            for record in of_cell {
                for scenario in &record.scenarios {
                    for behaviour in &scenario.behaviours {
                        let entries = rows.entry(natural(behaviour)).or_insert_with(|| vec![Entry::empty(); cells.len()]);
                        entries[column].add(witness(scenario, behaviour));
                    }
                }
            }
        }
        let catalogue = Catalogue::known();
        let row = |((letters, number, rest), entries): ((String, u32, String), Vec<Entry>)| {
            let behaviour = id(&letters, number, &rest);
            Row {
                described_as: catalogue
                    .behaviour(&behaviour)
                    .map(|known| known.behaviour.clone())
                    .unwrap_or_default(),
                behaviour,
                entries,
            }
        };
        Self {
            columns: cells.iter().map(|(cell, records)| Column::of(cell, records)).collect(),
            rows: rows.into_iter().map(row).collect(),
        }
    }

    /// Returns the number of entries for each finding.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Finding, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.rows.iter().flat_map(|row| &row.entries) {
            *counts.entry(entry.finding).or_default() += 1;
        }
        counts
    }
}

impl Entry {
    fn empty() -> Self {
        Self {
            finding: Finding::NotRun,
            scenarios: Vec::new(),
        }
    }

    fn add(&mut self, witness: Witness) {
        self.finding = self.finding.max(witness.finding);
        self.scenarios.push(witness);
    }
}

impl Column {
    fn of(cell: &Cell, records: &[&RunRecord]) -> Self {
        let lab = records.iter().find_map(|record| record.lab.as_ref());
        let mut totals = Totals::default();
        let mut problems = Vec::new();
        for record in records {
            totals.passed += record.totals.passed;
            totals.failed += record.totals.failed;
            totals.skipped += record.totals.skipped;
            let part = match Cell::of(record).shard {
                Some(part) => format!("shard {part}: "),
                None => String::new(),
            };
            if let Some(error) = &record.error {
                problems.push(format!("{part}{error}"));
            } else if record.interrupted {
                problems.push(format!("{part}interrupted"));
            } else if record.not_run() > 0 {
                problems.push(format!("{part}stopped after failures, {} scenarios were not run", record.not_run()));
            }
        }
        let missing = missing(records);
        if !missing.is_empty() {
            problems.push(format!("missing: {}", missing.join(", ")));
        }
        Self {
            name: cell.to_string(),
            cluster: lab.map_or_else(|| cell.cluster.clone(), |lab| lab.cluster.clone()),
            kubernetes: lab.map_or_else(|| cell.kubernetes.clone(), |lab| lab.kubernetes.trim_start_matches('v').to_owned()),
            identity_provider: lab.map(|lab| lab.identity_provider.clone()).unwrap_or_default(),
            problems,
            lacks_shards: !missing.is_empty(),
            ms: records.iter().map(|record| record.ms).sum(),
            totals,
        }
    }
}

/// Returns the shards of a cell that have no record.
fn missing(records: &[&RunRecord]) -> Vec<String> {
    let parts: Vec<Part> = records.iter().filter_map(|record| Cell::of(record).shard).collect();
    let count = parts.first().map_or(0, |part| part.count);
    let there = |index| parts.iter().any(|part| part.index == index);
    (1..=count)
        .filter(|&index| !there(index))
        .map(|index| format!("shard {}", Part { index, count }))
        .collect()
}

fn witness(scenario: &ScenarioReport, behaviour: &str) -> Witness {
    let mut witness = Witness {
        scenario: scenario.id.clone(),
        finding: Finding::NotRun,
        expected: None,
        seen: None,
        why: None,
    };
    match scenario.outcome {
        Outcome::Passed => {
            let is_refusal = Catalogue::known()
                .behaviour(behaviour)
                .is_some_and(|known| known.kind == Kind::Refused);
            witness.finding = if is_refusal { Finding::Refused } else { Finding::Proved };
            if is_refusal {
                witness.seen = refusal(scenario);
            }
        }
        Outcome::Skipped => {
            if let Some(skip) = &scenario.skipped {
                if skip.kind == SkipKind::Version {
                    witness.finding = Finding::Absent;
                }
                witness.why = Some(skip.because.clone());
            }
        }
        Outcome::Failed => {
            witness.finding = Finding::Failed;
            if let Some(failure) = &scenario.failure {
                if let Cause::Differs { expected, seen } = &failure.cause {
                    witness.finding = Finding::Differs;
                    witness.expected = Some(expected.clone());
                    witness.seen = Some(match refusal(scenario) {
                        Some(reason) if !seen.contains(&reason) => format!("{seen} ({reason})"),
                        _ => seen.clone(),
                    });
                }
                witness.why = Some(format!("{}: {}", failure.step, failure.cause));
            }
        }
    }
    witness
}

/// Returns the last refusal of a scenario, with the server's own reason.
fn refusal(scenario: &ScenarioReport) -> Option<String> {
    let refused = scenario.answers.iter().rev().find(|answer| answer.verdict.is_refusal())?;
    let verdict = failure::verdict(refused);
    Some(match &refused.reason {
        Some(reason) => format!("{verdict}: {reason}"),
        None => verdict,
    })
}

/// Returns the sort key of an id, by which `A2` comes before `A10`.
#[must_use]
pub fn in_order(id: &str) -> impl Ord + use<> {
    natural(id)
}

/// Returns the parts of an id by which `A2` comes before `A10`.
fn natural(id: &str) -> (String, u32, String) {
    let letters: String = id.chars().take_while(|c| !c.is_ascii_digit()).collect();
    let digits: String = id[letters.len()..].chars().take_while(char::is_ascii_digit).collect();
    // A number would lose leading zeros.
    match digits.parse() {
        Ok(number) if !digits.starts_with('0') => {
            let rest = id[letters.len() + digits.len()..].to_owned();
            (letters, number, rest)
        }
        _ => (id.to_owned(), u32::MAX, String::new()),
    }
}

fn id(letters: &str, number: u32, rest: &str) -> String {
    if number == u32::MAX {
        letters.to_owned()
    } else {
        format!("{letters}{number}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_the_name_that_records_have() {
        for finding in Finding::ALL {
            assert_eq!(serde_json::to_value(finding).expect("a word"), finding.name());
        }
    }

    #[test]
    fn ids_are_in_the_order_in_which_people_count() {
        let mut ids = ["A10", "A2", "IM3b", "IM3", "B", "A02"].map(natural);
        ids.sort();
        let ids = ids.map(|(letters, number, rest)| id(&letters, number, &rest));
        assert_eq!(ids, ["A2", "A10", "A02", "B", "IM3", "IM3b"]);
    }

    #[test]
    fn a_failure_counts_for_more_than_what_passed() {
        let mut entry = Entry::empty();
        for finding in [Finding::Absent, Finding::Proved, Finding::Failed, Finding::Differs] {
            entry.add(Witness {
                scenario: String::new(),
                finding,
                expected: None,
                seen: None,
                why: None,
            });
        }
        assert_eq!(entry.finding, Finding::Failed);
    }
}
