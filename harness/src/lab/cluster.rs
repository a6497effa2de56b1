//! The cluster of a lab, for each driver.
//!
//! The main type is [`Cluster`].

use super::LabError;
use super::description::{ContainerDescription, ProcessDescription};
use crate::cluster::control_plane::ControlPlane;
use crate::cluster::k3s::K3s;
use crate::cluster::kind::Kind;
use crate::cluster::{ApiServer, Driver, Setting};
use crate::event::Events;

/// The servers of a cluster that a lab owns.
#[derive(Debug)]
pub(super) enum Cluster {
    /// A control plane started by authlab.
    Plane(Box<ControlPlane>),
    /// k3s.
    K3s(K3s),
    /// A cluster of the `kind` command.
    Kind(Kind),
}

impl Cluster {
    /// Starts another API server, with `setting`.
    pub(super) async fn further(&mut self, setting: &Setting, events: &Events) -> Result<ApiServer, LabError> {
        match self {
            Self::Plane(plane) => plane.further(setting, events).await.map_err(LabError::of_cluster(Driver::Process)),
            Self::K3s(_) | Self::Kind(_) => Err(LabError::OneApiServer {
                asked: setting.name.clone(),
            }),
        }
    }

    /// Ends the further API server with the setting `name`, if it runs.
    pub(super) async fn end_further(&mut self, name: &str) -> Result<(), LabError> {
        match self {
            Self::Plane(plane) => plane.end_further(name).await.map_err(LabError::of_cluster(Driver::Process)),
            Self::K3s(_) | Self::Kind(_) => Ok(()),
        }
    }

    /// Returns the name and process id of each server that runs as a process.
    pub(super) fn processes(&self) -> Vec<ProcessDescription> {
        let Self::Plane(plane) = self else { return Vec::new() };
        let described = |(name, pid)| ProcessDescription { name, pid };
        plane.processes().into_iter().map(described).collect()
    }

    /// Returns the name and id of each container.
    pub(super) fn containers(&self) -> Vec<ContainerDescription> {
        let of = |containers: Vec<&crate::engine::Container>| {
            let pairs = containers
                .into_iter()
                .map(|container| (container.name().to_owned(), container.id().to_owned()));
            pairs.collect()
        };
        let pairs: Vec<(String, String)> = match self {
            Self::Plane(plane) => plane.containers(),
            Self::K3s(k3s) => of(k3s.containers()),
            Self::Kind(kind) => of(kind.containers()),
        };
        pairs.into_iter().map(|(name, id)| ContainerDescription { name, id }).collect()
    }

    /// Kills all servers, and waits until they are gone.
    pub(super) async fn stop(self) -> Result<(), LabError> {
        match self {
            Self::Plane(plane) => {
                plane.stop().await;
                Ok(())
            }
            Self::K3s(k3s) => k3s.stop().await.map_err(LabError::of_cluster(Driver::K3s)),
            Self::Kind(kind) => kind.stop().await.map_err(LabError::of_cluster(Driver::Kind)),
        }
    }
}
