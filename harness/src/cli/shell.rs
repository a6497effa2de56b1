//! `authlab shell`: a shell, or one command, in a lab that is up.
//!
//! The main type is [`ShellArguments`]. The shell replaces this process, so that its signals, its terminal and
//! its exit code are its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use clap::Args;

use super::Session;
use super::error::{CommandError, cast_error, use_error};
use super::exit::Exit;
use super::kubeconfig::lab_that_knows;
use super::options::NamedLab;
use super::project_people;
use crate::lab::cast;
use crate::shell_word::quoted;

/// Arguments of `authlab shell`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
In the shell, KUBECONFIG is a file of the lab, kubectl is that of the lab's version, and AUTHLAB_LAB names the lab.
LAB_API_SERVER, LAB_ISSUER and other variables hold the servers' addresses, and the paths of authorities and secrets.
Your own kubeconfig is neither read nor written.

Exit codes: those of the shell or the command; before it runs
  1  there is no such lab, or no credential is issued
  2  wrong usage, such as a person who is not in the cast
  5  interrupted")]
pub struct ShellArguments {
    /// Person of the cast, or of the project that the lab is for
    #[arg(value_name = "PERSON", default_value = cast::ADMINISTRATOR)]
    person: String,
    /// The lab.
    #[command(flatten)]
    lab: NamedLab,
    /// Command to run instead of a shell
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
}

/// A command that cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {}", program.display())]
struct NotRun {
    program: std::path::PathBuf,
    source: std::io::Error,
}

/// Replaces this process with the shell or the command; returns only if that fails.
///
/// # Errors
/// The person is unknown, no such lab is up, no credential is issued, or the command does not exist.
pub async fn run(arguments: ShellArguments, session: &Session) -> Result<Exit, CommandError> {
    let ShellArguments {
        person,
        lab: NamedLab { lab: name },
        command,
    } = arguments;
    let lab = lab_that_knows(&person, &name).await?;
    let kubeconfig = match project_people::kubeconfig(&lab, &person, &session.events).await? {
        Some(kubeconfig) => kubeconfig,
        None => lab.kubeconfig_of(&person).await.map_err(cast_error)?,
    };
    let workplace = lab.workplace(&person, &kubeconfig).map_err(use_error)?;
    let variables = lab.variables(&workplace).await.map_err(use_error)?;
    let mut shell = match command.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        None => interactive(&person, &name, &workplace.directory)?,
    };
    shell
        .env("KUBECONFIG", &workplace.kubeconfig)
        .env("KUBECACHEDIR", &workplace.cache)
        .env("PATH", workplace.path())
        .env("AUTHLAB_LAB", &name)
        .env("AUTHLAB_PERSON", &person)
        .envs(variables);
    let program = shell.get_program().into();
    Err(CommandError::new(
        Exit::Failed,
        NotRun {
            program,
            source: shell.exec(),
        },
    ))
}

/// Returns the user's own shell, with a hint in its prompt if that is possible without changing the user's files.
fn interactive(person: &str, lab: &str, directory: &Path) -> Result<Command, CommandError> {
    let shell = std::env::var_os("SHELL")
        .filter(|shell| !shell.is_empty())
        .unwrap_or_else(|| "sh".into());
    let mut command = Command::new(&shell);
    let hint = format!("({person}@{lab}) ");
    if Path::new(&shell).file_name().is_some_and(|name| name == "bash") {
        // The user's own file may set PS1 and PATH, so it is read first.
        let bin = directory.join("bin").display().to_string();
        let (hint, bin) = (quoted(&hint), quoted(&bin));
        let text = format!("[ -f ~/.bashrc ] && . ~/.bashrc\nPS1={hint}\"$PS1\"\nPATH={bin}:\"$PATH\"\n");
        let file = directory.join("bashrc");
        crate::pki::write_private(&file, &text).map_err(|error| CommandError::new(Exit::Failed, error))?;
        command.arg("--rcfile").arg(file);
    } else {
        command.env("PS1", format!("{hint}$ "));
    }
    Ok(command)
}
