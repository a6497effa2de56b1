//! Networks of one's own, each a bridge with a gateway that is an address of this machine. The main type is [`Network`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use bollard::errors::Error as Answered;
use bollard::models::{NetworkCreateRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder};

use super::error::classify;
use super::{Engine, EngineError, Kind, Labels, Said};
use crate::process::wait::{Condition, WaitError, until};

/// How long the last container's end may keep a network from being removed.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);

/// A network that was made. Dropping it removes nothing: call [`Network::remove`], or sweep by its labels.
#[derive(Clone, Debug)]
pub struct Network {
    engine: Engine,
    id: String,
    name: String,
    gateway: Option<IpAddr>,
}

impl Network {
    /// Makes a bridge called `name`. Whatever is published from it listens on loopback alone, even without being told so.
    ///
    /// # Errors
    /// The name is taken, or the engine refuses.
    pub async fn create(engine: &Engine, name: &str, labels: &Labels) -> Result<Self, EngineError> {
        let doing = format!("the creation of the network {name}");
        let failed = |error| classify(engine.doing(&doing), error);
        // Podman binds where each port says, and knows no such option.
        let options = (engine.kind() != Kind::Podman)
            .then(|| HashMap::from([("com.docker.network.bridge.host_binding_ipv4".to_owned(), "127.0.0.1".to_owned())]));
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            options,
            labels: Some(labels.to_map()),
            ..NetworkCreateRequest::default()
        };
        let id = engine.docker().create_network(request).await.map_err(failed)?.id;
        let mut network = Self {
            engine: engine.clone(),
            id,
            name: name.to_owned(),
            gateway: None,
        };
        match network.settle().await {
            Ok(()) => Ok(network),
            Err(error) => {
                // The first error is the one to tell.
                let _ = network.remove().await;
                Err(error)
            }
        }
    }

    /// Refuses a second network of the same name, which engines before version 1.44 of the interface make without a word, and
    /// learns the gateway.
    async fn settle(&mut self) -> Result<(), EngineError> {
        let doing = format!("the creation of the network {}", self.name);
        let failed = |error| classify(self.engine.doing(&doing), error);
        let named = HashMap::from([("name".to_owned(), vec![self.name.clone()])]);
        let options = ListNetworksOptionsBuilder::default().filters(&named).build();
        let there = self.engine.docker().list_networks(Some(options)).await.map_err(failed)?;
        // The filter takes parts of names, too.
        if there.iter().filter(|network| network.name.as_ref() == Some(&self.name)).count() > 1 {
            let said = Said::new(None, "there is a network of that name already");
            return Err(EngineError::NameTaken { doing, said });
        }
        let found = self.engine.docker().inspect_network(&self.id, None::<InspectNetworkOptions>);
        let subnets = found.await.map_err(failed)?.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let mut gateways = subnets.into_iter().filter_map(|subnet| {
            // Some engines write the length of the prefix behind it.
            subnet.gateway?.split('/').next()?.parse::<IpAddr>().ok()
        });
        self.gateway = gateways.find(IpAddr::is_ipv4);
        Ok(())
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of its gateway: where the engine shares this machine's kernel, an address that can be listened on here and that
    /// only this network's containers, and this machine, reach.
    #[must_use]
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Removes it. One that is gone already is fine.
    ///
    /// # Errors
    /// A container still uses it, or the engine refuses.
    pub async fn remove(self) -> Result<(), EngineError> {
        remove(&self.engine, &self.id).await.map(drop)
    }
}

/// Removes the network `id` and says whether it was there; waits for containers that are about to leave it.
pub(super) async fn remove(engine: &Engine, id: &str) -> Result<bool, EngineError> {
    let doing = format!("the removal of the network {id}");
    let removed = until(&doing, RELEASE_LIMIT, || async {
        match engine.docker().remove_network(id).await {
            Ok(()) => Ok(Condition::Met(true)),
            Err(Answered::DockerResponseServerError { status_code: 404, .. }) => Ok(Condition::Met(false)),
            Err(Answered::DockerResponseServerError { message, .. }) if message.contains("active endpoints") => {
                Ok(Condition::NotYet(message))
            }
            Err(error) => Err(classify(engine.doing(&doing), error)),
        }
    });
    removed.await.map_err(|error| match error {
        WaitError::Failed(error) => error,
        WaitError::TimedOut { why, .. } => EngineError::Other {
            said: Said::new(None, &why),
            doing: doing.clone(),
        },
    })
}

/// Takes the container `container` off the network `id`. One that is gone is fine.
pub(super) async fn disconnect(engine: &Engine, id: &str, container: &str) -> Result<(), EngineError> {
    let request = NetworkDisconnectRequest {
        container: container.to_owned(),
        force: Some(true),
    };
    match engine.docker().disconnect_network(id, request).await {
        Ok(()) | Err(Answered::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) => Err(classify(engine.doing(&format!("taking a container off the network {id}")), error)),
    }
}
