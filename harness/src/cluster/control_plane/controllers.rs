//! The controllers beside the API servers: kube-controller-manager with the few that authentication needs.

use super::super::error::ClusterError;
use super::super::runtime::{Role, Wanted};
use super::super::{Behaviours, SettingError};
use super::ControlPlane;
use crate::kubeconfig::of_files;
use crate::pki::write_private;

/// The controllers that authentication needs: signing requests, service accounts
/// with the tokens in their secrets, the CA that pods are given, and the deletion of namespaces.
pub const CONTROLLERS: &[&str] = &[
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

/// The controller that publishes the CA of the API servers (kubernetes `pkg/controller/certificates/clustertrustbundlepublisher`), where
/// trust bundles are served.
const PUBLISHER: &str = "kube-apiserver-serving-clustertrustbundle-publisher-controller";

/// The longest lifetime of a certificate that the cluster signs, in hours.
pub const SIGNER_HOURS: u64 = 24;

impl ControlPlane {
    /// Starts the controllers without waiting for them: callers that need their work wait for its result.
    ///
    /// # Errors
    /// They cannot be started.
    pub async fn start_controllers(&mut self, limits: bool) -> Result<(), ClusterError> {
        let file = |name: &str| self.authorities.file(name).display().to_string();
        let kubeconfig = self.directory.join("kube-controller-manager.kubeconfig");
        let [authority, certificate, key] =
            ["api-servers.crt", "kube-controller-manager.crt", "kube-controller-manager.key"].map(|name| self.authorities.file(name));
        let main = format!("https://127.0.0.1:{}", self.main_port.unwrap_or_default());
        let controllers = of_files("lab", main, &authority, &certificate, &key);
        write_private(&kubeconfig, &serde_json::json!(controllers).to_string())?;
        let log = self.directory.join("kube-controller-manager.log");
        let publishes = Behaviours::known().has("trust_bundles", self.version);
        let further = limits.then_some(LIMITS).into_iter().chain(publishes.then_some(PUBLISHER));
        let controllers: Vec<&str> = CONTROLLERS.iter().copied().chain(further).collect();
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
}
