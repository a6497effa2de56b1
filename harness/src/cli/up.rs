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
use super::nextest::SetupScript;
use super::options::{LabArguments, ProjectOption};
use super::output::write_json;
use super::{supervise, trial};
use crate::lab::{self, DEFAULT_NAME, Lab, LabStatus};
use crate::lesson::{self, Learner, MOST};

/// The hidden option of the process that owns the lab.
const SUPERVISED: &str = "--supervised";

/// The option of a setup script, which the owner of the lab is not.
const NEXTEST: &str = "--nextest";

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
    /// The project whose API server the lab has, instead of our own.
    #[command(flatten)]
    pub project: ProjectOption,
    /// Start the built-in lab, although there is a project
    #[arg(long, help_heading = "Project")]
    pub built_in: bool,
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
    /// End the lab when the process PID exits
    ///
    /// It is for the setup of tests in any language; in a shell script, `$PPID` is the process that started it.
    #[arg(long, value_name = "PID", help_heading = "Lab")]
    pub until_exit: Option<u32>,
    /// Start the lab of a run of cargo-nextest; use it in a setup script
    ///
    /// The lab ends with the run. The tests find it by AUTHLAB_LAB; if that is set already, the lab that it names is used, and stays up.
    #[arg(long, conflicts_with = "until_exit", help_heading = "Lab")]
    pub nextest: bool,
    /// Own the lab in this process: `up` starts it so.
    #[arg(long, hide = true)]
    supervised: bool,
}

impl UpArguments {
    /// Returns the options for the library.
    ///
    /// # Errors
    /// This build does not have the driver, or the project has mistakes.
    pub(super) fn options(&self) -> Result<lab::LabOptions, CommandError> {
        let options = lab::LabOptions {
            learners: self.learners.unwrap_or_default(),
            idle: Some(Duration::from_secs(self.idle)),
            ..self.lab.lab()?
        };
        match self.project.read()?.filter(|_| !self.built_in) {
            Some(project) => trial::lab_options(&project, options),
            None => Ok(options),
        }
    }
}

/// Starts the lab's owner and waits for it until the lab is ready.
///
/// # Errors
/// Wrong usage, a lab that is up already or cannot be started, or an interrupt.
pub async fn run(mut arguments: UpArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if arguments.supervised {
        return supervise::run(&arguments, session).await;
    }
    let mut more: Vec<OsString> = vec![SUPERVISED.into()];
    let script = arguments.nextest.then(SetupScript::here).transpose()?;
    if let Some(script) = &script {
        if let Some(name) = &arguments.lab.lab
            && let Some(lab) = Lab::attach(name).await.map_err(lab_error)?
        {
            script.tell_tests(name)?;
            writeln!(
                out,
                "The tests use the lab '{name}' that is up: Kubernetes {}.",
                lab.description().kubernetes
            )?;
            return Ok(Exit::Success);
        }
        if arguments.lab.lab.is_none() {
            let name = script.lab();
            more.extend(["--lab".into(), OsString::from(&name)]);
            arguments.lab.lab = Some(name);
        }
        // Features in a test binary are about no project, unless one is named.
        if arguments.project.project.is_none() && !arguments.built_in {
            more.push("--built-in".into());
            arguments.built_in = true;
        }
        more.extend(["--until-exit".into(), script.run.to_string().into()]);
        arguments.until_exit = Some(script.run);
    }
    if let Some(pid) = arguments.until_exit {
        supervise::process(pid)?;
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
    let given = std::env::args_os().skip(1).filter(|argument| argument != NEXTEST);
    let arguments: Vec<OsString> = given.chain(more).collect();
    let description = lab::up(name, &program, &arguments, &session.events, &session.interrupt)
        .await
        .map_err(lab_error)?;
    let class = match learners {
        Some(count) => Some(admit(&description.name, count, session).await?),
        None => None,
    };
    if let Some(script) = &script {
        script.tell_tests(&description.name)?;
    }
    if session.output.json {
        let status = LabStatus::of(&description.name).await.map_err(lab_error)?;
        return write_json(&status, out);
    }
    if session.output.quiet {
        return Ok(Exit::Success);
    }
    if script.is_some() {
        writeln!(
            out,
            "The lab '{}' is up until the tests have run: Kubernetes {}.",
            description.name, description.kubernetes
        )?;
        return Ok(Exit::Success);
    }
    let option = lab::lab_option(&description.name);
    writeln!(
        out,
        "The lab '{}' is up: Kubernetes {}, owned by process {}.",
        description.name, description.kubernetes, description.owner
    )?;
    let first = match &description.project {
        Some(_) => ("try", " --all", "who the people of the project are to its API server"),
        None => ("shell", " alice", "a shell with kubectl, as alice"),
    };
    let next = [
        first,
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
