//! k3s as one container without privileges: a server without agent, whose API server takes flags.
//!
//! The main type is [`Server`]. Values have no commas in them: some releases of k3s split at those (`k3s server`; k3s-io/k3s
//! `pkg/cli/cmds/server.go`).

/// The repository of the official image.
pub const IMAGE: &str = "docker.io/rancher/k3s";

/// The tag of the default version: a Kubernetes version with k3s' own revision.
pub const TAG: &str = "v1.37.1-k3s1";

/// The port of the API server in the container.
pub const PORT: u16 = 6443;

/// The settings directory of k3s' node (k3s-io/k3s `pkg/agent/config/config.go`), made even without an agent; root's, in the image.
pub const SETTINGS: &str = "/etc/rancher";

/// The data directory of the image, which is a volume.
pub const DATA: &str = "/var/lib/rancher/k3s";

/// The kubeconfig that k3s writes by default, last of its files.
pub const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";

/// The path that answers 200 to the kubeconfig's certificate once the API server can be used.
pub const READY_PATH: &str = "/readyz";

/// Components that are not needed (the items of `--disable`).
const DISABLED: &[&str] = &["coredns", "local-storage", "metrics-server", "servicelb", "traefik"];

/// A k3s server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The data directory.
    pub data: String,
    /// The path that the administrator's kubeconfig is written to.
    pub kubeconfig: String,
    /// Flags of the API server (`name=value`).
    pub api_server: Vec<String>,
    /// Flags of the controller manager (`name=value`).
    pub controller_manager: Vec<String>,
}

impl Default for Server {
    /// Returns a server with the directories of the image, and without flags.
    fn default() -> Self {
        Self {
            data: DATA.to_owned(),
            kubeconfig: KUBECONFIG.to_owned(),
            api_server: Vec::new(),
            controller_manager: Vec::new(),
        }
    }
}

impl Server {
    /// Returns the arguments of the image's entry point.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = vec![
            "server".to_owned(),
            // No kubelet, no containers inside: it therefore works without privileges, and as an
            // ordinary user with a writable directory for its settings ([`SETTINGS`]).
            "--disable-agent".to_owned(),
            "--disable-scheduler".to_owned(),
            "--disable-cloud-controller".to_owned(),
            "--disable-helm-controller".to_owned(),
            "--disable-network-policy".to_owned(),
            "--disable-kube-proxy".to_owned(),
            "--flannel-backend=none".to_owned(),
            // There are no agents that requests could go through.
            "--egress-selector-mode=disabled".to_owned(),
            format!("--https-listen-port={PORT}"),
            "--tls-san=127.0.0.1".to_owned(),
            "--tls-san=localhost".to_owned(),
            format!("--data-dir={}", self.data),
            format!("--write-kubeconfig={}", self.kubeconfig),
            "--write-kubeconfig-mode=0600".to_owned(),
        ];
        arguments.extend(DISABLED.iter().map(|item| format!("--disable={item}")));
        arguments.extend(self.api_server.iter().map(|flag| format!("--kube-apiserver-arg={flag}")));
        arguments.extend(
            self.controller_manager
                .iter()
                .map(|flag| format!("--kube-controller-manager-arg={flag}")),
        );
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_reach_the_component_that_they_are_for() {
        let server = Server {
            api_server: vec!["authentication-config=/etc/authn.yaml".to_owned()],
            controller_manager: vec!["cluster-signing-duration=1h".to_owned()],
            ..Server::default()
        };
        let arguments = server.arguments();
        assert_eq!(arguments[..2], ["server", "--disable-agent"]);
        assert!(arguments.contains(&"--write-kubeconfig=/etc/rancher/k3s/k3s.yaml".to_owned()));
        assert_eq!(
            arguments[arguments.len() - 2..],
            [
                "--kube-apiserver-arg=authentication-config=/etc/authn.yaml",
                "--kube-controller-manager-arg=cluster-signing-duration=1h"
            ]
        );
        assert!(arguments.iter().all(|argument| !argument.contains(',')), "{arguments:?}");
    }
}
