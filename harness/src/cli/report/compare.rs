//! `authlab report compare`: the differences between two reports. The main type is [`CompareArguments`].

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::Session;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output::write_json;
use crate::report::matrix::compare::Comparison;
use crate::report::matrix::{merge, terminal};

/// Arguments of `authlab report compare`.
#[derive(Args, Debug)]
#[command(after_help = "\
Cells of the same name are compared; two reports of one cell each are compared whatever their names. Differences in the wording of
reasons and in times are shown, and do not change the exit code.

Exit codes:
  0  no behaviour and no scenario differs
  1  a behaviour or a scenario differs
  2  wrong usage: a record that cannot be used, or reports that have no cell in common")]
pub struct CompareArguments {
    /// Report of a run or of a matrix
    #[arg(value_name = "FIRST")]
    first: PathBuf,
    /// Report to compare it with
    #[arg(value_name = "SECOND")]
    second: PathBuf,
}

/// Compares two reports.
///
/// # Errors
/// A record that cannot be used, or reports with nothing to compare.
pub(super) fn run(arguments: &CompareArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let read = |place: &PathBuf| {
        merge::find(std::slice::from_ref(place))
            .map(|found| found.records)
            .map_err(|error| CommandError::hinted(Exit::Usage, error))
    };
    let comparison = Comparison::of(&read(&arguments.first)?, &read(&arguments.second)?);
    if comparison.pairs.is_empty() {
        let names = |names: &[String]| names.join(", ");
        return Err(CommandError::new(
            Exit::Usage,
            format!(
                "the reports have no cell in common: the first has {}, the second {}",
                names(&comparison.only_first),
                names(&comparison.only_second)
            ),
        )
        .hint("name two reports of one cell each, such as DIR/cells/process-1.36 and DIR/cells/process-1.37"));
    }
    if session.output.json {
        write_json(&comparison, out)?;
    } else {
        terminal::draw_comparison(&comparison, session.output.quiet, out)?;
    }
    Ok(if comparison.is_same() { Exit::Success } else { Exit::Failed })
}
