//! `authlab lesson`: a broken or unfinished setup, and a learner who makes it work.
//!
//! The main type is [`LessonArguments`]; the logic without the texts is in [`crate::lesson`].

mod board;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::{Args, Subcommand};
use futures::TryFutureExt as _;
use serde_json::json;

use super::Session;
use super::error::{CommandError, lesson_error, use_error};
use super::exit::Exit;
use super::lab_source;
use super::options::NamedLab;
use crate::cli::output::write_json;
use crate::credential::Credential;
use crate::credential::exec::{EXEC_INFO, ExecInfo};
use crate::lab::{Lab, lab_option};
use crate::lesson::{self, Goal, Learner, Lesson, LessonError, Progress, Started, Workspace};
use crate::shell_word::quoted;

/// Arguments of `authlab lesson`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A lesson needs a lab that is up: `authlab up`, or `authlab up --learners 20` for a class. You work in a namespace and a directory
of your own, which are removed with the lab, and with your own kubectl and other tools.

Exit codes:
  0  success; `check`: every goal holds
  1  `check`: a goal does not hold; there is no such lab, or the lesson was not started
  2  wrong usage, such as an unknown lesson
  5  interrupted")]
pub struct LessonArguments {
    #[command(subcommand)]
    command: LessonCommand,
}

/// The commands.
#[derive(Subcommand, Clone, Debug)]
enum LessonCommand {
    /// List the lessons, and how far you are
    List(ByLearner<NoOptions>),
    /// Start a lesson, and show the task
    ///
    /// Its files are laid out, and the cluster is brought into its start state.
    Start(ByLearner<Named>),
    /// Check the goals, and show the server's answer where one does not hold
    Check(ByLearner<Which>),
    /// Show a hint on what to look at next; each further call says more
    Hint(ByLearner<Which>),
    /// Show the task, and where to work on it
    Show(ByLearner<Which>),
    /// Restore the start state, and delete what you made
    Reset(ByLearner<Which>),
    /// Show the commands that solve the lesson
    Solution(ByLearner<SolutionArguments>),
    /// Show the progress of all learners
    Board(ByLearner<board::BoardArguments>),
    /// Run the auth proxy that your auth-proxy.json describes, until Ctrl-C
    Proxy(ByLearner<Which>),
    /// Print a token of your identity provider, for the lessons' kubeconfigs
    #[command(hide = true)]
    Token(ByLearner<TokenFile>),
}

/// The options of a command, with the learner and the lab.
#[derive(Args, Clone, Debug)]
struct ByLearner<T: Args> {
    #[command(flatten)]
    what: T,
    /// Learner in a class
    #[arg(
        long,
        env = "AUTHLAB_LEARNER",
        value_name = "LEARNER",
        default_value = "learner-1",
        help_heading = "Lab"
    )]
    learner: String,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
}

/// Takes no options.
#[derive(Args, Clone, Copy, Debug)]
struct NoOptions {}

/// A lesson.
#[derive(Args, Clone, Debug)]
struct Named {
    /// Name of the lesson
    #[arg(value_name = "NAME")]
    name: String,
}

/// A lesson, or the current one.
#[derive(Args, Clone, Debug)]
struct Which {
    /// Name of the lesson [default: the one that you started last]
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// The claims that the identity provider puts into tokens.
#[derive(Args, Clone, Debug)]
struct TokenFile {
    /// File with the claims
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Arguments of `authlab lesson solution`.
#[derive(Args, Clone, Debug)]
struct SolutionArguments {
    #[command(flatten)]
    which: Which,
    /// Run the commands
    #[arg(long)]
    run: bool,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage, no lab, a lesson that was not started, or an object that the cluster rejects.
pub async fn run(arguments: LessonArguments, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    match arguments.command {
        LessonCommand::List(by) => {
            let learner: Learner = by.learner.parse().map_err(lesson_error)?;
            let progress = match session.unless_interrupted(Lab::attach(&by.lab.lab).map_err(use_error)).await? {
                Some(lab) => Progress::of(&learner, &lab).map_err(lesson_error)?,
                None => Progress::default(),
            };
            list(&progress, session.output.json, out)
        }
        LessonCommand::Start(by) => {
            let classroom = by.classroom(Some(&by.what.name), session).await?;
            session.unless_interrupted(classroom.start(&by.what.name, out)).await
        }
        LessonCommand::Check(by) => {
            let classroom = by.classroom(by.what.name(), session).await?;
            session.unless_interrupted(classroom.check(&by.what, out)).await
        }
        LessonCommand::Hint(by) => {
            let classroom = by.classroom(by.what.name(), session).await?;
            session.unless_interrupted(classroom.hint(&by.what, out)).await
        }
        LessonCommand::Show(by) => {
            let classroom = by.classroom(by.what.name(), session).await?;
            classroom.show(&classroom.workspace(&by.what)?, out)
        }
        LessonCommand::Reset(by) => {
            let classroom = by.classroom(by.what.name(), session).await?;
            session.unless_interrupted(classroom.reset(&by.what, out)).await
        }
        LessonCommand::Solution(by) => by.classroom(by.what.which.name(), session).await?.solution(&by.what, out).await,
        LessonCommand::Board(by) => board::show(&by.what, &by.classroom(None, session).await?.lab, session, out).await,
        LessonCommand::Proxy(by) => by.classroom(by.what.name(), session).await?.proxy(&by.what, out).await,
        LessonCommand::Token(by) => by.classroom(None, session).await?.token(&by.what.file, out),
    }
}

impl Which {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl<T: Args> ByLearner<T> {
    /// Returns the lab with its learner. Errors in the arguments are reported before any error of the lab.
    async fn classroom<'a>(&self, lesson: Option<&str>, session: &'a Session) -> Result<Classroom<'a>, CommandError> {
        let learner: Learner = self.learner.parse().map_err(lesson_error)?;
        lesson.map(lesson::named).transpose().map_err(lesson_error)?;
        Ok(Classroom {
            lab: session.unless_interrupted(Lab::existing(&self.lab.lab).map_err(use_error)).await?,
            learner,
            program: std::env::current_exe()?,
            session,
        })
    }
}

fn list(progress: &Progress, as_json: bool, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let all = lesson::all();
    if as_json {
        let list: Vec<_> = all
            .iter()
            .map(|one| {
                json!({ "name": one.name, "title": one.title, "kind": one.kind.name(), "minutes": one.minutes,
                    "reached": progress.lessons.get(&one.name) })
            })
            .collect();
        return write_json(&list, out);
    }
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or_default();
    for (kind, heading) in [
        (lesson::Kind::Make, "Make it work:"),
        (lesson::Kind::Mend, "Find out why it fails:"),
    ] {
        writeln!(out, "{heading}")?;
        for one in all.iter().filter(|one| one.kind == kind) {
            let mark = match progress.lessons.get(&one.name) {
                Some(reached) if reached.done.is_some() => "✓",
                Some(_) => "…",
                None => " ",
            };
            writeln!(out, "{mark} {:width$}  {} ({} min)", one.name, one.title, one.minutes)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "`authlab lesson start NAME` starts one, in a lab that is up (`authlab up`).")?;
    Ok(Exit::Success)
}

/// A lab with one learner.
struct Classroom<'a> {
    lab: Lab,
    learner: Learner,
    program: PathBuf,
    session: &'a Session,
}

impl Classroom<'_> {
    fn of(&self, lesson: &'static Lesson) -> Workspace<'_> {
        Workspace::new(&self.lab, &self.learner, lesson, &self.program)
    }

    /// Returns the workspace of the named lesson, or of the current one.
    fn workspace(&self, which: &Which) -> Result<Workspace<'_>, CommandError> {
        let progress = Progress::of(&self.learner, &self.lab).map_err(lesson_error)?;
        let none = || LessonError::NoneStarted {
            learner: self.learner.name().to_owned(),
        };
        let name = which.name.clone().or(progress.current).ok_or_else(none).map_err(lesson_error)?;
        Ok(self.of(lesson::named(&name).map_err(lesson_error)?))
    }

    /// Returns a command of this lesson as the user types it, with the options that name the lab and the learner.
    fn typed(&self, command: &str) -> String {
        let learner = if self.learner.name() == "learner-1" {
            String::new()
        } else {
            format!(" --learner {}", self.learner.name())
        };
        format!("authlab lesson {command}{}{learner}", lab_option(&self.lab.description().name))
    }

    async fn start(&self, name: &str, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let workspace = self.of(lesson::named(name).map_err(lesson_error)?);
        match workspace.start().await.map_err(lesson_error)? {
            Started::Before => writeln!(
                out,
                "This lesson is in progress already: nothing was changed. `{}` restores its start state.\n",
                self.typed("reset")
            )?,
            Started::Anew(Some(before)) => writeln!(
                out,
                "The lesson '{before}' is closed: its objects are deleted from the cluster, its files are kept.\n"
            )?,
            Started::Anew(None) => {}
        }
        self.show(&workspace, out)
    }

    fn show(&self, workspace: &Workspace<'_>, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let text = workspace.text().map_err(lesson_error)?;
        if self.session.output.json {
            let told = json!({ "lesson": workspace.lesson.name, "learner": self.learner.name(), "directory": workspace.directory,
                "kubeconfig": self.learner.kubeconfig(&self.lab), "text": text });
            return write_json(&told, out);
        }
        writeln!(out, "{}", text.trim_end())?;
        writeln!(out, "\n{}", place(&workspace.directory, &self.learner.kubeconfig(&self.lab)))?;
        writeln!(
            out,
            "\n`{}` checks the goals, `{}` gives a hint.",
            self.typed("check"),
            self.typed("hint")
        )?;
        Ok(Exit::Success)
    }

    async fn check(&self, which: &Which, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let workspace = self.workspace(which)?;
        let (done, goals) = workspace.check(&lab_source::vocabulary()).await.map_err(lesson_error)?;
        let held = goals.iter().filter(|goal| goal.holds).count();
        let exit = if held == goals.len() { Exit::Success } else { Exit::Failed };
        if self.session.output.json {
            write_json(
                &json!({ "lesson": workspace.lesson.name, "learner": self.learner.name(), "done": done, "goals": goals }),
                out,
            )?;
            return Ok(exit);
        }
        for line in &done {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "{}: {held} of {} goals hold", workspace.lesson.name, goals.len())?;
        for goal in &goals {
            self.tell(goal, out)?;
        }
        if exit == Exit::Success {
            writeln!(out, "\nDone. `{}` shows the next one.", self.typed("list"))?;
        } else {
            writeln!(out, "\n`{}` gives a hint.", self.typed("hint"))?;
        }
        Ok(exit)
    }

    fn tell(&self, goal: &Goal, out: &mut dyn Write) -> io::Result<()> {
        let mark = if goal.holds { "✓" } else { "✗" };
        writeln!(out, "  {mark} {}", goal.name)?;
        if goal.holds {
            return Ok(());
        }
        if let Some(rule) = &goal.rule {
            let behaviours = if goal.behaviours.is_empty() {
                String::new()
            } else {
                format!(" [{}]", goal.behaviours.join(", "))
            };
            writeln!(out, "      {rule}{behaviours}")?;
        }
        for line in goal.why.iter().flat_map(|why| why.lines()) {
            writeln!(out, "      {line}")?;
        }
        Ok(())
    }

    async fn hint(&self, which: &Which, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let workspace = self.workspace(which)?;
        let hint = workspace.hint().await.map_err(lesson_error)?;
        if self.session.output.json {
            return write_json(&json!({ "lesson": workspace.lesson.name, "hint": hint }), out);
        }
        match hint {
            Some(hint) => writeln!(out, "{hint}")?,
            None => writeln!(out, "The hints find nothing wrong: `{}` checks the goals.", self.typed("check"))?,
        }
        Ok(Exit::Success)
    }

    async fn reset(&self, which: &Which, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let workspace = self.workspace(which)?;
        workspace.reset().await.map_err(lesson_error)?;
        writeln!(out, "'{}' is back in its start state.", workspace.lesson.name)?;
        Ok(Exit::Success)
    }

    async fn solution(&self, arguments: &SolutionArguments, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let workspace = self.workspace(&arguments.which)?;
        let solution = workspace.solution().map_err(lesson_error)?;
        if !arguments.run {
            write!(out, "{solution}")?;
            return Ok(Exit::Success);
        }
        let mut script = tokio::process::Command::new("bash");
        // `-x` shows the commands that the script runs, as a terminal would.
        script
            .args(["-euxo", "pipefail", "-c", &solution])
            .current_dir(&workspace.directory);
        script.env("KUBECONFIG", self.learner.kubeconfig(&self.lab));
        script.env("AUTHLAB_LAB", &self.lab.description().name);
        script.env("AUTHLAB_LEARNER", self.learner.name());
        script.env("PATH", self.path()?);
        script.stdin(Stdio::null()).kill_on_drop(true);
        self.session
            .unless_interrupted(async move {
                let ended = script.status().await.map_err(|error| {
                    CommandError::new(Exit::Failed, format!("cannot run bash: {error}"))
                        .hint("install bash, which runs the solution's script")
                })?;
                Ok(if ended.success() { Exit::Success } else { Exit::Failed })
            })
            .await
    }

    /// Returns `PATH` with the lab's kubectl and this program before everything else.
    fn path(&self) -> Result<OsString, CommandError> {
        let mut directories: Vec<PathBuf> = self.lab.description().programs.iter().cloned().collect();
        directories.extend(self.program.parent().map(PathBuf::from));
        directories.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        std::env::join_paths(directories).map_err(|error| CommandError::new(Exit::Failed, error))
    }

    async fn proxy(&self, which: &Which, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let workspace = self.workspace(which)?;
        let started = self.lab.learners_proxy(&workspace.directory);
        let started = started.map_err(|error| CommandError::new(Exit::Failed, error));
        let (proxy, _) = self.session.unless_interrupted(started).await?;
        let url = proxy.url();
        writeln!(out, "Your auth proxy listens at {url} until Ctrl-C; in another terminal:")?;
        writeln!(out, "  kubectl --kubeconfig alice.kubeconfig --server {} auth whoami", quoted(&url))?;
        out.flush()?;
        self.session.interrupt.requested().await;
        proxy.stop().await;
        Ok(Exit::Success)
    }

    fn token(&self, file: &std::path::Path, out: &mut dyn Write) -> Result<Exit, CommandError> {
        let token = lesson::token(&self.lab, &self.learner, file).map_err(lesson_error)?;
        let info = match std::env::var(EXEC_INFO) {
            Ok(text) => ExecInfo::read(&text).map_err(|error| CommandError::new(Exit::Failed, error))?,
            Err(_) => ExecInfo::by_hand(false),
        };
        let answer = info.answer(&Credential::Token(token), None);
        let answer = answer.map_err(|error| CommandError::new(Exit::Failed, error))?;
        writeln!(out, "{answer}")?;
        Ok(Exit::Success)
    }
}

/// Returns the commands to type before working on a lesson: its directory and its kubeconfig.
fn place(directory: &Path, kubeconfig: &Path) -> String {
    let [directory, kubeconfig] = [directory, kubeconfig].map(|path| path.display().to_string());
    format!("  cd {}\n  export KUBECONFIG={}", quoted(&directory), quoted(&kubeconfig))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_type_work_where_directories_have_blanks_and_quotes() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("it's a $(home)/a b");
        std::fs::create_dir_all(&directory).expect("it is ours");
        let kubeconfig = directory.join("kube config");
        let script = format!("{}\npwd -P\nprintf '%s' \"$KUBECONFIG\"", place(&directory, &kubeconfig));
        let said = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let expected = format!(
            "{}\n{}",
            directory.canonicalize().expect("it is there").display(),
            kubeconfig.display()
        );
        assert_eq!(String::from_utf8_lossy(&said.stdout), expected, "{script}");
    }
}
