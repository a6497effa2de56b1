//! `authlab report`: commands for the records of earlier runs. One file per command.

use std::io::Write;

use clap::{Args, Subcommand};

use super::Session;
use super::error::CommandError;
use super::exit::Exit;

pub(super) mod compare;
mod draw;
pub(super) mod keep;
pub(super) mod merge;
pub(super) mod open;

/// Arguments of `authlab report`.
#[derive(Args, Debug)]
pub struct ReportArguments {
    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// Merge reports of cells and shards into one table
    Merge(merge::MergeArguments),
    /// Show what changed between two reports
    ///
    /// Shows changes in behaviour, in the wording of reasons, and in time.
    Compare(compare::CompareArguments),
    /// Update the project's file of results from a report of the whole suite
    ///
    /// The file lists what was proved on which version.
    Keep(keep::KeepArguments),
    /// Draw reports again from saved records, without a lab
    Draw(draw::DrawArguments),
    /// Open a report in the browser; without a browser, print its path
    Open(open::OpenArguments),
}

/// Runs the command.
///
/// # Errors
/// A record that cannot be read, or a report that cannot be written.
pub fn run(arguments: ReportArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    match arguments.command {
        ReportCommand::Merge(arguments) => merge::run(&arguments, session, out),
        ReportCommand::Compare(arguments) => compare::run(&arguments, session, out),
        ReportCommand::Keep(arguments) => keep::run(&arguments, session, out),
        ReportCommand::Draw(arguments) => draw::run(&arguments, session, out),
        ReportCommand::Open(arguments) => open::run(&arguments, out),
    }
}
