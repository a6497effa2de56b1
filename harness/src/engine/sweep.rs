//! Finding by label what was made, and removing it. The main function is [`sweep`].

use std::collections::HashMap;

use bollard::errors::Error as Answered;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures::future::join_all;

use super::error::classify;
use super::{Engine, EngineError, Filter, Labels, container, network};

/// Of what kind something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThingKind {
    /// A container, running or not.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

/// Something that authlab made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// Of what kind it is.
    pub kind: ThingKind,
    /// What the engine calls it.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is; `None` when its labels do not say.
    pub labels: Option<Labels>,
}

/// How much was removed.
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
    /// How many things in all.
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

/// What there is that `filter` says.
///
/// # Errors
/// The engine cannot tell.
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
    // On a network of ours everything is ours, also what other programs made there for us with labels of their own (`kind`).
    for network in &networks {
        let labels = network.labels.as_ref().and_then(Labels::from_map);
        let attached = HashMap::from([("network".to_owned(), vec![network.id.clone().unwrap_or_default()])]);
        let attached = ListContainersOptionsBuilder::default().all(true).filters(&attached).build();
        for container in docker.list_containers(Some(attached)).await.map_err(failed)? {
            if containers.iter().all(|(known, _)| known.id != container.id) {
                containers.push((container, labels.clone()));
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

/// Removes what `filter` says: containers, killed if need be and with their volumes, then networks and volumes. Says how much
/// there was; what somebody else removes meanwhile is not counted, and nothing there is fine.
///
/// # Errors
/// The first thing that could not be removed; the others are removed all the same.
pub async fn sweep(engine: &Engine, filter: &Filter) -> Result<Swept, EngineError> {
    let things = found(engine, filter).await?;
    let mut swept = Swept::default();
    let mut failed = None;
    // A network goes only after its containers.
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
    failed.map_or(Ok(swept), Err)
}

/// Removes one thing, and says whether it was there.
async fn remove(engine: &Engine, thing: &Thing) -> Result<bool, EngineError> {
    match thing.kind {
        ThingKind::Container => container::remove(engine, &thing.id).await,
        ThingKind::Network => network::remove(engine, &thing.id).await,
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

    /// An engine with one container, one network that is in use for a moment and that another's container is on, too, and one volume.
    fn inhabited(asked: Arc<Mutex<Vec<String>>>) -> Fake {
        let refusals = Arc::new(AtomicUsize::new(2));
        Fake::start(move |name, _| {
            if let Some(answer) = introduction(name, "1.41") {
                return answer;
            }
            asked.lock().unwrap().push(name.to_owned());
            let path = name.split('?').next().unwrap_or_default();
            match path {
                "GET /containers/json" if name.contains("network") => {
                    answer(200, r#"[{"Id": "c1", "Names": ["/one"]}, {"Id": "c2", "Names": ["/node"]}]"#)
                }
                "GET /containers/json" => answer(200, r#"[{"Id": "c1", "Names": ["/one"]}]"#),
                "GET /networks" => answer(200, r#"[{"Id": "n1", "Name": "net"}]"#),
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
                "DELETE /containers/c1" | "DELETE /containers/c2" | "DELETE /networks/n1" | "DELETE /volumes/v1" => answer(204, ""),
                _ => answer(500, r#"{"message": "not expected"}"#),
            }
        })
    }

    #[tokio::test]
    async fn everything_with_the_label_goes_and_networks_are_waited_for() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let fake = inhabited(asked.clone());
        let engine = Engine::at(&fake.address(), false).await.unwrap();
        let swept = sweep(&engine, &Filter::all()).await.unwrap();
        assert_eq!((swept.containers, swept.networks, swept.volumes), (2, 1, 1));
        let asked = asked.lock().unwrap();
        let listed: Vec<&String> = asked.iter().filter(|name| name.starts_with("GET ")).collect();
        assert!(
            listed.iter().all(|name| name.contains("authlab.managed-by") || name.contains("n1")),
            "{listed:?}"
        );
        let deleted: Vec<&str> = asked
            .iter()
            .filter(|name| name.starts_with("DELETE "))
            .map(String::as_str)
            .collect();
        for container in ["c1", "c2"] {
            let removal = deleted
                .iter()
                .find(|name| name.starts_with(&format!("DELETE /containers/{container}?")));
            let removal = removal.copied().unwrap_or_default();
            assert!(removal.contains("force=true") && removal.contains("v=true"), "{deleted:?}");
        }
        assert_eq!(deleted.iter().filter(|name| **name == "DELETE /networks/n1").count(), 3);
    }
}
