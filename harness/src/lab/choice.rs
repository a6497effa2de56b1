//! How a lab's cluster and identity provider run: as asked, or by what this machine has.
//!
//! The main type is [`Choice`]. Left to authlab, k3s and Keycloak run in containers where an engine answers that has their images, and
//! as processes otherwise; a note says which, and why. Only images that somebody asked for by naming a driver are fetched: a default
//! must not cost minutes.

use super::{LabError, LabOptions};
use crate::cluster::Driver;
use crate::engine::{Engine, EngineError, Image, Presence};
use crate::event::Events;
use crate::identity_provider;
use crate::identity_provider::keycloak::{KeycloakImage, PreparedImage};
use crate::server_binaries::Kubernetes;
use crate::server_binaries::images::{Images, OWN_PREFIX, Reference};

/// What a lab is made of.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) cluster: Driver,
    /// Keycloak's image, when it runs in a container.
    pub(super) keycloak: Option<KeycloakImage>,
    /// The engine, when something runs in containers.
    pub(super) engine: Option<Engine>,
    pub(super) images: Images,
}

impl Choice {
    /// What `options` ask for, with what they leave open decided. The images needed are there.
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
        if !must && asked.is_some() {
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
            None if is_there(&engine, &images.k3s).await? => {
                events.note(format!("the cluster is k3s in a container: {engine} has its image"));
                Driver::K3s
            }
            None => {
                events.note(format!(
                    "the cluster runs as processes: {engine} answers, but does not have the image {}",
                    images.k3s
                ));
                Driver::Process
            }
        };
        for image in of_cluster(cluster, &images) {
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

    /// Whether the cluster's servers run in containers.
    pub(super) fn has_cluster_in_containers(&self) -> bool {
        matches!(self.cluster, Driver::Container | Driver::K3s | Driver::Kind)
    }

    /// How the identity provider runs.
    pub(super) fn identity_provider(&self) -> identity_provider::Driver {
        if self.keycloak.is_some() {
            identity_provider::Driver::Container
        } else {
            identity_provider::Driver::Process
        }
    }
}

/// The images that a cluster of `driver` runs. kind looks for its node's image itself.
fn of_cluster(driver: Driver, images: &Images) -> Vec<&Reference> {
    match driver {
        Driver::Container => vec![&images.etcd, &images.kube_apiserver, &images.kube_controller_manager],
        Driver::K3s => vec![&images.k3s],
        Driver::Process | Driver::Kind | Driver::Existing => Vec::new(),
    }
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

/// Keycloak's image: the prepared one where there is one.
async fn keycloak(engine: &Engine, images: &Images, options: &LabOptions, events: &Events) -> Result<KeycloakImage, LabError> {
    if let Some(there) = prepared(engine, options).await? {
        return Ok(there);
    }
    fetch(engine, &images.keycloak, options, events).await?;
    events.note("Keycloak builds itself at each start: `authlab server-binaries build --image` makes an image that starts in seconds");
    Ok(KeycloakImage::Official(images.keycloak.to_string()))
}

/// Keycloak's image, if one is there.
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

/// An error in one line: where nobody asked for containers, their absence is no more than a remark.
fn in_short(error: &EngineError) -> String {
    match error {
        EngineError::NoEngine { .. } => "no container engine answers".to_owned(),
        other => other.to_string(),
    }
}
