//! The errors of an existing cluster, or of the kubeconfig that names it.

use std::path::PathBuf;
use std::process::ExitStatus;

use super::client_certificate::NotIssued;
use super::visited::OLDEST;
use crate::hint::Hint;
use crate::identity_provider::existing::ExistingIssuerError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The reason why an existing cluster cannot be used. Nothing was created in it, or nothing is left.
#[derive(Debug, thiserror::Error)]
pub enum ExistingError {
    /// The file cannot be read.
    #[error("cannot read the kubeconfig {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a kubeconfig.
    #[error("{} is not a kubeconfig", path.display())]
    NotAKubeconfig {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// No context was given, and the kubeconfig has no current one.
    #[error("the kubeconfig {} has no current context (known: {})", path.display(), known.join(", "))]
    NoCurrentContext {
        /// The file.
        path: PathBuf,
        /// The known contexts.
        known: Vec<String>,
    },
    /// There is no context of that name.
    #[error("the kubeconfig {} has no context named '{name}' (known: {})", path.display(), known.join(", "))]
    NoSuchContext {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The known contexts.
        known: Vec<String>,
    },
    /// The kubeconfig lacks something required.
    #[error("the context '{context}' of the kubeconfig names {what}")]
    Incomplete {
        /// The context.
        context: String,
        /// The missing part.
        what: &'static str,
    },
    /// The kubeconfig asks for something that authlab does not support.
    #[error("the context '{context}' of the kubeconfig has {what}, which is not supported")]
    Unsupported {
        /// The context.
        context: String,
        /// The unsupported part.
        what: String,
        /// The alternative.
        instead: &'static str,
    },
    /// kubectl refuses the kubeconfig, too.
    #[error("cannot use the context '{context}' of the kubeconfig, and kubectl cannot either:\n{why}")]
    Refused {
        /// The context.
        context: String,
        /// The faults, one in each line.
        why: String,
    },
    /// The contents of the context cannot be read.
    #[error("cannot read the {what} of the context '{context}'")]
    Unreadable {
        /// The context.
        context: String,
        /// The unreadable part.
        what: &'static str,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The client certificate has expired.
    #[error("the client certificate of the context '{context}' expired at {since}")]
    Expired {
        /// The context.
        context: String,
        /// The time of expiry.
        since: String,
    },
    /// The exec plugin was not found or cannot be started.
    #[error("cannot start the exec plugin `{command}` of the kubeconfig")]
    PluginNotStarted {
        /// The command.
        command: String,
        /// The kubeconfig's install hint.
        install: Option<String>,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The exec plugin failed.
    #[error("the exec plugin `{command}` of the kubeconfig failed ({status}); its output is:\n{said}")]
    PluginFailed {
        /// The command.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its standard error, redacted.
        said: String,
    },
    /// The exec plugin does not end.
    #[error("authlab stopped waiting for the exec plugin `{command}` of the kubeconfig after {seconds} s; kubectl waits on")]
    PluginHangs {
        /// The command.
        command: String,
        /// The time limit, in seconds.
        seconds: u64,
    },
    /// The exec plugin's output is not a credential.
    #[error("the exec plugin `{command}` of the kubeconfig gave no credential: {why}")]
    PluginAnswer {
        /// The command.
        command: String,
        /// The fault in its output.
        why: String,
    },
    /// The address does not respond, or its TLS certificate is not trusted.
    #[error("the API server {server} does not respond: {why}")]
    Unreachable {
        /// Its address.
        server: String,
        /// The observed error.
        why: String,
    },
    /// The API server does not accept the credential of the kubeconfig's user.
    #[error("the API server {server} does not accept the credential of the context '{context}' ({kind})")]
    Unauthenticated {
        /// Its address.
        server: String,
        /// The context.
        context: String,
        /// The kind of credential.
        kind: String,
    },
    /// The API server responds, but not with its version.
    #[error("cannot read the version of the API server {server}: {why}")]
    NoVersion {
        /// Its address.
        server: String,
        /// The response.
        why: String,
    },
    /// The version is too old to be supported.
    #[error("the cluster runs Kubernetes {version} (expected {oldest} or newer)")]
    TooOld {
        /// The cluster's version.
        version: String,
        /// The oldest supported version.
        oldest: String,
    },
    /// The identity provider that was given cannot be used.
    #[error("cannot use the given issuer")]
    Issuer(#[from] ExistingIssuerError),
    /// The cluster's signer issues no client certificate.
    #[error("cannot get a client certificate for {user}")]
    NotIssued {
        /// The user.
        user: String,
        /// The cause.
        #[source]
        source: NotIssued,
    },
    /// The version has no review by which people are asked who they are.
    #[error(
        "the cluster runs Kubernetes {version}, which has no SelfSubjectReview to ask people who they are (expected {OLDEST} or newer)"
    )]
    NoReviews {
        /// The cluster's version.
        version: String,
    },
    /// Contexts lead to several clusters.
    #[error("the people's contexts lead to several clusters: {}", .0.iter().map(|(url, people)| format!("{url} ({})", people.join(", "))).collect::<Vec<_>>().join(", "))]
    Several(Vec<(String, Vec<String>)>),
    /// Objects that were created are still there.
    #[error("cannot delete the objects that were created in the cluster: {what}")]
    Left {
        /// The objects that are left, and the reasons.
        what: String,
    },
    /// Objects in the cluster cannot be listed.
    #[error("cannot list the objects that authlab created in the cluster")]
    NotListed(#[source] Box<kube::Error>),
}

impl Hint for ExistingError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::File { .. } | Self::NotAKubeconfig { .. } => "name the kubeconfig of the cluster with --kubeconfig FILE",
            Self::NoCurrentContext { .. } | Self::NoSuchContext { .. } => "name one of them with --context NAME",
            Self::Incomplete { .. } => "`kubectl config view` shows the file; --context NAME selects another context",
            Self::Unsupported { instead, .. } => instead,
            Self::Refused { .. } | Self::Unreadable { .. } => "correct the file, or select another context with --context NAME",
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
                "check the address and the authority in the kubeconfig, and that the cluster is running; no proxy is used"
            }
            Self::Unauthenticated { .. } => "log in again, or use a kubeconfig with a valid credential",
            Self::NoVersion { .. } => "allow the user of the kubeconfig to read /version",
            Self::TooOld { .. } => "upgrade the cluster, or let authlab start one of its own (`authlab run`)",
            Self::NotIssued { .. } => "`--dry-run` shows what is created in the cluster; leave such scenarios out with --tags or --name",
            Self::NoReviews { .. } => "upgrade the cluster, or start your configuration in a lab: leave out --cluster existing",
            Self::Several(_) => {
                "a run is about one cluster: name its people alone, with --tags or --name; --context NAME is that of tokens in files"
            }
            Self::Issuer(error) => return error.hint(),
            Self::Left { .. } | Self::NotListed(_) => {
                "`authlab down --cluster existing --kubeconfig FILE` tries again; all objects have the label app.kubernetes.io/managed-by=authlab"
            }
        };
        Some(text.to_owned())
    }
}
