//! `authlab down`: the end of a lab.
//!
//! The main type is [`DownArguments`].

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::use_error;
use super::options::NamedLab;
use super::server_binaries::write_json;
use crate::lab::{self, Cleared, Clearing, LabError, Stopped};

/// Which labs.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
What a crash left is cleared in any case, processes and directories.

Exit codes:
  0  nothing of the lab is left
  1  there is no such lab, or something of it cannot be removed
  2  wrong usage
  5  interrupted")]
pub struct DownArguments {
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
    /// Every lab, also those that runs have started for themselves, and the logs that were kept
    #[arg(long, help_heading = "Lab")]
    all: bool,
}

/// What was ended.
#[derive(Debug, Default, Serialize)]
struct Ended {
    labs: Vec<EndedLab>,
    cleared: Cleared,
}

#[derive(Debug, Serialize)]
struct EndedLab {
    name: String,
    how: Stopped,
}

/// Ends labs; what it did goes to `out`.
///
/// # Errors
/// There is no such lab, or something of it cannot be removed.
pub async fn run(arguments: DownArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let ended = tokio::select! {
        ended = end(&arguments) => ended?,
        () = session.interrupt.requested() => return Err(CommandError::new(Exit::Interrupted, "interrupted before everything was ended")
            .hint("`authlab status` shows what is left")),
    };
    if session.voice.json {
        return write_json(&ended, out);
    }
    if session.voice.quiet {
        return Ok(Exit::Success);
    }
    for EndedLab { name, how } in &ended.labs {
        match how {
            Stopped::Ended => writeln!(out, "{name}: ended")?,
            Stopped::Killed => writeln!(out, "{name}: its owner did not end in time and was killed")?,
            Stopped::Cleared => writeln!(out, "{name}: had no owner any more; cleared what was left")?,
        }
    }
    for name in &ended.cleared.labs {
        writeln!(out, "{name}: cleared what was left")?;
    }
    if ended.cleared.processes > 0 {
        writeln!(out, "killed {} servers without an owner", ended.cleared.processes)?;
    }
    if ended.labs.is_empty() && ended.cleared.labs.is_empty() {
        writeln!(out, "no lab is up, and nothing was left of any")?;
    }
    Ok(Exit::Success)
}

async fn end(arguments: &DownArguments) -> Result<Ended, CommandError> {
    let mut ended = Ended::default();
    if arguments.all {
        let labs = lab::labs().map_err(use_error)?;
        let stopped = futures::future::join_all(labs.iter().map(|lab| lab::take_down(&lab.name))).await;
        for (lab, stopped) in labs.into_iter().zip(stopped) {
            match stopped {
                Ok(how) => ended.labs.push(EndedLab { name: lab.name, how }),
                // Somebody else was faster.
                Err(LabError::NotUp { .. }) => {}
                Err(error) => return Err(use_error(error)),
            }
        }
        ended.cleared = lab::clear(Clearing::AlsoKept).await.map_err(use_error)?;
    } else {
        let name = &arguments.lab.lab;
        let stopped = lab::take_down(name).await;
        // Whether there is such a lab or not.
        ended.cleared = lab::clear(Clearing::Crashed).await.map_err(use_error)?;
        ended.labs.push(EndedLab {
            name: name.clone(),
            how: stopped.map_err(use_error)?,
        });
    }
    Ok(ended)
}
