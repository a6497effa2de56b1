//! Where `run` and `cargo test` get their lab from.

use crate::event::Events;

use super::error::CommandError;
use super::exit::Exit;
use super::options::LabOptions;

/// The lab that scenarios are carried out in.
pub type Lab = ();

/// A lab that is up and matches `options`, else a new one that this process owns.
///
/// # Errors
/// The lab could not be started.
pub async fn lab_for_run(_options: &LabOptions, _events: &Events) -> Result<Lab, CommandError> {
    Err(CommandError::new(Exit::LabNotStarted, "this build has no cluster driver"))
}
