//! The errors of a lab.

use std::path::PathBuf;
use std::sync::Arc;

use crate::access_webhook::AccessWebhookError;
use crate::auth_proxy::AuthProxyError;
use crate::cluster::{ClusterError, Driver, SettingError};
use crate::engine::EngineError;
use crate::hint::Hint;
use crate::identity_provider::ProviderError;
use crate::identity_provider::issuer::IssuerError;
use crate::identity_provider::keycloak::KeycloakError;
use crate::identity_provider::oidc_provider::OidcProviderError;
use crate::owner::Elsewhere;
use crate::pki::PkiError;
use crate::private::NotPrivate;
use crate::process::wait::WaitError;
use crate::server_binaries::images::NotAReference;
use crate::server_binaries::{KubernetesVersion, ServerBinariesError, UnknownKeycloak, UnknownVersion};
use crate::token_webhook::TokenWebhookError;

/// The reason why a lab cannot be started, used or ended.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The version of Kubernetes is not one of those pinned.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
    /// The version of Keycloak is not one of those pinned.
    #[error(transparent)]
    KeycloakVersion(#[from] UnknownKeycloak),
    /// The driver runs an image that does not exist for the version: a pre-release.
    #[error("cannot start {driver} with Kubernetes {kubernetes}: there is no image of a pre-release")]
    NoImage {
        /// The driver's name.
        driver: &'static str,
        /// The version.
        kubernetes: KubernetesVersion,
    },
    /// Server binaries cannot be obtained.
    #[error(transparent)]
    ServerBinaries(#[from] ServerBinariesError),
    /// The cluster is not ready.
    #[error("cannot start {what}")]
    Cluster {
        /// The cluster, in words.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<ClusterError>,
    },
    /// The container engine does not do what it is asked to.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An image prefix is not a registry name.
    #[error(transparent)]
    Image(#[from] NotAReference),
    /// Another API server was requested of a cluster that has only one.
    #[error("cannot start an API server with the setting '{asked}': this cluster has only one API server")]
    OneApiServer {
        /// The setting.
        asked: String,
    },
    /// Keycloak is not ready.
    #[error("cannot start Keycloak")]
    Keycloak(#[from] KeycloakError),
    /// The identity provider refuses what it is asked to.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// node-oidc-provider is not ready.
    #[error("cannot start node-oidc-provider")]
    OidcProvider(#[from] OidcProviderError),
    /// The identity provider does not let programs log in with a password.
    #[error("{provider} has no password grant")]
    NoPasswordGrant {
        /// Its name.
        provider: &'static str,
    },
    /// The password of a user is unknown.
    #[error("the password of '{name}' at the identity provider is unknown")]
    NoPassword {
        /// The user.
        name: String,
    },
    /// The identity provider rejects a login.
    #[error("cannot log in '{name}' at the identity provider")]
    Login {
        /// The user.
        name: String,
        /// The cause.
        #[source]
        source: Box<ProviderError>,
    },
    /// The issuer cannot be started.
    #[error("cannot start the issuer")]
    Issuer(#[from] IssuerError),
    /// The token webhook cannot be started.
    #[error("cannot start the token webhook")]
    TokenWebhook(#[from] TokenWebhookError),
    /// The access webhook cannot be started.
    #[error("cannot start the access webhook")]
    AccessWebhook(#[from] AccessWebhookError),
    /// An auth proxy cannot be started.
    #[error("cannot start the auth proxy")]
    AuthProxy(#[from] AuthProxyError),
    /// An API server setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A key or certificate cannot be created or stored.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// There is no directory for labs.
    #[error(transparent)]
    NoDirectory(#[from] crate::dirs::NoDirectory),
    /// The name cannot be a directory's.
    #[error(transparent)]
    Name(#[from] super::InvalidName),
    /// A file of the lab cannot be created, read or removed.
    #[error("cannot use the lab's directory {}", path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The state directory, or that of all labs, may be controlled by another user.
    #[error("cannot use the directory {}: {why}", path.display())]
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// The reason.
        why: NotPrivate,
    },
    /// A lab's place is taken by something else, or by something that only looks like a lab.
    #[error("cannot use {} as a lab's directory, and nothing in it was touched: {why}", path.display())]
    NotALab {
        /// The directory.
        path: PathBuf,
        /// The reason.
        why: super::NotALab,
    },
    /// A lab without a visible owner, whose owner may live where it cannot be seen from here.
    #[error("cannot clear the lab in {}: it was made by {of}, and may still be in use there", path.display())]
    Elsewhere {
        /// The lab's directory.
        path: PathBuf,
        /// The place of its owner.
        of: Elsewhere,
    },
    /// The owner of a lab lives, and cannot be asked to end.
    #[error("cannot end the lab '{name}', which is up: {}", not_reached(*owner, of.as_ref()))]
    NotReached {
        /// The lab's name.
        name: String,
        /// The process id that the owner wrote down.
        owner: Option<u32>,
        /// The owner's place, if it is not here.
        of: Option<Elsewhere>,
    },
    /// Processes that carry the lab's id but may be a container's.
    #[error("cannot clear the lab in {}: the processes {} have its id, but run in another namespace of processes or files", path.display(), listed(pids))]
    StrangeServers {
        /// The lab's directory.
        path: PathBuf,
        /// Their process ids.
        pids: Vec<u32>,
    },
    /// Servers that do not end.
    #[error("cannot clear the lab in {}: {why}", path.display())]
    ServersLeft {
        /// The lab's directory.
        path: PathBuf,
        /// The servers that are left.
        why: String,
    },
    /// A run in a cluster that is not ours was killed.
    #[error("the run '{lab}' was killed while it used the cluster {server}, which may still have its objects")]
    InCluster {
        /// The name of its lab.
        lab: String,
        /// The address of the cluster's API server.
        server: String,
    },
    /// The disk is full, or nearly so.
    #[error("the lab's directory {} has {free} MiB of free space (expected at least {expected} MiB)", path.display())]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// The free space, in MiB.
        free: u64,
        /// The space that a lab needs, in MiB.
        expected: u64,
    },
    /// The objects that every lab has cannot be created.
    #[error("the API server refused {what}")]
    Objects {
        /// The object that it refused.
        what: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// A lab of that name is already up.
    #[error("a lab named '{name}' is already up or starting{}", owner.map_or_else(String::new, |owner| format!("; process {owner} owns it")))]
    UpAlready {
        /// Its name.
        name: String,
        /// The process id of its owner, if it is written down.
        owner: Option<u32>,
    },
    /// No lab of that name is up.
    #[error("no lab named '{name}' is running ({})", if up.is_empty() { "no labs are running".to_owned() } else { format!("running: {}", up.join(", ")) })]
    NotUp {
        /// The name asked for.
        name: String,
        /// The names of the labs that are up.
        up: Vec<String>,
    },
    /// Only a lab that is up may be used, and none is that matches.
    #[error(
        "no lab is up that this test can use, and a lab for each test would be started (cargo-nextest runs each in a process of its own)"
    )]
    NotShared,
    /// The lab has an owner, but cannot be attached to.
    #[error("cannot attach to the lab '{name}': it is still starting, or belongs to the run that started it")]
    NotReady {
        /// Its name.
        name: String,
    },
    /// The lab that is up is not the one requested.
    #[error("the lab '{name}' that is up does not match the options: {why}")]
    Mismatch {
        /// Its name.
        name: String,
        /// The difference.
        why: String,
    },
    /// A lab with learners cannot run features.
    #[error("cannot use the lab '{name}' for features: it has learners, and scenarios grant rights")]
    HasLearners {
        /// Its name.
        name: String,
    },
    /// A lab with learners starts no further API servers.
    #[error("cannot start an API server with the setting '{asked}': the lab has learners, who might have more rights there")]
    BesideLearners {
        /// The setting.
        asked: String,
    },
    /// The description of a lab cannot be read.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The process that should own the lab cannot be started.
    #[error("cannot start the process that owns the lab")]
    NoSupervisor(#[source] std::io::Error),
    /// The owner of the lab ended before the lab was ready.
    #[error("{why}")]
    Supervisor {
        /// Its error message, or the output that it left.
        why: String,
        /// Its hint.
        hint: Option<String>,
    },
    /// The owner of the lab does not respond.
    #[error("the owner of the lab does not respond")]
    Control(#[source] std::io::Error),
    /// The owner of the lab could not do what it was asked to.
    #[error("the owner of the lab answers: {0}")]
    Refused(String),
    /// The API server does not start with what was given to it.
    #[error("the API server does not start: {said}")]
    NotAccepted {
        /// Its own words, from its log, redacted.
        said: String,
    },
    /// The owner of the lab started a server, which exited.
    #[error("the owner of the lab answers: {0}")]
    ServerExit(String),
    /// The API server does not learn the permissions of the lab's users in time, or does not respond.
    #[error(transparent)]
    Rights(#[from] WaitError<kube::Error>),
    /// The cluster's version is not a version of Kubernetes.
    #[error("the API server's version is {0} (expected one such as 1.37)")]
    StrangeVersion(String),
    /// There is no auth proxy of that name.
    #[error("no auth proxy is named '{name}' (known: {})", known.join(", "))]
    NoSuchProxy {
        /// The name asked for.
        name: String,
        /// The known names.
        known: Vec<String>,
    },
    /// The user interrupted it.
    #[error("interrupted; everything that was started was stopped")]
    Interrupted,
    /// The lab was ended meanwhile.
    #[error("the lab was ended in the meantime")]
    Ended,
    /// An existing cluster cannot be used.
    #[error(transparent)]
    Existing(#[from] super::ExistingError),
    /// The lab is of a kind that does not have the requested part.
    #[error("the lab does not have {what}")]
    Lacks {
        /// The missing part.
        what: &'static str,
    },
    /// Objects that scenarios made could not be deleted.
    #[error("cannot delete the objects that scenarios made: {0}")]
    Left(String),
    /// A failure that several callers wait for.
    #[error(transparent)]
    Shared(Arc<LabError>),
}

impl LabError {
    /// Returns the error of a cluster that `driver` started.
    pub(super) fn of_cluster(driver: Driver) -> impl Fn(ClusterError) -> Self {
        move |source| Self::Cluster {
            what: driver.cluster(),
            source: Box::new(source),
        }
    }

    /// Returns `true` if a server exited, here or at the lab's owner.
    pub fn is_server_exit(&self) -> bool {
        match self {
            Self::Cluster { source, .. } => source.is_server_exit(),
            Self::ServerExit(_) => true,
            Self::Shared(error) => error.is_server_exit(),
            _ => false,
        }
    }
}

impl LabError {
    /// Returns `true` if Keycloak does not import somebody's realm.
    #[must_use]
    pub fn is_refused_realm(&self) -> bool {
        match self {
            Self::Keycloak(error) => matches!(error, KeycloakError::RealmRefused { .. }),
            Self::Shared(error) => error.is_refused_realm(),
            _ => false,
        }
    }
}

fn not_reached(owner: Option<u32>, of: Option<&Elsewhere>) -> String {
    let process = owner.map_or_else(|| "its owner".to_owned(), |pid| format!("its owner, process {pid},"));
    match of {
        Some(of) => format!("{process} belongs to {of}"),
        None => format!("{process} does not respond, and cannot be identified"),
    }
}

fn listed(pids: &[u32]) -> String {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    pids.join(", ")
}

impl Hint for LabError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Cluster { source, .. } => source.hint(),
            Self::Keycloak(error) => error.hint(),
            Self::OidcProvider(error) => error.hint(),
            Self::Provider(error) => error.hint(),
            Self::Login { source: error, .. } => error.hint(),
            Self::NoPasswordGrant { .. } => Some("log in on its page: --flow browser, or --flow device".to_owned()),
            Self::Shared(error) => error.hint(),
            Self::NoImage { .. } => Some("choose --cluster process, which can be built from source, or --cluster container".to_owned()),
            Self::Existing(error) => error.hint(),
            Self::UpAlready { name, .. } => Some(format!(
                "use it as it is (`authlab status`), or end it with `authlab down{}`",
                super::lab_option(name)
            )),
            Self::NotReady { .. } => Some("`authlab status` lists the labs".to_owned()),
            Self::ServerBinaries(error) => error.hint(),
            Self::NotShared => Some(
                "start one for all tests: `authlab up --nextest` in a setup script of cargo-nextest, or `authlab up` before the tests"
                    .to_owned(),
            ),
            Self::NotUp { name, .. } => Some(format!("`authlab up{}` starts it", super::lab_option(name))),
            Self::Mismatch { name, .. } => Some(format!(
                "end it with `authlab down{}`, or choose another name with --lab",
                super::lab_option(name)
            )),
            Self::HasLearners { .. } | Self::BesideLearners { .. } => {
                Some("leave out --lab: a lab is then started for the run, and ended with it".to_owned())
            }
            Self::Supervisor { hint, .. } => hint.clone(),
            Self::Untrusted { path, why } => why
                .remedy(path)
                .or_else(|| Some("name a directory that only you use with AUTHLAB_STATE_DIR".to_owned())),
            Self::NotALab { path, why } => Some(
                match why {
                    super::NotALab::Untrusted(why) => why.remedy(path),
                    super::NotALab::Unmarked | super::NotALab::Damaged(_) => None,
                }
                .unwrap_or_else(|| {
                    "if it is a lab's, remove it yourself; if not, name a directory that only authlab uses with AUTHLAB_STATE_DIR"
                        .to_owned()
                }),
            ),
            Self::Elsewhere { path, .. } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Some(format!(
                    "end it where it was made; if you know that nothing of it is running: `authlab down --foreign{}`",
                    super::lab_option(&name)
                ))
            }
            Self::NotReached { of: Some(_), .. } => Some("end it where it was started".to_owned()),
            Self::NotReached { of: None, .. } => {
                Some("its directory has `owner.lock`: `fuser` and `lsof` show who has that open".to_owned())
            }
            Self::StrangeServers { .. } => Some("end them where they were started, or by hand, and run the command again".to_owned()),
            Self::ServersLeft { .. } => Some("run the command again; a process that cannot be killed waits for the kernel".to_owned()),
            Self::InCluster { .. } => {
                Some("`authlab down --cluster existing --kubeconfig FILE` deletes them; `authlab down --all` forgets the run".to_owned())
            }
            Self::Directory { .. } | Self::NoSpace { .. } => {
                Some("free some space, or name another directory with AUTHLAB_STATE_DIR".to_owned())
            }
            _ => None,
        }
    }
}
