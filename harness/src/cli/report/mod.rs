//! `authlab report`: what can be done with the record of a run. One file per command.

use std::io::Write;

use clap::{Args, Subcommand};

use super::Session;
use super::error::CommandError;
use super::exit::Exit;

mod draw;
mod open;

/// Which command.
#[derive(Args, Debug)]
pub struct ReportArguments {
    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// Draw reports again from saved records, without a lab
    Draw(draw::DrawArguments),
    /// Open a report in the browser; where there is none, print where it is
    Open(open::OpenArguments),
}

/// Carries the command out.
///
/// # Errors
/// A record that cannot be read, or a report that cannot be written.
pub fn run(arguments: ReportArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    match arguments.command {
        ReportCommand::Draw(arguments) => draw::run(&arguments, session, out),
        ReportCommand::Open(arguments) => open::run(&arguments, out),
    }
}
