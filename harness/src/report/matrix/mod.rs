//! Many runs together: found, merged, compared. The main type is [`MatrixRecord`], `matrix.json`: the requested cells, the result of
//! each cell, and the table. The cells' own records stay in files of their own beside it, so that nothing is stored twice.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cell::{Cell, is_of_pre_release, is_on_pre_release};
use super::record::{RunRecord, SCHEMA, Totals};
use super::table::Table;

pub mod compare;
pub mod directory;
pub mod in_log;
pub mod merge;
pub mod progress;
pub mod terminal;

/// The file with the matrix' result.
pub const RECORD: &str = "matrix.json";

/// The folder with a report for each cell.
pub const CELLS: &str = "cells";

/// The record of a matrix.
#[derive(Clone, Debug, Serialize)]
pub struct MatrixRecord {
    /// The schema version, the same as that of the cells' records.
    pub schema: u32,
    /// The version of authlab.
    pub authlab: String,
    /// The start time of the matrix, or of its first cell.
    pub started: Timestamp,
    /// The duration in milliseconds; for merged cells, the sum of their durations.
    pub ms: u64,
    /// `true` if the matrix was interrupted.
    pub interrupted: bool,
    /// The requested cells and scenarios; `None` if records from anywhere were merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<RequestedMatrix>,
    /// The cells, in the order in which they were requested.
    pub cells: Vec<CellSummary>,
    /// The table of behaviours × cells.
    pub table: Table,
}

/// The requested cells and scenarios of a matrix: a later run resumes it only if it requests the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedMatrix {
    /// The cells' names.
    pub cells: Vec<String>,
    /// The options that select scenarios, as typed on the command line.
    pub selection: Vec<String>,
    /// The number of selected scenarios.
    pub scenarios: usize,
    /// A hash of their identities.
    pub digest: String,
}

/// The result of a cell.
#[derive(Clone, Debug, Serialize)]
pub struct CellSummary {
    /// The cell's name.
    pub name: String,
    /// The requested cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// `true` if it is of a pre-release of Kubernetes: beside releases, such a cell decides nothing about the matrix' success.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pre_release: bool,
    /// The path of its record, relative to `matrix.json`; `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<PathBuf>,
    /// The error that ended the cell without a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `true` if the cell was interrupted.
    pub interrupted: bool,
    /// The duration in milliseconds.
    pub ms: u64,
    /// The number of its scenarios by outcome.
    pub totals: Totals,
}

impl MatrixRecord {
    /// Returns the result of `records`. Cells that `asked` requests and that have no record are listed without one.
    #[must_use]
    pub fn of(records: &[RunRecord], asked: Option<RequestedMatrix>) -> Self {
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

    /// Returns `true` if a cell is of a release: those of pre-releases beside it are optional. By themselves, they count.
    pub fn has_release(&self) -> bool {
        self.cells.iter().any(|cell| !cell.pre_release)
    }

    /// Returns the cells that decide about success: all but those of pre-releases beside releases.
    pub fn required(&self) -> impl Iterator<Item = &CellSummary> {
        let all = !self.has_release();
        self.cells.iter().filter(move |cell| all || !cell.pre_release)
    }

    /// Returns the names of the cells without a record.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.cells
            .iter()
            .filter(|cell| cell.record.is_none())
            .map(|cell| cell.name.as_str())
    }

    /// Returns the number of all scenarios by outcome.
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

    /// Returns the record as JSON.
    ///
    /// # Errors
    /// Never fails for a matrix record.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// Writes the record to `path`, completely or not at all.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        super::directory::write(path, self.to_json()?.as_bytes())
    }
}

impl CellSummary {
    /// Returns whether the cell lacks a result, or a scenario failed in it.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.record.is_none() || self.error.is_some() || self.totals.failed > 0
    }

    fn of(record: &RunRecord) -> Self {
        let cell = Cell::of(record);
        let name = cell.to_string();
        Self {
            pre_release: is_on_pre_release(record),
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
            pre_release: is_of_pre_release(name),
            cell: Cell::default(),
            record: None,
            error: None,
            interrupted: false,
            ms: 0,
            totals: Totals::default(),
        }
    }
}
