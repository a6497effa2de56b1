//! The `kind` command: finding it, checking its version, and making and removing clusters with it.
//!
//! The main type is [`KindCommand`]. Each call's output goes to a log in the lab's directory, and into the error when it fails.

use std::io;
use std::path::{Path, PathBuf};

use crate::engine::Labels;
use crate::hint::Hint;
use crate::process::{ProcessError, Program};

/// The newest release that this was made for: the one that users without kind are told to install.
const KNOWN: &str = "0.33.0";

/// The number of lines of a failed call's output that are shown.
const TAIL: usize = 20;

/// The environment variables that the command may see: the engine's address and its settings, nothing about the user's clusters.
const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "XDG_RUNTIME_DIR",
];

/// An error of the `kind` command.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such command.
    #[error("cannot find the `kind` command: {looked}")]
    Absent {
        /// The places that were searched.
        looked: String,
    },
    /// The command is older than the release that knows the node's image.
    #[error("{} is kind {seen} (expected {expected} or newer)", path.display())]
    TooOld {
        /// The command.
        path: PathBuf,
        /// Its version.
        seen: String,
        /// The oldest accepted version.
        expected: String,
    },
    /// The command does not print a version.
    #[error("cannot read the version of {}; its output is: {seen}", path.display())]
    Unreadable {
        /// The command.
        path: PathBuf,
        /// Its output.
        seen: String,
    },
    /// A call of the command failed.
    #[error("`kind {call}` failed ({status}); its log is {}\n{}", log.display(), tail.join("\n"))]
    Failed {
        /// Its arguments.
        call: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// The command cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its output cannot be kept or read.
    #[error("cannot use the lab's directory")]
    Directory(#[from] io::Error),
}

impl Hint for CommandError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Absent { .. } | Self::TooOld { .. } | Self::Unreadable { .. } => Some(format!(
                "get it with `go install sigs.k8s.io/kind@v{KNOWN}` or from https://kind.sigs.k8s.io, or name the one to use with --kind"
            )),
            Self::Failed { .. } | Self::Process(_) | Self::Directory(_) => None,
        }
    }
}

/// The `kind` command of this machine.
#[derive(Clone, Debug)]
pub struct KindCommand {
    path: PathBuf,
    /// Its version: `0.33.0`.
    pub version: String,
    environment: Vec<(String, String)>,
    logs: PathBuf,
}

impl KindCommand {
    /// Finds the command at `named`, or else the first in PATH, if it is at least of the release `oldest` (`0.33`). Its logs are kept in
    /// the directory `logs`.
    ///
    /// # Errors
    /// It is absent, too old, or does not print a version.
    pub async fn find(named: Option<&Path>, oldest: &str, logs: &Path) -> Result<Self, CommandError> {
        let path = match named {
            Some(path) if is_program(path) => path.to_owned(),
            Some(path) => {
                return Err(CommandError::Absent {
                    looked: format!("{} is not an executable file", path.display()),
                });
            }
            None => which::which("kind").map_err(|_| CommandError::Absent {
                looked: "no directory in PATH has one".to_owned(),
            })?,
        };
        fs_err::create_dir_all(logs)?;
        let mut command = Self {
            path,
            version: String::new(),
            environment: Vec::new(),
            logs: logs.to_owned(),
        };
        let said = match command.call("version", &["version"]).await {
            Ok(said) => said,
            // A program without the command `version` is not kind.
            Err(CommandError::Failed { tail, .. }) => tail.join("\n"),
            Err(error) => return Err(error),
        };
        let Some(version) = version_in(&said) else {
            let said = crate::secret::redact(&said);
            return Err(CommandError::Unreadable {
                path: command.path,
                seen: said.lines().next().unwrap_or("nothing").chars().take(200).collect(),
            });
        };
        if numbers(&version) < numbers(oldest) {
            return Err(CommandError::TooOld {
                path: command.path,
                seen: version,
                expected: oldest.to_owned(),
            });
        }
        command.version = version;
        Ok(command)
    }

    /// Sets an environment variable for each call.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Makes the cluster `name` from the file `configuration`, and writes its kubeconfig. If it fails or is dropped before it has finished,
    /// it removes the partial cluster.
    ///
    /// # Errors
    /// The command fails; its output is in the error.
    pub async fn create(&self, name: &str, configuration: &Path, kubeconfig: &Path) -> Result<(), CommandError> {
        let unfinished = self.unfinished(name, kubeconfig);
        let [configuration, kubeconfig] = [configuration, kubeconfig].map(|path| path.to_string_lossy().into_owned());
        let options = [
            "create",
            "cluster",
            "--name",
            name,
            "--config",
            &configuration,
            "--kubeconfig",
            &kubeconfig,
            // The node's network is not needed; the harness itself polls the API server.
            "--wait",
            "0s",
        ];
        self.call("create", &options).await?;
        unfinished.finished();
        Ok(())
    }

    /// Returns a guard for the cluster `name`, which removes it if it is dropped before [`Unfinished::finished`].
    pub(super) fn unfinished<'a>(&'a self, name: &'a str, kubeconfig: &'a Path) -> Unfinished<'a> {
        Unfinished {
            command: self,
            name,
            kubeconfig,
            is_finished: false,
        }
    }

    /// Removes the cluster `name`. Succeeds if it does not exist.
    ///
    /// # Errors
    /// The command fails.
    pub async fn delete(&self, name: &str, kubeconfig: &Path) -> Result<(), CommandError> {
        let kubeconfig = kubeconfig.to_string_lossy();
        let options = ["delete", "cluster", "--name", name, "--kubeconfig", &kubeconfig];
        self.call("delete", &options).await.map(drop)
    }

    async fn call(&self, name: &str, arguments: &[&str]) -> Result<String, CommandError> {
        let log = self.logs.join(format!("kind-{name}.log"));
        let before = std::fs::metadata(&log).map_or(0, |file| file.len());
        let mut program = Program::new("kind", &self.path, &log).arguments(arguments).inherit(ENVIRONMENT);
        for (name, value) in &self.environment {
            program = program.environment(name, value);
        }
        let status = program.start().await?.ended().await?;
        if !status.success() {
            return Err(CommandError::Failed {
                call: arguments.join(" "),
                status,
                tail: crate::process::last_lines(&log, TAIL),
                log,
            });
        }
        let said = fs_err::read(&log)?;
        let own = said.get(usize::try_from(before).unwrap_or_default()..).unwrap_or_default();
        Ok(String::from_utf8_lossy(own).into_owned())
    }
}

/// A cluster that is being made. Dropping it removes the partial cluster, however long that takes: nothing else knows about it.
pub(super) struct Unfinished<'a> {
    command: &'a KindCommand,
    name: &'a str,
    kubeconfig: &'a Path,
    is_finished: bool,
}

impl Unfinished<'_> {
    /// Leaves the removal to the caller.
    pub(super) fn finished(mut self) {
        self.is_finished = true;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let mut delete = std::process::Command::new(&self.command.path);
        delete
            .args(["delete", "cluster", "--name", self.name, "--kubeconfig"])
            .arg(self.kubeconfig);
        delete.env_clear();
        delete.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        delete.envs(self.command.environment.iter().map(|(name, value)| (name, value)));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.command.logs.join("kind-delete.log"));
        if let Ok(log) = log {
            delete.stderr(log);
        }
        delete.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        // The result is in its log; a sweep finds the rest.
        let _ = delete.status();
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Returns the version in `kind v0.33.0 go1.25.0 linux/amd64` (sigs.k8s.io/kind `pkg/cmd/kind/version`).
fn version_in(said: &str) -> Option<String> {
    said.lines().find_map(|line| {
        let version = line.strip_prefix("kind v")?.split_whitespace().next()?;
        numbers(version).map(|_| version.to_owned())
    })
}

/// Returns major and minor number; a pre-release counts as its release.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns the name of a lab's cluster: valid for kind (`^[a-z0-9.-]+$`), short enough for a node's host name, and unique to the lab.
/// kind labels everything it makes with it, and a sweep finds the lab's id in it.
pub fn cluster_name(labels: &Labels) -> String {
    let plain: String = labels
        .lab
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(24)
        .collect();
    format!("authlab-{plain}-{}", labels.id.short())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::process::wait::{Condition, until};

    /// Creates a `kind` that is a script; `$0.calls` has a line for each call.
    fn fake(script: &str) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kind");
        // Written under another name first: a file that is open for writing cannot be executed, and other tests fork.
        let text = format!("#!/bin/sh\necho \"$@\" >> \"$0.calls\"\ncase $1 in\n{script}\nesac\n");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        (place, path)
    }

    const SOUND: &str = "version) echo 'kind v0.33.0 go1.25.0 linux/amd64';;\n";

    fn calls(path: &Path) -> Vec<String> {
        let calls = std::fs::read_to_string(path.with_extension("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    async fn found(path: &Path) -> Result<KindCommand, CommandError> {
        KindCommand::find(Some(path), "0.33", &path.with_extension("logs")).await
    }

    fn hinted(error: &CommandError) -> bool {
        error
            .hint()
            .is_some_and(|hint| hint.contains("go install sigs.k8s.io/kind@v0.33.0") && hint.contains("--kind"))
    }

    #[tokio::test]
    async fn one_that_is_absent_old_or_something_else_is_refused_with_how_to_get_it() {
        let (place, path) = fake(SOUND);
        let absent = found(&place.path().join("nowhere")).await.unwrap_err();
        assert!(matches!(absent, CommandError::Absent { .. }) && hinted(&absent), "{absent}");

        let (_place, old) = fake("version) echo 'kind v0.20.0 go1.20.4 linux/amd64';;");
        let error = found(&old).await.unwrap_err();
        assert!(
            error.to_string().contains("is kind 0.20.0 (expected 0.33 or newer)") && hinted(&error),
            "{error}"
        );

        for garbage in ["version) echo 'hello';;", "version) exit 3;;", "version) echo 'kind vx go';;"] {
            let (_place, path) = fake(garbage);
            let error = found(&path).await.unwrap_err();
            assert!(
                matches!(error, CommandError::Unreadable { .. }) && hinted(&error),
                "{garbage}: {error}"
            );
        }
        assert_eq!(found(&path).await.unwrap().version, "0.33.0");
        let (_place, newer) = fake("version) echo 'kind v1.2.0-alpha+0123 go2.0 linux/arm64';;");
        assert_eq!(found(&newer).await.unwrap().version, "1.2.0-alpha+0123");
    }

    #[tokio::test]
    async fn a_cluster_that_cannot_be_made_is_removed_and_what_was_said_is_shown() {
        let (place, path) = fake(&format!(
            "{SOUND}create) echo 'ERROR: failed to pull image \"kindest/node\"' >&2; exit 1;;\n"
        ));
        let kind = found(&path).await.unwrap();
        let error = kind
            .create("authlab-blue", &place.path().join("config"), &place.path().join("kubeconfig"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("failed to pull image"), "{error}");
        assert!(error.to_string().contains("kind create cluster --name authlab-blue"), "{error}");
        let last = calls(&path).pop().unwrap();
        assert!(last.starts_with("delete cluster --name authlab-blue --kubeconfig "), "{last}");
    }

    #[tokio::test]
    async fn given_up_in_the_middle_the_cluster_is_removed() {
        let (place, path) = fake(&format!("{SOUND}create) exec tail -f /dev/null;;\n"));
        let kind = found(&path).await.unwrap();
        let (configuration, kubeconfig) = (place.path().join("config"), place.path().join("kubeconfig"));
        let created = until("the call", std::time::Duration::from_secs(20), || async {
            Ok::<_, io::Error>(if calls(&path).iter().any(|call| call.starts_with("create")) {
                Condition::Met(())
            } else {
                Condition::NotYet("it was not called".to_owned())
            })
        });
        tokio::select! {
            ended = kind.create("authlab-blue", &configuration, &kubeconfig) => panic!("{ended:?}"),
            called = created => called.unwrap(),
        }
        assert!(calls(&path).last().unwrap().starts_with("delete cluster --name authlab-blue"));
    }

    #[tokio::test]
    async fn a_cluster_is_made_listed_and_removed() {
        let script = format!("{SOUND}create) ;;\nget) echo authlab-blue; echo other;;\ndelete) ;;\n");
        let (place, path) = fake(&script);
        let kind = found(&path).await.unwrap().environment("DOCKER_HOST", "unix:///x");
        let (configuration, kubeconfig) = (place.path().join("config"), place.path().join("kubeconfig"));
        kind.create("authlab-blue", &configuration, &kubeconfig).await.unwrap();
        kind.delete("authlab-blue", &kubeconfig).await.unwrap();
        let verbs: Vec<String> = calls(&path).iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(verbs, ["version", "create", "delete"]);
        let create = &calls(&path)[1];
        assert!(
            create.contains("--wait 0s") && create.contains(&format!("--kubeconfig {}", kubeconfig.display())),
            "{create}"
        );
    }

    #[test]
    fn names_are_what_kind_allows() {
        let labels = Labels::new("Lab_".repeat(10), "state");
        let long = cluster_name(&labels);
        assert!(long.len() <= 49, "{long}");
        assert!(
            long.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{long}"
        );
        assert!(long.contains(labels.id.short()), "{long}");
        assert_eq!(cluster_name(&labels), long);
        assert_ne!(cluster_name(&Labels::new(labels.lab, labels.directory)), long);
    }
}
