//! Starting a cluster with kind, until its API server is ready.
//!
//! The main function is [`start`]. The node is a container that kind made, in the lab's own network; it is removed by
//! [`Distribution::stop`], or found again by the name of its cluster ([`super::cluster_name`]).

use std::path::Path;

use super::command::{KindCommand, cluster_name};
use super::configuration::{Configuration, LOG_RUNNER, configuration};
use super::read_back::{PKI, read_back};
use crate::cluster::error::ClusterError;
use crate::cluster::provisions::Provisions;
use crate::cluster::{Distribution, Inputs, MAIN, Setting, Started};
use crate::engine::{Container, Kind as EngineKind, Scope};
use crate::event::Events;
use crate::owner::LabId;
use crate::pki::write_private;

/// Makes a cluster from the node's `image` by `command`, and waits until its API server is ready.
///
/// # Errors
/// The command fails, the node exits, or its API server is not ready in time; it is then removed completely.
pub async fn start(
    command: &KindCommand,
    scope: &Scope,
    image: &str,
    inputs: Inputs<'_>,
    events: &Events,
) -> Result<Started<Distribution>, ClusterError> {
    events
        .in_phase("kind", async |_| started(command, scope, image, inputs).await)
        .await
}

async fn started(command: &KindCommand, scope: &Scope, image: &str, inputs: Inputs<'_>) -> Result<Started<Distribution>, ClusterError> {
    let provisions = Provisions::write(inputs.directory, &Setting::named(MAIN)?, inputs.version, inputs.places)?;
    let directory = inputs.directory.join("kind");
    let (patches, programs) = (directory.join("patches"), directory.join("programs"));
    for directory in [&patches, &programs] {
        fs_err::create_dir_all(directory)?;
    }
    fs_err::os::unix::fs::symlink(LOG_RUNNER, programs.join("kube-apiserver"))?;
    let name = cluster_name(&scope.labels);
    let Configuration { cluster, patch } = configuration(&name, image, &provisions, inputs.directory, (&patches, &programs));
    write_private(&patches.join(Configuration::PATCH), &patch.to_string())?;
    let (file, kubeconfig) = (directory.join("kind.json"), directory.join("kubeconfig"));
    write_private(&file, &serde_json::to_string_pretty(&cluster).unwrap_or_default())?;
    let command = in_scope(command, scope);
    command.create(&name, &file, &kubeconfig).await?;
    ready(command, name, &kubeconfig, scope, &provisions, inputs).await
}

/// Returns `command` with the environment in which its clusters belong to the lab.
fn in_scope(command: &KindCommand, scope: &Scope) -> KindCommand {
    let address = scope.engine.address();
    let command = command
        .clone()
        // Programs that it starts do not end with it: this variable identifies them when their owner is gone.
        .environment(LabId::VARIABLE, scope.labels.id.as_str())
        .environment("DOCKER_HOST", address)
        // The lab's network instead of the one that all clusters share.
        .environment("KIND_EXPERIMENTAL_DOCKER_NETWORK", scope.network.name());
    match scope.engine.kind() {
        EngineKind::Podman => command
            .environment("KIND_EXPERIMENTAL_PROVIDER", "podman")
            .environment("CONTAINER_HOST", address),
        EngineKind::Docker | EngineKind::DockerDesktop => command,
    }
}

async fn ready(
    command: KindCommand,
    name: String,
    kubeconfig: &Path,
    scope: &Scope,
    provisions: &Provisions,
    inputs: Inputs<'_>,
) -> Result<Started<Distribution>, ClusterError> {
    // On failure or when dropped, it removes the cluster.
    let unfinished = command.unfinished(&name, kubeconfig);
    let node = Container::named(&scope.engine, &format!("{name}-control-plane")).await?;
    let copies = inputs.directory.join("kind");
    node.copy_out(PKI, &copies).await?;
    let written = read_back(kubeconfig, &copies.join("pki"))?;
    let (main, authorities) = written.ready(&node, provisions, inputs.authorities).await?;
    unfinished.finished();
    let kubeconfig = kubeconfig.to_owned();
    let removal = move || async move { command.delete(&name, &kubeconfig).await.map_err(ClusterError::from) };
    Ok(Started {
        cluster: Distribution::new(node, removal),
        main,
        authorities,
    })
}
