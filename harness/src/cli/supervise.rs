//! The process that owns a lab, started only by `authlab up`.
//!
//! The main function is [`run`].

use std::io;
use std::os::fd::AsFd;

use tokio::net::unix::pipe;

use super::Session;
use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::up::UpArguments;
use crate::lab;

/// Owns the lab until it is asked to end the lab. Standard input and output are pipes to `authlab up`.
///
/// # Errors
/// Standard input is not a pipe, or the lab cannot be started or ended.
pub async fn run(arguments: &UpArguments, session: &Session) -> Result<Exit, CommandError> {
    let options = arguments.options()?;
    let asker = io::stdin().as_fd().try_clone_to_owned().and_then(pipe::Receiver::from_owned_fd);
    let asker = asker.map_err(|error| CommandError::new(Exit::Usage, error).hint("`authlab up` starts a lab that stays up"))?;
    lab::supervise(&options, &session.interrupt, asker, io::stdout())
        .await
        .map_err(lab_error)?;
    Ok(Exit::Success)
}
