//! `cucumber.json`, in the format of Cucumber's own formatters, which other tools read too: a feature per feature file,
//! each scenario with its steps. The main item is [`draw`].
//!
//! Source: <https://github.com/cucumber/cucumber-json-schema>. Durations are nanoseconds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::RunRecord;
use super::{cell, failure};
use crate::event::{Outcome, ScenarioReport, StepReport};

#[derive(Serialize)]
struct Feature<'a> {
    uri: String,
    id: String,
    keyword: &'static str,
    name: String,
    description: &'static str,
    line: usize,
    tags: [Tag; 0],
    elements: Vec<Element<'a>>,
}

#[derive(Serialize)]
struct Element<'a> {
    id: &'a str,
    keyword: &'static str,
    r#type: &'static str,
    name: &'a str,
    /// The rule: the format has no field for it.
    description: &'a str,
    line: usize,
    tags: Vec<Tag>,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Tag {
    name: String,
    line: usize,
}

#[derive(Serialize)]
struct Step<'a> {
    keyword: String,
    name: &'a str,
    line: usize,
    r#match: Match<'a>,
    result: StepResult,
}

#[derive(Serialize)]
struct Match<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

#[derive(Serialize)]
struct StepResult {
    status: &'static str,
    duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// Returns `records` in Cucumber's format; with several, each feature's name has that of its cell.
///
/// # Errors
/// Never fails for a record that was read or recorded.
pub fn draw(records: &[RunRecord]) -> serde_json::Result<String> {
    let mut features = Vec::new();
    for (record, cell) in records.iter().zip(cell::names(records)) {
        let mut by_file: BTreeMap<&str, Vec<&ScenarioReport>> = BTreeMap::new();
        for scenario in &record.scenarios {
            by_file.entry(place(&scenario.place).0).or_default().push(scenario);
        }
        for (file, scenarios) in by_file {
            let title = scenarios.first().map(|scenario| scenario.feature.as_str()).unwrap_or_default();
            let several = records.len() > 1;
            features.push(Feature {
                uri: file.to_owned(),
                id: if several { format!("{cell};{file}") } else { file.to_owned() },
                keyword: "Feature",
                name: if several { format!("{title} ({cell})") } else { title.to_owned() },
                description: "",
                line: 1,
                tags: [],
                elements: scenarios.into_iter().map(element).collect(),
            });
        }
    }
    serde_json::to_string_pretty(&features).map(|json| json + "\n")
}

/// Splits `file:line`.
fn place(place: &str) -> (&str, usize) {
    place
        .rsplit_once(':')
        .and_then(|(file, line)| Some((file, line.parse().ok()?)))
        .unwrap_or((place, 1))
}

fn element(scenario: &ScenarioReport) -> Element<'_> {
    let line = place(&scenario.place).1;
    let tag = |name: &String| Tag {
        name: format!("@{name}"),
        line,
    };
    Element {
        id: &scenario.id,
        keyword: "Scenario",
        r#type: "scenario",
        name: &scenario.name,
        description: scenario.rule.as_deref().unwrap_or_default(),
        line,
        tags: scenario.tags.iter().map(tag).collect(),
        steps: steps(scenario, line),
    }
}

fn steps(scenario: &ScenarioReport, line: usize) -> Vec<Step<'_>> {
    let error = || Some(failure::lines(scenario).join("\n"));
    let mut told = false;
    let mut steps: Vec<Step<'_>> = scenario
        .steps
        .iter()
        .map(|step| {
            let mut drawn = self::step(step, line);
            if step.outcome == Some(Outcome::Failed) {
                drawn.result.error_message = error();
                drawn.r#match.location = scenario.failure.as_ref().and_then(|failure| failure.definition.as_deref());
                told = true;
            }
            drawn
        })
        .collect();
    // Readers of this format know a scenario's outcome only by its steps: an outcome that no step has gets an extra step.
    let further = match scenario.outcome {
        Outcome::Failed if !told => Some((scenario.failure.as_ref().map_or("failed", |failure| failure.step.as_str()), error())),
        Outcome::Skipped => Some((scenario.skipped.as_ref().map_or("skipped", |skip| skip.because.as_str()), None)),
        Outcome::Passed if steps.is_empty() => Some(("carried out; the record has no steps", None)),
        _ => None,
    };
    if let Some((name, error_message)) = further {
        steps.push(Step {
            keyword: "* ".to_owned(),
            name,
            line,
            r#match: Match { location: None },
            result: StepResult {
                status: word(Some(scenario.outcome)),
                duration: if steps.is_empty() { nanoseconds(scenario.ms) } else { 0 },
                error_message,
            },
        });
    }
    steps
}

fn step(step: &StepReport, line: usize) -> Step<'_> {
    let (keyword, name) = step.text.split_once(' ').unwrap_or(("*", &step.text));
    Step {
        keyword: format!("{keyword} "),
        name,
        line,
        r#match: Match { location: None },
        result: StepResult {
            status: word(step.outcome),
            duration: nanoseconds(step.ms),
            error_message: None,
        },
    }
}

/// Returns the status of a step; this format has only `skipped` for a step that never began.
fn word(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "passed",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Skipped) | None => "skipped",
    }
}

fn nanoseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}
