//! Why a plugin gives no credential. The main type is [`PluginError`].

use std::io;
use std::process::ExitStatus;

use crate::hint::Hint;
use crate::secret::last_lines_of;

/// The number of lines of its error output that are repeated.
const LINES: usize = 12;

/// The reason why a plugin gives no credential.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// There is no such program, or it cannot be started.
    #[error("cannot run the plugin {program:?}: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// The change that helps.
        help: String,
        /// The kubeconfig's help for installing it.
        install_hint: Option<String>,
        /// The cause.
        source: io::Error,
    },
    /// It wants a terminal, and there is none.
    #[error("the plugin needs a terminal (interactiveMode: Always), and the standard input is not a terminal")]
    NoTerminal {
        /// The command line, as people may see it.
        line: String,
    },
    /// It failed.
    #[error("the plugin {program:?} failed with {status}; its output is: {}", or_nothing(said))]
    Failed {
        /// The command.
        program: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its error output, redacted.
        said: String,
    },
    /// It does not end within authlab's own limit.
    #[error(
        "authlab stopped waiting for the plugin after {seconds} s; kubectl waits on; its output is: {}",
        or_nothing(said)
    )]
    Hangs {
        /// The command line, as people may see it.
        line: String,
        /// The limit.
        seconds: u64,
        /// The end of its error output, redacted.
        said: String,
    },
    /// It answers in another version.
    #[error("the kubeconfig asks the plugin for {asked:?}, and it answers in {answered:?}")]
    Version {
        /// The version of the kubeconfig.
        asked: String,
        /// The version of the answer; empty if it has none.
        answered: String,
    },
    /// It answers with something that kubectl does not take.
    #[error("the plugin {program:?} {why}")]
    Answer {
        /// The command.
        program: String,
        /// The fault of the answer: a predicate.
        why: String,
        /// The change that helps.
        help: String,
    },
}

impl PluginError {
    /// Returns `true` if kubectl gets no credential either; the time limit is authlab's own.
    #[must_use]
    pub fn is_kubectls(&self) -> bool {
        !matches!(self, Self::Hangs { .. })
    }

    /// Returns the behaviour in the catalogue.
    #[must_use]
    pub fn behaviour(&self) -> &'static str {
        match self {
            Self::NotStarted { .. } => "E2",
            Self::NoTerminal { .. } => "E6",
            Self::Failed { .. } | Self::Hangs { .. } => "E3",
            Self::Version { .. } => "E4",
            Self::Answer { .. } => "E5",
        }
    }
}

impl Hint for PluginError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotStarted { help, install_hint, .. } => install_hint.clone().unwrap_or_else(|| help.clone()),
            Self::NoTerminal { line } => format!("run this in a terminal, or the plugin by hand (`{line}`)"),
            Self::Failed { said, .. } if said.is_empty() => {
                "run it by hand, and follow what it says on its standard output: neither kubectl nor authlab shows that, since it may be a secret".to_owned()
            }
            Self::Failed { .. } => "follow its output; clients only show its exit code".to_owned(),
            Self::Hangs { line, .. } => format!("run the plugin by hand once (`{line}`): it waits for somebody, or for a server"),
            Self::Version { answered, .. } if answered.is_empty() => {
                "let it print an ExecCredential with the apiVersion of its input (KUBERNETES_EXEC_INFO)".to_owned()
            }
            Self::Version { answered, .. } if answered.ends_with("/v1alpha1") => {
                "update the program: kubectl takes no v1alpha1 since 1.24".to_owned()
            }
            Self::Version { answered, .. } => {
                format!("write apiVersion: {answered} in the kubeconfig, if kubectl takes it, or update the program")
            }
            Self::Answer { help, .. } => help.clone(),
        })
    }
}

/// Returns the end of what a plugin said, redacted.
pub(super) fn last_lines(said: &str) -> String {
    let lines = last_lines_of(said, usize::MAX);
    let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn or_nothing(said: &str) -> &str {
    if said.is_empty() { "(nothing)" } else { said }
}
