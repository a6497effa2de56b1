//! Keycloak in a plan. The main type is [`KeycloakPlan`].

use super::{LabError, Planner};
use crate::cluster::Driver;
use crate::engine::Engine;
use crate::identity_provider;
use crate::identity_provider::keycloak::{self, KeycloakImage, Prepared, PreparedImage};
use crate::server_binaries;
use crate::server_binaries::images::OWN_PREFIX;

/// The programs or images that Keycloak is started from.
pub(in crate::lab) enum KeycloakPlan {
    /// An installation.
    Process(Prepared),
    /// An image.
    Container { engine: Engine, image: KeycloakImage },
}

impl KeycloakPlan {
    /// Returns the driver.
    pub(in crate::lab) fn driver(&self) -> identity_provider::Driver {
        match self {
            Self::Process(_) => identity_provider::Driver::Process,
            Self::Container { .. } => identity_provider::Driver::Container,
        }
    }
}

impl Planner<'_> {
    /// Obtains Keycloak's image; `None` if it is a process. Beside a cluster of `cluster` in containers it is one, too, if the engine has its
    /// image.
    pub(super) async fn keycloak_image(&self, cluster: Driver) -> Result<Option<(Engine, KeycloakImage)>, LabError> {
        let image = match self.options.identity_provider {
            Some(identity_provider::Driver::Container) => Some(self.obtained().await?),
            None if cluster.runs_in_containers() => self.found().await?,
            None | Some(identity_provider::Driver::Process | identity_provider::Driver::Existing) => None,
        };
        Ok(match image {
            Some(image) => Some((self.engine().await?.clone(), image)),
            None => None,
        })
    }

    /// Returns Keycloak's image: the prepared one if there is one, else the official one, fetched if needed.
    async fn obtained(&self) -> Result<KeycloakImage, LabError> {
        if let Some(image) = self.prepared().await? {
            return Ok(image);
        }
        let image = self.obtain(&self.images.keycloak).await?;
        self.events
            .note("Keycloak builds itself at each start: `authlab server-binaries build --image` makes an image that starts in seconds");
        Ok(KeycloakImage::Official(image))
    }

    /// Returns Keycloak's image, if the engine has one.
    pub(super) async fn found(&self) -> Result<Option<KeycloakImage>, LabError> {
        if let Some(image) = self.prepared().await? {
            return Ok(Some(image));
        }
        let there = self.has(&self.images.keycloak).await?;
        Ok(there.then(|| KeycloakImage::Official(self.images.keycloak.to_string())))
    }

    async fn prepared(&self) -> Result<Option<KeycloakImage>, LabError> {
        let prefix = self.options.server_binaries.image_prefix.as_deref().unwrap_or(OWN_PREFIX);
        let version = &self.options.pinned_keycloak()?.version;
        let found = PreparedImage::find(self.engine().await?, prefix, version).await?;
        Ok(found.map(KeycloakImage::Prepared))
    }

    /// Prepares Keycloak, unless it runs from an image.
    pub(super) async fn keycloak(&self, image: Option<(Engine, KeycloakImage)>) -> Result<KeycloakPlan, LabError> {
        if let Some((engine, image)) = image {
            return Ok(KeycloakPlan::Container { engine, image });
        }
        let sources = &self.options.server_binaries;
        let home = server_binaries::obtain_keycloak(self.options.pinned_keycloak()?, sources, self.events).await?;
        Ok(KeycloakPlan::Process(keycloak::prepare(&home.directory, self.events).await?))
    }
}
