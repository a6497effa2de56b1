//! What can be wrong with a cluster that is there already, or with the kubeconfig that names it.

use std::path::PathBuf;
use std::process::ExitStatus;

use crate::hint::Hint;
use crate::identity_provider::existing::ExistingIssuerError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an existing cluster cannot be used. Nothing was created in it, or nothing is left.
#[derive(Debug, thiserror::Error)]
pub enum ExistingError {
    /// The file cannot be read.
    #[error("the kubeconfig {} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a kubeconfig", path.display())]
    NotAKubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Nobody says which context is meant.
    #[error("the kubeconfig {} has no current context; its contexts are: {}", path.display(), known.join(", "))]
    NoCurrentContext {
        /// The file.
        path: PathBuf,
        /// Those there are.
        known: Vec<String>,
    },
    /// There is no context of that name.
    #[error("the kubeconfig {} has no context called '{name}'; its contexts are: {}", path.display(), known.join(", "))]
    NoSuchContext {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Something that is needed is not in it.
    #[error("the context '{context}' of the kubeconfig names {what}")]
    Incomplete {
        /// The context.
        context: String,
        /// What is missing.
        what: &'static str,
    },
    /// It asks for something that authlab does not do.
    #[error("the context '{context}' of the kubeconfig has {what}, which is not supported")]
    Unsupported {
        /// The context.
        context: String,
        /// What it has.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// What it holds cannot be read.
    #[error("the {what} of the context '{context}' cannot be read")]
    Unreadable {
        /// The context.
        context: String,
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Its client certificate is not valid any more.
    #[error("the client certificate of the context '{context}' expired at {since}")]
    Expired {
        /// The context.
        context: String,
        /// When.
        since: String,
    },
    /// The exec plugin is not there.
    #[error("the exec plugin `{command}` of the kubeconfig could not be started")]
    PluginNotStarted {
        /// The command.
        command: String,
        /// What the kubeconfig says about getting it.
        install: Option<String>,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The exec plugin gives no credential.
    #[error("the exec plugin `{command}` of the kubeconfig failed ({status}); it said:\n{said}")]
    PluginFailed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Its standard error, redacted.
        said: String,
    },
    /// The exec plugin does not end.
    #[error("the exec plugin `{command}` of the kubeconfig did not end within {seconds} s")]
    PluginHangs {
        /// The command.
        command: String,
        /// How long it had.
        seconds: u64,
    },
    /// The exec plugin says something else.
    #[error("the exec plugin `{command}` of the kubeconfig gave no credential: {why}")]
    PluginAnswer {
        /// The command.
        command: String,
        /// What is wrong with its answer.
        why: String,
    },
    /// Nobody answers there, or not in TLS that is trusted.
    #[error("the API server {server} does not answer: {why}")]
    Unreachable {
        /// Its address.
        server: String,
        /// What was seen.
        why: String,
    },
    /// The API server does not know the kubeconfig's user.
    #[error("the API server {server} does not accept the credential of the context '{context}' ({kind})")]
    Unauthenticated {
        /// Its address.
        server: String,
        /// The context.
        context: String,
        /// What kind of credential it is.
        kind: String,
    },
    /// It answers, but not with its version.
    #[error("the API server {server} does not tell its version: {why}")]
    NoVersion {
        /// Its address.
        server: String,
        /// What it answered.
        why: String,
    },
    /// Nothing is known about that version.
    #[error("the cluster runs Kubernetes {version}; the oldest that is supported is {oldest}")]
    TooOld {
        /// What it runs.
        version: String,
        /// The oldest supported one.
        oldest: String,
    },
    /// The identity provider that was given cannot be used.
    #[error("the issuer that was given cannot be used")]
    Issuer(#[from] ExistingIssuerError),
    /// What was created is still there.
    #[error("what was created in the cluster could not be deleted: {what}")]
    Left {
        /// What is left, and why.
        what: String,
    },
    /// What is there cannot be listed.
    #[error("what authlab created in the cluster cannot be listed")]
    NotListed(#[source] Box<kube::Error>),
}

impl Hint for ExistingError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::File { .. } | Self::NotAKubeconfig { .. } => "name the kubeconfig of the cluster you mean with --kubeconfig FILE",
            Self::NoCurrentContext { .. } | Self::NoSuchContext { .. } => "name one of them with --context NAME",
            Self::Incomplete { .. } => "`kubectl config view` shows what the file says; --context NAME names another context",
            Self::Unsupported { instead, .. } => instead,
            Self::Unreadable { .. } => "correct the file, or name another context with --context NAME",
            Self::Expired { .. } => "renew it, or use another kubeconfig",
            Self::PluginNotStarted { install, .. } => {
                return install
                    .clone()
                    .or_else(|| Some("install it, or use a kubeconfig with a credential in it".to_owned()));
            }
            Self::PluginFailed { .. } | Self::PluginHangs { .. } | Self::PluginAnswer { .. } => {
                "run the plugin by hand, log in if it asks for that, and try again"
            }
            Self::Unreachable { .. } => {
                "check the address and the authority in the kubeconfig, and that the cluster runs; no proxy is used"
            }
            Self::Unauthenticated { .. } => "log in again, or use a kubeconfig with a credential that is still good",
            Self::NoVersion { .. } => "the user of the kubeconfig has to be allowed to read /version",
            Self::TooOld { .. } => "upgrade the cluster, or let authlab start one of its own (`authlab run`)",
            Self::Issuer(error) => return error.hint(),
            Self::Left { .. } | Self::NotListed(_) => {
                "`authlab down --cluster existing --kubeconfig FILE` tries again; all of it has the label app.kubernetes.io/managed-by=authlab"
            }
        };
        Some(text.to_owned())
    }
}
