//! The request of `authlab explain`, and its server: from a kubeconfig as kubectl reads it, or from the options. The main type is [`Asked`].

use std::env;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{ExplainArguments, NotRead};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::{Session, blocking};
use crate::credential::Credential;
use crate::explain::Finding;
use crate::kubeconfig::{self, ClientConfig, ClusterConfig, ExecConfig, LARGEST};
use crate::pki::Leaf;
use crate::secret::Secret;

/// The server to ask, and what to present to it.
#[derive(Default)]
pub(super) struct Asked {
    /// The server, if one is named; otherwise it is the main API server of the lab.
    pub(super) cluster: Option<ClusterConfig>,
    /// The credentials, except those of a plugin.
    pub(super) credentials: Vec<Credential>,
    /// The impersonation headers.
    pub(super) impersonation: Vec<(String, String)>,
    /// The plugin that has the credential.
    pub(super) plugin: Option<ExecConfig>,
    /// The step that kubectl would take before it asks the server, and authlab does not.
    pub(super) beyond: Option<String>,
    /// The findings about the files.
    pub(super) findings: Vec<Finding>,
}

/// Why no request can be made: kubectl would not make one either.
pub(super) struct Unsent(pub(super) Vec<Finding>);

impl Asked {
    /// Returns what is presented.
    pub(super) fn credential(&self) -> Credential {
        Credential::of(self.credentials.clone(), self.impersonation.clone())
    }
}

/// Reads the files that the options name, or those of the current kubeconfig.
///
/// # Errors
/// A file that an option names cannot be read.
pub(super) async fn asked(arguments: &ExplainArguments, session: &Session) -> Result<Result<Asked, Unsent>, CommandError> {
    if arguments.means_kubeconfig() {
        return of_kubeconfig(arguments, session).await;
    }
    let mut asked = Asked::default();
    if let Some(path) = &arguments.token_file {
        asked.credentials.push(Credential::Token(Secret::new(read(path).await?.trim())));
    }
    if let (Some(certificate), Some(key)) = (&arguments.certificate, &arguments.key) {
        asked.credentials.push(Credential::Certificate(Leaf {
            certificate: read(certificate).await?,
            chain: String::new(),
            key: Secret::new(read(key).await?),
        }));
    }
    if let Some(server) = &arguments.server {
        let authority = match &arguments.certificate_authority {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        asked.cluster = Some(ClusterConfig {
            server: server.clone(),
            authority,
            ..ClusterConfig::default()
        });
    }
    Ok(Ok(asked))
}

async fn of_kubeconfig(arguments: &ExplainArguments, session: &Session) -> Result<Result<Asked, Unsent>, CommandError> {
    let is_current = arguments.kubeconfig.is_empty();
    let files = if is_current {
        match current(session).await {
            Current::Files(files) => files,
            Current::Pod(asked) => return Ok(Ok(*asked)),
        }
    } else {
        named(arguments.kubeconfig.clone()).await?
    };
    let wanted = arguments.context.clone();
    let config = match blocking(move || kubeconfig::read(&files, wanted.as_deref())).await {
        Ok(config) => config,
        Err(troubles) => return Ok(Err(Unsent(troubles.into_iter().map(Finding::from).collect()))),
    };
    if is_current {
        let ClientConfig {
            context,
            user,
            cluster,
            namespace,
            ..
        } = &config;
        let namespace = namespace.as_deref().unwrap_or("default");
        session.events.note(format!(
            "its context is {context}: the user {:?} of the cluster {:?}, in the namespace {namespace:?}",
            user.name, cluster.name
        ));
    }
    Ok(Ok(of_config(config)))
}

/// The credential that kubectl uses without an option.
enum Current {
    /// The files of the current kubeconfig.
    Files(Vec<PathBuf>),
    /// The service account of a pod.
    Pod(Box<Asked>),
}

/// Returns the current kubeconfig, or the pod's service account where there is none, after naming it.
async fn current(session: &Session) -> Current {
    // As client-go does (`util/homedir`).
    let home = env::var_os("HOME").map(PathBuf::from);
    let files = kubeconfig::default_files(env::var_os("KUBECONFIG").as_deref(), home.as_deref());
    let looked_for = files.clone();
    let is_any_there = blocking(move || looked_for.iter().any(|file| file.exists())).await;
    if !is_any_there && let Some(asked) = in_pod(session).await {
        return Current::Pod(Box::new(asked));
    }
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    session.events.note(format!("explains the current kubeconfig, {}", names.join(":")));
    Current::Files(files)
}

/// Returns the files that the values of an option name: each is a file, or a list as in KUBECONFIG where no file has that name.
///
/// # Errors
/// The only file is not there.
async fn named(values: Vec<PathBuf>) -> Result<Vec<PathBuf>, CommandError> {
    let found = blocking(move || {
        let listed = |path: PathBuf| match path.exists() {
            true => vec![path],
            false => kubeconfig::files_of(path.as_os_str()),
        };
        let files: Vec<PathBuf> = values.into_iter().flat_map(listed).collect();
        match files.as_slice() {
            [path] => match std::fs::metadata(path) {
                Ok(_) => Ok(files),
                Err(source) => Err(NotRead {
                    path: path.clone(),
                    source,
                }),
            },
            _ => Ok(files),
        }
    });
    found.await.map_err(|error| CommandError::new(Exit::Usage, error))
}

/// Returns `true` if `path` is a file.
pub(super) async fn is_file(path: &Path) -> bool {
    let path = path.to_owned();
    blocking(move || path.is_file()).await
}

/// The files of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Returns the service account of the pod that this program runs in, which kubectl uses without a kubeconfig (client-go
/// `rest/config.go`, `InClusterConfig`).
async fn in_pod(session: &Session) -> Option<Asked> {
    let (host, port) = (env::var("KUBERNETES_SERVICE_HOST").ok()?, env::var("KUBERNETES_SERVICE_PORT").ok()?);
    let directory = Path::new(SERVICE_ACCOUNT);
    let token = read(&directory.join("token")).await.ok()?;
    session
        .events
        .note(format!("explains the pod's service account, in {SERVICE_ACCOUNT}"));
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(Asked {
        cluster: Some(ClusterConfig {
            server: format!("https://{host}:{port}"),
            authority: read(&directory.join("ca.crt")).await.ok(),
            ..ClusterConfig::default()
        }),
        credentials: vec![Credential::Token(Secret::new(token.trim()))],
        ..Asked::default()
    })
}

fn of_config(config: ClientConfig) -> Asked {
    let credentials = config.credentials();
    let beyond = config.beyond(Timestamp::now());
    let mut findings: Vec<Finding> = config.remarks.into_iter().map(Finding::from).collect();
    if let [Credential::Certificate(_), _, ..] = credentials[..] {
        // k8s.io/kubernetes `pkg/kubeapiserver/authenticator/config.go`: the authenticators' order.
        findings.push(Finding::note(
            "F12",
            "kubectl presents the client certificate and the token at once; API servers look at the certificate first, so its user counts \
            if it is valid",
        ));
    }
    Asked {
        credentials,
        beyond,
        impersonation: config.user.impersonate.headers(),
        plugin: config.user.plugin().cloned(),
        cluster: Some(config.cluster),
        findings,
    }
}

/// Reads a file that an option names; `-` is standard input.
///
/// # Errors
/// It cannot be read.
pub(super) async fn read(path: &Path) -> Result<String, CommandError> {
    let path = path.to_owned();
    let read = blocking(move || {
        let text = if path == Path::new("-") {
            io::read_to_string(io::stdin().take(LARGEST))
        } else {
            kubeconfig::read_limited(&path, LARGEST)
                .and_then(|bytes| String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
        };
        text.map_err(|source| CommandError::new(Exit::Usage, NotRead { path, source }))
    });
    read.await
}
