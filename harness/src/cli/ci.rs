//! Output for the CI system that runs the command, which its variables show: GitHub Actions and TeamCity. The main item is [`tell`].

use std::io::{self, Write};

use super::github;
use crate::report::record::RunRecord;
use crate::report::teamcity;

/// Reports `records` to the CI system. Standard output is left as it is if it `is_taken`, by a record for programs.
///
/// # Errors
/// Standard output or standard error cannot be written.
pub(super) fn tell(records: &[RunRecord], is_taken: bool) -> io::Result<()> {
    github::tell(records)?;
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // cargo-nextest shows the output of a test indented or not at all, and has a report of its own.
    if is_set("TEAMCITY_VERSION") && !is_taken && !is_set("NEXTEST") {
        // Not on standard error: TeamCity reads messages from standard output.
        io::stdout().write_all(teamcity::messages(records).as_bytes())?;
    }
    Ok(())
}
