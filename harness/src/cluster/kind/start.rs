//! Starting a cluster with kind, until its API server is ready.
//!
//! The main type is [`Kind`]. Its node is a container that kind made, in the lab's own network; it is removed by [`Kind::stop`], or
//! found again by the name of its cluster ([`super::cluster_name`]).

use std::path::PathBuf;
use std::time::Duration;

use super::command::{KindCommand, cluster_name};
use super::configuration::{Configuration, LOG_RUNNER, configuration};
use super::read_back::{NodeFiles, PKI, read_back};
use crate::cluster::error::ClusterError;
use crate::cluster::provisions::{Provisions, Surroundings};
use crate::cluster::readiness::ready;
use crate::cluster::{ApiServer, Authorities, LogDelay, Setting};
use crate::engine::{Container, Image, Kind as EngineKind, Presence};
use crate::event::Events;
use crate::owner::LabId;
use crate::pki::write_private;

/// The time limit for the API server to become ready, once kind has made the cluster.
const LIMIT: Duration = Duration::from_secs(120);

/// Another program forwards the log, line by line.
const LOG_DELAY: LogDelay = LogDelay::PassedOn;

/// A running cluster of kind.
#[derive(Debug)]
pub struct Kind {
    command: KindCommand,
    name: String,
    kubeconfig: PathBuf,
    node: Container,
}

impl Kind {
    /// Makes a cluster with `setting` by `command`, and waits until its API server is ready. Returns the authorities of `around`
    /// with the cluster's own in them.
    ///
    /// # Errors
    /// The command fails, the node exits, or its API server is not ready in time; it is then removed completely.
    pub async fn start(
        command: &KindCommand,
        around: Surroundings<'_>,
        setting: &Setting,
        events: &Events,
    ) -> Result<(Self, ApiServer, Authorities), ClusterError> {
        events
            .in_phase("kind", async |_| Self::started(command, around, setting).await)
            .await
    }

    async fn started(
        command: &KindCommand,
        around: Surroundings<'_>,
        setting: &Setting,
    ) -> Result<(Self, ApiServer, Authorities), ClusterError> {
        let image = image(around).await?;
        let provisions = Provisions::write(around.directory, setting, around.version, around.places)?;
        let directory = around.directory.join("kind");
        let (patches, programs) = (directory.join("patches"), directory.join("programs"));
        for directory in [&patches, &programs] {
            fs_err::create_dir_all(directory)?;
        }
        fs_err::os::unix::fs::symlink(LOG_RUNNER, programs.join("kube-apiserver"))?;
        let name = cluster_name(around.labels);
        let Configuration { cluster, patch } = configuration(&name, &image, &provisions, around.directory, (&patches, &programs));
        write_private(&patches.join(Configuration::PATCH), &patch.to_string())?;
        let (file, kubeconfig) = (directory.join("kind.json"), directory.join("kubeconfig"));
        write_private(&file, &serde_json::to_string_pretty(&cluster).unwrap_or_default())?;

        let mut command = command
            .clone()
            // Programs that it starts do not end with it: this variable identifies them when their owner is gone.
            .environment(LabId::VARIABLE, around.labels.id.as_str())
            .environment("DOCKER_HOST", around.engine.address())
            // The lab's network instead of the one that all clusters share.
            .environment("KIND_EXPERIMENTAL_DOCKER_NETWORK", around.network.name());
        if around.engine.kind() == EngineKind::Podman {
            command = command
                .environment("KIND_EXPERIMENTAL_PROVIDER", "podman")
                .environment("CONTAINER_HOST", around.engine.address());
        }
        command.create(&name, &file, &kubeconfig).await?;
        let (node, server, authorities) = Self::ready(&command, around, &provisions, &name, &kubeconfig).await?;
        let kind = Self {
            command,
            name,
            kubeconfig,
            node,
        };
        Ok((kind, server, authorities))
    }

    async fn ready(
        command: &KindCommand,
        around: Surroundings<'_>,
        provisions: &Provisions,
        name: &str,
        kubeconfig: &std::path::Path,
    ) -> Result<(Container, ApiServer, Authorities), ClusterError> {
        // On failure or when dropped, it removes the cluster.
        let unfinished = command.unfinished(name, kubeconfig);
        let node = Container::named(around.engine, &format!("{name}-control-plane")).await?;
        let copies = around.directory.join("kind");
        node.copy_out(PKI, &copies).await?;
        let NodeFiles { kubeconfig, authorities } = read_back(kubeconfig, &copies.join("pki"))?;
        let authorities = around.authorities.read_back(&authorities)?;
        let server = provisions.api_server(kubeconfig.server, kubeconfig.serving_authority, LOG_DELAY);
        ready(&server, &authorities.administrator()?, LIMIT, || async {
            Ok::<_, ClusterError>(node.expect_running().await?)
        })
        .await?;
        unfinished.finished();
        Ok((node, server, authorities))
    }

    /// Fails if its node no longer runs.
    ///
    /// # Errors
    /// Its exit status, and the last lines of its log.
    pub async fn expect_running(&self) -> Result<(), ClusterError> {
        Ok(self.node.expect_running().await?)
    }

    /// Returns its node.
    pub fn containers(&self) -> Vec<&Container> {
        vec![&self.node]
    }

    /// Removes the cluster, and waits until it is gone.
    ///
    /// # Errors
    /// The command fails.
    pub async fn stop(self) -> Result<(), ClusterError> {
        Ok(self.command.delete(&self.name, &self.kubeconfig).await?)
    }
}

/// Returns the name of the node's image in the engine: an image that was loaded from a file has lost its digest. A missing
/// image is fetched by kind, by digest.
async fn image(around: Surroundings<'_>) -> Result<String, ClusterError> {
    let pinned = around.images.kind_node.to_string();
    let loaded = around.images.kind_node.without_digest().to_string();
    for name in [&pinned, &loaded] {
        if let Presence::Present(image) = Image::presence(around.engine, name).await? {
            image.expect_runnable(around.engine)?;
            return Ok(name.clone());
        }
    }
    Ok(pinned)
}
