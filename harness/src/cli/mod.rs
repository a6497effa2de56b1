//! The command `authlab`: its texts, its options and its exit codes. One file per
//! command; the main type is [`Authlab`], the command line as clap reads it.
//!
//! This is the only module of the library that prints. Exit codes ([`exit::Exit`]):
//! 0 all passed, 1 a scenario failed, 2 wrong usage, 3 nothing was selected,
//! 4 the lab could not be started, 5 interrupted (and everything was stopped).

use std::io::{self, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::event::Events;
use crate::interrupt::{Interrupt, interrupt};
use crate::printable::Printable;

pub mod build_images;
mod check;
mod ci;
pub mod completion;
pub mod doctor;
pub mod down;
pub mod error;
pub mod existing;
pub mod exit;
pub mod explain;
pub mod features;
mod github;
pub mod images;
pub mod init;
pub mod issuer;
pub mod kubeconfig;
pub mod lab_source;
pub mod lesson;
mod lost_server;
pub mod matrix;
mod nextest;
mod open_files;
pub mod options;
mod output;
mod own;
mod project_people;
mod reader;
pub mod report;
mod rerun;
pub mod run;
pub mod sabotage;
pub mod scenarios;
pub mod serve;
pub mod server_binaries;
pub mod shell;
mod signals;
pub mod status;
pub mod steps;
mod supervise;
mod terminal;
pub mod token;
mod trial;
pub mod up;
mod visiting;
pub mod walk;
pub mod watch_containers;

use error::CommandError;
use exit::Exit;
use options::OutputOptions;

/// Test how Kubernetes authenticates clients, against real API servers and Keycloak.
///
/// Without a command, `run` is used.
#[derive(Debug, Parser)]
#[command(name = "authlab", version, after_help = exit::HELP, max_term_width = 110)]
pub struct Authlab {
    /// The output options.
    #[command(flatten)]
    output: OutputOptions,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Box<run::RunArguments>,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the scenarios in a lab, and report (the default command)
    ///
    /// A lab that is up is used if it matches; otherwise one is started for the run.
    #[command(after_help = exit::HELP)]
    Run(Box<run::RunArguments>),
    /// Try your own configuration: who somebody is, and what they may do
    Try(Box<trial::TryArguments>),
    /// Check a configuration of your own by real requests, as a reviewer would
    Check(Box<check::CheckArguments>),
    /// Write a project to begin with: authlab.toml, a feature, CI workflows
    Init(init::InitArguments),
    /// Show the steps that features may use
    Steps(steps::StepsArguments),
    /// Serve a page on which you try configurations, manifests and claims
    Serve(Box<serve::ServeArguments>),
    /// Serve an OpenID Connect issuer for your own tests, in any language
    Issuer(Box<issuer::IssuerArguments>),
    /// Run the scenarios in labs with one fault each: the right ones must fail
    #[command(after_help = sabotage::EXITS)]
    Sabotage(sabotage::SabotageArguments),
    /// Run the scenarios on several versions, into one table
    Matrix(Box<matrix::MatrixArguments>),
    /// Start a lab and keep it running
    Up(Box<up::UpArguments>),
    /// End a lab, and clear what crashes left behind
    Down(down::DownArguments),
    /// Show what this machine has, what a run uses, and what is missing
    Doctor(Box<doctor::DoctorArguments>),
    /// Show the labs that are up, and leftovers of others
    Status,
    /// Open a shell, or run a command, with kubectl set up for a lab
    Shell(shell::ShellArguments),
    /// Print a kubeconfig for a person of the cast, or of the project
    Kubeconfig(kubeconfig::KubeconfigArguments),
    /// Walk through one way of authenticating, command by command
    Walk(Box<walk::WalkArguments>),
    /// Learn: make a way of authenticating work, or find out why one fails
    Lesson(Box<lesson::LessonArguments>),
    /// Print a credential, as an exec credential plugin
    Token(token::TokenArguments),
    /// Explain why a credential is accepted or refused, and what to change
    Explain(Box<explain::ExplainArguments>),
    /// Draw, open, merge, compare and keep reports of earlier runs
    Report(report::ReportArguments),
    /// List, fetch, build, verify and prune server binaries
    ServerBinaries(server_binaries::ServerBinariesArguments),
    /// Print completions for a shell
    Completion(completion::CompletionArguments),
}

/// The context that every command gets.
#[derive(Clone)]
pub struct Session {
    /// The output options.
    pub output: OutputOptions,
    /// The receiver of events: progress and notes on standard error.
    pub events: Events,
    /// The user's request to stop.
    pub interrupt: Interrupt,
}

impl Session {
    /// Runs `work` until the user interrupts: a server that does not respond, a plugin or a user may take long.
    async fn unless_interrupted<T>(&self, work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
        tokio::select! {
            // Work that is interrupted before it began does not begin.
            biased;
            () = self.interrupt.requested() => Err(CommandError::new(Exit::Interrupted, "interrupted")),
            done = work => done,
        }
    }
}

/// Runs `work`, which may block (a file can be a pipe), on another thread, so that waiting for it blocks no other task.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime has shut down, and so has the waiting task.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs the command `authlab`, from its arguments to its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let _restored = terminal::RestoredAtEnd;
    crate::tls::choose_provider();
    open_files::raise_limit();
    // An internal command, which is not for users and ignores Ctrl-C.
    if let Some(exit) = watch_containers::when_asked() {
        return exit;
    }
    let matches = match Authlab::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are "errors" that end with success; a broken pipe does not matter.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Success.into()
            };
        }
    };
    let command_line = match Authlab::from_arg_matches(&matches) {
        Ok(command_line) => command_line,
        Err(error) => {
            let _ = error.print();
            return Exit::Usage.into();
        }
    };
    let color: ColorChoice = command_line.output.color.into();
    color.write_global();
    let ended = refuse_misplaced(&matches).and_then(|()| carry_out(command_line));
    finish(ended)
}

/// Turns the result of a command into its exit code, and prints the error.
pub(crate) fn finish(ended: Result<Exit, CommandError>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(error) if error.is_broken_pipe() => Exit::Success.into(),
        Err(error) => {
            // If standard error is closed, there is nowhere to report to.
            let _ = write!(anstream::stderr().lock(), "{}", error.render());
            error.exit().into()
        }
    }
}

/// Refuses options of `run` before the name of a command, which would be lost silently.
fn refuse_misplaced(matches: &ArgMatches) -> Result<(), CommandError> {
    let Some(name) = matches.subcommand_name() else { return Ok(()) };
    let output = ["json", "quiet", "color"];
    let misplaced = matches
        .ids()
        .map(clap::Id::as_str)
        .filter(|id| !output.contains(id))
        .find(|id| matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine));
    match misplaced {
        // Groups also have ids, which are the names of their types.
        Some(id) if !id.starts_with(char::is_uppercase) => {
            let option = if id == "features" {
                "a FEATURE".to_owned()
            } else {
                format!("`--{}`", id.replace('_', "-"))
            };
            Err(
                CommandError::new(Exit::Usage, format!("{option} is given before the command `{name}`"))
                    .hint(format!("options of a command go after its name: `authlab {name} …`")),
            )
        }
        _ => Ok(()),
    }
}

fn carry_out(command_line: Authlab) -> Result<Exit, CommandError> {
    let Authlab { output, command, run } = command_line;
    let command = command.unwrap_or(Command::Run(run));
    // Control characters in texts from elsewhere must not reach the terminal, wherever they are printed.
    let mut out = Printable::new(AutoStream::auto(io::stdout()));
    on_runtime(output, async move |session| match command {
        Command::Run(arguments) => run::run(*arguments, session).await,
        // Its styles are its own, and it makes each text printable.
        Command::Try(arguments) => trial::run(*arguments, session, &mut AutoStream::auto(io::stdout())).await,
        // Its styles are its own, and it makes each text printable.
        Command::Check(arguments) => check::run(*arguments, session).await,
        Command::Init(arguments) => session.unless_interrupted(init::run(arguments, session, &mut out)).await,
        Command::Steps(arguments) => steps::run(&arguments, session, &mut out),
        Command::Serve(arguments) => serve::run(*arguments, session, &mut out).await,
        Command::Issuer(arguments) => issuer::run(*arguments, session, &mut out).await,
        Command::Sabotage(arguments) => sabotage::run(arguments, session).await,
        Command::Matrix(arguments) => matrix::run(*arguments, session).await,
        Command::Up(arguments) => up::run(*arguments, session, &mut out).await,
        Command::Down(arguments) => down::run(arguments, session, &mut out).await,
        // Its styles are its own, and it makes each text printable.
        Command::Doctor(arguments) => {
            let mut styled = AutoStream::auto(io::stdout());
            session.unless_interrupted(doctor::run(*arguments, session, &mut styled)).await
        }
        Command::Status => session.unless_interrupted(status::run(session, &mut out)).await,
        Command::Shell(arguments) => session.unless_interrupted(shell::run(arguments, session)).await,
        Command::Kubeconfig(arguments) => session.unless_interrupted(kubeconfig::run(arguments, session, &mut out)).await,
        Command::Walk(arguments) => walk::run(*arguments, session, &mut out).await,
        Command::Lesson(arguments) => lesson::run(*arguments, session, &mut out).await,
        Command::Token(arguments) => token::run(arguments, session, &mut out).await,
        // Its styles are its own, and it makes each text printable.
        Command::Explain(arguments) => {
            let mut styled = AutoStream::auto(io::stdout());
            session.unless_interrupted(explain::run(*arguments, session, &mut styled)).await
        }
        // Its styles are its own, and saved texts were made printable when they were read.
        Command::Report(arguments) => {
            let own = session.clone();
            let work = blocking(move || report::run(arguments, &own, &mut AutoStream::auto(io::stdout())));
            session.unless_interrupted(work).await
        }
        Command::ServerBinaries(arguments) => server_binaries::run(arguments, session, &mut out).await,
        Command::Completion(arguments) => completion::run(&arguments, &mut out).map(|()| Exit::Success),
    })
}

/// Runs `work` on a runtime, with a handler for signals.
pub(crate) fn on_runtime(
    output: OutputOptions,
    work: impl AsyncFnOnce(&Session) -> Result<Exit, CommandError>,
) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (interrupter, interrupt) = interrupt();
    let ended = runtime.block_on(async {
        signals::listen(interrupter)?;
        let events = output::progress(output.quiet);
        crate::listener::tell_faults_to(events.clone());
        work(&Session { output, events, interrupt }).await
    });
    // Threads that still block (a reader, a look-up) are not waited for.
    runtime.shutdown_background();
    ended
}
