//! The page's first part: the results by flow and, for several records, each behaviour in each of them.
//! The main items are [`draw`] and [`filters`].

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{Page, catalogue, counted, shortened};
use crate::event::Outcome;
use crate::report::progress::seconds;
use crate::report::record::Totals;
use crate::report::table::{Entry, Finding};

/// Draws the summary.
pub(super) fn draw(page: &Page<'_>) -> Markup {
    html! {
        section #summary aria-labelledby="summary-title" {
            h2 #summary-title { "Summary" }
            @for (record, cell) in page.records.iter().zip(&page.cells) {
                @if let Some(error) = &record.error {
                    div.failure {
                        p { strong { "The lab could not be started" } @if page.several() { " (" (cell) ")" } }
                        pre tabindex="0" { (error) }
                    }
                }
            }
            @if page.several() { (cells(page)) }
            (by_flow(page))
            @if let [record] = page.records {
                @if !record.phases.is_empty() || !record.notes.is_empty() {
                    details.more {
                        summary { "Durations" }
                        @if !record.phases.is_empty() {
                            div.scroll role="region" aria-label="Phases" tabindex="0" {
                                table {
                                    caption { "Parts of the run, in the order in which they ended" }
                                    thead { tr { th scope="col" { "Part" } th.number scope="col" { "Time" } } }
                                    tbody {
                                        @for phase in &record.phases {
                                            tr {
                                                th scope="row" {
                                                    (phase.name)
                                                    @if let Some(why) = &phase.failed { span.soft { " failed: " (why) } }
                                                }
                                                td.number { (seconds(phase.ms)) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                        @if !record.notes.is_empty() {
                            ul { @for note in &record.notes { li { (note) } } }
                        }
                    }
                }
            }
        }
    }
}

fn by_flow(page: &Page<'_>) -> Markup {
    let rows: Vec<(&str, Totals, u64)> = page
        .flows()
        .into_iter()
        .map(|flow| {
            let (mut totals, mut ms) = (Totals::default(), 0);
            for entry in page.entries.iter().filter(|entry| entry.scenario.flow == flow) {
                totals.count(entry.scenario.outcome);
                ms += entry.scenario.ms;
            }
            (flow, totals, ms)
        })
        .collect();
    html! {
        div.scroll role="region" aria-label="Results by flow" tabindex="0" {
            table.flows {
                caption { "Results by flow; times are those of the scenarios together" }
                thead {
                    tr {
                        th scope="col" { "Flow" }
                        th.number scope="col" { "Passed" }
                        th.number scope="col" { "Failed" }
                        th.number scope="col" { "Skipped" }
                        th.number scope="col" { "Time" }
                        td {}
                    }
                }
                tbody {
                    @for (flow, totals, ms) in &rows {
                        tr {
                            th scope="row" { a href={ "#" (anchor(page, flow, totals)) } { (flow) } }
                            (count(totals.passed, "passed"))
                            (count(totals.failed, "failed"))
                            (count(totals.skipped, "skipped"))
                            td.number { (seconds(*ms)) }
                            td { (bar(totals)) }
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" { "All" }
                        (count(page.totals.passed, "passed"))
                        (count(page.totals.failed, "failed"))
                        (count(page.totals.skipped, "skipped"))
                        td.number { (seconds(rows.iter().map(|(_, _, ms)| ms).sum())) }
                        td { (bar(&page.totals)) }
                    }
                }
            }
        }
    }
}

/// Returns the anchor of a flow's scenarios: the list of failures, if all of them failed.
fn anchor(page: &Page<'_>, flow: &str, totals: &Totals) -> String {
    if totals.passed + totals.skipped == 0 {
        "failed".to_owned()
    } else {
        format!("flow-{}", page.flow_number(flow))
    }
}

fn count(count: usize, word: &str) -> Markup {
    html! {
        @if count == 0 { td.number.zero { "0" } } @else { td.number { span.o.(word) { (count) } } }
    }
}

/// Draws the same numbers as a bar; it is decoration, and hidden from screen readers.
fn bar(totals: &Totals) -> Markup {
    let all = (totals.passed + totals.failed + totals.skipped).max(1);
    let part = |count: usize| count * 1000 / all;
    let (passed, failed) = (part(totals.passed), part(totals.failed));
    html! {
        svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.skipped width="1000" height="10" {}
            rect.failed width=(passed + failed) height="10" {}
            rect.passed width=(passed) height="10" {}
        }
    }
}

/// Draws the table of behaviours by cells.
fn cells(page: &Page<'_>) -> Markup {
    let table = &page.table;
    html! {
        @for column in &table.columns {
            @for problem in column.problems.iter().filter(|_| column.lacks_shards) {
                p.note { strong { (column.name) } ": " (problem) }
            }
        }
        div.scroll.tall role="region" aria-label="Behaviours by run" tabindex="0" {
            table.cells {
                caption { (counted(table.rows.len(), "behaviour")) " in " (counted(table.columns.len(), "run")) }
                thead {
                    tr {
                        th scope="col" { "Behaviour" }
                        @for column in &table.columns { th scope="col" { (column.name) " " span.soft { (column.kubernetes) } } }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            th scope="row" { (catalogue::link(&row.behaviour)) " " span.soft { (shortened(&row.described_as, 90)) } }
                            @for entry in &row.entries {
                                td { (cell(entry)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Draws the finding of one cell for a behaviour; where the server differs, with the expected and the seen result.
fn cell(entry: &Entry) -> Markup {
    let class = match entry.finding {
        Finding::Proved | Finding::Refused => "passed",
        Finding::Differs | Finding::Failed => "failed",
        Finding::Absent => "skipped",
        Finding::NotRun => "absent",
    };
    let differing = || entry.scenarios.iter().filter(|witness| witness.finding == Finding::Differs);
    html! {
        span.o.(class) { (entry.finding.words()) }
        @if differing().next().is_some() {
            details {
                summary { "Both answers" }
                dl {
                    @for witness in differing() {
                        dt { "Expected" }
                        dd { (witness.expected.as_deref().unwrap_or_default()) }
                        dt { "Seen" }
                        dd { (witness.seen.as_deref().unwrap_or_default()) }
                    }
                }
            }
        }
    }
}

/// Draws the filters of the list, which are hidden without the script.
pub(super) fn filters(page: &Page<'_>) -> Markup {
    let scenarios = || page.entries.iter().map(|entry| entry.scenario);
    let behaviours: BTreeSet<&str> = scenarios().flat_map(|scenario| &scenario.behaviours).map(String::as_str).collect();
    let tags = scenarios().flat_map(|scenario| &scenario.tags).map(String::as_str);
    let tags: BTreeSet<&str> = tags.filter(|tag| !behaviours.contains(tag)).collect();
    let choice = |name: &str, label: &str, options: &mut dyn Iterator<Item = (String, String)>| {
        html! {
            label {
                span { (label) }
                select data-filter=(name) {
                    option value="" { "all" }
                    @for (value, words) in options { option value=(value) { (words) } }
                }
            }
        }
    };
    let same = |word: &&str| ((*word).to_owned(), (*word).to_owned());
    html! {
        search hidden {
            label.wide {
                span { "Search" }
                input type="search" data-filter="q" placeholder="names, reasons, requests, audit ids" autocomplete="off" spellcheck="false";
            }
            (choice("o", "Outcome", &mut [Outcome::Failed, Outcome::Passed, Outcome::Skipped].into_iter().map(super::outcome_word).map(|word| same(&word))))
            (choice("f", "Flow", &mut page.flows().iter().map(same)))
            (choice("t", "Tag", &mut tags.iter().map(same)))
            (choice("b", "Behaviour", &mut behaviours.iter().map(same)))
            @if page.several() {
                (choice("c", "Run", &mut page.cells.iter().enumerate().map(|(index, cell)| (index.to_string(), cell.clone()))))
            }
            div.buttons {
                button type="button" data-clear { "Clear" }
                button type="button" data-toggle="open" { "Open all" }
                button type="button" data-toggle="close" { "Close all" }
            }
            output role="status" {}
        }
    }
}
