//! `authlab walk`: a walk-through by hand, shown and carried out step by step.
//!
//! The main type is [`WalkArguments`]; [`Walk`] is the dialogue with the user, the logic without the texts is in [`crate::walk_through`].

use std::io::{self, IsTerminal, Write};

use clap::Args;
use clap::builder::FalseyValueParser;
use serde_json::json;

use super::Session as CommandSession;
use super::error::{CommandError, cast_error, lab_error, use_error};
use super::exit::Exit;
use super::options::LabArguments;
use super::output::write_json;
use crate::cluster::Driver;
use crate::identity_provider::Kind;
use crate::interrupt::Interrupt;
use crate::lab::{self, DEFAULT_NAME, Lab, attach_or_start, lab_option};
use crate::report::sequence::Sequence;
use crate::walk_through::{self, Session, SessionError, Step, Taken, WalkThrough};

/// Arguments of `authlab walk`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Before each command: Enter runs it, e edits it, s skips it, d draws the requests so far, and q (or Ctrl-D, or Ctrl-C) leaves.
While the lab is up, --resume goes on from there.
Secrets in the output of commands are replaced. The same walk-throughs run by themselves: scripts/ in the source.

Exit codes:
  0  the end was reached, or you left; without a FLOW, the walk-throughs were listed
  1  a command had an unexpected result (with --yes), or there is nothing to resume
  2  wrong usage, such as an unknown walk-through
  4  the lab could not be started
  5  interrupted")]
pub struct WalkArguments {
    /// Name of the walk-through [default: list all]
    #[arg(value_name = "FLOW")]
    pub flow: Option<String>,
    /// Run every command without asking
    #[arg(long, short, env = "AUTHLAB_YES", value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Continue where you left off
    #[arg(long, conflicts_with = "yes")]
    pub resume: bool,
    /// The lab.
    #[command(flatten)]
    pub lab: LabArguments,
}

/// A command of a walk-through with an unexpected result.
#[derive(Debug, thiserror::Error)]
#[error("step {number} of '{flow}' had an unexpected result (exit code {code})\n{output}")]
struct Surprise {
    flow: &'static str,
    number: usize,
    code: i32,
    output: String,
}

/// Lists the walk-throughs, or runs one.
///
/// # Errors
/// Wrong usage, no lab, a command with an unexpected result, or an interrupt.
pub async fn run(arguments: WalkArguments, session: &CommandSession, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let Some(flow) = &arguments.flow else {
        return list(session.output.json, out);
    };
    let walk_through = walk_through::named(flow).map_err(|error| CommandError::new(Exit::Usage, error))?;
    if session.output.json && !arguments.yes {
        return Err(CommandError::new(Exit::Usage, "--json needs --yes"));
    }
    // A walk-through grants rights only to its own users, and sends requests to the main API server.
    let options = lab::LabOptions {
        beside_learners: true,
        ..arguments.lab.lab()?
    };
    if options.cluster == Some(Driver::Existing) {
        return Err(CommandError::new(
            Exit::Usage,
            "a walk-through needs the lab's signing keys, which an existing cluster does not give",
        )
        .hint("leave out --cluster existing"));
    }
    let started = async {
        if arguments.resume {
            // An interrupted walk-through was in a lab that is up; otherwise there is nothing to continue.
            let name = options.name.as_deref().unwrap_or(DEFAULT_NAME);
            return Lab::existing(name).await.map_err(use_error);
        }
        attach_or_start(&options, &session.events).await.map_err(lab_error)
    };
    let lab = tokio::select! {
        lab = started => lab?,
        () = session.interrupt.requested() => {
            return Err(CommandError::new(Exit::Interrupted, "interrupted; everything that was started was stopped"));
        }
    };
    if walk_through.needs_keycloak() && lab.description().provider.is_some_and(|kind| kind != Kind::Keycloak) {
        let told = format!(
            "the walk-through '{flow}' needs Keycloak, and the identity provider of this lab is {}",
            lab.description().provider_in_words()
        );
        lab.end(false).await.map_err(lab_error)?;
        return Err(CommandError::new(Exit::Usage, told)
            .hint("start one with Keycloak: --identity-provider keycloak, or --lab NAME of another lab"));
    }
    let opened = tokio::select! {
        opened = Session::open(&lab, walk_through, arguments.resume) => opened.map_err(session_error),
        () = session.interrupt.requested() => Err(CommandError::new(Exit::Interrupted, "interrupted")),
    };
    let walked = match opened {
        Ok(opened) => {
            let mut walk = Walk {
                walk_through,
                yes: arguments.yes,
                json: session.output.json,
                interrupt: &session.interrupt,
                session: Some(opened),
                record: Vec::new(),
                lab: &lab,
                out,
            };
            walk.carry_out().await
        }
        Err(error) => Err(error),
    };
    lab.end(options.keep).await.map_err(lab_error)?;
    walked
}

fn list(json: bool, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let all = walk_through::all();
    if json {
        let list: Vec<_> = all.iter().map(|one| json!({ "name": one.name, "title": one.title })).collect();
        return write_json(&list, out);
    }
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or_default();
    for one in all {
        writeln!(out, "{:width$}  {}", one.name, one.title)?;
    }
    writeln!(out, "\n`authlab walk FLOW` goes through one of them.")?;
    Ok(Exit::Success)
}

/// The user's choice for a command.
enum Decision {
    Run,
    RunOther(String),
    Skip,
    Leave,
}

/// A walk-through in progress, with the user.
struct Walk<'a> {
    walk_through: &'static WalkThrough,
    yes: bool,
    json: bool,
    interrupt: &'a Interrupt,
    /// `None` once it is finished.
    session: Option<Session>,
    record: Vec<serde_json::Value>,
    lab: &'a Lab,
    out: &'a mut dyn Write,
}

impl Walk<'_> {
    async fn carry_out(&mut self) -> Result<Exit, CommandError> {
        while let Some((at, step)) = self.session.as_ref().and_then(Session::next) {
            if !step.is_housekeeping() {
                self.show(at, step)?;
            }
            let decision = if step.command.is_empty() || step.is_housekeeping() || self.yes {
                Decision::Run
            } else {
                self.ask().await?
            };
            let (command, expected) = match decision {
                Decision::Leave => return self.left(),
                Decision::Skip => (String::new(), true),
                Decision::Run => (step.command.clone(), true),
                Decision::RunOther(command) => (command, false),
            };
            let Some(session) = &mut self.session else { break };
            if !command.is_empty() {
                let taken = tokio::select! {
                    taken = session.take(&command) => taken.map_err(session_error)?,
                    () = self.interrupt.requested() => return Err(self.interrupted()),
                };
                if !self.tell(at, step, &command, expected, &taken)? {
                    // The user may try again, write another command, or leave.
                    continue;
                }
            }
            if let Some(session) = &mut self.session {
                session.advance().map_err(session_error)?;
            }
        }
        self.end().await
    }

    /// Shows the prose and the command of a step.
    fn show(&mut self, at: usize, step: &Step) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let steps = self.walk_through.steps.len();
        writeln!(self.out)?;
        for (index, line) in step.prose.iter().enumerate() {
            let number = format!("[{}/{steps}] ", at + 1);
            let margin = if index == 0 { number.clone() } else { " ".repeat(number.len()) };
            writeln!(self.out, "{}", format!("{margin}{line}").trim_end())?;
        }
        let (typed, refused) = step.typed();
        for (index, line) in typed.lines().enumerate() {
            writeln!(self.out, "{} {line}", if index == 0 { '$' } else { '>' })?;
        }
        if let Some(text) = refused {
            writeln!(self.out, "  (this is meant to be refused, with: {text})")?;
        }
        Ok(())
    }

    /// Shows the result of a command; returns whether the walk-through goes on after it.
    fn tell(&mut self, at: usize, step: &Step, command: &str, expected: bool, taken: &Taken) -> Result<bool, CommandError> {
        let surprising = taken.code != 0 && expected;
        if surprising && (self.yes || step.is_housekeeping()) {
            let surprise = Surprise {
                flow: &self.walk_through.name,
                number: at + 1,
                code: taken.code,
                output: taken.output.trim().to_owned(),
            };
            return Err(CommandError::new(Exit::Failed, surprise));
        }
        if step.is_housekeeping() {
            return Ok(true);
        }
        if self.json {
            let (typed, refused) = step.typed();
            self.record.push(
                json!({ "prose": step.prose, "command": typed, "meant_to_be_refused": refused.is_some(),
                "output": taken.output, "exchanges": taken.exchanges }),
            );
            return Ok(true);
        }
        write!(self.out, "{}", taken.output)?;
        if !taken.exchanges.is_empty() {
            writeln!(self.out, "\n{}", Sequence::of(&taken.exchanges))?;
        }
        if surprising {
            writeln!(
                self.out,
                "This command had an unexpected result (exit code {}): `{}`",
                taken.code,
                first_line(command)
            )?;
        } else if taken.code != 0 {
            writeln!(self.out, "The exit code is {}.", taken.code)?;
        }
        Ok(!surprising)
    }

    /// Shows the choices and asks the user.
    async fn ask(&mut self) -> Result<Decision, CommandError> {
        loop {
            write!(self.out, "Enter runs it, e edits, s skips, d draws, q leaves: ")?;
            self.out.flush()?;
            let Some(word) = self.line().await? else {
                return Ok(Decision::Leave);
            };
            match word.trim() {
                "" => return Ok(Decision::Run),
                "s" => return Ok(Decision::Skip),
                "q" => return Ok(Decision::Leave),
                "d" => {
                    let drawn = self.session.as_ref().map(drawn).unwrap_or_default();
                    let drawn = if drawn.is_empty() { "No request was sent yet." } else { &drawn };
                    writeln!(self.out, "\n{drawn}")?;
                }
                "e" => {
                    if let Some(command) = self.edited().await? {
                        return Ok(Decision::RunOther(command));
                    }
                }
                other => writeln!(self.out, "'{other}' is not one of these.")?,
            }
        }
    }

    /// Lets the user edit the command; `None` if it is left empty.
    async fn edited(&mut self) -> Result<Option<String>, CommandError> {
        let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok());
        if let Some(editor) = editor.filter(|editor| !editor.is_empty() && io::stdin().is_terminal()) {
            let command = self.session.as_ref().and_then(Session::next).map(|(_, step)| step.typed().0);
            let mut file = tempfile::NamedTempFile::new()?;
            writeln!(file, "{}", command.unwrap_or_default())?;
            // Run by a shell, as other programs do: the variable may hold arguments.
            let ended = std::process::Command::new("sh")
                .args(["-c", &format!("{editor} \"$0\"")])
                .arg(file.path())
                .status()?;
            let text = std::fs::read_to_string(file.path())?;
            return Ok(ended.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty()));
        }
        writeln!(self.out, "Write the command; an empty line ends it.")?;
        let mut lines = Vec::new();
        while let Some(line) = self.line().await?.filter(|line| !line.trim().is_empty()) {
            lines.push(line);
        }
        Ok((!lines.is_empty()).then(|| lines.join("\n")))
    }

    /// Reads a line from the user; `None` at the end of input.
    async fn line(&mut self) -> Result<Option<String>, CommandError> {
        let read = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|length| (length > 0).then_some(line))
        });
        let line = tokio::select! {
            line = read => line.map_err(io::Error::other)??,
            () = self.interrupt.requested() => return Err(self.interrupted()),
        };
        Ok(line.map(|line| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Ends the walk-through early, because the user left.
    fn left(&mut self) -> Result<Exit, CommandError> {
        writeln!(self.out, "\n{}", self.way_back())?;
        Ok(Exit::Success)
    }

    fn interrupted(&self) -> CommandError {
        CommandError::new(Exit::Interrupted, "interrupted").hint(self.way_back())
    }

    fn way_back(&self) -> String {
        if self.lab.is_owned() {
            return "this lab ends with the walk-through; to continue later, start one with `authlab up` first".to_owned();
        }
        let option = lab_option(&self.lab.description().name);
        format!("`authlab walk {}{option} --resume` goes on from here", self.walk_through.name)
    }

    /// Finishes the walk-through.
    async fn end(&mut self) -> Result<Exit, CommandError> {
        let Some(session) = self.session.take() else {
            return Ok(Exit::Success);
        };
        let drawn = drawn(&session);
        session.finish().await.map_err(session_error)?;
        if self.json {
            let record = json!({ "name": self.walk_through.name, "title": self.walk_through.title, "steps": self.record });
            return write_json(&record, self.out);
        }
        if !drawn.is_empty() {
            writeln!(self.out, "\nAll requests, from the beginning:\n\n{drawn}")?;
        }
        writeln!(
            self.out,
            "\nThis walk-through is complete. The objects that it made in the cluster are deleted."
        )?;
        Ok(Exit::Success)
    }
}

/// Draws the requests so far; empty if there were none.
fn drawn(session: &Session) -> String {
    Sequence::of(session.exchanges()).to_string()
}

fn first_line(command: &str) -> &str {
    command.lines().next().unwrap_or_default()
}

/// Returns the exit code and the hint for an error that stops a walk-through.
fn session_error(error: SessionError) -> CommandError {
    match error {
        SessionError::Lab(error) => use_error(error),
        SessionError::Cast(error) => cast_error(error),
        error => CommandError::hinted(Exit::Failed, error),
    }
}
