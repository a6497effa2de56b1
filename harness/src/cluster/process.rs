//! A control plane of plain processes: etcd, kube-apiserver and
//! kube-controller-manager on loopback.
//!
//! The main type is [`ControlPlane`]. It starts etcd and the main API server together
//! (kube-apiserver waits for etcd by itself), further API servers on the same etcd when they are
//! asked for, and the few controllers that authentication needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::authorities::{Authorities, FRONT_PROXY};
use super::{ApiServer, Logs, MAIN, Minor, Pace, Places, Setting, SettingError};
use crate::event::Events;
use crate::pki::{PkiError, write_private};
use crate::process::wait::{Condition, WaitError, until};
use crate::process::{Child, ProcessError, Program, port};

/// How long a server may take until it is ready: ten times what a slow machine needs.
const LIMIT: Duration = Duration::from_secs(60);

/// How much garbage, in percent of what lives, the main API server lets come together (`GOGC`, Go's package `runtime`): with more than
/// the usual 100 it is ready sooner by a tenth, for 60 MB.
const GARBAGE_OF_MAIN: &str = "300";

/// How often a server is started anew because somebody else took its port meanwhile.
const PORT_ATTEMPTS: usize = 4;

/// The controllers that the ways of authenticating need: signing requests, service accounts
/// with the tokens in their secrets, the authority that pods are given, and namespaces that are deleted.
const CONTROLLERS: &[&str] = &[
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-signing-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "namespace-controller",
];

/// What can keep a control plane from being ready.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A key or certificate cannot be made or kept.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A server cannot be started, or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A directory or file cannot be made.
    #[error("the lab's directory cannot be used")]
    Directory(#[from] std::io::Error),
    /// No client for the readiness question can be made.
    #[error("no client for {url} can be made")]
    Client {
        /// The server's address.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A server is not ready in time.
    #[error("{name} is not ready after {limit:?}: {why}; its log is {}", log.display())]
    NotReady {
        /// The server.
        name: String,
        /// How long it was waited for.
        limit: Duration,
        /// What it said last.
        why: String,
        /// Its log.
        log: PathBuf,
    },
}

/// The binaries a control plane is made of.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// kube-controller-manager.
    pub kube_controller_manager: PathBuf,
    /// The version they are of.
    pub version: Minor,
}

/// etcd, its API servers and the controllers. Dropped, all are killed.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    directory: PathBuf,
    authorities: Authorities,
    places: Places,
    etcd_url: String,
    etcd: Child,
    api_servers: Vec<Child>,
    controllers: Option<Child>,
}

impl ControlPlane {
    /// Starts etcd and the main API server together and waits until it is ready.
    ///
    /// # Errors
    /// A server cannot be started, ends, or is not ready in time.
    pub async fn start(
        binaries: Binaries,
        directory: &Path,
        authorities: Authorities,
        places: Places,
        events: &Events,
    ) -> Result<(Self, ApiServer), ControlPlaneError> {
        let setting = Setting::named(MAIN)?;
        let phase = events.phase("control plane");
        for attempt in 1.. {
            let (etcd, etcd_url) = start_etcd(&binaries, directory, &authorities).await?;
            let mut plane = Self {
                binaries: binaries.clone(),
                directory: directory.to_owned(),
                authorities: authorities.clone(),
                places: places.clone(),
                etcd_url,
                etcd,
                api_servers: Vec::new(),
                controllers: None,
            };
            match plane.api_server(&setting).await {
                Ok(main) => {
                    phase.succeeded();
                    return Ok((plane, main));
                }
                Err(error) if attempt < PORT_ATTEMPTS && port_was_taken(&error) => match fs_err::remove_dir_all(directory.join("etcd")) {
                    // etcd may not have come that far.
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                },
                Err(error) => {
                    phase.failed(&error);
                    return Err(error);
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Starts one more API server, with `setting`, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, ends, or is not ready in time.
    pub async fn further(&mut self, setting: &Setting, events: &Events) -> Result<ApiServer, ControlPlaneError> {
        let phase = events.phase(format!("API server {}", setting.name));
        for attempt in 1.. {
            match self.api_server(setting).await {
                Ok(server) => {
                    phase.succeeded();
                    return Ok(server);
                }
                Err(error) if attempt < PORT_ATTEMPTS && port_was_taken(&error) => {}
                Err(error) => {
                    phase.failed(&error);
                    return Err(error);
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Starts the controllers. They need no waiting for: who needs their work waits for that.
    ///
    /// # Errors
    /// They cannot be started.
    pub async fn start_controllers(&mut self, main: &ApiServer) -> Result<(), ControlPlaneError> {
        let file = |name: &str| self.authorities.file(name).display().to_string();
        let kubeconfig = self.directory.join("kube-controller-manager.kubeconfig");
        let content = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{ "name": "lab", "cluster": { "server": main.url, "certificate-authority": file("serving.crt") } }],
            "users": [{ "name": "lab", "user": {
                "client-certificate": file("kube-controller-manager.crt"), "client-key": file("kube-controller-manager.key") } }],
            "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "lab" } }],
        });
        write_private(&kubeconfig, &content.to_string())?;
        let log = self.directory.join("kube-controller-manager.log");
        let program = Program::new("kube-controller-manager", &self.binaries.kube_controller_manager, log)
            .argument(format!("--kubeconfig={}", kubeconfig.display()))
            .argument(format!("--controllers={}", CONTROLLERS.join(",")))
            .argument(format!("--cluster-signing-cert-file={}", file("clients.crt")))
            .argument(format!("--cluster-signing-key-file={}", file("clients.key")))
            .argument(format!("--cluster-signing-duration={}h", SIGNER_HOURS))
            .argument(format!("--service-account-private-key-file={}", file("service-accounts.key")))
            .argument(format!("--root-ca-file={}", file("serving.crt")))
            // RBAC gives each controller's rights to a service account of its own, none to the whole.
            .argument("--use-service-account-credentials=true")
            .arguments([
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                "--profiling=false",
            ]);
        self.controllers = Some(program.start().await?);
        Ok(())
    }

    /// An error when one of the servers no longer runs.
    ///
    /// # Errors
    /// Which one, and the last lines of its log.
    pub fn expect_running(&mut self) -> Result<(), ControlPlaneError> {
        self.etcd.expect_running()?;
        for child in self.api_servers.iter_mut().chain(&mut self.controllers) {
            child.expect_running()?;
        }
        Ok(())
    }

    /// Name and process id of each server.
    pub fn processes(&self) -> Vec<(String, u32)> {
        let children = std::iter::once(&self.etcd).chain(&self.api_servers).chain(&self.controllers);
        children.filter_map(|child| Some((child.name().to_owned(), child.pid()?))).collect()
    }

    /// Kills all of it, and waits until it is gone.
    pub async fn stop(self) {
        let children = self.api_servers.into_iter().chain(self.controllers).chain([self.etcd]);
        // They end whatever the operating system says about how.
        futures::future::join_all(children.map(Child::kill)).await;
    }

    async fn api_server(&mut self, setting: &Setting) -> Result<ApiServer, ControlPlaneError> {
        let directory = self.directory.join("api-servers").join(&setting.name);
        fs_err::create_dir_all(&directory)?;
        let file = |name: &str| self.authorities.file(name).display().to_string();
        let port = port::free()?;
        let (log, audit_log) = (directory.join("kube-apiserver.log"), directory.join("audit.jsonl"));
        let client_authorities = directory.join("client-authorities.crt");
        let server = ApiServer {
            name: setting.name.clone(),
            url: format!("https://127.0.0.1:{port}"),
            serving_authority: self.authorities.serving.certificate().to_owned(),
            logs: Some(Logs {
                log: log.clone(),
                audit_log: audit_log.clone(),
                pace: Pace::AtOnce,
            }),
            gate: directory.join("gate"),
            client_authorities: Some(client_authorities.clone()),
        };
        write_private(&server.gate, "")?;
        // A file of its own, so that one API server's can be rewritten.
        write_private(&client_authorities, self.authorities.clients.certificate())?;
        let policy = directory.join("audit-policy.json");
        write_private(&policy, include_str!("../../../fixtures/audit_policy.json"))?;

        let name = if setting.name == MAIN {
            "kube-apiserver".to_owned()
        } else {
            format!("kube-apiserver {}", setting.name)
        };
        let mut program = Program::new(name, &self.binaries.kube_apiserver, &log)
            .argument(format!("--etcd-servers={}", self.etcd_url))
            .argument(format!("--etcd-cafile={}", file("etcd.crt")))
            .argument(format!("--etcd-certfile={}", file("etcd-client.crt")))
            .argument(format!("--etcd-keyfile={}", file("etcd-client.key")))
            .argument(format!("--secure-port={port}"))
            .argument(format!("--cert-dir={}", directory.display()))
            .argument(format!("--tls-cert-file={}", file("kube-apiserver.crt")))
            .argument(format!("--tls-private-key-file={}", file("kube-apiserver.key")))
            .argument(format!("--client-ca-file={}", client_authorities.display()))
            .argument(format!("--requestheader-client-ca-file={}", file("request-headers.crt")))
            .argument(format!("--requestheader-allowed-names={FRONT_PROXY}"))
            .argument(format!("--proxy-client-cert-file={}", file("front-proxy.crt")))
            .argument(format!("--proxy-client-key-file={}", file("front-proxy.key")))
            .argument(format!("--service-account-key-file={}", file("service-accounts.pub")))
            .argument(format!("--service-account-signing-key-file={}", file("service-accounts.key")))
            .argument(format!("--audit-policy-file={}", policy.display()))
            .argument(format!("--audit-log-path={}", audit_log.display()))
            .arguments([
                "--bind-address=127.0.0.1",
                "--external-hostname=127.0.0.1",
                // Any other insists on an address that is not loopback.
                "--endpoint-reconciler-type=none",
                "--authorization-mode=RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--requestheader-username-headers=X-Remote-User",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                "--audit-log-mode=blocking",
                "--profiling=false",
            ])
            .arguments(setting.flags(self.binaries.version, &self.places)?)
            .environment("GOGC", if setting.name == MAIN { GARBAGE_OF_MAIN } else { "100" });
        if let Some(configuration) = super::authentication::configuration(setting, self.binaries.version, &self.places)? {
            let path = directory.join("authentication.json");
            write_private(&path, &serde_json::to_string_pretty(&configuration).unwrap_or_default())?;
            program = program.argument(format!("--authentication-config={}", path.display()));
        }
        let child = program.start().await?;
        self.api_servers.push(child);
        self.ready(&server).await.inspect_err(|_| drop(self.api_servers.pop()))?;
        Ok(server)
    }

    async fn ready(&mut self, server: &ApiServer) -> Result<(), ControlPlaneError> {
        let client = self.administrator_client(server)?;
        let url = format!("{}/readyz", server.url);
        let this = tokio::sync::Mutex::new(self);
        let ready = until(&server.name, LIMIT, || async {
            this.lock().await.expect_running()?;
            Ok::<_, ControlPlaneError>(match client.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Condition::Met(()),
                Ok(answer) => {
                    let status = answer.status();
                    Condition::NotYet(format!(
                        "/readyz answers {status}: {}",
                        failing(&answer.text().await.unwrap_or_default())
                    ))
                }
                Err(error) => Condition::NotYet(root_cause(&error)),
            })
        });
        ready.await.map_err(|error| match error {
            WaitError::Failed(error) => error,
            WaitError::TimedOut { what, limit, why } => ControlPlaneError::NotReady {
                name: what,
                limit,
                why,
                log: server.logs.as_ref().map(|logs| logs.log.clone()).unwrap_or_default(),
            },
        })
    }

    fn administrator_client(&self, server: &ApiServer) -> Result<reqwest::Client, ControlPlaneError> {
        let leaf = self.authorities.administrator()?;
        let client = || {
            reqwest::Client::builder()
                .tls_certs_only([reqwest::Certificate::from_pem(server.serving_authority.as_bytes())?])
                .identity(reqwest::Identity::from_pem(
                    format!("{}{}", leaf.certificate, leaf.key.expose()).as_bytes(),
                )?)
                .timeout(Duration::from_secs(5))
                .no_proxy()
                .build()
        };
        client().map_err(|source| ControlPlaneError::Client {
            url: server.url.clone(),
            source,
        })
    }
}

/// The longest life of a certificate that the cluster signs, in hours.
pub const SIGNER_HOURS: u64 = 24;

async fn start_etcd(binaries: &Binaries, directory: &Path, authorities: &Authorities) -> Result<(Child, String), ControlPlaneError> {
    let file = |name: &str| authorities.file(name).display().to_string();
    let url = format!("https://127.0.0.1:{}", port::free()?);
    let peer = format!("https://127.0.0.1:{}", port::free()?);
    let child = Program::new("etcd", &binaries.etcd, directory.join("etcd.log"))
        .argument("--name=lab")
        .argument(format!("--data-dir={}", directory.join("etcd").display()))
        .argument(format!("--listen-client-urls={url}"))
        .argument(format!("--advertise-client-urls={url}"))
        .argument(format!("--listen-peer-urls={peer}"))
        .argument(format!("--initial-advertise-peer-urls={peer}"))
        .argument(format!("--initial-cluster=lab={peer}"))
        .argument("--client-cert-auth")
        .argument(format!("--trusted-ca-file={}", file("etcd.crt")))
        .argument(format!("--cert-file={}", file("etcd-server.crt")))
        .argument(format!("--key-file={}", file("etcd-server.key")))
        .argument("--peer-client-cert-auth")
        .argument(format!("--peer-trusted-ca-file={}", file("etcd.crt")))
        .argument(format!("--peer-cert-file={}", file("etcd-server.crt")))
        .argument(format!("--peer-key-file={}", file("etcd-server.key")))
        // Nothing in a lab has to survive a power cut.
        .argument("--unsafe-no-fsync")
        .argument("--log-level=warn")
        .start()
        .await?;
    Ok((child, url))
}

/// A server that found its port taken says so in its last lines.
fn port_was_taken(error: &ControlPlaneError) -> bool {
    matches!(error, ControlPlaneError::Process(ProcessError::Ended { tail, .. }) if tail.iter().any(|line| line.contains("address already in use")))
}

/// The lines of a `/readyz` answer that say what is not ready.
fn failing(body: &str) -> String {
    let failing: Vec<&str> = body.lines().filter(|line| line.starts_with("[-]")).collect();
    if failing.is_empty() {
        crate::secret::redact(body.lines().next().unwrap_or_default()).into_owned()
    } else {
        failing.join(", ")
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
