//! `authlab run`: a lab, the scenarios, the report.

use std::path::PathBuf;

use clap::Args;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::lab_for_run;
use super::options::{LabOptions, Voice};
use crate::event::Events;

/// What to carry out, where, and what to keep.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Feature files or folders of them; the features that authlab brings along when not given
    #[arg(value_name = "FEATURE")]
    pub features: Vec<PathBuf>,
    /// Which lab.
    #[command(flatten)]
    pub lab: LabOptions,
}

/// Where progress and notes go.
pub(super) fn progress(_voice: &Voice) -> Events {
    Events::silent()
}

/// Carries the scenarios out.
///
/// # Errors
/// Wrong usage, nothing selected, or a lab that could not be started.
pub async fn run(arguments: RunArguments, session: &Session) -> Result<Exit, CommandError> {
    lab_for_run(&arguments.lab, &session.events).await?;
    Ok(Exit::Success)
}
