//! A control plane: etcd, its API servers and kube-controller-manager, on any runtime.
//!
//! The main type is [`ControlPlane`]. It starts etcd and the main API server together
//! (kube-apiserver waits for etcd on its own), further API servers on the same etcd on
//! request, and the few controllers that authentication needs. A [`Runtime`] starts them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::authorities::{Authorities, FRONT_PROXY};
use super::error::ClusterError;
use super::readiness::ready;
use super::runtime::{Role, Runtime, Server, Wanted};
use super::{ApiServer, Inputs, Logs, MAIN, Minor, Placeholders, SERVICE_ACCOUNT_ISSUER, Setting, SettingError, Started};
use crate::event::Events;
use crate::kubeconfig::{AuthInfo, Cluster, single};
use crate::pki::write_private;
use crate::process::ProcessError;
use crate::sabotage::Sabotage;

/// The time limit for a server to become ready: ten times what a slow machine needs.
const LIMIT: Duration = Duration::from_secs(60);

/// The garbage, in percent of live memory, that the main API server accumulates before it collects (`GOGC`, Go's package `runtime`): with
/// more than the default of 100 it is ready sooner by a tenth, for 60 MB.
const GARBAGE_OF_MAIN: &str = "300";

/// The memory at which the main API server, and any other, collects garbage more often than that (`GOMEMLIMIT`): they stay below it as
/// long as live memory does, which is half of it.
const MEMORY: (&str, &str) = ("260MiB", "170MiB");

/// The interval at which the API server compacts etcd, which discards replaced and deleted objects: a lab is small and changes fast.
const COMPACTION: &str = "1m";

/// The number of attempts to start a server whose port another process took in the meantime.
const PORT_ATTEMPTS: usize = 4;

/// The controllers that authentication needs: signing requests, service accounts
/// with the tokens in their secrets, the CA that pods are given, and the deletion of namespaces.
const CONTROLLERS: &[&str] = &[
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-signing-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "namespace-controller",
];

/// The controller that counts the objects in a namespace with limits (ResourceQuota). It watches every kind of object, so it runs only
/// where there are limits.
const LIMITS: &str = "resourcequota-controller";

/// etcd, its API servers and the controllers. Dropping it kills processes; containers are removed by [`ControlPlane::stop`],
/// or by their labels.
#[derive(Debug)]
pub struct ControlPlane {
    runtime: Runtime,
    version: Minor,
    directory: PathBuf,
    authorities: Authorities,
    places: Placeholders,
    /// The deliberate faults.
    sabotage: Option<Arc<Sabotage>>,
    etcd_url: String,
    /// The main API server's port, as the controllers reach it.
    main_port: Option<u16>,
    etcd: Server,
    api_servers: Vec<Running>,
    controllers: Option<Server>,
}

/// A running API server.
#[derive(Debug)]
struct Running {
    setting: String,
    port: u16,
    server: Server,
}

impl ControlPlane {
    /// Starts etcd and the main API server together and waits until it is ready.
    ///
    /// # Errors
    /// A server cannot be started, exits, or is not ready in time.
    pub async fn start(
        runtime: Runtime,
        inputs: Inputs<'_>,
        sabotage: Option<Arc<Sabotage>>,
        events: &Events,
    ) -> Result<Started<Self>, ClusterError> {
        events
            .in_phase("control plane", async |_| Self::started(runtime, inputs, sabotage).await)
            .await
    }

    /// Starts both, again with other ports when another process took one in the meantime.
    async fn started(mut runtime: Runtime, inputs: Inputs<'_>, sabotage: Option<Arc<Sabotage>>) -> Result<Started<Self>, ClusterError> {
        let setting = Setting::named(MAIN)?;
        let mut attempt = 1;
        loop {
            let (etcd, etcd_url) = super::etcd::start(&runtime, inputs.directory, inputs.authorities).await?;
            let mut plane = Self {
                runtime,
                version: inputs.version,
                directory: inputs.directory.to_owned(),
                authorities: inputs.authorities.clone(),
                places: inputs.places.clone(),
                sabotage: sabotage.clone(),
                etcd_url,
                main_port: None,
                etcd,
                api_servers: Vec::new(),
                controllers: None,
            };
            match plane.api_server(&setting).await {
                Ok(main) => {
                    return Ok(Started {
                        cluster: plane,
                        main,
                        authorities: inputs.authorities.clone(),
                    });
                }
                Err(error) if attempt < PORT_ATTEMPTS && port_was_taken(&error) => {
                    runtime = plane.give_up().await;
                    match fs_err::remove_dir_all(inputs.directory.join("etcd")) {
                        // etcd may not have come that far.
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                        _ => attempt += 1,
                    }
                }
                Err(error) => {
                    plane.give_up().await;
                    return Err(error);
                }
            }
        }
    }

    /// Stops all servers started so far and returns the runtime for another attempt.
    async fn give_up(self) -> Runtime {
        let api_servers = self.api_servers.into_iter().map(|running| running.server);
        let servers = api_servers.chain(self.controllers).chain([self.etcd]);
        futures::future::join_all(servers.map(Server::kill)).await;
        self.runtime
    }

    /// Starts one more API server, with `setting`, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, exits, or is not ready in time.
    pub async fn further(&mut self, setting: &Setting, events: &Events) -> Result<ApiServer, ClusterError> {
        let started = events.in_phase(format!("API server {}", setting.name), async |_| {
            let mut attempt = 1;
            loop {
                match self.api_server(setting).await {
                    Err(error) if attempt < PORT_ATTEMPTS && port_was_taken(&error) => attempt += 1,
                    started => return started,
                }
            }
        });
        started.await
    }

    /// Stops the further API server with the setting `name`, if it runs, and removes its files.
    ///
    /// # Errors
    /// Its files cannot be removed.
    pub async fn end_further(&mut self, name: &str) -> Result<(), ClusterError> {
        let found = self.api_servers.iter().position(|running| running.setting == name && name != MAIN);
        if let Some(found) = found {
            let ended = self.api_servers.swap_remove(found);
            ended.server.kill().await;
            self.runtime.give_back(ended.port);
            fs_err::remove_dir_all(self.directory.join("api-servers").join(name))?;
        }
        Ok(())
    }

    /// Starts the controllers without waiting for them: callers that need their work wait for its result.
    ///
    /// # Errors
    /// They cannot be started.
    pub async fn start_controllers(&mut self, limits: bool) -> Result<(), ClusterError> {
        let file = |name: &str| self.authorities.file(name).display().to_string();
        let kubeconfig = self.directory.join("kube-controller-manager.kubeconfig");
        let main = Cluster {
            server: Some(format!("https://127.0.0.1:{}", self.main_port.unwrap_or_default())),
            certificate_authority: Some(file("api-servers.crt")),
            ..Cluster::default()
        };
        let controllers = AuthInfo {
            client_certificate: Some(file("kube-controller-manager.crt")),
            client_key: Some(file("kube-controller-manager.key")),
            ..AuthInfo::default()
        };
        write_private(&kubeconfig, &serde_json::json!(single("lab", main, controllers)).to_string())?;
        let log = self.directory.join("kube-controller-manager.log");
        let controllers: Vec<&str> = CONTROLLERS.iter().copied().chain(limits.then_some(LIMITS)).collect();
        let mut arguments = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--controllers={}", controllers.join(",")),
            format!("--cluster-signing-cert-file={}", file("clients.crt")),
            format!("--cluster-signing-key-file={}", file("clients.key")),
            format!("--cluster-signing-duration={SIGNER_HOURS}h"),
            format!("--service-account-private-key-file={}", file("service-accounts.key")),
            format!("--root-ca-file={}", file("api-servers.crt")),
        ];
        // RBAC gives each controller's rights to a service account of its own; the controller manager itself has none.
        let fixed = [
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ];
        arguments.extend(fixed.map(str::to_owned));
        if let Some(sabotage) = &self.sabotage {
            sabotage.change_controllers(&mut arguments, &file("")).map_err(SettingError::from)?;
        }
        let controllers = self.runtime.start(Wanted {
            role: Role::ControllerManager,
            name: "kube-controller-manager".to_owned(),
            arguments,
            ports: Vec::new(),
            environment: Vec::new(),
            log,
        });
        self.controllers = Some(controllers.await?);
        Ok(())
    }

    /// Fails if one of the servers no longer runs.
    ///
    /// # Errors
    /// The server that exited, and the last lines of its log.
    pub async fn expect_running(&mut self) -> Result<(), ClusterError> {
        self.etcd.expect_running().await?;
        let api_servers = self.api_servers.iter_mut().map(|running| &mut running.server);
        for server in api_servers.chain(&mut self.controllers) {
            server.expect_running().await?;
        }
        Ok(())
    }

    fn servers(&self) -> impl Iterator<Item = &Server> {
        let api_servers = self.api_servers.iter().map(|running| &running.server);
        std::iter::once(&self.etcd).chain(api_servers).chain(&self.controllers)
    }

    /// Returns name and process id of each server that is a process of ours.
    pub fn processes(&self) -> Vec<(String, u32)> {
        let pid = |server: &Server| match server {
            Server::Process(child) => Some((child.name().to_owned(), child.pid()?)),
            Server::Container(_) => None,
        };
        self.servers().filter_map(pid).collect()
    }

    /// Returns name and container id of each server that runs in a container.
    pub fn containers(&self) -> Vec<(String, String)> {
        let id = |server: &Server| match server {
            Server::Process(_) => None,
            Server::Container(member) => Some((member.name().to_owned(), member.id().to_owned())),
        };
        self.servers().filter_map(id).collect()
    }

    /// Kills all servers, and waits until they are gone.
    pub async fn stop(self) {
        self.give_up().await;
    }

    async fn api_server(&mut self, setting: &Setting) -> Result<ApiServer, ClusterError> {
        let directory = self.directory.join("api-servers").join(&setting.name);
        fs_err::create_dir_all(&directory)?;
        let own = directory.join("pki");
        let accepted = if setting.own_authorities {
            fs_err::create_dir_all(&own)?;
            self.authorities.create_apart(&own)?
        } else {
            self.authorities.clone()
        };
        let file = |name: &str| self.authorities.file(name).display().to_string();
        let own_file = |name: &str| accepted.file(name).display().to_string();
        let port = self.runtime.port(Role::ApiServer)?;
        let (log, audit_log) = (directory.join("kube-apiserver.log"), directory.join("audit.jsonl"));
        let client_authorities = directory.join("client-authorities.crt");
        let configuration = super::authentication::configuration(setting, self.version, &self.places)?;
        let authentication = configuration.as_ref().map(|_| directory.join("authentication.json"));
        let request_header_authorities = directory.join("request-header-authorities.crt");
        let server = ApiServer {
            name: setting.name.clone(),
            url: format!("https://127.0.0.1:{}", self.runtime.outside(port)?),
            serving_authority: self.authorities.api_servers.certificate().to_owned(),
            logs: Some(Logs {
                log: log.clone(),
                audit_log: audit_log.clone(),
                log_delay: self.runtime.log_delay(),
                distortion: self
                    .sabotage
                    .as_ref()
                    .map(|sabotage| sabotage.distortion.clone())
                    .unwrap_or_default(),
            }),
            gate: directory.join("gate"),
            client_authorities: Some(client_authorities.clone()),
            authentication: authentication.clone(),
            request_header_authorities: Some(request_header_authorities.clone()),
            own_authorities: setting.own_authorities.then_some(own),
        };
        if setting.name == MAIN {
            self.main_port = Some(port);
        }
        write_private(&server.gate, "")?;
        // Each API server has files of its own, so that they can be rewritten independently.
        write_private(&client_authorities, accepted.clients.certificate())?;
        write_private(&request_header_authorities, self.authorities.request_headers.certificate())?;
        let policy = directory.join("audit-policy.json");
        write_private(&policy, include_str!("../../../fixtures/audit_policy.json"))?;

        let name = if setting.name == MAIN {
            "kube-apiserver".to_owned()
        } else {
            format!("kube-apiserver {}", setting.name)
        };
        let mut arguments = vec![
            format!("--etcd-servers={}", self.etcd_url),
            format!("--etcd-cafile={}", file("etcd.crt")),
            format!("--etcd-certfile={}", file("etcd-client.crt")),
            format!("--etcd-keyfile={}", file("etcd-client.key")),
            format!("--etcd-compaction-interval={COMPACTION}"),
            format!("--secure-port={port}"),
            format!("--bind-address={}", self.runtime.bind_address()),
            format!("--cert-dir={}", directory.display()),
            format!("--tls-cert-file={}", file("kube-apiserver.crt")),
            format!("--tls-private-key-file={}", file("kube-apiserver.key")),
            format!("--client-ca-file={}", client_authorities.display()),
            format!("--requestheader-client-ca-file={}", request_header_authorities.display()),
            format!("--requestheader-allowed-names={FRONT_PROXY}"),
            format!("--proxy-client-cert-file={}", file("front-proxy.crt")),
            format!("--proxy-client-key-file={}", file("front-proxy.key")),
            format!("--service-account-key-file={}", own_file("service-accounts.pub")),
            format!("--service-account-signing-key-file={}", own_file("service-accounts.key")),
            format!("--service-account-issuer={SERVICE_ACCOUNT_ISSUER}"),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", audit_log.display()),
            format!("--audit-log-maxsize={}", super::AUDIT_LOG_MEGABYTES),
        ];
        let fixed = [
            "--external-hostname=127.0.0.1",
            // Every other reconciler type rejects a loopback address.
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--audit-log-mode=blocking",
            "--profiling=false",
        ];
        arguments.extend(fixed.map(str::to_owned));
        let given = setting.flags(self.version, &self.places)?;
        // The flags of the setting take precedence over the common ones.
        let flag = |argument: &str| argument.split('=').next().map(str::to_owned);
        arguments.retain(|argument| !given.iter().any(|given| flag(given) == flag(argument)));
        arguments.extend(given);
        for (flag, content) in setting.files(&self.places, |name| self.authorities.secret(name).map_err(ClusterError::from))? {
            let path = directory.join(&flag);
            write_private(&path, content.expose())?;
            arguments.push(format!("--{flag}={}", path.display()));
        }
        if let (Some(mut configuration), Some(path)) = (configuration, authentication) {
            if let Some(sabotage) = &self.sabotage {
                let stranger = fs_err::read_to_string(self.authorities.file("stranger.crt"))?;
                let changed = sabotage.change_authentication(setting.pieces(self.version), &mut configuration, &stranger);
                changed.map_err(SettingError::from)?;
            }
            write_private(&path, &serde_json::to_string_pretty(&configuration).unwrap_or_default())?;
            write_private(&path.with_extension("gate"), "")?;
            arguments.push(format!("--authentication-config={}", path.display()));
        }
        if let Some(sabotage) = &self.sabotage {
            let changed = sabotage.change_api_server(&setting.name, &mut arguments, &file(""));
            changed.map_err(SettingError::from)?;
        }
        let (garbage, memory) = match setting.name == MAIN {
            true => (GARBAGE_OF_MAIN, MEMORY.0),
            false => ("100", MEMORY.1),
        };
        let started = self.runtime.start(Wanted {
            role: Role::ApiServer,
            name,
            arguments,
            ports: vec![port],
            environment: [("GOGC", garbage), ("GOMEMLIMIT", memory)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            log,
        });
        self.api_servers.push(Running {
            setting: setting.name.clone(),
            port,
            server: started.await?,
        });
        let administrator = accepted.administrator()?;
        let this = tokio::sync::Mutex::new(&mut *self);
        let ready = ready(&server, &administrator, LIMIT, || async {
            this.lock().await.expect_running().await
        });
        if let Err(error) = ready.await {
            if let Some(failed) = self.api_servers.pop() {
                failed.server.kill().await;
                self.runtime.give_back(failed.port);
            }
            return Err(error);
        }
        Ok(server)
    }
}

/// The longest lifetime of a certificate that the cluster signs, in hours.
pub const SIGNER_HOURS: u64 = 24;

/// Returns `true` if the last lines of the server's log say that its port was taken.
fn port_was_taken(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Process(ProcessError::Ended { tail, .. }) if tail.iter().any(|line| line.contains("address already in use")))
}
