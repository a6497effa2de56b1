//! GitHub Actions output: annotations and the job's summary. The main item is [`tell`].

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::report::github;
use crate::report::record::RunRecord;

/// Prints an annotation for each failure on standard error, which leaves standard output as it is, and appends to the job's summary.
///
/// A summary that cannot be written does not change the command's exit code.
///
/// # Errors
/// Standard error cannot be written.
pub(super) fn tell(records: &[RunRecord]) -> io::Result<()> {
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        anstream::stderr().write_all(github::annotations(records).as_bytes())?;
    }
    let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    if let Some(path) = summary
        && let Err(error) = append(Path::new(&path), records)
    {
        writeln!(
            anstream::stderr(),
            "cannot write the job's summary to `{}`: {error}",
            path.to_string_lossy()
        )?;
    }
    Ok(())
}

/// Appends to the output of earlier commands in the same step: one limit applies to all of it.
fn append(path: &Path, records: &[RunRecord]) -> io::Result<()> {
    let there = path
        .metadata()
        .map_or(0, |there| usize::try_from(there.len()).unwrap_or(usize::MAX));
    let text = github::summary(records, github::MOST.saturating_sub(there));
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}
