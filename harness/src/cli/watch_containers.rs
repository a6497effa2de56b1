//! `authlab watch-containers`: the process that removes an owner's containers when the owner is gone; started only by the owner of
//! a lab in containers.
//!
//! The main function is [`when_asked`], which every program that owns containers calls before it reads its own command line: the
//! command `authlab` and the features as a test binary both execute themselves again.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use super::error::CommandError;
use super::exit::Exit;
use crate::engine::{Watch, this_program_watches, watch};
use crate::owner::LabId;

/// The command's name, which a program passes to itself.
pub const NAME: &str = "watch-containers";

/// The containers to watch over.
#[derive(Clone, Debug, Args)]
struct WatchContainersArguments {
    /// The engine's address
    #[arg(long)]
    engine: String,
    /// The lab's directory, shown in process listings
    #[arg(long)]
    directory: PathBuf,
    /// The lab's id
    #[arg(long)]
    id: LabId,
}

/// Watches until the owner is gone or reports that nothing is left. Standard input is a pipe to the owner.
///
/// # Errors
/// Standard input is not a pipe, or the owner's leftovers cannot be removed.
fn run(arguments: WatchContainersArguments) -> Result<Exit, CommandError> {
    let WatchContainersArguments { engine, directory, id } = arguments;
    let watched = Watch { engine, directory, id };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // A signal to all processes of a session or service must not end this one before its work is done.
        let _deaf = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let owner = io::stdin().as_fd().try_clone_to_owned().and_then(pipe::Receiver::from_owned_fd);
        let owner =
            owner.map_err(|error| CommandError::new(Exit::Usage, error).hint("labs in containers start this command themselves"))?;
        let ended = watch(&watched, owner, io::stdout()).await;
        ended
            .map(|_| Exit::Success)
            .map_err(|error| CommandError::hinted(Exit::Failed, error))
    })
}

/// Runs this command if the command line asks for it. A program with its own `main` that runs labs in containers must call it first,
/// so that the containers are removed even if the program is killed. Returns the exit code; `None` if the program should go on.
///
/// ```no_run
/// # use std::process::ExitCode;
/// fn main() -> ExitCode {
///     if let Some(exit) = authlab::cli::watch_containers::when_asked() {
///         return exit;
///     }
///     // The program's own work.
///     ExitCode::SUCCESS
/// }
/// ```
pub fn when_asked() -> Option<ExitCode> {
    this_program_watches(&[NAME]);
    let mut words = std::env::args_os().skip(1);
    // A test filter may happen to be the same word; the option is not used as a filter.
    if words.next()? != NAME || words.next()? != "--engine" {
        return None;
    }
    let command = WatchContainersArguments::augment_args(clap::Command::new(NAME).no_binary_name(true));
    let arguments = command.try_get_matches_from(std::env::args_os().skip(2));
    let arguments = arguments.and_then(|matches| WatchContainersArguments::from_arg_matches(&matches));
    Some(match arguments {
        Ok(arguments) => super::finish(run(arguments)),
        Err(error) => {
            let _ = error.print();
            Exit::Usage.into()
        }
    })
}
