//! `authlab down`: the end of a lab.
//!
//! The main type is [`DownArguments`].

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::Session;
use super::error::CommandError;
use super::existing::ClusterFile;
use super::exit::Exit;
use super::lab_source::use_error;
use super::options::{ClusterDriver, NamedLab};
use super::server_binaries::write_json;
use crate::cluster::Driver;
use crate::lab::{self, Cleared, Clearing, LabError, Stopped, Whose};

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
    /// `existing`: delete what crashes of this machine left in a cluster, and end no lab; with `--all`, what anybody's crash left
    #[arg(
        long,
        env = "AUTHLAB_CLUSTER",
        value_enum,
        default_value_t,
        value_name = "DRIVER",
        help_heading = "Existing cluster"
    )]
    cluster: ClusterDriver,
    /// Which cluster.
    #[command(flatten)]
    cluster_file: ClusterFile,
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
    let existing = arguments.cluster.driver() == Some(Driver::Existing);
    arguments.cluster_file.check(existing)?;
    if existing {
        return clear_existing(&arguments, session, out).await;
    }
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
    if ended.cleared.containers > 0 {
        writeln!(out, "removed {} containers and networks without an owner", ended.cleared.containers)?;
    }
    if ended.labs.is_empty() && ended.cleared.labs.is_empty() && ended.cleared.containers == 0 {
        writeln!(out, "no lab is up, and nothing was left of any")?;
    }
    Ok(Exit::Success)
}

/// Deletes what authlab left in an existing cluster.
async fn clear_existing(arguments: &DownArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let options = lab::LabOptions {
        kubeconfig: arguments.cluster_file.kubeconfig.clone(),
        context: arguments.cluster_file.context.clone(),
        ..lab::LabOptions::default()
    };
    let whose = if arguments.all { Whose::Everybody } else { Whose::Crashed };
    let deleted = tokio::select! {
        deleted = lab::clear_existing(&options, whose) => deleted.map_err(use_error)?,
        () = session.interrupt.requested() => return Err(CommandError::new(Exit::Interrupted, "interrupted before everything was deleted")),
    };
    // Their directories, too: what they had in the cluster is gone.
    lab::clear(Clearing::Crashed).await.map_err(use_error)?;
    if session.voice.json {
        return write_json(&serde_json::json!({ "deleted": deleted }), out);
    }
    if !session.voice.quiet {
        match deleted {
            0 => writeln!(out, "nothing of authlab's is left in the cluster")?,
            count => writeln!(out, "deleted {count} objects that authlab had left in the cluster")?,
        }
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
