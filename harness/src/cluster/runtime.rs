//! The runtime of a control plane's servers: processes on this machine, or a group of containers.
//!
//! The main type is [`Runtime`]. It starts servers as [`Wanted`] describes them, and answers for the differences between processes and
//! containers (ports, addresses, the delay of logs).

use std::path::PathBuf;

use super::LogDelay;
use super::container_group::{ContainerGroup, Member};
use super::error::ClusterError;
use super::process::Binaries;
use crate::process::Child;

/// The place in which the servers of a control plane run.
#[derive(Debug)]
pub enum Runtime {
    /// As processes of this machine.
    Processes(Binaries),
    /// As containers that share one network.
    Containers(Box<ContainerGroup>),
}

/// The role of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// etcd.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
    /// An API server behind kube-apiserver.
    AggregatedApi,
    /// An external signer of service accounts' tokens.
    TokenSigner,
}

/// A server to be started.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The program.
    pub role: Role,
    /// Its name in the lab.
    pub name: String,
    /// Its flags.
    pub arguments: Vec<String>,
    /// The ports that it is to listen on, in its own numbering.
    pub ports: Vec<u16>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// The file for its output.
    pub log: PathBuf,
}

/// A running server. Dropping it kills a process, but not a container.
#[derive(Debug)]
pub(super) enum Server {
    Process(Child),
    Container(Member),
}

impl Server {
    pub(super) async fn expect_running(&mut self) -> Result<(), ClusterError> {
        match self {
            Self::Process(child) => Ok(child.expect_running()?),
            Self::Container(member) => Ok(member.expect_running().await?),
        }
    }

    pub(super) async fn kill(self) {
        match self {
            // It ends, whatever the operating system reports about its exit.
            Self::Process(child) => drop(child.kill().await),
            Self::Container(member) => member.remove().await,
        }
    }
}

impl Runtime {
    pub(super) async fn start(&self, wanted: Wanted) -> Result<Server, ClusterError> {
        Ok(match self {
            Self::Processes(binaries) => Server::Process(binaries.start(wanted).await?),
            Self::Containers(group) => Server::Container(group.start(wanted).await?),
        })
    }

    /// Returns a port for a server of `role` to listen on.
    pub(super) fn port(&self, role: Role) -> Result<u16, ClusterError> {
        match self {
            Self::Processes(binaries) => binaries.port(),
            Self::Containers(group) => group.port(role),
        }
    }

    /// Takes back a port that is no longer listened on.
    pub(super) fn give_back(&self, port: u16) {
        match self {
            Self::Processes(_) => {}
            Self::Containers(group) => group.give_back(port),
        }
    }

    /// Returns the port of this machine that leads to a server's `port`.
    pub(super) fn outside(&self, port: u16) -> Result<u16, ClusterError> {
        match self {
            Self::Processes(_) => Ok(port),
            Self::Containers(group) => group.published(port),
        }
    }

    /// Returns the address that API servers bind to.
    pub(super) fn bind_address(&self) -> &'static str {
        match self {
            Self::Processes(_) => "127.0.0.1",
            // The published ports lead to the address that containers share; there is no other way to reach it.
            Self::Containers(_) => "0.0.0.0",
        }
    }

    pub(super) fn log_delay(&self) -> LogDelay {
        match self {
            Self::Processes(_) => LogDelay::AtOnce,
            Self::Containers(_) => LogDelay::PassedOn,
        }
    }
}
