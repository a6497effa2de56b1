//! The plan of a lab: its servers, and what each is started from.
//!
//! The main type is [`Plan`]. It is complete before anything starts: the engine has answered, and images, programs and a prepared Keycloak
//! are there. Images are only fetched for a driver that the user named: a default must not cost minutes.

mod choice;
mod cluster;
mod driver;
mod images;
mod provider;

use tokio::sync::OnceCell;

use super::{Directory, LabError, LabOptions};
use crate::engine::{Engine, EngineError};
use crate::event::Events;
use crate::server_binaries::images::Images;
use crate::server_binaries::{Kubernetes, ServerBinaries};

pub use choice::{Choice, choose};
pub(super) use cluster::ClusterPlan;
pub(super) use provider::ProviderPlan;

/// The servers of a lab, each with what it is started from.
pub(super) struct Plan {
    pub(super) version: &'static Kubernetes,
    pub(super) cluster: ClusterPlan,
    /// `None` in a bare lab.
    pub(super) provider: Option<ProviderPlan>,
    /// The programs of the version, kubectl among them; `None` if they are not there, and no server needs them.
    pub(super) programs: Option<ServerBinaries>,
}

impl Plan {
    /// Decides what `options` leave open, and obtains what the servers are started from. `directory` is the lab's.
    pub(super) async fn make(options: &LabOptions, directory: &Directory, events: &Events) -> Result<Self, LabError> {
        let version = options.pinned()?;
        let prefix = options.server_binaries.image_prefix.as_deref();
        let planner = Planner {
            options,
            version,
            images: Images::of(version, prefix)?.with_keycloak(options.pinned_keycloak()?, prefix)?,
            directory,
            events,
            engine: OnceCell::new(),
        };
        let driver = planner.driver().await?;
        let in_containers = planner.in_containers(driver).await?;
        let provider = async {
            if options.bare {
                // Somebody's realm is imported by a process.
                return match options.realm {
                    Some(_) => planner.keycloak(None).await.map(Some),
                    None => Ok(None),
                };
            }
            planner.identity_provider(driver).await.map(Some)
        };
        let ((cluster, programs), provider) = futures::try_join!(planner.cluster(in_containers), provider)?;
        Ok(Self {
            version,
            cluster,
            provider,
            programs,
        })
    }
}

/// A plan in the making.
struct Planner<'a> {
    options: &'a LabOptions,
    version: &'static Kubernetes,
    /// The images of all servers, whether they are needed or not.
    images: Images,
    directory: &'a Directory,
    events: &'a Events,
    /// The engine, once something needed it.
    engine: OnceCell<Engine>,
}

impl Planner<'_> {
    /// Returns the engine that answers.
    async fn engine(&self) -> Result<&Engine, EngineError> {
        self.engine.get_or_try_init(|| Engine::find(None)).await
    }
}
