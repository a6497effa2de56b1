//! The one error of starting, watching and ending a cluster, however it runs. The type is [`ClusterError`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SettingError;
use super::kind::CommandError;
use crate::engine::EngineError;
use crate::hint::Hint;
use crate::kubeconfig::UnreadableKubeconfig;
use crate::pki::PkiError;
use crate::process::ProcessError;

/// The reason why a cluster, or one of its servers, cannot be started, runs no longer, or cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A key or certificate cannot be made or kept, or an authority of a distribution cannot be used.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A process cannot be started, or exited.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The container engine failed, or a container exited.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The `kind` command is missing, or fails.
    #[error(transparent)]
    Kind(#[from] CommandError),
    /// The loopback interface has no free port.
    #[error("cannot find a free port for a server")]
    NoFreePort(#[source] std::io::Error),
    /// More API servers are requested than ports were published for the containers.
    #[error("cannot start another API server: all {published} ports that were published for the containers are in use")]
    NoPortLeft {
        /// The number of published ports.
        published: usize,
    },
    /// No image has the server's program.
    #[error("cannot start {server} in a container: no image has it")]
    NoImage {
        /// The server's name.
        server: String,
    },
    /// A file or directory cannot be made.
    #[error("cannot use the lab's directory")]
    Directory(#[from] std::io::Error),
    /// k3s has not written all of its files.
    #[error("timed out after {limit:?} waiting for the keys of k3s: {why}; its log is {}", log.display())]
    NothingWritten {
        /// The time that was waited.
        limit: Duration,
        /// The missing file.
        why: String,
        /// Its log.
        log: PathBuf,
    },
    /// A file that a distribution wrote cannot be read.
    #[error("cannot read {}, which {from} should have written", path.display())]
    ReadBack {
        /// The file.
        path: PathBuf,
        /// The program that should have written it.
        from: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The kubeconfig that a distribution wrote lacks a required field.
    #[error(transparent)]
    Kubeconfig(#[from] UnreadableKubeconfig),
    /// The HTTP client for the readiness check cannot be made.
    #[error("cannot create a client for {url}")]
    Client {
        /// The server's address.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// An API server is not ready in time.
    #[error("timed out after {limit:?} waiting for {server} to be ready: {why}; its log is {}\n{}", log.display(), tail.join("\n"))]
    NotReady {
        /// The server, and its address.
        server: String,
        /// The time that was waited.
        limit: Duration,
        /// The last response or error.
        why: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
}

impl ClusterError {
    /// Returns `true` if a server exited.
    pub fn is_server_exit(&self) -> bool {
        matches!(
            self,
            Self::Process(ProcessError::Ended { .. }) | Self::Engine(EngineError::Ended { .. })
        )
    }
}

impl Hint for ClusterError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Process(error) => error.hint(),
            Self::Kind(error) => error.hint(),
            _ => None,
        }
    }
}

/// Reads a file that the program `from` wrote.
pub(super) fn read_back(path: &Path, from: &'static str) -> Result<String, ClusterError> {
    std::fs::read_to_string(path).map_err(|source| ClusterError::ReadBack {
        path: path.to_owned(),
        from,
        source,
    })
}
