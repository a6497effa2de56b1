//! The environment of the tested command: a state directory of its own, and the shared cache.
//!
//! The main type is [`Stage`]. [`shared`] and [`by_hand`] are stages with a running lab, for all tests that only use it.

use std::fs::DirBuilder;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use authlab::cluster::{Driver, Given};
use authlab::event::Events;
use authlab::lab::{Lab, LabOptions};
use authlab::owner::{LabId, Owner};
use authlab::process::wait::{Condition, WaitError, until};
use serde_json::Value;

/// The output of a command, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Returns the output of a successful command.
    pub fn success(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Returns the output as JSON.
    pub fn json(self) -> Value {
        serde_json::from_str(&self.success()).unwrap()
    }

    /// Returns `true` if a lab was told whose cluster and Keycloak both run with `driver`.
    pub fn tells_lab(&self, driver: &str) -> bool {
        let both = |line: &str| line.contains(&format!("({driver}), Keycloak ")) && line.ends_with(&format!(" ({driver})"));
        self.err.lines().any(both)
    }

    /// Returns the error message of a command that ended with `code`.
    pub fn refusal(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.err
    }
}

/// A state directory that no other test uses.
pub struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// Returns the state directory.
    pub fn state(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the directory of the lab `name`, which need not exist.
    pub fn lab(&self, name: &str) -> PathBuf {
        self.state().join("labs").join(name)
    }

    /// Creates the directory of the lab `name` as if `owner` had left it behind.
    pub fn leave(&self, name: &str, owner: &Owner) {
        let directory = self.lab(name);
        for directory in [&self.state().join("labs"), &directory] {
            // Both may exist already, from another lab.
            let _ = DirBuilder::new().mode(0o700).create(directory);
        }
        let marker = serde_json::json!({ "schema": 1, "id": LabId::random(), "owner": owner });
        std::fs::write(directory.join("authlab-lab.json"), marker.to_string()).unwrap();
    }

    /// Returns the names of all lab directories, including those that are being removed.
    pub fn labs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state().join("labs")).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Returns the command, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
        let ours = |name: &str| name.starts_with("AUTHLAB_") && name != "AUTHLAB_CACHE_DIR" && name != "AUTHLAB_JAVA";
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        // Reports of the tests must not show up in GitHub's job summary.
        for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "TEAMCITY_VERSION"] {
            command.env_remove(name);
        }
        command.env("AUTHLAB_STATE_DIR", self.state()).args(arguments).stdin(Stdio::null());
        // These tests may be run by `nohup`, whose effect is inherited.
        // SAFETY: between fork and exec only one system call is made, which is async-signal-safe, and no memory is allocated.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                Ok(())
            });
        }
        command
    }

    /// Runs the command and waits for its end.
    pub fn authlab(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    /// Starts the command without waiting. Its output is discarded.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Returns the processes that use this state directory: servers have it in their command line, authlab has it in its
    /// environment.
    #[cfg(target_os = "linux")]
    pub fn processes(&self) -> Vec<String> {
        let wanted = self.state().display().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let read = |file: &str| {
                let mut text = Vec::new();
                // The process may have ended meanwhile, or belong to another user.
                let _ = std::fs::File::open(entry.path().join(file)).and_then(|mut file| file.read_to_end(&mut text));
                String::from_utf8_lossy(&text).replace('\0', " ")
            };
            let command = read("cmdline");
            if command.contains(&wanted) || read("environ").contains(&wanted) {
                found.push(format!("{}: {command}", entry.file_name().to_string_lossy()));
            }
        }
        found
    }

    /// Checks that no process of this state directory is left. Killed processes may take a moment.
    #[cfg(target_os = "linux")]
    pub fn expect_nothing_runs(&self, when: &str) {
        wait(&format!("the end of everything ({when})"), Duration::from_secs(20), || {
            match self.processes() {
                left if left.is_empty() => Condition::Met(()),
                left => Condition::NotYet(left.join("\n")),
            }
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A test that failed midway may leave a lab.
        if !self.labs().is_empty() {
            let _ = self.command(&["down", "--all"]).output();
        }
    }
}

/// Starts a lab of the test's own: etcd and an API server with `given`, and nothing beside it.
pub async fn bare_lab(given: Given) -> Lab {
    authlab::tls::choose_provider();
    let options = LabOptions {
        bare: true,
        own: true,
        cluster: Some(Driver::Process),
        main: Some(Arc::new(given)),
        ..LabOptions::default()
    };
    Lab::start(&options, &Events::silent()).await.unwrap()
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Waits for a condition with the project's poller.
pub fn wait<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Condition<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited: Result<T, WaitError<std::convert::Infallible>> =
        runtime.block_on(until(what, limit, || std::future::ready(Ok(condition()))));
    waited.unwrap_or_else(|error| panic!("{error}"))
}

/// A lab that runs until this test binary ends.
pub struct Shared {
    pub stage: Stage,
    /// The output of `up`.
    pub up: String,
    /// The time from start to ready.
    pub took: Duration,
    /// Ends the lab as soon as this process no longer holds the other end of a pipe, however it ends.
    _watch: Child,
}

impl Shared {
    fn new(up: &[&str]) -> Self {
        let stage = Stage::new();
        let watch = watch(&stage);
        let started = Instant::now();
        let up = stage.authlab(up).success();
        Self {
            up,
            took: started.elapsed(),
            stage,
            _watch: watch,
        }
    }
}

/// The lab of the tests that check the reasons of refusals. The API server's log does not say which request a refusal is about, so
/// authlab sends one request at a time; other clients do not wait for each other. So everything else that is refused as
/// unauthenticated, by kubectl, by curl or by a guest who does not know the lab, belongs in the lab of [`by_hand`].
pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| Shared::new(&["up"]))
}

/// The lab of the tests that type commands into a shell, and of guests.
pub fn by_hand() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| Shared::new(&["up"]))
}

/// A lab with the oldest version.
pub fn oldest() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| Shared::new(&["up", "--kubernetes", "1.30"]))
}

/// A lab for a class, for all tests about learners.
pub fn class() -> &'static Shared {
    static CLASS: OnceLock<Shared> = OnceLock::new();
    CLASS.get_or_init(|| Shared::new(&["up", "--learners", "9"]))
}

/// Starts a process that removes the stage when this one ends.
fn watch(stage: &Stage) -> Child {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"read -r _; "$0" down --all && rm -rf "$1""#, env!("CARGO_BIN_EXE_authlab")])
        .arg(stage.state())
        .env("AUTHLAB_STATE_DIR", stage.state())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the tests; this process is needed after them.
        .process_group(0);
    command.spawn().unwrap()
}
