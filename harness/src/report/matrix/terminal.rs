//! Terminal output for a matrix, merged reports and a comparison. The main functions are [`draw`] and [`draw_comparison`].

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table as Grid, TableStyle};

use super::compare::{Comparison, Pair};
use super::{CellSummary, MatrixRecord};
use crate::event::Outcome;
use crate::report::cell::is_of_pre_release;
use crate::report::progress::seconds;
use crate::report::table::{Entry, Finding, Table, Witness};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ABSENT: Style = AnsiColor::Yellow.on_default();
const TITLE: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// A table style without lines between rows: with hundreds of behaviours they would be half of the table.
const LINES: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('═').junction('═'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// Draws `matrix`; with `quiet`, only problems and totals.
///
/// # Errors
/// Fails if `out` cannot be written.
pub fn draw(matrix: &MatrixRecord, quiet: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    if !quiet {
        behaviours(&matrix.table, &mut text);
    }
    cells(matrix, &mut text);
    bad(&matrix.table, &mut text);
    for missing in matrix.missing() {
        let optional = optional(missing);
        let _ = writeln!(
            text,
            "\n{BAD}Missing{BAD:#} {TITLE}{missing}{TITLE:#}{optional}: there is no record of it"
        );
    }
    totals(matrix, &mut text);
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Returns the remark about the cell `name` if it does not count.
fn optional(name: &str) -> &'static str {
    if is_of_pre_release(name) { " (pre-release)" } else { "" }
}

fn grid(header: Vec<String>) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(LINES).set_content_arrangement(ContentArrangement::Disabled);
    grid.set_header(header);
    grid
}

/// Returns the shortest headings that tell the columns apart.
fn headings(table: &Table) -> Vec<String> {
    let drivers = table.columns.windows(2).any(|pair| pair[0].cluster != pair[1].cluster);
    let versions: Vec<&str> = table.columns.iter().map(|column| column.kubernetes.as_str()).collect();
    let twice = |version: &str| versions.iter().filter(|other| **other == version).count() > 1;
    let headings = table.columns.iter().map(|column| match (drivers, twice(&column.kubernetes)) {
        (false, false) => column.kubernetes.clone(),
        (true, false) => format!("{} {}", column.cluster, column.kubernetes),
        (_, true) => column.name.clone(),
    });
    headings.collect()
}

fn behaviours(table: &Table, text: &mut String) {
    if table.rows.is_empty() {
        return;
    }
    let mut header = vec!["behaviour".to_owned()];
    header.extend(headings(table));
    header.push(String::new());
    let mut grid = grid(header);
    for row in &table.rows {
        let mut line = vec![row.behaviour.clone()];
        line.extend(row.entries.iter().map(|entry| entry.finding.sign().to_string()));
        line.push(shortened(&row.described_as, 60));
        grid.add_row(line);
    }
    for column in grid.column_iter_mut().skip(1).take(table.columns.len()) {
        column.set_cell_alignment(CellAlignment::Center);
    }
    let legend: Vec<String> = Finding::ALL
        .iter()
        .map(|finding| format!("{} {}", finding.sign(), finding.words()))
        .collect();
    let _ = writeln!(text, "\n{grid}\n{DIM}{}{DIM:#}", legend.join("   "));
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

fn cells(matrix: &MatrixRecord, text: &mut String) {
    let header = ["cell", "Kubernetes", "passed", "failed", "skipped", "time"].map(str::to_owned);
    let mut grid = grid(header.to_vec());
    for column in &matrix.table.columns {
        grid.add_row([
            column.name.clone(),
            column.kubernetes.clone(),
            column.totals.passed.to_string(),
            column.totals.failed.to_string(),
            column.totals.skipped.to_string(),
            seconds(column.ms),
        ]);
    }
    for column in grid.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let _ = writeln!(text, "\n{grid}");
    for column in &matrix.table.columns {
        for problem in &column.problems {
            let _ = writeln!(text, "{BAD}{}{BAD:#}{}: {problem}", column.name, optional(&column.name));
        }
    }
}

fn bad(table: &Table, text: &mut String) {
    let headings = headings(table).into_iter().zip(&table.columns);
    let headings: Vec<String> = headings.map(|(heading, column)| heading + optional(&column.name)).collect();
    for finding in [Finding::Differs, Finding::Failed] {
        for row in &table.rows {
            let of_this = |entry: &Entry| {
                entry
                    .scenarios
                    .iter()
                    .filter(|witness| witness.finding == finding)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let mut told: Vec<(Witness, Vec<&str>)> = Vec::new();
            for (entry, heading) in row.entries.iter().zip(&headings) {
                for witness in of_this(entry) {
                    match told.iter_mut().find(|(same, _)| *same == witness) {
                        Some((_, on)) => on.push(heading),
                        None => told.push((witness, vec![heading])),
                    }
                }
            }
            for (witness, on) in told {
                let _ = writeln!(
                    text,
                    "\n{BAD}{}{BAD:#} {TITLE}{}{TITLE:#} on {}: {}",
                    first_upper(finding.words()),
                    row.behaviour,
                    on.join(", "),
                    row.described_as
                );
                let _ = writeln!(text, "  scenario  {}", witness.scenario);
                for (name, value) in [("expected", &witness.expected), ("seen", &witness.seen), ("why", &witness.why)] {
                    if let Some(value) = value.as_ref().filter(|_| name != "why" || witness.expected.is_none()) {
                        let _ = writeln!(text, "  {name:<9} {}", value.replace('\n', "\n            "));
                    }
                }
            }
        }
    }
}

fn first_upper(words: &str) -> String {
    let mut chars = words.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn totals(matrix: &MatrixRecord, text: &mut String) {
    let totals = matrix.totals();
    let counts = matrix.table.counts();
    let told: Vec<String> = Finding::ALL
        .iter()
        .filter_map(|finding| counts.get(finding).map(|count| format!("{count} {}", finding.words())))
        .collect();
    let is_bad = matrix.interrupted || matrix.required().any(CellSummary::is_bad);
    let style = if is_bad { BAD } else { GOOD };
    text.push('\n');
    // Own features prove no behaviours.
    if !told.is_empty() {
        let _ = writeln!(text, "behaviours × cells: {}", told.join(", "));
    }
    let cells = match matrix.cells.len() {
        1 => "1 cell".to_owned(),
        count => format!("{count} cells"),
    };
    let interrupted = if matrix.interrupted { ", interrupted" } else { "" };
    let _ = writeln!(
        text,
        "{style}{} passed, {} failed, {} skipped{interrupted}{style:#} in {cells}, {}",
        totals.passed,
        totals.failed,
        totals.skipped,
        seconds(matrix.ms)
    );
    for cell in matrix
        .cells
        .iter()
        .filter(|cell| matrix.has_release() && cell.pre_release && cell.is_bad())
    {
        let what = match (cell.totals.failed, cell.record.is_some()) {
            (0, true) => "it was not carried out".to_owned(),
            (0, false) => "there is no record of it".to_owned(),
            (failed, _) => format!("{failed} failed"),
        };
        let name = &cell.name;
        let _ = writeln!(text, "{ABSENT}{name}{ABSENT:#} is of a pre-release, and does not count: {what}");
    }
}

/// Draws the differences between two reports.
///
/// # Errors
/// Fails if `out` cannot be written.
pub fn draw_comparison(comparison: &Comparison, quiet: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    for pair in &comparison.pairs {
        draw_pair(pair, quiet, &mut text);
    }
    for (names, which) in [(&comparison.only_first, "first"), (&comparison.only_second, "second")] {
        if !names.is_empty() {
            let _ = writeln!(text, "{ABSENT}only in the {which}{ABSENT:#}: {}", names.join(", "));
        }
    }
    if comparison.is_same() {
        let _ = writeln!(text, "{GOOD}no behaviour and no scenario differs{GOOD:#}");
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn draw_pair(pair: &Pair, quiet: bool, text: &mut String) {
    let _ = writeln!(text, "{TITLE}{} → {}{TITLE:#}", pair.first, pair.second);
    for change in &pair.behaviours {
        let style = if change.second.is_bad() { BAD } else { ABSENT };
        let _ = writeln!(
            text,
            "  {style}{}{style:#}: {} → {} ({})",
            change.behaviour,
            change.first.words(),
            change.second.words(),
            shortened(&change.described_as, 80)
        );
    }
    for change in &pair.scenarios {
        let words = |outcome: Option<Outcome>| match outcome {
            None => "absent",
            Some(Outcome::Passed) => "passed",
            Some(Outcome::Failed) => "failed",
            Some(Outcome::Skipped) => "skipped",
        };
        let _ = writeln!(text, "  {}: {} → {}", change.scenario, words(change.first), words(change.second));
    }
    if quiet {
        return;
    }
    for change in &pair.reasons {
        let _ = writeln!(text, "  {}: different wording", change.scenario);
        for (sign, reasons) in [('-', &change.first), ('+', &change.second)] {
            for reason in reasons {
                let _ = writeln!(text, "    {DIM}{sign} {reason}{DIM:#}");
            }
        }
    }
    for time in &pair.times {
        let ratio = time.second_ms as f64 / time.first_ms.max(1) as f64;
        let _ = writeln!(
            text,
            "  {DIM}time of {}: {} → {} (× {ratio:.2}){DIM:#}",
            time.of,
            seconds(time.first_ms),
            seconds(time.second_ms)
        );
    }
}
