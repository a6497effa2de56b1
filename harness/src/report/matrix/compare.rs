//! The differences between two reports: behaviours, the wording of reasons, times. The main type is [`Comparison`].
//!
//! Cells are compared with cells of the same name. If each report has only one cell, these two are compared, whatever their names:
//! this is how one version is compared with the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::event::{Outcome, ScenarioReport, SkipKind};
use crate::report::cell::Cell;
use crate::report::failure;
use crate::report::record::RunRecord;
use crate::report::table::{Finding, Table};

/// Two reports side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The cells that are in both reports.
    pub pairs: Vec<Pair>,
    /// The cells that are only in the first report.
    pub only_first: Vec<String>,
    /// The cells that are only in the second report.
    pub only_second: Vec<String>,
}

/// A cell of each report.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// The first cell's name and its version of Kubernetes.
    pub first: String,
    /// The second cell's name and its version of Kubernetes.
    pub second: String,
    /// The behaviours with different findings.
    pub behaviours: Vec<BehaviourChange>,
    /// The scenarios with different outcomes, and those that only one report has.
    pub scenarios: Vec<ScenarioChange>,
    /// The different responses in scenarios that ran in both reports.
    pub reasons: Vec<ReasonChange>,
    /// The durations in milliseconds: the total, and the scenarios of each flow.
    pub times: Vec<TimeChange>,
}

/// A behaviour with different findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BehaviourChange {
    /// The behaviour's id.
    pub behaviour: String,
    /// The promise.
    pub described_as: String,
    /// The finding of the first report.
    pub first: Finding,
    /// The finding of the second report.
    pub second: Finding,
}

/// A scenario with different outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioChange {
    /// The scenario's identity.
    pub scenario: String,
    /// The outcome in the first report; `None` if the scenario is not in it.
    pub first: Option<Outcome>,
    /// The outcome in the second report.
    pub second: Option<Outcome>,
}

/// The different responses of servers in a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonChange {
    /// The scenario.
    pub scenario: String,
    /// The responses only in the first report, without the parts that differ in each run (identifiers, times, ports).
    pub first: Vec<String>,
    /// The responses only in the second report.
    pub second: Vec<String>,
}

/// The durations of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimeChange {
    /// The thing: `all`, or a flow.
    pub of: String,
    /// The duration in the first report, in milliseconds.
    pub first_ms: u64,
    /// The duration in the second report, in milliseconds.
    pub second_ms: u64,
}

impl Comparison {
    /// Compares the records `first` with the records `second`.
    #[must_use]
    pub fn of(first: &[RunRecord], second: &[RunRecord]) -> Self {
        let (mut one, mut other) = (by_cell(first), by_cell(second));
        let mut pairs = Vec::new();
        if let ([(_, records)], [(_, others)]) = (one.as_slice(), other.as_slice()) {
            pairs.push(Pair::of(records, others));
            one.clear();
            other.clear();
        }
        one.retain(|(cell, records)| {
            let Some(at) = other.iter().position(|(same, _)| same == cell) else {
                return true;
            };
            pairs.push(Pair::of(records, &other.remove(at).1));
            false
        });
        let names = |cells: Vec<(Cell, Vec<RunRecord>)>| cells.into_iter().map(|(cell, _)| cell.to_string()).collect();
        Self {
            pairs,
            only_first: names(one),
            only_second: names(other),
        }
    }

    /// Returns whether all behaviours and scenarios are the same. Wording and time may differ.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.pairs
            .iter()
            .all(|pair| pair.behaviours.is_empty() && pair.scenarios.is_empty())
    }
}

fn by_cell(records: &[RunRecord]) -> Vec<(Cell, Vec<RunRecord>)> {
    let mut cells: Vec<(Cell, Vec<RunRecord>)> = Vec::new();
    for record in records {
        let whole = Cell::of(record).whole();
        match cells.iter_mut().find(|(cell, _)| *cell == whole) {
            Some((_, of_cell)) => of_cell.push(record.clone()),
            None => cells.push((whole, vec![record.clone()])),
        }
    }
    cells
}

impl Pair {
    fn of(first: &[RunRecord], second: &[RunRecord]) -> Self {
        let (one, other) = (Table::of(first), Table::of(second));
        let name = |table: &Table| {
            table
                .columns
                .first()
                .map_or_else(String::new, |column| format!("{} (Kubernetes {})", column.name, column.kubernetes))
        };
        let (scenarios, others) = (by_id(first), by_id(second));
        let all: BTreeSet<&str> = scenarios.keys().chain(others.keys()).copied().collect();
        let mut changed = Vec::new();
        let mut reasons = Vec::new();
        for id in all {
            let (before, after) = (scenarios.get(id), others.get(id));
            let (ended, now) = (before.map(|scenario| scenario.outcome), after.map(|scenario| scenario.outcome));
            if ended != now {
                changed.push(ScenarioChange {
                    scenario: id.to_owned(),
                    first: ended,
                    second: now,
                });
            }
            if let (Some(before), Some(after)) = (before, after)
                && before.outcome != Outcome::Skipped
                && after.outcome != Outcome::Skipped
            {
                let (before, after) = (answers(before), answers(after));
                if before != after {
                    reasons.push(ReasonChange {
                        scenario: id.to_owned(),
                        first: before.difference(&after).cloned().collect(),
                        second: after.difference(&before).cloned().collect(),
                    });
                }
            }
        }
        Self {
            first: name(&one),
            second: name(&other),
            behaviours: behaviours(&one, &other),
            scenarios: changed,
            reasons,
            times: times(first, second),
        }
    }
}

fn by_id(records: &[RunRecord]) -> BTreeMap<&str, &ScenarioReport> {
    let scenarios = records.iter().flat_map(|record| &record.scenarios);
    // One that did not begin, since the run stopped, says nothing.
    let is_told = |scenario: &&ScenarioReport| scenario.skipped.as_ref().is_none_or(|skip| skip.kind != SkipKind::NotRun);
    scenarios.filter(is_told).map(|scenario| (scenario.id.as_str(), scenario)).collect()
}

fn behaviours(first: &Table, second: &Table) -> Vec<BehaviourChange> {
    let found = |table: &Table, behaviour: &str| {
        let row = table.rows.iter().find(|row| row.behaviour == behaviour);
        row.and_then(|row| row.entries.first())
            .map_or(Finding::NotRun, |entry| entry.finding)
    };
    // Rows keep the first table's order; rows only in the second follow.
    let only_second = second
        .rows
        .iter()
        .filter(|row| !first.rows.iter().any(|other| other.behaviour == row.behaviour));
    let rows = first.rows.iter().chain(only_second);
    rows.map(|row| BehaviourChange {
        behaviour: row.behaviour.clone(),
        described_as: row.described_as.clone(),
        first: found(first, &row.behaviour),
        second: found(second, &row.behaviour),
    })
    .filter(|change| change.first != change.second)
    .collect()
}

fn times(first: &[RunRecord], second: &[RunRecord]) -> Vec<TimeChange> {
    let of = |records: &[RunRecord]| {
        let mut times = BTreeMap::from([(String::new(), records.iter().map(|record| record.ms).sum())]);
        for record in records {
            for (flow, (_, ms)) in record.by_flow() {
                *times.entry(flow.to_owned()).or_default() += ms;
            }
        }
        times
    };
    let (one, other): (BTreeMap<String, u64>, BTreeMap<String, u64>) = (of(first), of(second));
    let both = one.iter().filter_map(|(of, ms)| Some((of, *ms, *other.get(of)?)));
    both.map(|(of, first_ms, second_ms)| TimeChange {
        of: if of.is_empty() { "all".to_owned() } else { of.clone() },
        first_ms,
        second_ms,
    })
    .collect()
}

/// Returns the servers' refusals as a set, because a scenario may send requests in parallel.
fn answers(scenario: &ScenarioReport) -> BTreeSet<String> {
    let answers = scenario.answers.iter().filter(|answer| answer.verdict.is_refusal());
    answers
        .map(|answer| {
            let verdict = failure::verdict(answer);
            match &answer.reason {
                Some(reason) => format!("{verdict}: {}", lasting(reason)),
                None => verdict,
            }
        })
        .collect()
}

/// Returns `text` without the parts that differ in each run.
fn lasting(text: &str) -> String {
    static PASSING: LazyLock<Regex> = LazyLock::new(|| {
        let parts = [
            // Certificates and keys.
            r"(?s)-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----",
            r#""[A-Za-z0-9+/]{60,}={0,2}""#,
            // Tokens that redaction cut after the beginning of the signature.
            r"[A-Za-z0-9_-]{10,}\.(?:…|[A-Za-z0-9_-]{10,})\.[A-Za-z0-9_-]{1,10}…",
            // Times as RFC 3339 and Go write them, including Go's monotonic clock.
            r"m=[+-]\d+\.\d+",
            r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d\d:?\d\d(?: [A-Z]+)?)?",
            // UUIDs, hashes, serial numbers.
            r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
            r"\b[0-9a-fA-F]{8,}\b",
            // Key identifiers of certificates, as Go writes them.
            r"\b(?:[0-9A-F]{2}:){7,}[0-9A-F]{2}\b",
            // Ports and seconds since 1970.
            r"\d{5,}",
            // Parts of tokens and certificates.
            r"[A-Za-z0-9_-]{40,}",
        ];
        Regex::new(&parts.join("|")).expect("a constant")
    });
    PASSING.replace_all(text, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_another_on_each_run_does_not_count() {
        for (text, expected) in [
            (
                "pod UID (736428d5-0c6f-4a4e-9d0c-111111111111) does not match (0b186b96-0c6f-4a4e-9d0c-222222222222)",
                "pod UID (…) does not match (…)",
            ),
            (
                "current time 2026-11-26T21:50:50Z is after 2026-11-26T20:50:50Z",
                "current time … is after …",
            ),
            (
                "verifying certificate SN=7283472834, SKID=, AKID=AB:CD",
                "verifying certificate SN=…, SKID=, AKID=AB:CD",
            ),
            (
                "\"alice-0a1b2c3d4e\" at https://127.0.0.1:34567",
                "\"alice-…\" at https://127.0.0.1:…",
            ),
            (
                "SKID=3E:49:AB:5F:71:AF:3E:1A:BD:98:45:E1:CD:99:CE:BC:F9:02:AC:EC, AKID= failed",
                "SKID=…, AKID= failed",
            ),
            (
                "oidc: current time 2026-11-26 21:50:50.1 +0000 UTC m=+38.123456789 before the nbf",
                "oidc: current time … … before the nbf",
            ),
            (
                "/.claims/eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.….mak3qc… did not contain claim: groups",
                "/.claims/… did not contain claim: groups",
            ),
            (
                "Invalid value: \"-----BEGIN CERTIFICATE-----\\nMIIB+/v33A\\n-----END CERTIFICATE-----\\n\": leaf",
                "Invalid value: \"…\\n\": leaf",
            ),
            (
                "GET /realms/authlab/protocol/openid-connect/token of Keycloak",
                "GET /realms/authlab/protocol/openid-connect/token of Keycloak",
            ),
            ("expected 1 UID, but found 2", "expected 1 UID, but found 2"),
        ] {
            assert_eq!(lasting(text), expected);
        }
    }
}
