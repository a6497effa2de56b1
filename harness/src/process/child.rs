//! A program before it runs, and while it runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::ChildStdout;

use super::stopped::{Stopped, is_stopped};
use super::{privileges, spawner};
use crate::hint::Hint;
use crate::secret::{REDACTED, last_lines, names_a_secret, redact};
use crate::shell_word::quoted;

/// An error of a foreign program.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be started.
    #[error("cannot start {name}: {command}")]
    Start {
        /// The program's name in the lab.
        name: String,
        /// The command line.
        command: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The log file could not be made.
    #[error("cannot open the log file {}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The program exited unexpectedly.
    #[error("{name} exited ({status}); its log is {}\n{}", log.display(), tail.join("\n"))]
    Ended {
        /// The program's name in the lab, and the ports it was to listen on.
        name: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// A signal stopped the program, and nobody continued it.
    #[error("{name} is stopped (process {pid}, SIGSTOP)")]
    Stopped {
        /// The program's name in the lab, and the ports it was to listen on.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// The kernel would no longer kill the program with its owner, so it was killed immediately.
    #[error("{name} would outlive its owner: {} gains privileges when it is executed (by capabilities or a set-user-id bit)", program.display())]
    Privileged {
        /// The program's name in the lab.
        name: String,
        /// The file.
        program: PathBuf,
    },
    /// The operating system refused to report on the program or to signal it.
    #[error("cannot watch or stop {name}")]
    Watch {
        /// The program's name in the lab.
        name: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl Hint for ProcessError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Privileged { program, .. } => Some(format!("use a copy of it, which has neither: cp '{}' DIR", program.display())),
            Self::Stopped { .. } => Some("another program stopped it, and it was ended: start again".to_owned()),
            Self::Start { .. } | Self::Log { .. } | Self::Ended { .. } | Self::Watch { .. } => None,
        }
    }
}

/// A program to start: complete and printable before it runs. Its environment has only the
/// variables that are set here, unless it inherits.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<String, OsString>,
    inherits: bool,
    directory: Option<PathBuf>,
    log: PathBuf,
    ports: Vec<u16>,
}

impl Program {
    /// Returns `program` under the name `name`, its output appended to `log`.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            inherits: false,
            directory: None,
            log: log.into(),
            ports: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Passes on those of the variables `names` that are set in this process.
    #[must_use]
    pub fn inherit(mut self, names: &[&str]) -> Self {
        for name in names {
            if let Some(value) = std::env::var_os(name) {
                self.environment.insert((*name).to_owned(), value);
            }
        }
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the ports that it is to listen on, for the error if it exits unexpectedly.
    #[must_use]
    pub fn listening_on(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports.extend(ports);
        self
    }

    /// Inherits the environment of this process: for a program that is this same executable.
    #[must_use]
    pub fn inherit_all(mut self) -> Self {
        self.inherits = true;
        self
    }

    /// Starts it, in a process group of its own.
    ///
    /// # Errors
    /// The log cannot be opened or the program cannot be started.
    pub async fn start(self) -> Result<Child, ProcessError> {
        self.launch(false).await
    }

    /// Starts it as [`Program::start`] does, with its standard output to be read; only its standard error goes to the log.
    ///
    /// # Errors
    /// As [`Program::start`].
    pub async fn start_listening(self) -> Result<(Child, ChildStdout), ProcessError> {
        let name = self.name.clone();
        let command = self.to_string();
        let mut child = self.launch(true).await?;
        match child.child.stdout.take() {
            Some(told) => Ok((child, told)),
            None => Err(ProcessError::Start {
                name,
                command,
                source: io::Error::other("its standard output is not a pipe"),
            }),
        }
    }

    async fn launch(self, listening: bool) -> Result<Child, ProcessError> {
        let log = self.log.clone();
        let opened = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = opened.map_err(|source| ProcessError::Log { path: log.clone(), source })?;

        let mut command = tokio::process::Command::new(&self.program);
        if !self.inherits {
            command.env_clear();
        }
        let out = if listening { Stdio::piped() } else { Stdio::from(out.into_file()) };
        command
            .args(&self.arguments)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::from(err.into_file()))
            .kill_on_drop(true)
            .process_group(0);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        die_with_owner(&mut command);

        let text = self.to_string();
        let name = self.name.clone();
        let child = spawner::run(move || command.spawn()).await.map_err(|source| ProcessError::Start {
            name: name.clone(),
            command: text,
            source,
        })?;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        // Killed when it is dropped.
        let child = Child {
            name,
            log,
            ports: self.ports,
            pid,
            stopped: Stopped::default(),
            child,
        };
        if let Some(pid) = child.pid()
            && privileges::were_gained(pid).await
        {
            let (name, program) = (child.name.clone(), self.program.clone());
            return Err(ProcessError::Privileged { name, program });
        }
        Ok(child)
    }
}

/// Prints the command line, ready to be pasted into a shell.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            let value = match names_a_secret(name) {
                true => REDACTED.into(),
                false => value.to_string_lossy(),
            };
            write!(f, "{name}={} ", quoted(&redact(&value)))?;
        }
        write!(f, "{}", quoted(&self.program.to_string_lossy()))?;
        let shown = |argument: &OsString| match argument.to_string_lossy() {
            argument if argument.split_once('=').is_some_and(|(name, _)| names_a_secret(name)) => {
                let (name, _) = argument.split_once('=').unwrap_or_default();
                quoted(&format!("{name}={REDACTED}")).into_owned()
            }
            argument => quoted(&argument).into_owned(),
        };
        // Redacted together, since the secret of an option may be the argument after it.
        let arguments: Vec<String> = self.arguments.iter().map(shown).collect();
        match arguments.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", redact(&arguments.join(" "))),
        }
    }
}

/// Returns the text about the ports to listen on, which follows a program's name.
fn meant_for(ports: &[u16]) -> String {
    match ports {
        [] => String::new(),
        [port] => format!(", which was to listen on port {port},"),
        several => {
            let several: Vec<String> = several.iter().map(u16::to_string).collect();
            format!(", which was to listen on the ports {},", several.join(" and "))
        }
    }
}

#[cfg(target_os = "linux")]
fn die_with_owner(command: &mut tokio::process::Command) {
    let owner = rustix::process::getpid();
    // SAFETY: between fork and exec only two system calls are made, both
    // async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The owner may have died before the line above took effect.
            if rustix::process::getppid() != Some(owner) {
                return Err(io::Error::from_raw_os_error(3));
            }
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_owner(_: &mut tokio::process::Command) {}

/// A running program. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    ports: Vec<u16>,
    pid: Option<Pid>,
    stopped: Stopped,
    child: tokio::process::Child,
}

impl Child {
    /// Returns its name in the lab.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path of its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns its process id, which is that of its group.
    pub fn pid(&self) -> Option<u32> {
        self.pid.map(|pid| pid.as_raw_nonzero().get().cast_unsigned())
    }

    /// Fails with the last lines of its log if it no longer runs, and if every check for some seconds has found it stopped.
    ///
    /// # Errors
    /// [`ProcessError::Ended`], [`ProcessError::Stopped`], or the operating system cannot tell.
    pub fn expect_running(&mut self) -> Result<(), ProcessError> {
        match self.child.try_wait() {
            Ok(None) => match self.pid() {
                Some(pid) if self.stopped.for_long(Some(pid).filter(|pid| is_stopped(*pid))) => Err(ProcessError::Stopped {
                    name: format!("{}{}", self.name, meant_for(&self.ports)),
                    pid,
                }),
                _ => Ok(()),
            },
            Ok(Some(status)) => {
                self.gone();
                Err(ProcessError::Ended {
                    name: format!("{}{}", self.name, meant_for(&self.ports)),
                    status,
                    log: self.log.clone(),
                    tail: last_lines(&self.log, 12),
                })
            }
            Err(source) => Err(self.watch(source)),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The operating system cannot tell.
    pub async fn ended(&mut self) -> Result<ExitStatus, ProcessError> {
        let status = self.child.wait().await.map_err(|source| self.watch(source))?;
        self.gone();
        Ok(status)
    }

    /// Asks it to end and gives it `grace`; then kills it. Afterwards, its whole group
    /// is gone.
    ///
    /// # Errors
    /// The operating system cannot tell how it ended.
    pub async fn stop(mut self, grace: Duration) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM);
        match tokio::time::timeout(grace, self.ended()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Kills it with its group immediately: for servers whose data is thrown away.
    ///
    /// # Errors
    /// The operating system cannot tell how it ended.
    pub async fn kill(mut self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::KILL);
        self.ended().await
    }

    /// Kills the rest of the group once its leader has been waited for, while no
    /// other process can have got the number.
    fn gone(&mut self) {
        self.signal(Signal::KILL);
        self.pid = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // An error means that there is no such group, which is the intended result.
            let _gone = rustix::process::kill_process_group(pid, signal);
        }
    }

    fn watch(&self, source: io::Error) -> ProcessError {
        ProcessError::Watch {
            name: self.name.clone(),
            source,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_shown_without_the_secrets_that_it_is_given() {
        let program = Program::new("a tool", "/bin/tool", "log")
            .environment("KC_BOOTSTRAP_ADMIN_PASSWORD", "a b")
            .environment("MIRROR", "https://me:hunter22@mirror")
            .arguments(["--client-secret", "0a1b2c3d", "--user=alice", "--token=x,y z"]);
        assert_eq!(
            program.to_string(),
            "KC_BOOTSTRAP_ADMIN_PASSWORD='[redacted]' MIRROR='https://me:[redacted]@mirror' \
             /bin/tool --client-secret [redacted] --user=alice '--token=[redacted]'"
        );
    }
}
