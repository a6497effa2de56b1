//! The identity provider in a plan. The main type is [`ProviderPlan`].

use super::{LabError, LabOptions, Planner};
use crate::cluster::Driver;
use crate::engine::Engine;
use crate::identity_provider::keycloak::{self, KeycloakImage, Prepared, PreparedImage};
use crate::identity_provider::oidc_provider::{self, Installed};
use crate::identity_provider::{self, Kind};
use crate::server_binaries;
use crate::server_binaries::images::OWN_PREFIX;

/// The programs or images that the identity provider is started from.
pub(in crate::lab) enum ProviderPlan {
    /// An installation of Keycloak.
    Process(Prepared),
    /// An image of Keycloak.
    Container { engine: Engine, image: KeycloakImage },
    /// An installation of node-oidc-provider.
    OidcProvider(Installed),
}

impl ProviderPlan {
    /// Returns the kind.
    pub(in crate::lab) fn kind(&self) -> Kind {
        match self {
            Self::Process(_) | Self::Container { .. } => Kind::Keycloak,
            Self::OidcProvider(_) => Kind::OidcProvider,
        }
    }

    /// Returns the version that the programs or the image have. The tag of an official image is the version that `options` ask for.
    pub(in crate::lab) fn version(&self, options: &LabOptions) -> Result<String, LabError> {
        Ok(match self {
            Self::Process(prepared) => prepared.version().to_owned(),
            Self::Container {
                image: KeycloakImage::Prepared(image),
                ..
            } => image.version.clone(),
            Self::Container {
                image: KeycloakImage::Official(_),
                ..
            } => options.pinned_keycloak()?.version.clone(),
            Self::OidcProvider(_) => oidc_provider::version().to_owned(),
        })
    }

    /// Returns the driver.
    pub(in crate::lab) fn driver(&self) -> identity_provider::Driver {
        match self {
            Self::Process(_) | Self::OidcProvider(_) => identity_provider::Driver::Process,
            Self::Container { .. } => identity_provider::Driver::Container,
        }
    }
}

impl Planner<'_> {
    /// Obtains the identity provider beside a cluster of `cluster`.
    pub(super) async fn identity_provider(&self, cluster: Driver) -> Result<ProviderPlan, LabError> {
        match self.options.provider() {
            Kind::Keycloak => {
                let image = self.keycloak_image(cluster).await?;
                self.keycloak(image).await
            }
            Kind::OidcProvider => {
                let sources = &self.options.server_binaries;
                let installed = oidc_provider::install(sources.cache.as_deref(), sources.offline, self.events).await?;
                Ok(ProviderPlan::OidcProvider(installed))
            }
        }
    }

    /// Obtains Keycloak's image; `None` if it is a process. Beside a cluster of `cluster` in containers it is one, too, if the engine has its
    /// image.
    async fn keycloak_image(&self, cluster: Driver) -> Result<Option<(Engine, KeycloakImage)>, LabError> {
        let image = match self.options.provider_driver() {
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
    pub(super) async fn keycloak(&self, image: Option<(Engine, KeycloakImage)>) -> Result<ProviderPlan, LabError> {
        if let Some((engine, image)) = image {
            return Ok(ProviderPlan::Container { engine, image });
        }
        let sources = &self.options.server_binaries;
        let home = server_binaries::obtain_keycloak(self.options.pinned_keycloak()?, sources, self.events).await?;
        Ok(ProviderPlan::Process(keycloak::prepare(&home.directory, self.events).await?))
    }
}
