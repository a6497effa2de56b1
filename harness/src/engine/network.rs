//! Networks of a lab's own, each a bridge whose gateway is an address of this machine. The main type is [`Network`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use bollard::errors::Error as Answered;
use bollard::models::{NetworkCreateRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder};

use super::error::classify;
use super::{Engine, EngineError, Kind, Labels, Said};
use crate::process::wait::{Condition, WaitError, until};

/// The time limit for the last containers to leave a network that is to be removed.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);

/// A created network. Dropping it removes nothing: call [`Network::remove`], or sweep by its labels.
#[derive(Clone, Debug)]
pub struct Network {
    engine: Engine,
    id: String,
    name: String,
    gateway: Option<IpAddr>,
}

impl Network {
    /// Creates a bridge named `name`. Ports published from it listen on loopback only, without having to request it.
    ///
    /// # Errors
    /// The name is taken, or the engine refuses.
    pub async fn create(engine: &Engine, name: &str, labels: &Labels) -> Result<Self, EngineError> {
        let doing = format!("the creation of the network {name}");
        let failed = |error| classify(engine.doing(&doing), error);
        // Podman binds at the address given for each port, and does not know the option.
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
                // Reports the first error.
                let _ = network.remove().await;
                Err(error)
            }
        }
    }

    /// Refuses a second network of the same name, which engines before API version 1.44 create silently, and reads the gateway.
    async fn settle(&mut self) -> Result<(), EngineError> {
        let doing = format!("the creation of the network {}", self.name);
        let failed = |error| classify(self.engine.doing(&doing), error);
        let named = HashMap::from([("name".to_owned(), vec![self.name.clone()])]);
        let options = ListNetworksOptionsBuilder::default().filters(&named).build();
        let there = self.engine.docker().list_networks(Some(options)).await.map_err(failed)?;
        // The filter also matches parts of names.
        if there.iter().filter(|network| network.name.as_ref() == Some(&self.name)).count() > 1 {
            let said = Said::new(None, "a network of that name already exists");
            return Err(EngineError::NameTaken { doing, said });
        }
        let found = self.engine.docker().inspect_network(&self.id, None::<InspectNetworkOptions>);
        let subnets = found.await.map_err(failed)?.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let mut gateways = subnets.into_iter().filter_map(|subnet| {
            // Some engines append the prefix length.
            subnet.gateway?.split('/').next()?.parse::<IpAddr>().ok()
        });
        self.gateway = gateways.find(IpAddr::is_ipv4);
        Ok(())
    }

    /// Returns the network's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address of the network's gateway. If the engine shares this machine's kernel, programs on this machine can listen there,
    /// and only this network's containers and this machine can reach them.
    #[must_use]
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Removes the network. It is not an error if the network is already gone.
    ///
    /// # Errors
    /// A container still uses the network, or the engine refuses.
    pub async fn remove(self) -> Result<(), EngineError> {
        remove(&self.engine, &self.id).await.map(drop)
    }
}

/// Removes the network `id` and returns whether it existed; waits for containers that are about to leave it.
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

/// Disconnects the container `container` from the network `id`. It is not an error if either is gone.
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
