//! Finding authlab's things by their labels, and removing them. The main function is [`sweep`].

use std::collections::HashMap;

use bollard::errors::Error as Answered;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures::future::join_all;

use super::error::classify;
use super::{Engine, EngineError, Filter, Labels, container, labels, network};
use crate::owner::LabId;

/// The kind of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThingKind {
    /// A container, running or not.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

/// A container, network or volume that authlab made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// The thing's kind.
    pub kind: ThingKind,
    /// The engine's id for the thing.
    pub id: String,
    /// The thing's name.
    pub name: String,
    /// The thing's labels; `None` if they name no owner.
    pub labels: Option<Labels>,
}

/// The number of things removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Containers.
    pub containers: usize,
    /// Networks.
    pub networks: usize,
    /// Volumes.
    pub volumes: usize,
}

impl Swept {
    /// Returns the total number of things.
    #[must_use]
    pub fn total(&self) -> usize {
        self.containers + self.networks + self.volumes
    }
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, more: Self) {
        self.containers += more.containers;
        self.networks += more.networks;
        self.volumes += more.volumes;
    }
}

/// Returns the things that match `filter`.
///
/// # Errors
/// The engine cannot list them.
pub async fn found(engine: &Engine, filter: &Filter) -> Result<Vec<Thing>, EngineError> {
    let failed = |error| classify(engine.doing("listing what authlab made"), error);
    let labels = filter.to_map();
    let docker = engine.docker();
    let containers = ListContainersOptionsBuilder::default().all(true).filters(&labels).build();
    let networks = ListNetworksOptionsBuilder::default().filters(&labels).build();
    let volumes = ListVolumesOptionsBuilder::default().filters(&labels).build();
    let (containers, networks, volumes) = futures::try_join!(
        docker.list_containers(Some(containers)),
        docker.list_networks(Some(networks)),
        docker.list_volumes(Some(volumes)),
    )
    .map_err(failed)?;
    let mut containers: Vec<(ContainerSummary, Option<Labels>)> = containers
        .into_iter()
        .map(|container| {
            let labels = container.labels.as_ref().and_then(Labels::from_map);
            (container, labels)
        })
        .collect();
    // Other programs that work for a lab (`kind`) create containers on its network with their own labels, in which the lab's id is part of
    // a name. Any other container on the network was attached by a person.
    for network in &networks {
        let Some(labels) = network.labels.as_ref().and_then(Labels::from_map) else {
            continue;
        };
        let on_it = on_network(engine, network.id.as_deref().unwrap_or_default()).await?;
        for container in on_it.into_iter().filter(|container| works_for(container, &labels.id)) {
            if containers.iter().all(|(known, _)| known.id != container.id) {
                containers.push((container, Some(labels.clone())));
            }
        }
    }
    // The lab's network may be gone before such a program has finished creating containers.
    if let Some(id) = filter.id() {
        for container in of_kind(engine).await?.into_iter().filter(|container| works_for(container, &id)) {
            if containers.iter().all(|(known, _)| known.id != container.id) {
                containers.push((container, None));
            }
        }
    }
    let containers = containers.into_iter().map(|(container, labels)| Thing {
        kind: ThingKind::Container,
        id: container.id.unwrap_or_default(),
        // Names of containers begin with a slash.
        name: container
            .names
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        labels,
    });
    let networks = networks.into_iter().map(|network| Thing {
        kind: ThingKind::Network,
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        labels: network.labels.as_ref().and_then(Labels::from_map),
    });
    let volumes = volumes.volumes.unwrap_or_default().into_iter().map(|volume| Thing {
        kind: ThingKind::Volume,
        id: volume.name.clone(),
        name: volume.name,
        labels: Labels::from_map(&volume.labels),
    });
    Ok(containers.chain(networks).chain(volumes).collect())
}

/// Lists the containers on the network `id`, running or not.
async fn on_network(engine: &Engine, id: &str) -> Result<Vec<ContainerSummary>, EngineError> {
    let attached = HashMap::from([("network".to_owned(), vec![id.to_owned()])]);
    let attached = ListContainersOptionsBuilder::default().all(true).filters(&attached).build();
    let listed = engine.docker().list_containers(Some(attached)).await;
    listed.map_err(|error| classify(engine.doing("listing what is on a network of authlab"), error))
}

/// The label that `kind` sets on its nodes, with the name of their cluster (sigs.k8s.io/kind
/// `pkg/cluster/internal/providers/common/constants.go`); a lab's cluster is named after the lab, see `cluster::kind::cluster_name`.
const KIND_CLUSTER: &str = "io.x-k8s.kind.cluster";

/// Lists the nodes of all clusters of `kind`, running or not.
async fn of_kind(engine: &Engine) -> Result<Vec<ContainerSummary>, EngineError> {
    let labelled = HashMap::from([("label".to_owned(), vec![KIND_CLUSTER.to_owned()])]);
    let nodes = ListContainersOptionsBuilder::default().all(true).filters(&labelled).build();
    let listed = engine.docker().list_containers(Some(nodes)).await;
    listed.map_err(|error| classify(engine.doing("listing the nodes of kind's clusters"), error))
}

/// Returns `true` for a container with a label that contains the lab's short id.
fn works_for(container: &ContainerSummary, id: &LabId) -> bool {
    let mut labels = container.labels.iter().flatten();
    labels.any(|(_, value)| value.contains(id.short()))
}

/// Returns `true` for a container made by authlab, or for the lab that `labels` name.
fn is_ours(container: &ContainerSummary, labels: Option<&Labels>) -> bool {
    let made_by_authlab = container.labels.as_ref().is_some_and(labels::are_ours);
    made_by_authlab || labels.is_some_and(|labels| works_for(container, &labels.id))
}

/// Removes the things that match `filter`: containers (killed if necessary) with their volumes, then networks and volumes. Returns how many
/// it removed; things that others remove meanwhile are not counted, and finding nothing is not an error.
///
/// # Errors
/// The first failure to remove a thing; the other things are removed all the same.
pub async fn sweep(engine: &Engine, filter: &Filter) -> Result<Swept, EngineError> {
    let things = found(engine, filter).await?;
    let (swept, failed) = remove_all(engine, &things).await;
    failed.map_or(Ok(swept), Err)
}

/// Removes `things`, as [`sweep`] does; returns the number removed and the first error. Disconnects other people's containers from a
/// network before removing it.
pub async fn remove_all(engine: &Engine, things: &[Thing]) -> (Swept, Option<EngineError>) {
    let mut swept = Swept::default();
    let mut failed = None;
    // A network can only be removed after its containers.
    for kind in [ThingKind::Container, ThingKind::Network, ThingKind::Volume] {
        let removals = things.iter().filter(|thing| thing.kind == kind).map(|thing| remove(engine, thing));
        for removed in join_all(removals).await {
            match (removed, kind) {
                (Ok(false), _) => {}
                (Ok(true), ThingKind::Container) => swept.containers += 1,
                (Ok(true), ThingKind::Network) => swept.networks += 1,
                (Ok(true), ThingKind::Volume) => swept.volumes += 1,
                (Err(error), _) => failed = failed.or(Some(error)),
            }
        }
    }
    (swept, failed)
}

/// Removes one thing, and returns whether it existed.
async fn remove(engine: &Engine, thing: &Thing) -> Result<bool, EngineError> {
    match thing.kind {
        ThingKind::Container => container::remove(engine, &thing.id).await,
        ThingKind::Network => {
            let on_it = on_network(engine, &thing.id).await?;
            // A container of ours that was made meanwhile is found by the next sweep, but only through its network if `kind` made it.
            for stranger in on_it.iter().filter(|container| !is_ours(container, thing.labels.as_ref())) {
                network::disconnect(engine, &thing.id, stranger.id.as_deref().unwrap_or_default()).await?;
            }
            network::remove(engine, &thing.id).await
        }
        ThingKind::Volume => {
            let options = RemoveVolumeOptionsBuilder::default().force(true).build();
            match engine.docker().remove_volume(&thing.id, Some(options)).await {
                Ok(()) => Ok(true),
                Err(Answered::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
                Err(error) => Err(classify(engine.doing(&format!("the removal of the volume {}", thing.name)), error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::super::fake::{Fake, answer, introduction};
    use super::*;

    /// Starts an engine with one container, one volume, and one network that is in use for a moment and that has two more containers: one
    /// of a program that works for the lab, and one of a person.
    fn inhabited(labels: &Labels, asked: Arc<Mutex<Vec<String>>>) -> Fake {
        let refusals = Arc::new(AtomicUsize::new(2));
        let network = serde_json::json!([{ "Id": "n1", "Name": "net", "Labels": labels.to_map() }]).to_string();
        let one = serde_json::json!({ "Id": "c1", "Names": ["/one"], "Labels": labels.to_map() });
        let cluster = format!("authlab-{}-{}", labels.lab, labels.id.short());
        let node = serde_json::json!({ "Id": "c2", "Names": ["/node"], "Labels": { "io.x-k8s.kind.cluster": cluster } });
        // This node's network is gone, or the node was never attached to it.
        let stray = serde_json::json!({ "Id": "c4", "Names": ["/stray"], "Labels": { KIND_CLUSTER: cluster } });
        let others = serde_json::json!({ "Id": "c5", "Names": ["/other"], "Labels": { KIND_CLUSTER: "kind" } });
        let nodes = serde_json::json!([stray, others]).to_string();
        let persons = serde_json::json!({ "Id": "c3", "Names": ["/shell"], "Labels": { "what": "a shell of mine" } });
        let on_network = serde_json::json!([one, node, persons]).to_string();
        let listed = serde_json::json!([one]).to_string();
        Fake::start(move |name, body| {
            if let Some(answer) = introduction(name, "1.41") {
                return answer;
            }
            asked.lock().unwrap().push(format!("{name} {body}"));
            let path = name.split('?').next().unwrap_or_default();
            match path {
                "GET /containers/json" if name.contains("network") => answer(200, &on_network),
                "GET /containers/json" if name.contains(KIND_CLUSTER) => answer(200, &nodes),
                "GET /containers/json" => answer(200, &listed),
                "GET /networks" => answer(200, &network),
                "GET /volumes" => answer(
                    200,
                    r#"{"Volumes": [{"Name": "v1", "Driver": "local", "Mountpoint": "x", "Labels": {}, "Options": {}, "Scope": "local"}]}"#,
                ),
                "DELETE /networks/n1"
                    if refusals
                        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                        .is_ok() =>
                {
                    answer(
                        403,
                        r#"{"message": "error while removing network: network net id n1 has active endpoints"}"#,
                    )
                }
                "DELETE /containers/c1"
                | "DELETE /containers/c2"
                | "DELETE /containers/c4"
                | "DELETE /networks/n1"
                | "DELETE /volumes/v1" => answer(204, ""),
                "POST /networks/n1/disconnect" => answer(200, ""),
                _ => answer(500, r#"{"message": "not expected"}"#),
            }
        })
    }

    #[tokio::test]
    async fn everything_with_the_label_goes_and_networks_are_waited_for() {
        let (asked, labels) = (Arc::new(Mutex::new(Vec::new())), Labels::new("blue", "state/blue"));
        let fake = inhabited(&labels, asked.clone());
        let engine = Engine::at(&fake.address(), false).await.unwrap();
        let swept = sweep(&engine, &Filter::owned(&labels)).await.unwrap();
        assert_eq!((swept.containers, swept.networks, swept.volumes), (3, 1, 1));
        let asked = asked.lock().unwrap();
        let mut listed = asked.iter().filter(|name| name.starts_with("GET "));
        assert!(
            listed.all(|name| name.contains(labels.id.as_str()) || name.contains("n1") || name.contains(KIND_CLUSTER)),
            "{asked:?}"
        );
        let deleted: Vec<&str> = asked
            .iter()
            .filter(|name| name.starts_with("DELETE "))
            .map(String::as_str)
            .collect();
        for container in ["c1", "c2", "c4"] {
            let removal = deleted
                .iter()
                .find(|name| name.starts_with(&format!("DELETE /containers/{container}?")));
            let removal = removal.copied().unwrap_or_default();
            assert!(removal.contains("force=true") && removal.contains("v=true"), "{deleted:?}");
        }
        assert_eq!(deleted.iter().filter(|name| name.starts_with("DELETE /networks/n1")).count(), 3);
        // A person's container is only disconnected from the network.
        assert!(deleted.iter().all(|name| !name.contains("/c3")), "{deleted:?}");
        let mut left = asked.iter().filter(|name| name.starts_with("POST /networks/n1/disconnect"));
        assert!(left.all(|name| name.contains(r#""Container":"c3""#)), "{asked:?}");
        assert!(
            asked.iter().any(|name| name.starts_with("POST /networks/n1/disconnect")),
            "{asked:?}"
        );
    }
}
