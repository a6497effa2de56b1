//! The output for GitHub: annotations at the failed steps, and the job's summary in Markdown. The main items are
//! [`annotations`] and [`summary`].
//!
//! Sources: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>, and for the escapes
//! `packages/core/src/command.ts` in actions/toolkit.

use std::fmt::Write as _;

use super::progress::seconds;
use super::record::RunRecord;
use super::{cell, failure};
use crate::event::{Outcome, ScenarioReport};

/// The most bytes of a step's summary.
pub const MOST: usize = 1024 * 1024;

/// Returns a line for each failure; GitHub reads them from a step's output.
#[must_use]
pub fn annotations(records: &[RunRecord]) -> String {
    let mut text = String::new();
    for (record, cell) in records.iter().zip(cell::names(records)) {
        let of = if records.len() > 1 { format!(" ({cell})") } else { String::new() };
        if let Some(error) = &record.error {
            let _ = writeln!(
                text,
                "::error title={}::{}",
                property(&format!("The lab could not be started{of}")),
                data(error)
            );
        }
        for scenario in failed(record) {
            let (file, line) = position(scenario);
            let message = failure::lines(scenario).join("\n");
            let _ = writeln!(
                text,
                "::error file={},line={line},title={}::{}",
                property(file),
                property(&format!("{}{of}", scenario.name)),
                data(&message)
            );
        }
    }
    text
}

fn failed(record: &RunRecord) -> impl Iterator<Item = &ScenarioReport> {
    record.scenarios.iter().filter(|scenario| scenario.outcome == Outcome::Failed)
}

/// Returns the file and line of the failed step, or of its scenario.
fn position(scenario: &ScenarioReport) -> (&str, &str) {
    let place = scenario.failure.as_ref().map_or(&scenario.place, |failure| &failure.place);
    match place.rsplit_once(':') {
        Some((file, line)) if !line.is_empty() && line.bytes().all(|c| c.is_ascii_digit()) => (file, line),
        _ => (place, "1"),
    }
}

/// Escapes a command's message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Returns `records` in Markdown, in at most `most` bytes: results by flow, then failures with their reasons.
#[must_use]
pub fn summary(records: &[RunRecord], most: usize) -> String {
    let mut text = String::new();
    for (record, cell) in records.iter().zip(cell::names(records)) {
        let part = part(record, &cell);
        text.push_str(&part);
    }
    let mut left_out = 0;
    for record in records {
        for scenario in failed(record) {
            let failure = one_failure(scenario);
            // Keep room for the line that counts the other failures.
            if left_out > 0 || text.len() + failure.len() + 200 > most {
                left_out += 1;
            } else {
                text.push_str(&failure);
            }
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "\n… and {left_out} more failures; the report has them all.");
    }
    truncated(text, most)
}

fn part(record: &RunRecord, cell: &str) -> String {
    let totals = record.totals;
    let mut text = format!(
        "## authlab: {} passed, {} failed, {} skipped{}\n\n{}, {}\n\n",
        totals.passed,
        totals.failed,
        totals.skipped,
        ended(record),
        escaped(&record.lab.as_ref().map_or_else(
            || cell.to_owned(),
            |lab| format!("Kubernetes {} ({}), {}", lab.kubernetes, lab.cluster, lab.identity_provider)
        )),
        seconds(record.ms)
    );
    if let Some(error) = &record.error {
        let _ = writeln!(text, "**The lab could not be started:**\n\n{}", block(error));
    }
    if !record.scenarios.is_empty() {
        text.push_str("| Flow | ✅ Passed | ❌ Failed | ➖ Skipped | Time |\n|---|---:|---:|---:|---:|\n");
        for (flow, (totals, ms)) in record.by_flow() {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                escaped(flow),
                totals.passed,
                totals.failed,
                totals.skipped,
                seconds(ms)
            );
        }
        text.push('\n');
    }
    text
}

/// Returns why not all scenarios were carried out, as the end of the totals; empty if they were.
fn ended(record: &RunRecord) -> String {
    match record.not_run() {
        _ if record.interrupted => ", interrupted".to_owned(),
        0 => String::new(),
        count => format!(" ({count} not run)"),
    }
}

fn one_failure(scenario: &ScenarioReport) -> String {
    let lines = failure::lines(scenario).join("\n");
    format!("### ❌ {}\n\n{}\n", escaped(&scenario.id), block(&lines))
}

/// Returns `text` on one line, escaped so that nothing in it is Markdown or HTML markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // These are frequent in the names of flows and users, and are not markup within a word.
            '-' | '.' | '/' | ',' | '\'' | '"' | ' ' => escaped.push(c),
            c if c.is_ascii_punctuation() => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns `text` unchanged, within a fence longer than any that it contains (CommonMark §4.5).
fn block(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let shown: String = text.chars().take(8_000).collect();
    format!("{fence}text\n{}\n{fence}\n", shown.trim_end())
}

/// Truncates `text` to whole lines of at most `most` bytes.
fn truncated(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(text[..end].rfind('\n').map_or(0, |at| at + 1));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_properties_are_escaped_as_github_reads_them() {
        for (text, message, value) in [
            ("plain, a: b", "plain, a: b", "plain%2C a%3A b"),
            ("50 %", "50 %25", "50 %25"),
            ("one\r\ntwo", "one%0D%0Atwo", "one%0D%0Atwo"),
            ("%0A", "%250A", "%250A"),
            ("::error::", "::error::", "%3A%3Aerror%3A%3A"),
        ] {
            assert_eq!((data(text).as_str(), property(text).as_str()), (message, value), "{text:?}");
        }
    }
}
