//! Container engines: Docker, or Podman through the same interface. The main types are [`Engine`], [`ContainerSpec`] (what to
//! start) and [`Container`] (what was started).
//!
//! Everything made here carries [`Labels`]. They are how it is found again and removed ([`sweep`]): a container belongs to the
//! engine, not to the process that asked for it, so no handle here removes anything when it is dropped. Who owns containers calls
//! [`Container::remove`] or [`sweep`] in the end, and starts a [`Watcher`] before the first of them, which sweeps when the owner
//! dies without having done so.
//!
//! Nothing here knows Kubernetes, and a lab is no more than a name on a label.

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
pub use spec::ContainerSpec;
pub use sweep::{Swept, Thing, ThingKind, found, remove_all, sweep};
pub use watcher::{Watch, Watched, Watcher, this_program_watches, watch, watching_program};

use error::Doing;

/// How long the engine may take to answer an ordinary request: it is busy, not absent.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// What runs the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The Docker Engine by itself.
    Docker,
    /// Docker Desktop: an engine in a virtual machine, which shares directories and forwards ports.
    DockerDesktop,
    /// Podman, which answers as Docker does.
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

/// How a container reaches what listens on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At the gateway of its network, which is an address of this machine: whoever is to be reached listens there.
    Gateway,
    /// By this name, which leads to this machine's loopback interface or to an address in front of it.
    Name(&'static str),
}

/// What is known of an engine; asked once.
#[derive(Debug)]
struct Facts {
    address: String,
    kind: Kind,
    version: String,
    api_version: String,
    architecture: String,
    rootless: bool,
    shares_kernel: bool,
}

/// A container engine that answered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    facts: Arc<Facts>,
}

impl Engine {
    /// Its address, as `DOCKER_HOST` takes it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.facts.address
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.facts.kind
    }

    /// Its own version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.facts.version
    }

    /// The newest version of the interface that it speaks.
    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.facts.api_version
    }

    /// The architecture of what it runs, in Go's words: `amd64`, `arm64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.facts.architecture
    }

    /// Whether it runs without root, so that root in a container is the user outside.
    #[must_use]
    pub fn is_rootless(&self) -> bool {
        self.facts.rootless
    }

    /// Whether its containers run on this machine's own kernel, not in a virtual machine or elsewhere.
    #[must_use]
    pub fn shares_kernel(&self) -> bool {
        self.facts.shares_kernel
    }

    /// How its containers reach this machine.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.facts.kind {
            Kind::Docker if self.facts.shares_kernel && !self.facts.rootless => Reach::Gateway,
            Kind::Docker | Kind::DockerDesktop => Reach::Name("host.docker.internal"),
            Kind::Podman => Reach::Name("host.containers.internal"),
        }
    }

    /// The host (name and address, for [`ContainerSpec::host`]) that a container has to be given for the name of
    /// [`Engine::reach`] to lead here; `None` where the engine sees to that itself, or an address is used.
    #[must_use]
    pub fn own_host(&self) -> Option<(&'static str, &'static str)> {
        match (self.facts.kind, self.reach()) {
            (Kind::Docker, Reach::Name(name)) => Some((name, "host-gateway")),
            _ => None,
        }
    }

    /// The user to run as, so that files on a bind mount are this user's on both sides; `None` where root in the container is
    /// this user already.
    #[must_use]
    pub fn own_user(&self) -> Option<String> {
        (!self.facts.rootless).then(|| {
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            format!("{}:{}", user.as_raw(), group.as_raw())
        })
    }

    /// The client, for one ordinary request.
    fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The client for a request that takes as long as `limit` by its nature.
    fn patient(&self, limit: Duration) -> Docker {
        self.docker.clone().with_timeout(limit + ANSWER_LIMIT)
    }

    /// Names what is being done for the errors that may come of it.
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
