//! `index.html`: a run to read, in one self-contained file: it needs no network, no script and no font.
//!
//! The main item is [`draw`]. Several records (cells: versions, drivers) go onto one page, which starts with a table of behaviours
//! by cells. The template engine escapes all text of servers and feature files, so it stays text.

use std::collections::BTreeMap;

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::record::{RunRecord, Totals};
use super::table::Table;
use super::{cell, shortened};
use crate::event::{Outcome, ScenarioReport};

mod catalogue;
mod credential;
mod exchange;
mod facts;
mod json;
mod scenario;
mod sequence;
mod summary;

use scenario::Depth;

pub use sequence::{alone as diagram, embedded as diagram_within};

/// The page's style sheet. The diagrams' rules come last; they are all that a standalone diagram has.
const STYLE: &str = concat!(include_str!("theme.css"), include_str!("page.css"), include_str!("sequence.css"));
const SCRIPT: &str = include_str!("page.js");

/// The tag that tells an authlab page from any other.
pub(super) const MARK: &str = "<meta name=\"generator\" content=\"authlab ";

/// The most bytes of all scenarios together, so that the page stays below 5 MB. Beyond it, scenarios are shortened, failed ones last;
/// `run.json` has all of them in full.
const ROOM: usize = 4_500_000;

/// One scenario on the page.
struct Entry<'a> {
    /// The number on the page; the anchor is `sNUMBER`.
    number: usize,
    /// The index of its record.
    cell: usize,
    scenario: &'a ScenarioReport,
}

/// The content of the page.
struct Page<'a> {
    records: &'a [RunRecord],
    /// A name for each record.
    cells: Vec<String>,
    entries: Vec<Entry<'a>>,
    totals: Totals,
    /// The records' findings for each behaviour.
    table: Table,
}

/// Draws the page for `records`, one or more.
#[must_use]
pub fn draw(records: &[RunRecord]) -> String {
    let page = Page::new(records);
    let (drawn, shortened) = page.draw_scenarios(ROOM);
    let heading = page.heading();
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    );
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                (PreEscaped(MARK)) (env!("CARGO_PKG_VERSION")) (PreEscaped("\">"))
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (heading) " – authlab" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#scenarios" { "Skip to the scenarios" }
                header {
                    p.brand { "authlab" }
                    h1 { (heading) }
                    (facts::draw(&page))
                    nav aria-label="On this page" {
                        a href="#summary" { "Summary" }
                        a href="#scenarios" { "Scenarios" }
                        @if page.is_about_kubernetes() { a href="#catalogue" { "Catalogue" } }
                    }
                }
                main {
                    (summary::draw(&page))
                    section #scenarios aria-labelledby="scenarios-title" {
                        h2 #scenarios-title { "Scenarios" }
                        (summary::filters(&page))
                        @if shortened > 0 {
                            p.note {
                                (shortened) " scenarios are shortened, to keep this page fast; "
                                code { "run.json" } " has all of them in full."
                            }
                        }
                        (page.groups(&drawn))
                        p.none hidden { "No scenario matches. " button type="button" data-clear { "Show all" } }
                    }
                    @if page.is_about_kubernetes() { (catalogue::draw(&page)) }
                }
                footer { p { "Drawn by authlab " (env!("CARGO_PKG_VERSION")) " from " code { "run.json" } ", which has the same data for programs." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    without_controls(markup.into_string())
}

/// Replaces each control character with a sign: HTML forbids them, and terminal escapes are not text.
fn without_controls(page: String) -> String {
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if page.contains(is_control) {
        page.replace(is_control, "\u{fffd}")
    } else {
        page
    }
}

/// Returns the hash source by which a content security policy allows an inline `text`.
fn digest(text: &str) -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!("sha256-{hash}")
}

impl<'a> Page<'a> {
    /// Returns whether a scenario proves a behaviour of Kubernetes. Features about an own configuration prove none.
    fn is_about_kubernetes(&self) -> bool {
        self.entries.is_empty()
            || self
                .entries
                .iter()
                .any(|entry| !entry.scenario.behaviours.is_empty() || entry.scenario.run_with.is_empty())
    }

    fn new(records: &'a [RunRecord]) -> Self {
        let mut entries: Vec<(usize, &ScenarioReport)> = Vec::new();
        let mut totals = Totals::default();
        for (cell, record) in records.iter().enumerate() {
            for scenario in &record.scenarios {
                totals.count(scenario.outcome);
                entries.push((cell, scenario));
            }
        }
        entries.sort_by(|(cell, one), (other_cell, other)| (&one.flow, &one.id, cell).cmp(&(&other.flow, &other.id, other_cell)));
        let entries = entries
            .into_iter()
            .enumerate()
            .map(|(number, (cell, scenario))| Entry { number, cell, scenario })
            .collect();
        Self {
            records,
            cells: cell::names(records),
            entries,
            totals,
            table: Table::of(records),
        }
    }

    /// Returns the result of the run in a few words.
    fn heading(&self) -> String {
        let Totals { passed, failed, skipped } = self.totals;
        let all = passed + failed + skipped;
        if self.records.iter().any(|record| record.error.is_some()) && all == 0 {
            "The lab could not be started".to_owned()
        } else if self.records.iter().any(|record| record.interrupted) {
            format!("Interrupted: {passed} passed, {failed} failed")
        } else if failed > 0 {
            format!("{failed} of {all} scenarios failed")
        } else if skipped > 0 {
            format!("{passed} scenarios passed, {skipped} skipped")
        } else {
            format!("{} passed", counted(passed, "scenario"))
        }
    }

    fn several(&self) -> bool {
        self.records.len() > 1
    }

    /// Draws every scenario, in at most `room` bytes together, and returns how many are shortened.
    fn draw_scenarios(&self, room: usize) -> (Vec<String>, usize) {
        let draw = |entry: &Entry<'_>, depth| scenario::draw(self, entry, depth).into_string();
        let mut drawn: Vec<String> = self.entries.iter().map(|entry| draw(entry, Depth::Whole)).collect();
        let mut size: usize = drawn.iter().map(String::len).sum();
        let mut shortened = std::collections::BTreeSet::new();
        let in_turn = [
            (Depth::Requests, false),
            (Depth::Outline, false),
            (Depth::Requests, true),
            (Depth::Outline, true),
        ];
        for (depth, of_failed) in in_turn {
            if size <= room {
                break;
            }
            let failed = |entry: &Entry<'_>| entry.scenario.outcome == Outcome::Failed;
            let mut largest: Vec<usize> = (0..drawn.len())
                .filter(|&index| failed(&self.entries[index]) == of_failed)
                .collect();
            largest.sort_by_key(|&index| std::cmp::Reverse(drawn[index].len()));
            for index in largest {
                if size <= room {
                    break;
                }
                let short = draw(&self.entries[index], depth);
                if short.len() < drawn[index].len() {
                    size = size - drawn[index].len() + short.len();
                    drawn[index] = short;
                    shortened.insert(index);
                }
            }
        }
        (drawn, shortened.len())
    }

    /// Draws the failures first, then the other scenarios by flow and feature.
    fn groups(&self, drawn: &[String]) -> Markup {
        let mut flows: BTreeMap<&str, BTreeMap<&str, Vec<&Entry<'_>>>> = BTreeMap::new();
        let mut failed: BTreeMap<(&str, &str), Vec<&Entry<'_>>> = BTreeMap::new();
        for entry in &self.entries {
            if entry.scenario.outcome == Outcome::Failed {
                let feature = (entry.scenario.flow.as_str(), entry.scenario.feature.as_str());
                failed.entry(feature).or_default().push(entry);
            } else {
                let features = flows.entry(&entry.scenario.flow).or_default();
                features.entry(&entry.scenario.feature).or_default().push(entry);
            }
        }
        let list = |entries: &[&Entry<'_>]| {
            html! { @for entry in entries { (PreEscaped(&drawn[entry.number])) } }
        };
        html! {
            @if !failed.is_empty() {
                div.group {
                    h3 #failed { "Failed" span.count { (self.totals.failed) } }
                    @for ((flow, feature), entries) in &failed {
                        div.feature { h4 { (flow) ": " (feature) } (list(entries)) }
                    }
                }
            }
            @for (flow, features) in &flows {
                div.group {
                    h3 id={ "flow-" (self.flow_number(flow)) } {
                        (flow) span.count { (features.values().map(Vec::len).sum::<usize>()) }
                    }
                    @for (feature, entries) in features {
                        div.feature { h4 { (feature) } (list(entries)) }
                    }
                }
            }
        }
    }

    fn flows(&self) -> Vec<&'a str> {
        let mut flows: Vec<&str> = self.entries.iter().map(|entry| entry.scenario.flow.as_str()).collect();
        flows.dedup();
        flows
    }

    fn flow_number(&self, flow: &str) -> usize {
        self.flows().iter().position(|other| *other == flow).unwrap_or_default()
    }
}

/// Returns a count with its noun: `1 scenario`, `2 scenarios`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// Returns the word for an outcome, which is also its CSS class.
fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
    }
}
