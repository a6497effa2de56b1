//! `authlab report keep`: updates the project's own file `proved.toml` from a report of the whole suite.
//! The main function is [`keep`].

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::Session;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::scenarios;
use crate::report::cell::is_on_pre_release;
use crate::report::matrix::merge;
use crate::report::proved::Proved;
use crate::report::record::RunRecord;
use crate::report::table::Table;
use crate::scenario::Selection;
use crate::server_binaries::Versions;

/// The directory of the project's data, relative to its root.
pub(in crate::cli) const FIXTURES: &str = "fixtures";

/// Arguments of `authlab report keep`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0  the file is written; `UPDATE=1 cargo test --test tidy behaviours` updates BEHAVIOURS.md from it
  2  wrong usage: the report is not of the whole suite on one driver and every version, or the directory is not the project's")]
pub struct KeepArguments {
    /// Report of a matrix, and further reports from elsewhere
    #[arg(value_name = "DIR", required = true)]
    places: Vec<PathBuf>,
    /// Folder of the project with `proved.toml`
    #[arg(long, value_name = "DIR", default_value = FIXTURES)]
    into: PathBuf,
}

/// Updates the file from the reports.
///
/// # Errors
/// A report that cannot be kept.
pub(super) fn run(arguments: &KeepArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let found = merge::find(&arguments.places).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
    let file = keep(&found.records, &arguments.into)?;
    if !session.output.quiet {
        writeln!(out, "{}", file.display())?;
    }
    Ok(Exit::Success)
}

/// Returns the path of the file in `folder`, which must exist.
///
/// # Errors
/// The folder is not that of the project.
pub(in crate::cli) fn file(folder: &Path) -> Result<PathBuf, CommandError> {
    let file = folder.join("proved.toml");
    if file.exists() {
        return Ok(file);
    }
    let error = CommandError::new(Exit::Usage, format!("file not found: {}", file.display()));
    Err(error.hint("run this in the project's root, or name its folder with --into"))
}

/// Writes the results in `records` into the file of `folder`, which must exist; returns its path.
///
/// # Errors
/// The records do not cover the whole suite, or the folder is not that of the project.
pub(in crate::cli) fn keep(records: &[RunRecord], folder: &Path) -> Result<PathBuf, CommandError> {
    let usage = |error: String| CommandError::new(Exit::Usage, error);
    let proved = file(folder)?;
    // A pre-release is no version that a release of authlab states results of.
    let released = records.iter().filter(|record| !is_on_pre_release(record));
    let records: &[RunRecord] = &released.cloned().collect::<Vec<_>>();
    let table = Table::of(records);
    let at = records.iter().map(|record| record.started).max().unwrap_or_default();
    let kept = Proved::of(&table, at)
        .map(|proved| proved.or_known(Proved::known()))
        .map_err(|error| usage(error.to_string()).hint("run it again: `authlab matrix --cluster DRIVER --report DIR`, and `--resume`"))?;
    let all: BTreeSet<String> = {
        let suite = scenarios::suite(&scenarios::files(&[])?, &Selection::default())?;
        suite.scenarios().map(|scenario| scenario.id.clone()).collect()
    };
    for column in &table.columns {
        let count = column.totals.passed + column.totals.failed + column.totals.skipped;
        if count < all.len() {
            return Err(usage(format!(
                "the cell {} has {count} of {} scenarios (expected all of them)",
                column.name,
                all.len()
            ))
            .hint("leave out the options that select scenarios"));
        }
    }
    let kept_minors: BTreeSet<String> = kept.minors().collect();
    let pinned = Versions::pinned()
        .kubernetes
        .iter()
        .map(|kubernetes| kubernetes.version.minor_version());
    let missing: Vec<String> = pinned.filter(|minor| !kept_minors.contains(minor)).collect();
    if !missing.is_empty() {
        return Err(usage(format!(
            "no result for {} (expected one for every pinned version)",
            missing.join(", ")
        ))
        .hint("also give the reports of the missing versions: several directories are read together"));
    }
    fs_err::write(&proved, kept.to_toml())?;
    Ok(proved)
}
