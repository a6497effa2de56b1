//! The cluster in a plan. The main type is [`ClusterPlan`]: what each driver starts from, and its start.

use super::Planner;
use crate::cluster::container_group::ContainerGroup;
use crate::cluster::control_plane::ControlPlane;
use crate::cluster::kind::KindCommand;
use crate::cluster::process::Binaries;
use crate::cluster::runtime::Runtime;
use crate::cluster::{ClusterError, Driver, Inputs, Started, k3s, kind};
use crate::engine::Engine;
use crate::event::Events;
use crate::identity_provider::Address;
use crate::lab::cluster::Cluster;
use crate::lab::watched_scope::ScopeOnDemand;
use crate::lab::{LabError, LabOptions};
use crate::server_binaries::images::{Images, Reference};
use crate::server_binaries::{self, ServerBinaries};

/// The programs or images that a cluster is started from.
pub(in crate::lab) enum ClusterPlan {
    /// A control plane of processes.
    Processes(Binaries),
    /// A control plane in containers.
    Containers { engine: Engine, images: Box<Images> },
    /// k3s.
    K3s { engine: Engine, image: String },
    /// A cluster of the `kind` command.
    Kind {
        engine: Engine,
        command: KindCommand,
        image: String,
    },
}

impl Planner<'_> {
    /// Obtains what `driver` starts in containers; `None` if it starts processes.
    pub(super) async fn in_containers(&self, driver: Driver) -> Result<Option<ClusterPlan>, LabError> {
        let plan = match driver {
            Driver::Process => return Ok(None),
            Driver::Container => {
                for (_, image) in driver.images(&self.images) {
                    self.obtain(&image).await?;
                }
                ClusterPlan::Containers {
                    engine: self.engine().await?.clone(),
                    images: Box::new(self.images.clone()),
                }
            }
            Driver::K3s => {
                let image = self.image_of(driver, self.images.k3s.as_ref())?;
                ClusterPlan::K3s {
                    engine: self.engine().await?.clone(),
                    image: self.obtain(image).await?,
                }
            }
            Driver::Kind => {
                let image = self.image_of(driver, self.images.kind_node.as_ref())?;
                let engine = self.engine().await?.clone();
                let (named, logs) = (self.options.server_binaries.kind.as_deref(), self.directory.below("kind")?);
                let command = KindCommand::find(named, &self.version.kind, &logs).await;
                ClusterPlan::Kind {
                    engine,
                    command: command.map_err(|error| LabError::of_cluster(driver)(error.into()))?,
                    image: self.obtain(image).await?,
                }
            }
            Driver::Existing => {
                return Err(LabError::Lacks {
                    what: "a cluster to start",
                });
            }
        };
        Ok(Some(plan))
    }

    /// Returns the `image` of `driver`.
    fn image_of<'a>(&self, driver: Driver, image: Option<&'a Reference>) -> Result<&'a Reference, LabError> {
        image.ok_or(LabError::NoImage {
            driver: driver.name(),
            kubernetes: self.version.version,
        })
    }

    /// Obtains the programs of the cluster's version, and completes its plan. Beside servers in containers only kubectl is needed, and only
    /// programs that are there are used.
    pub(super) async fn cluster(&self, in_containers: Option<ClusterPlan>) -> Result<(ClusterPlan, Option<ServerBinaries>), LabError> {
        let sources = &self.options.server_binaries;
        let Some(plan) = in_containers else {
            let programs = server_binaries::obtain(self.version, sources, self.events).await?;
            let binaries = Binaries::new(&programs, self.directory.id().clone());
            return Ok((ClusterPlan::Processes(binaries), Some(programs)));
        };
        let only_there = server_binaries::Options {
            sources: Vec::new(),
            ..sources.clone()
        };
        let programs = server_binaries::obtain(self.version, &only_there, self.events).await;
        Ok((plan, programs.ok()))
    }
}

impl ClusterPlan {
    /// Returns the driver.
    pub(in crate::lab) fn driver(&self) -> Driver {
        match self {
            Self::Processes(_) => Driver::Process,
            Self::Containers { .. } => Driver::Container,
            Self::K3s { .. } => Driver::K3s,
            Self::Kind { .. } => Driver::Kind,
        }
    }

    /// Returns the address at which the cluster and users on this machine reach the harness' own servers. If API servers are processes,
    /// every client can use loopback.
    pub(in crate::lab) async fn address(&self, scope: &ScopeOnDemand<'_>) -> Result<Address, LabError> {
        match self {
            Self::Processes(_) => Ok(Address::loopback()),
            Self::Containers { engine, .. } | Self::K3s { engine, .. } | Self::Kind { engine, .. } => {
                Ok(scope.in_engine(engine).await?.address())
            }
        }
    }

    /// Starts the cluster, and waits until its main API server is ready.
    pub(in crate::lab) async fn start(
        self,
        scope: &ScopeOnDemand<'_>,
        inputs: Inputs<'_>,
        options: &LabOptions,
        events: &Events,
    ) -> Result<Started<Cluster>, LabError> {
        let driver = self.driver();
        let failed = LabError::of_cluster(driver);
        let own = |plane| Cluster::control_plane(driver, plane);
        let theirs = |distribution| Cluster::distribution(driver, distribution);
        match self {
            Self::Processes(binaries) => {
                let started = control_plane(Runtime::Processes(binaries), inputs, options, events).await;
                Ok(started.map_err(failed)?.map(own))
            }
            Self::Containers { engine, images } => {
                let group = ContainerGroup::new(scope.in_engine(&engine).await?.scope.clone(), *images);
                let started = control_plane(Runtime::Containers(Box::new(group)), inputs, options, events).await;
                Ok(started.map_err(failed)?.map(own))
            }
            Self::K3s { engine, image } => {
                let scope = &scope.in_engine(&engine).await?.scope;
                let started = k3s::start(scope, &image, inputs, events).await;
                Ok(started.map_err(failed)?.map(theirs))
            }
            Self::Kind { engine, command, image } => {
                let scope = &scope.in_engine(&engine).await?.scope;
                let started = kind::start(&command, scope, &image, inputs, events).await;
                Ok(started.map_err(failed)?.map(theirs))
            }
        }
    }
}

/// Starts a control plane of our own, and the controllers that it needs.
async fn control_plane(
    runtime: Runtime,
    inputs: Inputs<'_>,
    options: &LabOptions,
    events: &Events,
) -> Result<Started<ControlPlane>, ClusterError> {
    let mut started = ControlPlane::start(runtime, inputs, options.sabotage.clone(), events).await?;
    if !options.bare {
        started.cluster.start_controllers(options.learners > 0).await?;
    }
    Ok(started)
}
