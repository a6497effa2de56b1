//! Servers as containers that share one network.
//!
//! The main type is [`ContainerGroup`]. etcd's container has the network, and the others join it, so that among them everything is
//! on 127.0.0.1, as with processes. Ports of this machine that lead to API servers can only be published with etcd's container:
//! a few are published for API servers that may be started later. All containers see the lab's directory under its own path.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::driver::DriverFacts;
use super::error::ClusterError;
use super::runtime::{Role, Wanted};
use crate::engine::{Container, ContainerSpec, EngineError, Following, Scope};
use crate::server_binaries::images::Images;

pub(super) const DRIVER: DriverFacts = DriverFacts {
    name: "container",
    cluster: "the control plane",
    capabilities: include_str!("../../fixtures/capabilities/container.toml"),
    images: Some(|images| {
        vec![
            ("etcd", images.etcd.clone()),
            ("kube-apiserver", images.kube_apiserver.clone()),
            ("kube-controller-manager", images.kube_controller_manager.clone()),
        ]
    }),
    chosen: Some("the cluster runs in containers, whose images are there"),
};

/// The ports of API servers; each is published.
const API_SERVERS: [u16; 16] = [
    6443, 6444, 6445, 6446, 6447, 6448, 6449, 6450, 6451, 6452, 6453, 6454, 6455, 6456, 6457, 6458,
];

/// etcd's ports, for clients and for peers; neither is reachable from outside.
const ETCD: [u16; 2] = [2379, 2380];

/// Containers that share one network. Dropping it stops nothing: each is removed as a server of its control plane, or by its labels.
#[derive(Debug)]
pub struct ContainerGroup {
    scope: Scope,
    images: Images,
    /// etcd's container, which has the network.
    first: OnceLock<Container>,
    /// The unused ports.
    free: Mutex<Free>,
}

#[derive(Debug)]
struct Free {
    etcd: Vec<u16>,
    api_servers: Vec<u16>,
}

impl ContainerGroup {
    /// Returns an empty group in `scope`, whose containers will run `images`.
    pub fn new(scope: Scope, images: Images) -> Self {
        Self {
            scope,
            images,
            first: OnceLock::new(),
            free: Mutex::new(Free {
                etcd: ETCD.into(),
                api_servers: API_SERVERS.into(),
            }),
        }
    }

    /// Returns the lowest free port for a server of `role`.
    pub(super) fn port(&self, role: Role) -> Result<u16, ClusterError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (ports, published) = match role {
            Role::Etcd => (&mut free.etcd, ETCD.len()),
            Role::ApiServer | Role::ControllerManager | Role::AggregatedApi | Role::TokenSigner => {
                (&mut free.api_servers, API_SERVERS.len())
            }
        };
        let lowest = ports.iter().copied().min().ok_or(ClusterError::NoPortLeft { published })?;
        ports.retain(|port| *port != lowest);
        Ok(lowest)
    }

    /// Takes back the port of an API server that was removed.
    pub(super) fn give_back(&self, port: u16) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).api_servers.push(port);
    }

    /// Returns the port of this machine that leads to `port` of the group.
    pub(super) fn published(&self, port: u16) -> Result<u16, ClusterError> {
        let published = self.first.get().and_then(|first| first.published(port));
        published.ok_or(ClusterError::NoPortLeft {
            published: API_SERVERS.len(),
        })
    }

    pub(super) async fn start(&self, wanted: Wanted) -> Result<Member, ClusterError> {
        let (image, program) = match wanted.role {
            Role::Etcd => (&self.images.etcd, "etcd"),
            Role::ApiServer => (&self.images.kube_apiserver, "kube-apiserver"),
            Role::ControllerManager => (&self.images.kube_controller_manager, "kube-controller-manager"),
            Role::AggregatedApi | Role::TokenSigner => return Err(ClusterError::NoImage { server: wanted.name }),
        };
        // The official images differ in their entry points (`/go-runner`, none); all have the program on their PATH.
        let Scope { engine, network, labels } = &self.scope;
        let mut spec = ContainerSpec::new(name(&labels.lab, &wanted.name), image.to_string(), labels)
            .program(program)
            .arguments(wanted.arguments)
            .user(engine.own_user())
            .shared(&labels.directory)
            // The official kube-apiserver has this file capability: without it, it cannot even be executed.
            .capability("NET_BIND_SERVICE");
        for (name, value) in wanted.environment {
            spec = spec.environment(name, value);
        }
        spec = match self.first.get() {
            Some(first) => spec.inside_of(first),
            None => API_SERVERS
                .iter()
                .fold(spec.network(network, &[]), |spec, port| spec.publish(*port)),
        };
        let container = spec.start(engine).await?;
        let following = container.follow(&wanted.log)?;
        let _first = self.first.get_or_init(|| container.clone());
        Ok(Member {
            name: wanted.name,
            container,
            following,
        })
    }
}

/// Returns a container's name: the lab's and the server's, reduced to the characters that engines allow.
fn name(lab: &str, server: &str) -> String {
    format!("authlab-{lab}-{server}").replace(|c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c), "-")
}

/// A server in a container. Dropping it does not stop it.
#[derive(Debug)]
pub(super) struct Member {
    name: String,
    container: Container,
    following: Following,
}

impl Member {
    /// Returns its name in the lab.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns its container's id.
    pub(super) fn id(&self) -> &str {
        self.container.id()
    }

    /// Fails with the last lines of its log if it no longer runs.
    pub(super) async fn expect_running(&self) -> Result<(), EngineError> {
        self.container.expect_running().await
    }

    /// Kills and removes it. If that fails, it is found by its labels later.
    pub(super) async fn remove(self) {
        let _removed = self.container.remove().await;
        drop(self.following);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_nothing_that_engines_refuse() {
        assert_eq!(
            name("run-1-0", "kube-apiserver oidc_flags"),
            "authlab-run-1-0-kube-apiserver-oidc_flags"
        );
    }
}
