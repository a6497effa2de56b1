//! The process that owns a lab, started only by `authlab up`.
//!
//! The main function is [`run`].

use std::convert::Infallible;
use std::future;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::net::unix::pipe;

use super::Session;
use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::up::UpArguments;
use crate::interrupt::interrupt;
use crate::lab;
use crate::process::Running;
use crate::process::wait::{Condition, until_gently};

/// An upper bound for the life of a lab that ends with another process.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Owns the lab until it is asked to end the lab. Standard input and output are pipes to `authlab up`.
///
/// # Errors
/// Standard input is not a pipe, or the lab cannot be started or ended.
pub async fn run(arguments: &UpArguments, session: &Session) -> Result<Exit, CommandError> {
    let options = arguments.options()?;
    let process = arguments.until_exit.map(process).transpose()?;
    let asker = io::stdin().as_fd().try_clone_to_owned().and_then(pipe::Receiver::from_owned_fd);
    let asker = asker.map_err(|error| CommandError::new(Exit::Usage, error).hint("`authlab up` starts a lab that stays up"))?;
    let (stop, stopping) = interrupt();
    let watching = async {
        tokio::select! {
            () = session.interrupt.requested() => {}
            () = exit_of(process) => {}
        }
        stop.interrupt();
        future::pending::<Infallible>().await
    };
    tokio::select! {
        owned = lab::supervise(&options, &stopping, asker, io::stdout()) => owned.map_err(lab_error)?,
        never = watching => match never {},
    }
    Ok(Exit::Success)
}

/// Returns the process with the number `pid`, with which a lab is to end.
///
/// # Errors
/// There is no such process.
pub(super) fn process(pid: u32) -> Result<Running, CommandError> {
    let found = Running::open(pid)?;
    found.ok_or_else(|| CommandError::new(Exit::Usage, format!("--until-exit {pid}: no process has this number")))
}

/// Waits until `process` has exited; for ever, if there is none.
async fn exit_of(process: Option<Running>) {
    let Some(process) = process else { return future::pending().await };
    let exited = until_gently("the exit of a process", LONGEST_LIFE, || async {
        Ok::<_, io::Error>(match process.has_ended()? {
            true => Condition::Met(()),
            false => Condition::NotYet("it runs".to_owned()),
        })
    });
    // If the system cannot tell, the lab is not left behind.
    let _ = exited.await;
}
