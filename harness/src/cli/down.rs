//! `authlab down`: ends a lab.
//!
//! The main type is [`DownArguments`].

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::Session;
use super::error::{CommandError, use_error};
use super::exit::Exit;
use super::options::{AUTO, Choice, ClusterFile, NamedLab, choice};
use super::output::write_json;
use crate::cause::with_causes;
use crate::cluster::Driver;
use crate::hint::Hint;
use crate::lab::{self, Cleared, Clearing, Deleted, InCluster, LabElsewhere, LabError, OfOthers, Stopped, Unreached, Whose};

/// Arguments of `authlab down`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Leftovers of crashes are always cleared: processes, containers and directories. Only what is proved to belong
to a lab of this user, on this machine, in this container is removed; everything else is listed.

Exit codes:
  0  nothing of the lab is left
  1  no such lab, or part of it (with --all, of any) cannot be removed or proved to be abandoned
  2  wrong usage
  5  interrupted")]
pub struct DownArguments {
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
    /// Delete leftovers in a cluster instead of ending a lab (`existing`)
    ///
    /// `existing` deletes the objects that crashes on this machine left in the cluster; with `--all`, also those that crashes elsewhere
    /// left.
    #[arg(
        long,
        env = "AUTHLAB_CLUSTER",
        value_parser = choice::<Driver>("A lab on this machine"),
        default_value = AUTO,
        value_name = "DRIVER",
        help_heading = "Existing cluster"
    )]
    cluster: Choice<Driver>,
    /// The existing cluster to clear.
    #[command(flatten)]
    cluster_file: ClusterFile,
    /// End every lab, and remove kept logs
    ///
    /// Includes labs that runs started for themselves.
    #[arg(long, help_heading = "Lab")]
    all: bool,
    /// Also clear what was made on another machine or in a container
    ///
    /// This includes what another user made, and what was made before this machine's last start. authlab cannot see whether it is still in
    /// use: give this option only if you know that it is not.
    #[arg(long, help_heading = "Lab", conflicts_with = "kubeconfig")]
    foreign: bool,
}

/// The record of the labs that were ended and of the things that were cleared.
#[derive(Debug, Default, Serialize)]
struct Ended {
    labs: Vec<EndedLab>,
    cleared: Cleared,
    /// The failures, as text.
    failed: Vec<String>,
    #[serde(skip)]
    errors: Vec<LabError>,
}

#[derive(Debug, Serialize)]
struct EndedLab {
    name: String,
    how: Stopped,
}

/// Several labs that could not be ended, or whose leftovers could not be cleared.
#[derive(Debug, thiserror::Error)]
#[error("cannot end or clear {} things{}", .0.len(), .0.iter().map(|error| format!("\n- {}", with_causes(error))).collect::<String>())]
struct Several(Vec<LabError>);

impl Hint for Several {
    fn hint(&self) -> Option<String> {
        self.0.iter().find_map(Hint::hint)
    }
}

/// Ends labs and writes the result to `out`, also when something failed.
///
/// # Errors
/// There is no such lab, or something of it cannot be removed.
pub async fn run(arguments: DownArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let existing = arguments.cluster.0 == Some(Driver::Existing);
    arguments.cluster_file.check(existing)?;
    if existing {
        return clear_existing(&arguments, session, out).await;
    }
    let ended = tokio::select! {
        ended = end(&arguments) => ended,
        () = session.interrupt.requested() => return Err(CommandError::new(Exit::Interrupted, "interrupted before everything was ended")
            .hint("`authlab status` shows what is left")),
    };
    if session.output.json {
        write_json(&ended, out)?;
    } else if !session.output.quiet {
        ended.write(&arguments, out)?;
    }
    ended.result(&arguments)
}

impl Ended {
    fn write(&self, arguments: &DownArguments, out: &mut dyn Write) -> std::io::Result<()> {
        let Cleared {
            labs,
            processes,
            containers,
            elsewhere,
            others,
            in_clusters,
            unreached,
            ..
        } = &self.cleared;
        for EndedLab { name, how } in &self.labs {
            match how {
                Stopped::Ended => writeln!(out, "{name}: ended")?,
                Stopped::Killed => writeln!(out, "{name}: its owner did not end in time and was killed")?,
                Stopped::Cleared => writeln!(out, "{name}: had no owner any more; cleared what was left")?,
            }
        }
        for name in labs {
            writeln!(out, "{name}: cleared what was left")?;
        }
        if *processes > 0 {
            writeln!(out, "killed {processes} servers without an owner")?;
        }
        if *containers > 0 {
            writeln!(out, "removed {containers} containers and networks without an owner")?;
        }
        for InCluster { lab, server } in in_clusters {
            let forgotten = if arguments.all { ", and is forgotten now" } else { "" };
            let more = if arguments.all { " --all" } else { "" };
            writeln!(
                out,
                "{lab}: was killed while it used the cluster {server}{forgotten}; \
                 `authlab down{more} --cluster existing --kubeconfig FILE` deletes what it left there"
            )?;
        }
        for LabElsewhere { lab, of } in elsewhere {
            writeln!(out, "{lab}: left alone, since it was made by {of}; `--foreign` clears it")?;
        }
        for Unreached { lab, directory, why } in unreached {
            writeln!(
                out,
                "{lab}: left alone, since its containers cannot be cleared: {why}; `authlab down --all` clears it once that engine answers, \
                 and removing {} forgets it",
                directory.display()
            )?;
        }
        for OfOthers { of, things } in others {
            writeln!(out, "left alone: {things} containers, networks and volumes of {of}")?;
        }
        let done = !self.labs.is_empty() || !labs.is_empty() || *containers > 0 || *processes > 0;
        if !done && self.errors.is_empty() && elsewhere.is_empty() && unreached.is_empty() {
            writeln!(out, "no lab is up, and nothing is left to clear")?;
        }
        Ok(())
    }

    /// Returns the command's exit code, after the result was written.
    fn result(mut self, arguments: &DownArguments) -> Result<Exit, CommandError> {
        if arguments.all && !self.cleared.elsewhere.is_empty() {
            let names: Vec<&str> = self.cleared.elsewhere.iter().map(|left| left.lab.as_str()).collect();
            let error = format!("cannot tell whether these labs are still in use: {}", names.join(", "));
            return Err(CommandError::new(Exit::Failed, error).hint("if you know that they are not: `authlab down --all --foreign`"));
        }
        match self.errors.len() {
            // Those of other labs are not in the way of ending one.
            0 if arguments.all && !self.cleared.unreached.is_empty() => {
                let names: Vec<&str> = self.cleared.unreached.iter().map(|left| left.lab.as_str()).collect();
                let error = format!(
                    "cannot clear the containers of these labs, whose engine does not answer: {}",
                    names.join(", ")
                );
                Err(CommandError::new(Exit::Failed, error).hint("start the engine, and repeat the command"))
            }
            0 => Ok(Exit::Success),
            1 => Err(use_error(self.errors.remove(0))),
            _ => Err(CommandError::hinted(Exit::Failed, Several(self.errors))),
        }
    }
}

/// Deletes what authlab left in an existing cluster.
async fn clear_existing(arguments: &DownArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let options = lab::LabOptions {
        kubeconfig: arguments.cluster_file.kubeconfig.clone(),
        context: arguments.cluster_file.context.clone(),
        ..lab::LabOptions::default()
    };
    let whose = if arguments.all { Whose::Everybody } else { Whose::Crashed };
    let Deleted { deleted, others } = tokio::select! {
        deleted = lab::clear_existing(&options, whose, &session.events) => deleted.map_err(use_error)?,
        () = session.interrupt.requested() => return Err(CommandError::new(Exit::Interrupted, "interrupted before everything was deleted")),
    };
    if session.output.json {
        return write_json(&Deleted { deleted, others }, out);
    }
    if !session.output.quiet {
        match deleted {
            0 => writeln!(
                out,
                "the cluster has no objects that authlab is known to have left from this machine"
            )?,
            count => writeln!(out, "deleted {count} objects that authlab had left in the cluster")?,
        }
        if others > 0 {
            let more = if arguments.all { "" } else { "; `--all` deletes those of others" };
            writeln!(out, "left alone: {others} objects of runs that may still be under way{more}")?;
        }
    }
    Ok(Exit::Success)
}

async fn end(arguments: &DownArguments) -> Ended {
    let mut ended = Ended::default();
    let labs = match lab::labs() {
        Ok(labs) => labs,
        Err(error) => {
            ended.failed.push(with_causes(&error));
            ended.errors.push(error);
            return ended;
        }
    };
    let names = match arguments.all {
        true => labs.into_iter().map(|lab| lab.name).collect(),
        false => vec![arguments.lab.lab.clone()],
    };
    let taken = names.iter().map(|name| lab::take_down(name, arguments.foreign));
    let taken = futures::future::join_all(taken).await;
    // Leftovers are cleared also when there is no such lab.
    let mut cleared = lab::clear(match (arguments.all, arguments.foreign) {
        (true, true) => Clearing::AlsoForeign,
        (true, false) => Clearing::AlsoKept,
        (false, _) => Clearing::Crashed,
    })
    .await;
    for (name, taken) in names.into_iter().zip(taken) {
        cleared.processes += taken.processes;
        cleared.containers += taken.containers;
        match taken.outcome {
            Ok(how) => ended.labs.push(EndedLab { name, how }),
            // Another process has ended the lab in the meantime.
            Err(LabError::NotUp { .. }) if arguments.all => {}
            // It is told with its name.
            Err(LabError::Engine(_)) if arguments.all && cleared.unreached.iter().any(|left| left.lab == name) => {}
            Err(error) => {
                // The error already names the lab that was asked for.
                cleared.elsewhere.retain(|left| left.lab != name);
                cleared.in_clusters.retain(|left| left.lab != name);
                cleared.unreached.retain(|left| left.lab != name);
                ended.errors.push(error);
            }
        }
    }
    ended.errors.append(&mut cleared.failed);
    ended.failed = ended.errors.iter().map(|error| with_causes(error)).collect();
    ended.cleared = cleared;
    ended
}
