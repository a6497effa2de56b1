//! The summary that `authlab run` prints at its end: a table by flow, skipped scenarios, failures, and with [`Detail::Reasons`] the
//! reason of each refusal. The main type is [`Summary`].

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::failure;
use super::progress::seconds;
use super::record::RunRecord;
use crate::event::{NOT_OBSERVABLE, Outcome, ReasonSource, ScenarioReport, SkipKind};

const PASSED: Style = AnsiColor::Green.on_default();
const FAILED: Style = AnsiColor::Red.on_default().bold();
const SKIPPED: Style = AnsiColor::Yellow.on_default();
const TITLE: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The level of detail of a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Failures and totals.
    Totals,
    /// A table by flow, and the number of skipped scenarios for each reason.
    Table,
    /// Every skipped scenario, and the reason of every refusal.
    Reasons,
}

/// The most scenarios of a run whose reasons are shown by default: they fit on a screen.
const FEW: usize = 20;

impl Detail {
    /// Returns the default level of detail for `record`.
    #[must_use]
    pub fn fit_for(record: &RunRecord) -> Self {
        if record.scenarios.len() <= FEW {
            Self::Reasons
        } else {
            Self::Table
        }
    }
}

/// The summary of a run.
#[derive(Debug)]
pub struct Summary<'a> {
    record: &'a RunRecord,
    detail: Detail,
}

impl<'a> Summary<'a> {
    /// Returns the summary of `record`.
    #[must_use]
    pub fn new(record: &'a RunRecord, detail: Detail) -> Self {
        Self { record, detail }
    }

    /// Writes the summary to `out`, which strips styles where colour is off.
    ///
    /// # Errors
    /// Fails if `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::new();
        if self.detail == Detail::Reasons && !self.record.inverted {
            self.refusals(&mut text);
        }
        match self.detail {
            Detail::Totals => {}
            Detail::Table => self.skipped_by_reason(&mut text),
            Detail::Reasons => self.skipped(&mut text),
        }
        if self.detail > Detail::Totals {
            self.table(&mut text);
        }
        self.failures(&mut text);
        self.unproved(&mut text);
        self.inverted(&mut text);
        self.totals(&mut text);
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn of(&self, outcome: Outcome) -> impl Iterator<Item = &'a ScenarioReport> {
        self.record.scenarios.iter().filter(move |scenario| scenario.outcome == outcome)
    }

    fn refusals(&self, text: &mut String) {
        let mut flow = "";
        for scenario in self.of(Outcome::Passed) {
            let mut reasons: Vec<String> = Vec::new();
            for answer in scenario.answers.iter().filter(|answer| answer.verdict.is_refusal()) {
                let reason = failure::refusal(answer);
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            if reasons.is_empty() {
                continue;
            }
            if flow != scenario.flow {
                let _ = writeln!(text, "\n{TITLE}Why: {}{TITLE:#}", scenario.flow);
                flow = &scenario.flow;
            }
            let row = scenario.id.split_once("::").map_or(scenario.name.as_str(), |(_, name)| name);
            let _ = writeln!(text, "  {row}");
            for reason in reasons.iter().take(REASONS) {
                let _ = writeln!(text, "    {DIM}{reason}{DIM:#}");
            }
            if reasons.len() > REASONS {
                let _ = writeln!(
                    text,
                    "    {DIM}… and {} more; `--report DIR` keeps them all{DIM:#}",
                    reasons.len() - REASONS
                );
            }
        }
    }

    fn skipped(&self, text: &mut String) {
        let mut first = true;
        for scenario in self.of(Outcome::Skipped).filter(|scenario| !is_not_inverted(scenario)) {
            if std::mem::take(&mut first) {
                let _ = writeln!(text, "\n{TITLE}Skipped{TITLE:#}");
            }
            let _ = writeln!(
                text,
                "  {}: {SKIPPED}{}{SKIPPED:#}",
                scenario.id,
                scenario.skipped.as_ref().map_or("", |skip| skip.because.as_str())
            );
        }
    }

    /// Writes the number of skipped scenarios for each reason, the most frequent first.
    fn skipped_by_reason(&self, text: &mut String) {
        let mut reasons: Vec<(&str, usize)> = Vec::new();
        for scenario in self.of(Outcome::Skipped).filter(|scenario| !is_not_inverted(scenario)) {
            let reason = scenario.skipped.as_ref().map_or("", |skip| skip.because.as_str());
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => reasons.push((reason, 1)),
            }
        }
        if reasons.is_empty() {
            return;
        }
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let _ = writeln!(text, "\n{TITLE}Skipped{TITLE:#}");
        for (reason, count) in reasons {
            let _ = writeln!(text, "  {count:>3}  {SKIPPED}{reason}{SKIPPED:#}");
        }
    }

    fn table(&self, text: &mut String) {
        let mut table = Table::new();
        table
            .load_style(UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["flow", "passed", "failed", "skipped", "ms"]);
        for (flow, (totals, ms)) in self.record.by_flow() {
            table.add_row([
                flow.to_owned(),
                totals.passed.to_string(),
                totals.failed.to_string(),
                totals.skipped.to_string(),
                ms.to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let _ = writeln!(text, "\n{table}");
    }

    fn failures(&self, text: &mut String) {
        for scenario in self.of(Outcome::Failed) {
            let _ = writeln!(text, "\n{FAILED}Failed{FAILED:#} {TITLE}{}{TITLE:#}", scenario.id);
            for line in failure::lines(scenario) {
                let _ = writeln!(text, "  {line}");
            }
        }
    }

    /// Writes the number of refusals whose reason could not be observed.
    fn unproved(&self, text: &mut String) {
        let answers = self.record.scenarios.iter().flat_map(|scenario| &scenario.answers);
        match answers.filter(|answer| answer.reason_source == ReasonSource::NotObservable).count() {
            0 => {}
            1 => {
                _ = writeln!(
                    text,
                    "\n{SKIPPED}1 refusal's reason is {NOT_OBSERVABLE}{SKIPPED:#}: the API server's log cannot be read"
                )
            }
            count => {
                let _ = writeln!(
                    text,
                    "\n{SKIPPED}{count} refusals' reasons are {NOT_OBSERVABLE}{SKIPPED:#}: the API server's log cannot be read"
                );
            }
        }
    }

    /// Writes the result of an inverted run.
    fn inverted(&self, text: &mut String) {
        if !self.record.inverted {
            return;
        }
        let noticed = self.of(Outcome::Passed).count();
        let others = self.of(Outcome::Skipped).filter(|scenario| is_not_inverted(scenario)).count();
        let _ = writeln!(
            text,
            "\nInverted: {noticed} scenarios noticed that the sound twin was presented in place of the flawed credential;\n\
             {others} have no refused credential with a twin, and were carried out as written (`--report DIR` and `--json` name them)"
        );
    }

    fn totals(&self, text: &mut String) {
        let totals = self.record.totals;
        let style = if totals.failed > 0 || self.record.interrupted {
            FAILED
        } else {
            PASSED
        };
        let ended = match self.record.not_run() {
            _ if self.record.interrupted => ", interrupted".to_owned(),
            0 => String::new(),
            count => format!(" ({count} not run)"),
        };
        let _ = writeln!(
            text,
            "\n{style}{} passed, {} failed, {} skipped{ended}{style:#} in {}",
            totals.passed,
            totals.failed,
            totals.skipped,
            seconds(self.record.ms)
        );
        if self.detail == Detail::Table {
            let _ = writeln!(
                text,
                "{DIM}`--why` shows the reason of each refusal, `--report DIR` keeps them all{DIM:#}"
            );
        }
    }
}

fn is_not_inverted(scenario: &ScenarioReport) -> bool {
    scenario.skipped.as_ref().is_some_and(|skip| skip.kind == SkipKind::NotInverted)
}

/// The most different reasons shown of one scenario.
const REASONS: usize = 3;
