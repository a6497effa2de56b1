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
use super::{ApiServer, Inputs, Logs, MAIN, Minor, Placeholders, Program, SERVICE_ACCOUNT_ISSUER, Setting, SettingError, Started};
use crate::event::Events;
use crate::pki::{Leaf, write_private};
use crate::process::{Child, ProcessError};
use crate::sabotage::Sabotage;

mod aggregated_api;
mod controllers;
mod sabotaged;
mod token_signer;

pub use controllers::{CONTROLLERS, SIGNER_HOURS};

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

/// The flags of the files with the authorizers and with the audit policy, in whose place a setting may have its own.
const AUTHORIZATION: &str = ApiServer::AUTHORIZATION;
const AUDIT_POLICY: &str = "audit-policy-file";

/// The number of attempts to start a server whose port another process took in the meantime.
const PORT_ATTEMPTS: usize = 4;

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
    /// The external signer of its service accounts' tokens.
    signer: Option<Server>,
}

impl Running {
    fn servers(self) -> impl Iterator<Item = Server> {
        std::iter::once(self.server).chain(self.signer)
    }

    async fn kill(self) {
        futures::future::join_all(self.servers().map(Server::kill)).await;
    }
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
        let main = match inputs.main {
            Some(given) => Setting::given(MAIN, given.clone()),
            None => Setting::named(MAIN)?,
        };
        events
            .in_phase("control plane", async |_| Self::started(runtime, inputs, &main, sabotage).await)
            .await
    }

    /// Starts both, again with other ports when another process took one in the meantime.
    async fn started(
        mut runtime: Runtime,
        inputs: Inputs<'_>,
        setting: &Setting,
        sabotage: Option<Arc<Sabotage>>,
    ) -> Result<Started<Self>, ClusterError> {
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
            match plane.api_server(setting).await {
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
        let api_servers = self.api_servers.into_iter().flat_map(Running::servers);
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
                let started = match setting.program {
                    Program::KubeApiserver => self.api_server(setting).await,
                    Program::AggregatedApi => self.aggregated_api(setting).await,
                };
                match started {
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
            let port = ended.port;
            ended.kill().await;
            self.runtime.give_back(port);
            fs_err::remove_dir_all(self.directory.join("api-servers").join(name))?;
        }
        Ok(())
    }

    /// Fails if one of the servers no longer runs.
    ///
    /// # Errors
    /// The server that exited, and the last lines of its log.
    pub async fn expect_running(&mut self) -> Result<(), ClusterError> {
        self.etcd.expect_running().await?;
        for running in &mut self.api_servers {
            running.server.expect_running().await?;
            if let Some(signer) = &mut running.signer {
                signer.expect_running().await?;
            }
        }
        if let Some(controllers) = &mut self.controllers {
            controllers.expect_running().await?;
        }
        Ok(())
    }

    fn servers(&self) -> impl Iterator<Item = &Server> {
        let running = self.api_servers.iter();
        let api_servers = running.flat_map(|running| std::iter::once(&running.server).chain(&running.signer));
        std::iter::once(&self.etcd).chain(api_servers).chain(&self.controllers)
    }

    /// Returns each server that is a process of ours.
    pub fn children(&self) -> Vec<&Child> {
        let children = self.servers().filter_map(|server| match server {
            Server::Process(child) => Some(child),
            Server::Container(_) => None,
        });
        children.collect()
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
        let setting = &sabotaged::setting(setting.placed(&self.places), self.sabotage.as_deref())?;
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
        let own_configuration = setting.given.as_ref().and_then(|given| given.authentication.as_ref());
        let authentication = match (&configuration, own_configuration) {
            (None, None) => None,
            // Its name says nothing about its form: an API server reads YAML and JSON alike.
            _ => Some(directory.join("authentication.json")),
        };
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
        write_private(&policy, include_str!("../../fixtures/audit_policy.json"))?;

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
            // The default is the address of the default route, and a machine without a network has none: then it would not start
            // (k8s.io/apimachinery pkg/util/net/interface.go, `ResolveBindAddress`).
            "--advertise-address=127.0.0.1",
            // Every other reconciler type rejects a loopback address.
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--audit-log-mode=blocking",
            "--profiling=false",
            // Up to 1.30 by default, an API server shows the log directory of the machine, if a role allows it.
            "--enable-logs-handler=false",
        ];
        arguments.extend(fixed.map(str::to_owned));
        let given = setting.flags(self.version, &self.places)?;
        // The flags of the setting take precedence over the common ones.
        let flag = |argument: &str| argument.split('=').next().map(str::to_owned);
        arguments.retain(|argument| !given.iter().any(|given| flag(given) == flag(argument)));
        // A file with authorizers takes the place of the flag that names them; together they are refused.
        let has_authorizers = setting.has_flag(AUTHORIZATION);
        arguments.retain(|argument| !(has_authorizers && argument.starts_with("--authorization-mode=")));
        arguments.extend(given);
        let has_audit_policy = setting.has_flag(AUDIT_POLICY);
        arguments.retain(|argument| !(has_audit_policy && argument.starts_with(&format!("--{AUDIT_POLICY}="))));
        for (flag, content) in setting.files(&self.places, |name| self.authorities.secret(name).map_err(ClusterError::from))? {
            let path = directory.join(&flag);
            write_private(&path, content.expose())?;
            if flag == AUTHORIZATION {
                write_private(&path.with_extension("gate"), content.expose())?;
            }
            arguments.push(format!("--{flag}={}", path.display()));
        }
        if let Some(path) = authentication {
            let text = match (own_configuration, configuration) {
                (Some(own), _) => own.clone(),
                (None, configuration) => {
                    let mut configuration = configuration.unwrap_or_default();
                    if let Some(sabotage) = &self.sabotage {
                        let stranger = fs_err::read_to_string(self.authorities.file("stranger.crt"))?;
                        let changed = sabotage.change_authentication(setting.pieces(self.version), &mut configuration, &stranger);
                        changed.map_err(SettingError::from)?;
                        sabotage.change_configuration(&setting.name, &mut configuration);
                    }
                    serde_json::to_string_pretty(&configuration).unwrap_or_default()
                }
            };
            write_private(&path, &text)?;
            write_private(&path.with_extension("gate"), "")?;
            arguments.push(format!("--authentication-config={}", path.display()));
        }
        if let Some(sabotage) = &self.sabotage {
            let changed = sabotage.change_api_server(&setting.name, &mut arguments, &file(""));
            changed.map_err(SettingError::from)?;
            sabotaged::join(sabotage, &setting.name, &mut arguments, &self.authorities, &directory)?;
        }
        let signer = match setting.external_signer {
            true => Some(self.token_signer(&setting.name, &directory, &mut arguments).await?),
            false => None,
        };
        let own_environment = setting.given.iter().flat_map(|given| &given.environment);
        let own_environment = own_environment.map(|(name, value)| (name.as_str(), value.as_str()));
        let (garbage, memory) = match setting.name == MAIN {
            true => (GARBAGE_OF_MAIN, MEMORY.0),
            false => ("100", MEMORY.1),
        };
        let wanted = Wanted {
            role: Role::ApiServer,
            name,
            arguments,
            ports: vec![port],
            environment: [("GOGC", garbage), ("GOMEMLIMIT", memory)]
                .into_iter()
                .chain(own_environment)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            log,
        };
        self.run(server, wanted, signer, &accepted.administrator()?).await
    }

    /// Starts the server that `wanted` describes, and waits until it says to `administrator` that it is ready.
    async fn run(
        &mut self,
        server: ApiServer,
        wanted: Wanted,
        signer: Option<Server>,
        administrator: &Leaf,
    ) -> Result<ApiServer, ClusterError> {
        let port = wanted.ports.first().copied().unwrap_or_default();
        self.api_servers.push(Running {
            setting: server.name.clone(),
            port,
            server: self.runtime.start(wanted).await?,
            signer,
        });
        let this = tokio::sync::Mutex::new(&mut *self);
        let ready = ready(&server, administrator, LIMIT, || async { this.lock().await.expect_running().await });
        if let Err(error) = ready.await {
            if let Some(failed) = self.api_servers.pop() {
                failed.kill().await;
                self.runtime.give_back(port);
            }
            return Err(error);
        }
        Ok(server)
    }
}

/// Returns `true` if the last lines of the server's log say that its port was taken.
fn port_was_taken(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Process(ProcessError::Ended { tail, .. }) if tail.iter().any(|line| line.contains("address already in use")))
}
