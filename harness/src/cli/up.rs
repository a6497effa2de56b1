//! `authlab up`: starts a lab that stays up.
//!
//! The main type is [`UpArguments`]. The process that owns the lab is the same command with the same options and `--supervised`.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::Session;
use super::error::{CommandError, lab_error, lesson_error};
use super::exit::Exit;
use super::options::LabArguments;
use super::output::write_json;
use super::supervise;
use crate::lab::{self, DEFAULT_NAME, Lab, LabStatus};
use crate::lesson::{self, Learner, MOST};

/// The hidden option of the process that owns the lab.
const SUPERVISED: &str = "--supervised";

/// Arguments of `authlab up`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Exit codes:
  0  the lab is up
  2  wrong usage
  4  the lab could not be started
  5  interrupted (and everything was stopped)")]
pub struct UpArguments {
    /// The lab's name, drivers and versions.
    #[command(flatten)]
    pub lab: LabArguments,
    /// Prepare the lab for a class of N learners
    ///
    /// Each gets a namespace, users, limits and a kubeconfig.
    #[arg(long, env = "AUTHLAB_LEARNERS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)), help_heading = "Lab")]
    pub learners: Option<u32>,
    /// Stop a further API server after SECONDS without a request
    ///
    /// The main API server is not stopped, and no server is while a run is under way.
    #[arg(long, env = "AUTHLAB_IDLE", value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400), help_heading = "Lab")]
    pub idle: u64,
    /// Own the lab in this process: `up` starts it so.
    #[arg(long, hide = true)]
    supervised: bool,
}

impl UpArguments {
    /// Returns the options for the library.
    ///
    /// # Errors
    /// This build does not have the driver.
    pub(super) fn options(&self) -> Result<lab::LabOptions, CommandError> {
        Ok(lab::LabOptions {
            learners: self.learners.unwrap_or_default(),
            idle: Some(Duration::from_secs(self.idle)),
            ..self.lab.lab()?
        })
    }
}

/// Starts the lab's owner and waits for it until the lab is ready.
///
/// # Errors
/// Wrong usage, a lab that is up already or cannot be started, or an interrupt.
pub async fn run(arguments: UpArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if arguments.supervised {
        return supervise::run(&arguments, session).await;
    }
    let options = arguments.options()?;
    let learners = arguments.learners;
    if options.kubeconfig.is_some() {
        return Err(CommandError::new(Exit::Usage, "an existing cluster does not need to be started")
            .hint("`authlab run --cluster existing --kubeconfig FILE` uses it directly"));
    }
    options.pinned().map_err(|error| lab_error(error.into()))?;
    let name = options.name.as_deref().unwrap_or(DEFAULT_NAME);
    let program = std::env::current_exe()?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).chain([SUPERVISED.into()]).collect();
    let description = lab::up(name, &program, &arguments, &session.events, &session.interrupt)
        .await
        .map_err(lab_error)?;
    let class = match learners {
        Some(count) => Some(admit(&description.name, count, session).await?),
        None => None,
    };
    if session.output.json {
        let status = LabStatus::of(&description.name).await.map_err(lab_error)?;
        return write_json(&status, out);
    }
    if session.output.quiet {
        return Ok(Exit::Success);
    }
    let option = lab::lab_option(&description.name);
    writeln!(
        out,
        "The lab '{}' is up: Kubernetes {}, owned by process {}.",
        description.name, description.kubernetes, description.owner
    )?;
    let next = [
        ("shell", " alice", "a shell with kubectl, as alice"),
        ("status", "", "the lab's servers and their addresses"),
        ("down", "", "end it"),
    ];
    for (command, argument, meaning) in next {
        let option = if command == "status" { "" } else { &option };
        let typed = format!("authlab {command}{option}{argument}");
        writeln!(out, "  {typed:<width$}  {meaning}", width = 20 + option.len())?;
    }
    if let Some(class) = class {
        writeln!(out, "{class}")?;
    }
    Ok(Exit::Success)
}

/// Creates the class, and returns a line with its learners and the directory of their files.
async fn admit(name: &str, count: u32, session: &Session) -> Result<String, CommandError> {
    let lab = Lab::existing(name).await.map_err(lab_error)?;
    let admitting = session
        .events
        .in_phase(format!("{count} learners"), async |_| lesson::admit_class(&lab, count).await);
    let admitted = tokio::select! {
        admitted = admitting => admitted.map_err(lesson_error),
        () = session.interrupt.requested() => Err(CommandError::new(Exit::Interrupted, "interrupted before the class was ready")),
    };
    let learners = admitted.map_err(|error| error.hint(format!("the lab is still up: `authlab down{}` ends it", lab::lab_option(name))))?;
    let last = learners.last().map(Learner::name).unwrap_or_default();
    let homes = lab.directory().join("learners");
    Ok(format!(
        "{count} learners, learner-1 to {last}; each has a kubeconfig in {}",
        homes.display()
    ))
}
