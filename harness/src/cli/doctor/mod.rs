//! `authlab doctor`: what this machine has, what a run would use, what is missing and how to get it. The main type is
//! [`DoctorArguments`]. Nothing is fetched, built or started.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::options::LabArguments;
use super::output::write_json;
use crate::cluster::Driver;

mod advice;
mod facts;
mod look;
mod show;

use advice::{Finding, State};
use facts::Machine;

/// Arguments of `authlab doctor`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Options of the lab and their variables count, as they would for a run. Servers of release files are asked for at most two
seconds; with --offline, none is.

Exit codes:
  0  a run has, or can obtain, all that it needs
  1  something is missing that a run needs
  2  wrong usage
  5  interrupted")]
pub struct DoctorArguments {
    /// The lab of a run.
    #[command(flatten)]
    pub lab: LabArguments,
}

/// The result, for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// `true` if a run has, or can obtain, all that it needs.
    ready: bool,
    #[serde(flatten)]
    machine: &'a Machine,
    findings: &'a [Finding],
}

/// Looks at this machine, and shows what it means for a run.
///
/// # Errors
/// Wrong usage, or the output cannot be written.
pub(super) async fn run(arguments: DoctorArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if arguments.lab.cluster.0 == Some(Driver::Existing) {
        return Err(CommandError::new(
            Exit::Usage,
            "authlab doctor is about labs that authlab starts, and cannot be used with --cluster existing",
        )
        .hint("`authlab run --dry-run --cluster existing --kubeconfig FILE` shows what a run needs of a cluster"));
    }
    let options = arguments.lab.lab()?;
    let machine = look::at_this_machine(&options).await?;
    let findings = advice::of(&machine);
    let ready = findings.iter().all(|finding| finding.state != State::Missing);
    if session.output.json {
        write_json(
            &Report {
                ready,
                machine: &machine,
                findings: &findings,
            },
            out,
        )?;
    } else {
        show::show(&machine, &findings, session.output.quiet, out)?;
    }
    Ok(if ready { Exit::Success } else { Exit::Failed })
}
