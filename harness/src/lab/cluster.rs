//! The cluster of a lab. The main type is [`Cluster`].

use super::LabError;
use super::description::{ContainerDescription, ProcessDescription};
use crate::cluster::control_plane::ControlPlane;
use crate::cluster::{ApiServer, ClusterError, Distribution, Driver, Setting};
use crate::event::Events;
use crate::process::Child;

/// The servers of a cluster that a lab owns.
#[derive(Debug)]
pub(super) struct Cluster {
    driver: Driver,
    servers: Servers,
}

#[derive(Debug)]
enum Servers {
    /// A control plane started by authlab, which can have more API servers.
    ControlPlane(Box<ControlPlane>),
    /// A distribution, which has one.
    Distribution(Box<Distribution>),
}

impl Cluster {
    /// Returns the cluster that is `plane`.
    pub(super) fn control_plane(driver: Driver, plane: ControlPlane) -> Self {
        Self {
            driver,
            servers: Servers::ControlPlane(Box::new(plane)),
        }
    }

    /// Returns the cluster that is `distribution`.
    pub(super) fn distribution(driver: Driver, distribution: Distribution) -> Self {
        Self {
            driver,
            servers: Servers::Distribution(Box::new(distribution)),
        }
    }

    fn failed(&self) -> impl Fn(ClusterError) -> LabError + use<> {
        LabError::of_cluster(self.driver)
    }

    /// Starts another API server, with `setting`.
    pub(super) async fn further(&mut self, setting: &Setting, events: &Events) -> Result<ApiServer, LabError> {
        let failed = self.failed();
        match &mut self.servers {
            Servers::ControlPlane(plane) => plane.further(setting, events).await.map_err(failed),
            Servers::Distribution(_) => Err(LabError::OneApiServer {
                asked: setting.name.clone(),
            }),
        }
    }

    /// Ends the further API server with the setting `name`, if it runs.
    pub(super) async fn end_further(&mut self, name: &str) -> Result<(), LabError> {
        let failed = self.failed();
        match &mut self.servers {
            Servers::ControlPlane(plane) => plane.end_further(name).await.map_err(failed),
            Servers::Distribution(_) => Ok(()),
        }
    }

    /// Returns each server that runs as a process.
    pub(super) fn processes(&self) -> Vec<ProcessDescription> {
        let children = match &self.servers {
            Servers::ControlPlane(plane) => plane.children(),
            Servers::Distribution(_) => Vec::new(),
        };
        let described = |child: &Child| {
            Some(ProcessDescription {
                name: child.name().to_owned(),
                pid: child.pid()?,
                log: Some(child.log().to_owned()),
            })
        };
        children.into_iter().filter_map(described).collect()
    }

    /// Returns the name and id of each container.
    pub(super) fn containers(&self) -> Vec<ContainerDescription> {
        let containers = match &self.servers {
            Servers::ControlPlane(plane) => plane.containers(),
            Servers::Distribution(distribution) => distribution.containers(),
        };
        containers.into_iter().map(|(name, id)| ContainerDescription { name, id }).collect()
    }

    /// Kills all servers, and waits until they are gone.
    pub(super) async fn stop(self) -> Result<(), LabError> {
        let failed = self.failed();
        match self.servers {
            Servers::ControlPlane(plane) => {
                plane.stop().await;
                Ok(())
            }
            Servers::Distribution(distribution) => distribution.stop().await.map_err(failed),
        }
    }
}
