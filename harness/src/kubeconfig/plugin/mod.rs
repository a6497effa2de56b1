//! Exec plugins, run as kubectl runs them (client-go `plugin/pkg/client/auth/exec/exec.go`), with a time limit.
//!
//! The main functions are [`announced_run`], which says first what will run, and [`run`].

pub(crate) mod answer;
mod error;
mod live;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal};
use serde_json::{Map, Value, json};
use tokio::process::Command;

use super::{ClusterConfig, ExecConfig};
use crate::credential::exec::EXEC_INFO;
use crate::secret::redact;
use crate::shell_word::quoted;
pub use answer::PluginAnswer;
pub use error::PluginError;

/// The time that a plugin may take: some ask a remote server.
const LIMIT: Duration = Duration::from_secs(60);

/// The circumstances of a run.
pub struct Surroundings<'a> {
    /// `true` if the standard input is a terminal: the plugin may ask the user, if its `interactiveMode` allows that.
    pub is_terminal: bool,
    /// A function that shows the plugin's error output as it comes, redacted.
    pub show: &'a mut (dyn FnMut(&str) + Send),
    /// The time that it may take.
    pub limit: Duration,
}

impl<'a> Surroundings<'a> {
    /// Returns the usual ones, without a terminal.
    pub fn new(show: &'a mut (dyn FnMut(&str) + Send)) -> Self {
        Self {
            is_terminal: false,
            show,
            limit: LIMIT,
        }
    }
}

/// Returns the program that will run: beside the kubeconfig if the command has a slash (`loader.go`), else the first in `PATH`.
///
/// # Errors
/// There is no such program.
pub fn program(exec: &ExecConfig) -> Result<PathBuf, PluginError> {
    let looked = if exec.command.contains('/') {
        let path = exec.directory.join(&exec.command);
        which::which(absolute(&path)).map_err(|_| path)
    } else {
        which::which(&exec.command).map_err(|_| PathBuf::from(&exec.command))
    };
    looked.map_err(|path| {
        let is_there = exec.command.contains('/') && path.is_file();
        let (help, source) = if is_there {
            let help = format!("make it executable: `chmod +x {}`", quoted(&path.display().to_string()));
            (help, io::Error::new(io::ErrorKind::PermissionDenied, "permission denied"))
        } else {
            (missing(exec), io::Error::new(io::ErrorKind::NotFound, "no such file or directory"))
        };
        PluginError::NotStarted {
            program: path.display().to_string(),
            help,
            // A program whose path cannot be right need not be installed.
            install_hint: exec.install_hint.clone().filter(|_| !is_there && !exec.command.starts_with("~/")),
            source,
        }
    })
}

/// The text in place of a word that may be a secret.
const HIDDEN: &str = "…";

/// Returns the command line as people may see it: the words up to the first flag, then the names of the flags alone, since any value may be a
/// secret.
#[must_use]
pub fn command_line(exec: &ExecConfig) -> String {
    let mut words = vec![quoted(&exec.command).into_owned()];
    let mut args = exec.args.iter();
    let flags = args.clone().position(|word| word.starts_with('-')).unwrap_or(exec.args.len());
    words.extend(args.by_ref().take(flags).map(|word| quoted(word).into_owned()));
    words.extend(args.map(|word| flag(word)));
    redact(&words.join(" ")).into_owned()
}

/// Returns the name of a flag; hidden, if the word does not look like one. A value may stand behind a letter (`-pPASSWORD`).
fn flag(word: &str) -> String {
    let (name, value) = word.split_once('=').map_or((word, ""), |(name, _)| (name, HIDDEN));
    let is_name = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
    };
    let equals = if value.is_empty() { "" } else { "=" };
    match name.strip_prefix("--") {
        Some(long) if is_name(long) => format!("{name}{equals}{value}"),
        Some(_) => HIDDEN.to_owned(),
        None => match name.strip_prefix('-').map(|short| short.chars().collect::<Vec<_>>()).as_deref() {
            Some([letter]) if letter.is_ascii_alphanumeric() => format!("-{letter}{equals}{value}"),
            Some([letter, ..]) if letter.is_ascii_alphanumeric() => format!("-{letter}{HIDDEN}"),
            _ => HIDDEN.to_owned(),
        },
    }
}

/// Runs the plugin, and says before which one, in a line of its own.
///
/// # Errors
/// Those of [`run`].
pub async fn announced_run(
    exec: &ExecConfig,
    cluster: &ClusterConfig,
    surroundings: Surroundings<'_>,
) -> Result<PluginAnswer, PluginError> {
    let program = program(exec)?;
    (surroundings.show)(&format!(
        "runs the kubeconfig's exec plugin `{}`, which is {}\n",
        command_line(exec),
        program.display()
    ));
    run(exec, cluster, surroundings).await
}

/// Runs the plugin, with the information about `cluster` if the kubeconfig asks for that.
///
/// # Errors
/// The plugin does not exist, fails, takes too long, or returns something that kubectl does not take.
pub async fn run(exec: &ExecConfig, cluster: &ClusterConfig, surroundings: Surroundings<'_>) -> Result<PluginAnswer, PluginError> {
    let limit = surroundings.limit;
    let over = async {
        let _elapsed = tokio::time::timeout(limit, std::future::pending::<()>()).await;
    };
    run_until(over, exec, cluster, surroundings).await
}

/// Runs the plugin until it ends or its time is `over`.
async fn run_until(
    over: impl Future<Output = ()>,
    exec: &ExecConfig,
    cluster: &ClusterConfig,
    surroundings: Surroundings<'_>,
) -> Result<PluginAnswer, PluginError> {
    let mode = exec.interactive_mode.as_deref();
    if mode == Some("Always") && !surroundings.is_terminal {
        return Err(PluginError::NoTerminal { line: command_line(exec) });
    }
    let is_interactive = surroundings.is_terminal && mode != Some("Never");
    let program = program(exec)?;
    // Not a `process::Program`: its output is a secret that must not be in a file, and it needs the user's environment.
    let mut command = Command::new(&program);
    command
        .args(&exec.args)
        .envs(exec.env.iter().map(|(name, value)| (name, value)))
        .env(EXEC_INFO, info(exec, cluster, is_interactive).to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if is_interactive {
        // Only the terminal's own process group may read from it.
        command.stdin(Stdio::inherit());
    } else {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(|source| PluginError::NotStarted {
        program: program.display().to_string(),
        help: "make the file executable, and let it begin with `#!` and the path of its interpreter".to_owned(),
        install_hint: None,
        source,
    })?;
    let mut group = Group(
        child
            .id()
            .filter(|_| !is_interactive)
            .and_then(|pid| Pid::from_raw(pid.cast_signed())),
    );
    let mut said = String::new();
    let answered = {
        let work = live::output(&mut child, surroundings.show, &mut said);
        tokio::select! {
            biased;
            ended = work => Some(ended),
            () = over => None,
        }
    };
    let said_last = || error::last_lines(&said);
    match answered {
        None => Err(PluginError::Hangs {
            line: command_line(exec),
            seconds: surroundings.limit.as_secs(),
            said: said_last(),
        }),
        Some(Err(source)) => Err(PluginError::NotStarted {
            program: program.display().to_string(),
            help: "run it by hand".to_owned(),
            install_hint: None,
            source,
        }),
        Some(Ok((status, printed))) => {
            // Processes that it left running belong to the user.
            group.0 = None;
            if status.success() {
                answer::read(&printed, exec)
            } else {
                Err(PluginError::Failed {
                    program: exec.command.clone(),
                    status,
                    said: said_last(),
                })
            }
        }
    }
}

/// Returns the plugin's input (client-go `rest/exec.go`, `pkg/apis/clientauthentication`).
fn info(exec: &ExecConfig, cluster: &ClusterConfig, is_interactive: bool) -> Value {
    let mut spec = json!({ "interactive": is_interactive });
    if exec.provide_cluster_info {
        let mut told = Map::new();
        told.insert("server".to_owned(), address(&cluster.server).into());
        if let Some(name) = &cluster.tls_server_name {
            told.insert("tls-server-name".to_owned(), name.as_str().into());
        }
        if cluster.insecure_skip_tls_verify {
            told.insert("insecure-skip-tls-verify".to_owned(), true.into());
        }
        if let Some(authority) = &cluster.authority {
            told.insert("certificate-authority-data".to_owned(), STANDARD.encode(authority).into());
        }
        if let Some(proxy) = &cluster.proxy_url {
            told.insert("proxy-url".to_owned(), proxy.as_str().into());
        }
        if cluster.disable_compression {
            told.insert("disable-compression".to_owned(), true.into());
        }
        told.insert("config".to_owned(), cluster.exec_extension.clone().unwrap_or_default());
        spec["cluster"] = told.into();
    }
    json!({ "kind": "ExecCredential", "apiVersion": exec.api_version, "spec": spec })
}

/// Returns the address as client-go keeps it: with a path, it has neither query nor fragment (`client_config.go`).
fn address(server: &str) -> &str {
    let end = server.find(['?', '#']).unwrap_or(server.len());
    let begin = server.find("://").map_or(0, |at| at + 3);
    match server.get(begin..end).and_then(|rest| rest.find('/')) {
        Some(slash) if begin + slash + 1 < end => &server[..end],
        _ => server,
    }
}

/// Returns the change that helps for a program that is not there.
fn missing(exec: &ExecConfig) -> String {
    let name = Path::new(&exec.command).file_name().unwrap_or_default().display().to_string();
    if exec.command.starts_with("~/") {
        return "give the whole path of the program: kubectl takes ~ for the name of a directory".to_owned();
    }
    if exec.command.contains('\\') {
        return "give the path of a program of this system".to_owned();
    }
    if exec.command.contains('/') {
        return match which::which(&name) {
            Ok(path) => format!(
                "correct the path, which is relative to the kubeconfig ({} is in PATH)",
                path.display()
            ),
            Err(_) => "correct the path, which is relative to the kubeconfig, or install the program".to_owned(),
        };
    }
    if exec.directory.join(&name).is_file() {
        return format!("write ./{name}: without a slash, kubectl looks for it in PATH, and it lies beside the kubeconfig");
    }
    "install it, or give its full path in the kubeconfig".to_owned()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A process group that is killed when this is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _gone = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }
}
