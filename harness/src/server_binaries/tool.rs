//! External tools that run to their end: go, mvn, and the servers when asked for their version.
//!
//! The main function is [`run`]: it returns the tool's output, or an error with the last lines of it.

use std::future::ready;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use futures::FutureExt;

use crate::process::wait::{self, Condition, WaitError};
use crate::process::{ProcessError, Program};

/// Variables that tools need to find their own files and the network. Their values stay between the user and the tool.
pub(super) const INHERITED: &[&str] = &[
    "HOME",
    "USER",
    "PATH",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NETRC",
];

/// The number of output lines that an error shows.
const TAIL: usize = 12;

/// An error while running a tool.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The tool could not be started or watched.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The tool exited with an error.
    #[error("{name} failed ({status}); its output is in {}\n{}", log.display(), tail.join("\n"))]
    Failed {
        /// The name of the command.
        name: String,
        /// The exit status.
        status: ExitStatus,
        /// The log with the whole output.
        log: PathBuf,
        /// The last lines of the output, redacted.
        tail: Vec<String>,
    },
    /// The tool did not end within the time limit.
    #[error("{name} timed out after {limit:?}; its output is in {}\n{}", log.display(), tail.join("\n"))]
    TimedOut {
        /// The name of the command.
        name: String,
        /// The time waited.
        limit: Duration,
        /// The log with the whole output.
        log: PathBuf,
        /// The last lines of the output, redacted.
        tail: Vec<String>,
    },
}

impl ToolError {
    /// Returns whether the last lines contain one of `words`.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        let (Self::Failed { tail, .. } | Self::TimedOut { tail, .. }) = self else {
            return false;
        };
        tail.iter().any(|line| words.iter().any(|word| line.contains(word)))
    }
}

/// Runs `program`, whose output is appended to `log`, to its end, and returns its output. Calls `progress` repeatedly with all output so
/// far.
pub(super) async fn run(program: Program, log: &Path, limit: Duration, mut progress: impl FnMut(&str)) -> Result<String, ToolError> {
    let mut output = Output::from_end_of(log);
    let mut child = program.start().await?;
    let name = child.name().to_owned();
    let ended = wait::until(&name, limit, || {
        let ended = child.ended().now_or_never().transpose();
        output.read_on();
        progress(&output.text);
        ready(ended.map(|ended| ended.map_or_else(|| Condition::NotYet("it is still running".to_owned()), Condition::Met)))
    })
    .await;
    output.read_on();
    match ended {
        Ok(status) if status.success() => Ok(output.text),
        Ok(status) => Err(ToolError::Failed {
            name,
            status,
            log: log.to_owned(),
            tail: output.tail(),
        }),
        Err(WaitError::Failed(error)) => Err(error.into()),
        Err(WaitError::TimedOut { limit, .. }) => Err(ToolError::TimedOut {
            name,
            limit,
            log: log.to_owned(),
            tail: output.tail(),
        }),
    }
}

/// The output appended to a log since a given moment.
struct Output {
    log: PathBuf,
    position: u64,
    text: String,
}

impl Output {
    fn from_end_of(log: &Path) -> Self {
        Self {
            log: log.to_owned(),
            position: fs_err::metadata(log).map_or(0, |log| log.len()),
            text: String::new(),
        }
    }

    /// Reads further output. An unreadable log counts as empty: the tool's exit status decides.
    fn read_on(&mut self) {
        let Ok(mut file) = fs_err::File::open(&self.log) else { return };
        let mut more = Vec::new();
        if file
            .seek(SeekFrom::Start(self.position))
            .and_then(|_| file.read_to_end(&mut more))
            .is_ok()
        {
            self.position += more.len() as u64;
            self.text.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Returns the last nonempty lines. Maven marks lines with `[ERROR]` and ends with advice on how to use Maven; the first of the marked
    /// lines say more.
    fn tail(&self) -> Vec<String> {
        let redacted = crate::secret::redact(&self.text);
        let lines = || {
            redacted
                .lines()
                .map(str::trim_end)
                .filter(|line| !line.is_empty() && *line != "[ERROR]")
        };
        let marked: Vec<&str> = lines().filter(|line| line.starts_with("[ERROR]")).take(TAIL).collect();
        let shown = if marked.is_empty() {
            let all: Vec<&str> = lines().collect();
            all[all.len().saturating_sub(TAIL)..].to_vec()
        } else {
            marked
        };
        shown.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, limit: Duration) -> (Result<String, ToolError>, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log");
        fs_err::write(&log, "an earlier run\n").expect("a file");
        let mut seen = Vec::new();
        let program = Program::new("a script", "/bin/sh", &log).arguments(["-c", script]);
        let result = run(program, &log, limit, |output| seen.push(output.to_owned())).await;
        (result, seen)
    }

    #[tokio::test]
    async fn what_a_tool_prints_is_returned_and_told_meanwhile() {
        let (result, seen) = shell("echo one; echo two >&2", Duration::from_secs(60)).await;
        assert_eq!(result.expect("it succeeds"), "one\ntwo\n");
        assert!(!seen.is_empty());
    }

    #[tokio::test]
    async fn a_failure_shows_the_last_lines_redacted() {
        let key = "echo -----BEGIN PRIVATE' 'KEY-----; echo MIGHAgEA; echo AwEHBG0w; echo -----END PRIVATE' 'KEY-----";
        let script = format!("seq 100; echo password=hunter22; {key}; exit 3");
        let (result, _) = shell(&script, Duration::from_secs(60)).await;
        let error = result.expect_err("it fails").to_string();
        assert!(error.contains("a script failed (exit status: 3)"), "{error}");
        let last = "\n100\npassword=[redacted]\n[redacted PRIVATE KEY]";
        assert!(error.contains(last) && !error.contains("\n89\n"), "{error}");
        assert!(!error.contains("an earlier run"), "{error}");
    }

    #[tokio::test]
    async fn of_a_maven_failure_the_first_marked_lines_are_shown() {
        let (result, _) = shell(
            "echo '[ERROR] no such artifact'; echo '[ERROR] '; echo advice; exit 1",
            Duration::from_secs(60),
        )
        .await;
        let error = result.expect_err("it fails");
        assert!(error.to_string().ends_with("\n[ERROR] no such artifact"), "{error}");
        assert!(error.says(&["no such artifact"]) && !error.says(&["advice"]));
    }

    #[tokio::test]
    async fn a_tool_that_does_not_end_is_an_error() {
        let (result, _) = shell("echo waiting; exec sleep 600", Duration::from_millis(300)).await;
        let error = result.expect_err("it does not end").to_string();
        assert!(error.contains("timed out after 300ms"), "{error}");
    }
}
