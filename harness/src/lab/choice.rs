//! The choice of how a lab's cluster and identity provider run: as requested, or by what this machine has.
//!
//! The main type is [`Choice`]. By default, the cluster runs the way that supports most of the scenarios, which is as processes; on
//! a system that Kubernetes is not released for, it runs in containers if a container engine responds and has the images, and a note
//! says so. Images are only fetched for a driver that the user named: a default must not cost minutes.

use super::{LabError, LabOptions};
use crate::cluster::Driver;
use crate::engine::{Engine, EngineError, Image, Presence};
use crate::event::Events;
use crate::identity_provider;
use crate::identity_provider::keycloak::{KeycloakImage, PreparedImage};
use crate::server_binaries::Kubernetes;
use crate::server_binaries::images::{Images, OWN_PREFIX, Reference};

/// The drivers and images of a lab.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) cluster: Driver,
    /// Keycloak's image, if it runs in a container.
    pub(super) keycloak: Option<KeycloakImage>,
    /// The engine, if anything runs in containers.
    pub(super) engine: Option<Engine>,
    pub(super) images: Images,
}

impl Choice {
    /// Resolves `options`, including those left open. The images needed are available afterwards.
    pub(super) async fn of(options: &LabOptions, version: &Kubernetes, events: &Events) -> Result<Self, LabError> {
        let prefix = options.server_binaries.image_prefix.as_deref();
        let images = Images::of(version, prefix)?.with_keycloak(options.pinned_keycloak()?, prefix)?;
        let (asked, asked_provider) = (options.cluster, options.identity_provider);
        let needed = |driver: Driver| matches!(driver, Driver::Container | Driver::K3s | Driver::Kind);
        let must = asked.is_some_and(needed) || asked_provider == Some(identity_provider::Driver::Container);
        let processes = |images| Self {
            cluster: asked.unwrap_or(Driver::Process),
            keycloak: None,
            engine: None,
            images,
        };
        if !must && (asked.is_some() || RELEASED) {
            return Ok(processes(images));
        }
        let engine = match Engine::find(None).await {
            Ok(engine) => engine,
            Err(error) if must => return Err(error.into()),
            Err(error) => {
                events.note(format!("everything runs as processes: {}", in_short(&error)));
                return Ok(processes(images));
            }
        };
        let cluster = match asked {
            Some(driver) => driver,
            None if RELEASED => Driver::Process,
            None => {
                let mut there = Vec::new();
                for driver in [Driver::Container, Driver::K3s] {
                    if are_there(&engine, driver, &images).await? {
                        there.push(driver);
                    }
                }
                let (driver, note) = without_release(&there);
                events.note(format!("{note}: {engine} answers"));
                driver
            }
        };
        // kind loads its node's image from the engine, too; an image that was loaded from a file has lost its digest.
        let loaded = cluster == Driver::Kind && is_there(&engine, &images.kind_node.without_digest()).await?;
        for image in of_cluster(cluster, &images).into_iter().filter(|_| !loaded) {
            fetch(&engine, image, options, events).await?;
        }
        let keycloak = match asked_provider {
            Some(identity_provider::Driver::Container) => Some(keycloak(&engine, &images, options, events).await?),
            None if needed(cluster) => keycloak_that_is_there(&engine, &images, options).await?,
            None | Some(_) => None,
        };
        let engine = (needed(cluster) || keycloak.is_some()).then_some(engine);
        Ok(Self {
            cluster,
            keycloak,
            engine,
            images,
        })
    }

    /// Returns `true` if the cluster's servers run in containers.
    pub(super) fn has_cluster_in_containers(&self) -> bool {
        matches!(self.cluster, Driver::Container | Driver::K3s | Driver::Kind)
    }

    /// Returns the driver of the identity provider.
    pub(super) fn identity_provider(&self) -> identity_provider::Driver {
        if self.keycloak.is_some() {
            identity_provider::Driver::Container
        } else {
            identity_provider::Driver::Process
        }
    }
}

/// `true` if Kubernetes' servers are released for this system, so that processes support the most scenarios.
const RELEASED: bool = cfg!(target_os = "linux");

/// Returns the driver, and a note, for systems without released Kubernetes servers; `there` are the drivers with available images.
fn without_release(there: &[Driver]) -> (Driver, &'static str) {
    match there.first() {
        Some(Driver::Container) => (Driver::Container, "the cluster runs in containers, whose images are there"),
        Some(driver) => (*driver, "the cluster is k3s in a container, whose image is there"),
        None => (
            Driver::Process,
            "the cluster runs as processes that are built here: no images are there",
        ),
    }
}

/// Returns the images that a cluster of `driver` runs.
fn of_cluster(driver: Driver, images: &Images) -> Vec<&Reference> {
    match driver {
        Driver::Container => vec![&images.etcd, &images.kube_apiserver, &images.kube_controller_manager],
        Driver::K3s => vec![&images.k3s],
        Driver::Kind => vec![&images.kind_node],
        Driver::Process | Driver::Existing => Vec::new(),
    }
}

async fn are_there(engine: &Engine, driver: Driver, images: &Images) -> Result<bool, EngineError> {
    for image in of_cluster(driver, images) {
        if !is_there(engine, image).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_there(engine: &Engine, image: &Reference) -> Result<bool, EngineError> {
    Ok(matches!(Image::presence(engine, &image.to_string()).await?, Presence::Present(_)))
}

/// Fetches `image` unless the engine has it.
async fn fetch(engine: &Engine, image: &Reference, options: &LabOptions, events: &Events) -> Result<(), EngineError> {
    let reference = image.to_string();
    match Image::presence(engine, &reference).await? {
        Presence::Present(image) => image.expect_runnable(engine),
        Presence::Missing if options.server_binaries.offline => Err(EngineError::ImageMissing {
            image: reference,
            said: None,
        }),
        Presence::Missing => Image::pull(engine, &reference, events).await?.expect_runnable(engine),
    }
}

/// Returns Keycloak's image: the prepared one if there is one, else the official one, fetched if needed.
async fn keycloak(engine: &Engine, images: &Images, options: &LabOptions, events: &Events) -> Result<KeycloakImage, LabError> {
    if let Some(there) = prepared(engine, options).await? {
        return Ok(there);
    }
    fetch(engine, &images.keycloak, options, events).await?;
    events.note("Keycloak builds itself at each start: `authlab server-binaries build --image` makes an image that starts in seconds");
    Ok(KeycloakImage::Official(images.keycloak.to_string()))
}

/// Returns Keycloak's image, if the engine has one.
async fn keycloak_that_is_there(engine: &Engine, images: &Images, options: &LabOptions) -> Result<Option<KeycloakImage>, LabError> {
    if let Some(there) = prepared(engine, options).await? {
        return Ok(Some(there));
    }
    let there = is_there(engine, &images.keycloak).await?;
    Ok(there.then(|| KeycloakImage::Official(images.keycloak.to_string())))
}

async fn prepared(engine: &Engine, options: &LabOptions) -> Result<Option<KeycloakImage>, LabError> {
    let prefix = options.server_binaries.image_prefix.as_deref().unwrap_or(OWN_PREFIX);
    let found = PreparedImage::find(engine, prefix, &options.pinned_keycloak()?.version).await?;
    Ok(found.map(KeycloakImage::Prepared))
}

/// Returns an error as one line: unless containers were requested, their absence is only worth a remark.
fn in_short(error: &EngineError) -> String {
    match error {
        EngineError::NoEngine { .. } => "no container engine answers".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_binaries::Versions;

    #[test]
    fn where_processes_are_built_first_images_that_are_there_come_before_them_and_most_of_all_the_most_able() {
        use Driver::{Container, K3s, Process};
        assert_eq!(without_release(&[Container, K3s]).0, Container);
        assert_eq!(without_release(&[K3s]).0, K3s);
        assert_eq!(without_release(&[]).0, Process);
    }

    #[tokio::test]
    async fn an_image_that_is_not_there_is_not_looked_for_offline_whatever_the_driver() {
        use crate::engine::fake::{Fake, answer, introduction};
        let fake = Fake::start(|name, _| introduction(name, "1.41").unwrap_or_else(|| answer(404, r#"{"message": "no such image"}"#)));
        let engine = Engine::find(Some(&fake.address())).await.expect("it answers");
        let version = Versions::pinned().newest();
        let images = Images::of(version, None).expect("it is pinned");
        let mut options = LabOptions::default();
        options.server_binaries.offline = true;
        for driver in [Driver::Container, Driver::K3s, Driver::Kind] {
            for image in of_cluster(driver, &images) {
                let refused = fetch(&engine, image, &options, &Events::silent())
                    .await
                    .expect_err("it is not there");
                assert!(matches!(refused, EngineError::ImageMissing { .. }), "{driver:?}: {refused}");
            }
        }
    }
}
