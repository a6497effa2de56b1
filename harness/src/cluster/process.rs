//! Servers as plain processes of this machine, on loopback.
//!
//! The main type is [`Binaries`]: the programs that a control plane is made of.

use std::path::PathBuf;

use super::driver::DriverFacts;
use super::error::ClusterError;
use super::runtime::{Role, Wanted};
use crate::owner::LabId;
use crate::process::{Child, Program, port};
use crate::server_binaries::{AGGREGATED_API, ServerBinaries, TOKEN_SIGNER};

pub(super) const DRIVER: DriverFacts = DriverFacts {
    name: "process",
    cluster: "the control plane",
    capabilities: include_str!("../../fixtures/capabilities/process.toml"),
    images: None,
    chosen: None,
};

/// The binaries a control plane is made of.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The path of etcd.
    pub etcd: PathBuf,
    /// The path of kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// The path of kube-controller-manager.
    pub kube_controller_manager: PathBuf,
    /// The path of the API server behind kube-apiserver; only a Go build has it.
    pub aggregated_api: PathBuf,
    /// The path of the external signer of service accounts' tokens; only a Go build has it.
    pub token_signer: PathBuf,
    /// The lab that the servers belong to. It is in the environment of each, so that servers are found when their owner is gone.
    pub lab: LabId,
}

impl Binaries {
    /// Returns those of `binaries`, for servers of `lab`.
    pub fn new(binaries: &ServerBinaries, lab: LabId) -> Self {
        Self {
            etcd: binaries.etcd.clone(),
            kube_apiserver: binaries.kube_apiserver.clone(),
            kube_controller_manager: binaries.kube_controller_manager.clone(),
            aggregated_api: binaries.directory.join(AGGREGATED_API),
            token_signer: binaries.directory.join(TOKEN_SIGNER),
            lab,
        }
    }

    pub(super) async fn start(&self, wanted: Wanted) -> Result<Child, ClusterError> {
        let program = match wanted.role {
            Role::Etcd => &self.etcd,
            Role::ApiServer => &self.kube_apiserver,
            Role::ControllerManager => &self.kube_controller_manager,
            Role::AggregatedApi => &self.aggregated_api,
            Role::TokenSigner => &self.token_signer,
        };
        let mut program = Program::new(wanted.name, program, wanted.log)
            .arguments(wanted.arguments)
            .environment(LabId::VARIABLE, self.lab.as_str())
            .listening_on(wanted.ports);
        for (name, value) in wanted.environment {
            program = program.environment(name, value);
        }
        Ok(program.start().await?)
    }

    /// Returns a free port; another process may take it before the server does.
    #[expect(clippy::unused_self, reason = "the ports of this machine; the other runtimes have their own ports")]
    pub(super) fn port(&self) -> Result<u16, ClusterError> {
        port::free().map_err(ClusterError::NoFreePort)
    }
}
