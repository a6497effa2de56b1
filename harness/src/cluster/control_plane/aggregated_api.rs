//! An API server behind kube-apiserver, of the kind that an APIService leads to (`fixtures/control_plane/aggregated_api.go`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::ClusterError;
use super::super::runtime::{Role, Wanted};
use super::super::{
    AGGREGATED_API_SERVICE, AGGREGATED_API_USER, AGGREGATOR, AUDIT_LOG_MEGABYTES, ApiServer, LogDelay, Logs, Setting, SettingError,
};
use super::{ControlPlane, MEMORY};
use crate::kubeconfig::of_files;
use crate::pki::{Request, write_private};
use crate::sabotage::Sabotage;

impl ControlPlane {
    /// Starts the API server with `setting` behind the [`AGGREGATOR`], which runs, and waits until it is ready. It delegates authentication
    /// and authorization to that one, as [`AGGREGATED_API_USER`].
    pub(super) async fn aggregated_api(&mut self, setting: &Setting) -> Result<ApiServer, ClusterError> {
        let directory = self.directory.join("api-servers").join(&setting.name);
        fs_err::create_dir_all(&directory)?;
        let port = self.runtime.port(Role::AggregatedApi)?;
        let [service, namespace] = AGGREGATED_API_SERVICE;
        let serving = Request::server(service, &["localhost", &format!("{service}.{namespace}.svc")]);
        self.authorities.api_servers.issue(&serving)?.save(&directory, "serving")?;
        let kubeconfig = self.delegation(&directory)?;
        let policy = directory.join("audit-policy.json");
        write_private(&policy, include_str!("../../../fixtures/audit_policy.json"))?;
        let (log, audit_log) = (directory.join("aggregated-api.log"), directory.join("audit.jsonl"));
        let gate = directory.join("gate");
        write_private(&gate, "")?;
        let mut arguments = vec![
            format!("--secure-port={port}"),
            format!("--bind-address={}", self.runtime.bind_address()),
            format!("--cert-dir={}", directory.display()),
            format!("--tls-cert-file={}", directory.join("serving.crt").display()),
            format!("--tls-private-key-file={}", directory.join("serving.key").display()),
            format!("--authentication-kubeconfig={}", kubeconfig.display()),
            format!("--authorization-kubeconfig={}", kubeconfig.display()),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", audit_log.display()),
            format!("--audit-log-maxsize={AUDIT_LOG_MEGABYTES}"),
            "--audit-log-mode=blocking".to_owned(),
        ];
        arguments.extend(setting.flags(self.version, &self.places)?);
        // Faults of every API server are about flags of kube-apiserver.
        let named = |sabotage: &&Arc<Sabotage>| sabotage.settings().any(|name| name == setting.name);
        if let Some(sabotage) = self.sabotage.as_ref().filter(named) {
            let pki = self.authorities.file("").display().to_string();
            let changed = sabotage.change_api_server(&setting.name, &mut arguments, &pki);
            changed.map_err(SettingError::from)?;
        }
        let server = ApiServer {
            name: setting.name.clone(),
            url: format!("https://127.0.0.1:{}", self.runtime.outside(port)?),
            serving_authority: self.authorities.api_servers.certificate().to_owned(),
            logs: Some(Logs {
                log: log.clone(),
                audit_log,
                log_delay: LogDelay::AtOnce,
                distortion: self
                    .sabotage
                    .as_ref()
                    .map(|sabotage| sabotage.distortion.clone())
                    .unwrap_or_default(),
            }),
            gate,
            client_authorities: None,
            authentication: None,
            request_header_authorities: None,
            own_authorities: None,
        };
        let wanted = Wanted {
            role: Role::AggregatedApi,
            name: setting.name.replace('_', "-"),
            arguments,
            ports: vec![port],
            environment: vec![("GOMEMLIMIT".to_owned(), MEMORY.1.to_owned())],
            log,
        };
        let administrator = self.authorities.administrator()?;
        self.run(server, wanted, None, &administrator).await
    }

    /// Writes the kubeconfig with which the server delegates, and returns its path.
    fn delegation(&self, directory: &Path) -> Result<PathBuf, ClusterError> {
        let client = Request::client(AGGREGATED_API_USER, &[]);
        self.authorities.clients.issue(&client)?.save(directory, "client")?;
        let front = self.api_servers.iter().find(|running| running.setting == AGGREGATOR);
        let front = format!("https://127.0.0.1:{}", front.map_or(0, |front| front.port));
        let authority = self.authorities.file("api-servers.crt");
        let (certificate, key) = (directory.join("client.crt"), directory.join("client.key"));
        let path = directory.join("delegation.kubeconfig");
        let kubeconfig = of_files("lab", front, &authority, &certificate, &key);
        write_private(&path, &serde_json::json!(kubeconfig).to_string())?;
        Ok(path)
    }
}
