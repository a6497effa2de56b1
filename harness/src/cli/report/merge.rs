//! `authlab report merge`: puts reports side by side. The main type is [`MergeArguments`].

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::Session;
use crate::cli::ci;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::options::ReportOptions;
use crate::report::cell::{Cell, is_of_pre_release};
use crate::report::matrix::directory::MatrixDirectory;
use crate::report::matrix::{MatrixRecord, RequestedMatrix, merge, terminal};
use crate::report::table::Column;

/// Arguments of `authlab report merge`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  all passed, in every cell (those of pre-releases of Kubernetes do not count)
  1  a scenario failed, or a cell or shard is missing
  2  wrong usage: a record that is damaged, of another schema, or there twice
  4  a cell's lab could not be started, and no scenario failed
  5  a run was interrupted")]
pub struct MergeArguments {
    /// Reports of runs or matrices, directories of such, or logs of pods
    ///
    /// The report of a run is its directory or `run.json`. A pod's log has the record of a cell.
    #[arg(value_name = "DIR", required = true)]
    places: Vec<PathBuf>,
    /// Write the merged report into a directory
    ///
    /// The directory must be new, empty or an earlier report of a matrix.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Merges the reports.
///
/// # Errors
/// A record that cannot be used, or a report that cannot be written.
pub(super) fn run(arguments: &MergeArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let found = merge::find(&arguments.places).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
    let matrix = MatrixRecord::of(&found.records, found.asked.clone());
    if let Some(place) = &arguments.out {
        let asked = found.asked.unwrap_or_else(|| RequestedMatrix {
            cells: matrix.cells.iter().map(|cell| cell.name.clone()).collect(),
            ..RequestedMatrix::default()
        });
        let directory = MatrixDirectory::begin(place, &asked).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
        for record in &found.records {
            let options = ReportOptions {
                report: Some(directory.cell(&Cell::of(record))),
                ..ReportOptions::default()
            };
            if let Some(cell) = options.directory()? {
                cell.write(record)?;
            }
        }
        directory.write(&matrix, &found.records)?;
    }
    // If the output is closed, there is nowhere to report to.
    let _ = ci::tell(&found.records, session.output.json);
    if session.output.json {
        out.write_all(matrix.to_json().map_err(io::Error::other)?.as_bytes())?;
    } else {
        terminal::draw(&matrix, session.output.quiet, out)?;
    }
    Ok(exit(&matrix))
}

/// Returns the exit code for a matrix. Beside releases, cells of pre-releases do not count, unless they were interrupted.
pub(in crate::cli) fn exit(matrix: &MatrixRecord) -> Exit {
    let lacks_shards = |column: &Column| column.lacks_shards && !(matrix.has_release() && is_of_pre_release(&column.name));
    let is_incomplete = matrix.required().any(|cell| cell.record.is_none()) || matrix.table.columns.iter().any(lacks_shards);
    if matrix.interrupted {
        Exit::Interrupted
    } else if matrix.required().any(|cell| cell.totals.failed > 0) {
        Exit::Failed
    } else if matrix.required().any(|cell| cell.error.is_some()) {
        Exit::LabNotStarted
    } else if is_incomplete {
        Exit::Failed
    } else {
        Exit::Success
    }
}
