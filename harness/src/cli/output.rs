//! The output of commands: JSON on standard output, progress on standard error.

use std::io::{self, IsTerminal as _, Write};

use anstream::AutoStream;

use super::error::CommandError;
use super::exit::Exit;
use crate::event::Events;
use crate::printable::printable_json;
use crate::report::progress::Progress;
use crate::report::{Reporter, fan_out};

/// Writes a command's record as JSON, for programs.
///
/// # Errors
/// The record cannot be written.
pub(super) fn write_json(value: &(impl serde::Serialize + ?Sized), out: &mut dyn Write) -> Result<Exit, CommandError> {
    let json = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    writeln!(out, "{}", printable_json(&json))?;
    Ok(Exit::Success)
}

/// Returns the events for progress and notes on standard error; nothing is printed if `quiet`.
pub(super) fn progress(quiet: bool) -> Events {
    fan_out(progress_reporter(quiet).into_iter().collect())
}

/// Returns the reporter behind [`progress`], for use with other reporters: bars on a terminal, lines elsewhere.
pub(super) fn progress_reporter(quiet: bool) -> Option<Box<dyn Reporter>> {
    if quiet {
        None
    } else if io::stderr().is_terminal() {
        Some(Box::new(Progress::bars()))
    } else {
        Some(Box::new(Progress::lines(AutoStream::auto(io::stderr()))))
    }
}
