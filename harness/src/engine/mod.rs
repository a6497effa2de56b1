//! Container engines: Docker, or Podman through the same API. The main types are [`Engine`], [`ContainerSpec`] (a container to start) and
//! [`Container`] (a created container).
//!
//! Everything made here carries [`Labels`], by which it is found again and removed ([`sweep`]): a container belongs to the engine, not to
//! the process that requested it, so no handle here removes anything when it is dropped. An owner of containers calls [`Container::remove`]
//! or [`sweep`] in the end, and starts a [`Watcher`] before creating the first of them, which sweeps if the owner dies without having done
//! so.
//!
//! This module knows nothing about Kubernetes, and a lab is only a name on a label.

mod commit;
mod container;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod files;
mod find;
mod image;
mod labels;
mod log;
mod network;
mod scope;
mod spec;
mod sweep;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;

pub use container::{Container, Output};
pub use error::{EngineError, Said};
pub use find::{Absent, Attempt};
pub use image::{Image, Presence};
pub use labels::{Filter, Labels};
pub use log::Following;
pub use network::Network;
pub use scope::Scope;
pub use spec::ContainerSpec;
pub use sweep::{Swept, Thing, ThingKind, found, remove_all, sweep};
pub use watcher::{Watch, Watched, Watcher, this_program_watches, watch, watching_program};

use error::Doing;

/// The time limit for the engine's response to an ordinary request: until then it is busy, not absent.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The kind of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain Docker Engine.
    Docker,
    /// Docker Desktop: an engine in a virtual machine, which shares directories and forwards ports.
    DockerDesktop,
    /// Podman, which offers Docker's API.
    Podman,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Docker => "Docker Engine",
            Self::DockerDesktop => "Docker Desktop",
            Self::Podman => "Podman",
        })
    }
}

/// A way for a container to reach listeners on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At the gateway of its network, which is an address of this machine: the server has to listen there.
    Gateway,
    /// By this host name, which leads to this machine's loopback interface or to an address in front of it.
    Name(&'static str),
}

/// The facts about an engine, requested once.
#[derive(Debug)]
struct Facts {
    address: String,
    kind: Kind,
    version: String,
    architecture: String,
    rootless: bool,
    shares_kernel: bool,
}

/// A container engine that responded. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    facts: Arc<Facts>,
}

impl Engine {
    /// Returns the engine's address, as `DOCKER_HOST` takes it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.facts.address
    }

    /// Returns the engine's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.facts.kind
    }

    /// Returns the architecture of the engine's containers, in Go's terms: `amd64`, `arm64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.facts.architecture
    }

    /// Returns whether the engine's containers run on this machine's own kernel, not in a virtual machine or elsewhere.
    #[must_use]
    pub fn shares_kernel(&self) -> bool {
        self.facts.shares_kernel
    }

    /// Returns the way for the engine's containers to reach this machine.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.facts.kind {
            Kind::Docker if self.facts.shares_kernel && !self.facts.rootless => Reach::Gateway,
            Kind::Docker | Kind::DockerDesktop => Reach::Name("host.docker.internal"),
            Kind::Podman => Reach::Name("host.containers.internal"),
        }
    }

    /// Returns the user to run as, so that files on a bind mount belong to this user on both sides; `None` if root in the container is
    /// already this user.
    #[must_use]
    pub fn own_user(&self) -> Option<String> {
        (!self.facts.rootless).then(|| {
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            format!("{}:{}", user.as_raw(), group.as_raw())
        })
    }

    /// Returns the client, for an ordinary request.
    fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Returns the client for a request that may take as long as `limit`.
    fn patient(&self, limit: Duration) -> Docker {
        self.docker.clone().with_timeout(limit + ANSWER_LIMIT)
    }

    /// Names the current operation, for the errors that may come of it.
    fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing {
            address: &self.facts.address,
            what,
            image: None,
        }
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Facts {
            kind,
            version,
            rootless,
            address,
            ..
        } = &*self.facts;
        write!(f, "{kind} {version}{} at {address}", if *rootless { " (rootless)" } else { "" })
    }
}
