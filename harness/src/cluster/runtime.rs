//! Where the servers of a control plane run: on the machine as processes, or in a pod of containers.
//!
//! The main type is [`Runtime`]. It starts what is [`Wanted`]; what differs between processes and containers (ports, addresses, how
//! soon a log is complete) is asked of it.

use std::path::PathBuf;

use super::LogDelay;
use super::control_plane::ControlPlaneError;
use super::pod::{Member, Pod};
use super::process::Binaries;
use crate::process::Child;

/// Where the servers of a control plane run.
#[derive(Debug)]
pub enum Runtime {
    /// As processes of this machine.
    Machine(Binaries),
    /// As containers that share one network.
    Pod(Box<Pod>),
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// etcd.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
}

/// A server to be started.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which program.
    pub role: Role,
    /// Its name in the lab.
    pub name: String,
    /// Its flags.
    pub arguments: Vec<String>,
    /// The ports that it is to listen on, as it calls them.
    pub ports: Vec<u16>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A server that runs. Dropped, a process is killed; a container is not.
#[derive(Debug)]
pub(super) enum Server {
    Process(Child),
    Container(Member),
}

impl Server {
    pub(super) async fn expect_running(&mut self) -> Result<(), ControlPlaneError> {
        match self {
            Self::Process(child) => Ok(child.expect_running()?),
            Self::Container(member) => Ok(member.expect_running().await?),
        }
    }

    pub(super) async fn kill(self) {
        match self {
            // It ends whatever the operating system says about how.
            Self::Process(child) => drop(child.kill().await),
            Self::Container(member) => member.remove().await,
        }
    }
}

impl Runtime {
    pub(super) async fn start(&self, wanted: Wanted) -> Result<Server, ControlPlaneError> {
        Ok(match self {
            Self::Machine(binaries) => Server::Process(binaries.start(wanted).await?),
            Self::Pod(pod) => Server::Container(pod.start(wanted).await?),
        })
    }

    /// A port for a server of `role` to listen on.
    pub(super) fn port(&self, role: Role) -> Result<u16, ControlPlaneError> {
        match self {
            Self::Machine(binaries) => binaries.port(),
            Self::Pod(pod) => pod.port(role),
        }
    }

    /// Takes back a port that nobody listens on any more.
    pub(super) fn give_back(&self, port: u16) {
        match self {
            Self::Machine(_) => {}
            Self::Pod(pod) => pod.give_back(port),
        }
    }

    /// The port of this machine that leads to a server's `port`.
    pub(super) fn outside(&self, port: u16) -> Result<u16, ControlPlaneError> {
        match self {
            Self::Machine(_) => Ok(port),
            Self::Pod(pod) => pod.published(port),
        }
    }

    /// The address that API servers bind to.
    pub(super) fn bind_address(&self) -> &'static str {
        match self {
            Self::Machine(_) => "127.0.0.1",
            // The published ports lead to the address that containers share; nobody else has a way to it.
            Self::Pod(_) => "0.0.0.0",
        }
    }

    pub(super) fn log_delay(&self) -> LogDelay {
        match self {
            Self::Machine(_) => LogDelay::AtOnce,
            Self::Pod(_) => LogDelay::PassedOn,
        }
    }
}
