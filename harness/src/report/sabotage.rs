//! The results of scenarios in labs that were broken on purpose: `sabotage.json`, and a table.
//!
//! The main type is [`SabotageRecord`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::{Deserialize, Serialize};

use super::progress::seconds;

/// The record's schema version. It changes when a field changes its meaning or is removed.
pub const SCHEMA: u32 = 1;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const TITLE: Style = Style::new().bold();

/// The record of a run of sabotages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SabotageRecord {
    /// The schema version.
    pub schema: u32,
    /// The version of authlab.
    pub authlab: String,
    /// The version of Kubernetes.
    pub kubernetes: String,
    /// The seed that mutations were drawn with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The duration in milliseconds.
    pub ms: u64,
    /// The sabotages, in order.
    pub sabotages: Vec<SabotageReport>,
}

/// The result of one sabotage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SabotageReport {
    /// The sabotage's name.
    pub name: String,
    /// The description of the fault.
    pub described_as: String,
    /// `true` if all behaviours that must notice did, and no unrelated scenario failed; of a mutation, if anything noticed or nobody can.
    pub sound: bool,
    /// The reason why there was nothing to sabotage.
    pub skipped_because: Option<String>,
    /// The reason why the lab did not become ready.
    pub not_ready: Option<String>,
    /// The number of scenarios that ran.
    pub carried_out: usize,
    /// The number of scenarios that failed as expected.
    pub red: usize,
    /// The scenarios that had to fail and did, by behaviour.
    pub noticed: BTreeMap<String, Vec<String>>,
    /// The scenarios that were allowed to fail and did.
    pub also: Vec<String>,
    /// The behaviours that had to notice and did not.
    pub missing: Vec<String>,
    /// The scenarios that failed for no known reason, with the step and its message.
    pub unexpected: BTreeMap<String, String>,
    /// `true` if any scenario might have noticed, and none did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub survived: bool,
    /// The reason, from the fixtures, why nobody can notice what survived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survives_because: Option<String>,
    /// The duration of the lab and its scenarios, in milliseconds.
    pub ms: u64,
}

const NOBODY: &str = "no scenario noticed it";

/// The most complaints in a short text; the record has all of them.
const SHORT: usize = 3;

impl SabotageReport {
    /// Returns the problems of this sabotage in one line.
    #[must_use]
    pub fn problems_in_a_line(&self) -> String {
        let not_ready = self.not_ready.iter().map(|why| format!("the lab did not become ready: {why}"));
        let missing = self.missing.iter().map(|id| format!("{id} did not notice"));
        let unexpected = self.unexpected.keys().map(|id| format!("{id} failed unexpectedly"));
        let survived = self.survived.then(|| NOBODY.to_owned());
        let all: Vec<String> = not_ready.chain(survived).chain(missing).chain(unexpected).collect();
        let more = all.len().saturating_sub(SHORT);
        let shown = all[..all.len() - more].join("; ");
        if more == 0 { shown } else { format!("{shown}; and {more} more") }
    }
}

impl SabotageRecord {
    /// Returns the record as JSON.
    ///
    /// # Errors
    /// Never fails for a recorded run.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// Returns whether the right scenarios, and no others, noticed each sabotage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.sabotages.iter().all(|sabotage| sabotage.sound)
    }

    /// Writes the record for people; with `quiet`, only problems and totals.
    ///
    /// # Errors
    /// Fails if `out` cannot be written.
    pub fn write(&self, quiet: bool, out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::new();
        if !quiet {
            self.table(&mut text);
        }
        for sabotage in self.sabotages.iter().filter(|sabotage| !sabotage.sound) {
            complaint(sabotage, &mut text);
        }
        let sound = self.sabotages.iter().filter(|sabotage| sabotage.sound).count();
        let (style, failed) = (if self.is_sound() { GOOD } else { BAD }, self.sabotages.len() - sound);
        let skipped = self.sabotages.iter().filter(|sabotage| sabotage.skipped_because.is_some()).count();
        let _ = writeln!(
            text,
            "\n{style}{} passed, {failed} failed, {skipped} skipped{style:#} of {} sabotages in {}",
            sound - skipped,
            self.sabotages.len(),
            seconds(self.ms)
        );
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn table(&self, text: &mut String) {
        let mut table = Table::new();
        table
            .load_style(UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["sabotage", "noticed by", "missing", "unexpected", "ms"]);
        for sabotage in &self.sabotages {
            let noticed = match (&sabotage.skipped_because, &sabotage.not_ready) {
                (Some(why), _) => format!("skipped: {why}"),
                (None, Some(_)) => "the lab itself".to_owned(),
                (None, None) if sabotage.survived => "nobody".to_owned(),
                (None, None) => format!("{} of {}", sabotage.red, sabotage.carried_out),
            };
            table.add_row([
                sabotage.name.clone(),
                noticed,
                sabotage.missing.join(" "),
                sabotage.unexpected.len().to_string(),
                sabotage.ms.to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let _ = writeln!(text, "\n{table}");
    }
}

fn complaint(sabotage: &SabotageReport, text: &mut String) {
    let _ = writeln!(text, "\n{BAD}{}{BAD:#} {TITLE}{}{TITLE:#}", sabotage.name, sabotage.described_as);
    if let Some(why) = &sabotage.not_ready {
        let _ = writeln!(text, "  the lab did not become ready: {why}");
    }
    if sabotage.survived {
        let _ = writeln!(
            text,
            "  {NOBODY}: write one, or say in fixtures/surviving_mutations.toml why nobody can"
        );
    }
    if !sabotage.missing.is_empty() {
        let _ = writeln!(text, "  no scenario of {} noticed it", sabotage.missing.join(", "));
    }
    for (id, why) in &sabotage.unexpected {
        let _ = writeln!(text, "  failed unexpectedly: {id}\n    {}", why.replace('\n', "\n    "));
    }
}
