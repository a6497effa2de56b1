//! Many runs together: found, merged, compared. The main type is [`MatrixRecord`], `matrix.json`: what was asked for, how each cell
//! ended, and the table. The cells' own records stay files of their own beside it, so that nothing is kept twice.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::record::{RunRecord, SCHEMA, Totals};
use super::table::Table;

pub mod compare;
pub mod directory;
pub mod in_log;
pub mod merge;
pub mod progress;
pub mod terminal;

/// The file that says what a matrix came to.
pub const RECORD: &str = "matrix.json";

/// The folder with a report for each cell.
pub const CELLS: &str = "cells";

/// All that is known of a matrix.
#[derive(Clone, Debug, Serialize)]
pub struct MatrixRecord {
    /// The version of this form, the same as that of the cells' records.
    pub schema: u32,
    /// The version of authlab.
    pub authlab: String,
    /// When it started, or its first cell did.
    pub started: Timestamp,
    /// How long it took, in milliseconds; for cells that were merged, all of them together.
    pub ms: u64,
    /// Whether it was given up.
    pub interrupted: bool,
    /// What was asked for; nothing, where cells from anywhere were merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The cells, in the order in which they were asked for.
    pub cells: Vec<CellSummary>,
    /// Behaviours × cells.
    pub table: Table,
}

/// What a matrix was asked for: a later run goes on with it only if it asks for the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The cells' names.
    pub cells: Vec<String>,
    /// The options that select scenarios, as they would be typed.
    pub selection: Vec<String>,
    /// How many scenarios these select.
    pub scenarios: usize,
    /// A hash of their identities.
    pub digest: String,
}

/// How a cell ended.
#[derive(Clone, Debug, Serialize)]
pub struct CellSummary {
    /// Its name.
    pub name: String,
    /// What was asked for in it.
    #[serde(flatten)]
    pub cell: Cell,
    /// Where its record is, seen from `matrix.json`; nothing, when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<PathBuf>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it was given up.
    pub interrupted: bool,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// How its scenarios ended.
    pub totals: Totals,
}

impl MatrixRecord {
    /// What `records` come to. Of a matrix, `asked` says what was asked for: cells that are not there are listed without a record.
    #[must_use]
    pub fn of(records: &[RunRecord], asked: Option<Asked>) -> Self {
        let mut cells: Vec<CellSummary> = records.iter().map(CellSummary::of).collect();
        if let Some(asked) = &asked {
            for name in &asked.cells {
                if !cells.iter().any(|cell| cell.name == *name) {
                    cells.push(CellSummary::missing(name));
                }
            }
            let place = |name: &str| asked.cells.iter().position(|asked| asked == name);
            cells.sort_by_key(|cell| place(&cell.name));
        }
        Self {
            schema: SCHEMA,
            authlab: env!("CARGO_PKG_VERSION").to_owned(),
            started: records.iter().map(|record| record.started).min().unwrap_or_else(Timestamp::now),
            ms: records.iter().map(|record| record.ms).sum(),
            interrupted: records.iter().any(|record| record.interrupted),
            asked,
            cells,
            table: Table::of(records),
        }
    }

    /// Cells that nobody has a record of.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.cells
            .iter()
            .filter(|cell| cell.record.is_none())
            .map(|cell| cell.name.as_str())
    }

    /// How all scenarios ended.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for cell in &self.cells {
            totals.passed += cell.totals.passed;
            totals.failed += cell.totals.failed;
            totals.skipped += cell.totals.skipped;
        }
        totals
    }

    /// The record as text.
    ///
    /// # Errors
    /// Never, for what is in it.
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

impl CellSummary {
    fn of(record: &RunRecord) -> Self {
        let cell = Cell::of(record);
        let name = cell.to_string();
        Self {
            record: Some(Path::new(CELLS).join(&name).join(super::saved::RECORD)),
            name,
            cell,
            error: record.error.clone(),
            interrupted: record.interrupted,
            ms: record.ms,
            totals: record.totals,
        }
    }

    fn missing(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cell: Cell::default(),
            record: None,
            error: None,
            interrupted: false,
            ms: 0,
            totals: Totals::default(),
        }
    }
}
