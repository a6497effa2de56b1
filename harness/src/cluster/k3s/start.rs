//! Starting k3s in a container, until its API server is ready.
//!
//! The main function is [`start`]; the container belongs to the lab by its labels, and is removed by [`Distribution::stop`] or a sweep.

use authlab_testcontainers::description::k3s::{PORT, SETTINGS};

use super::arguments::arguments;
use super::read_back::{Directory, read_back};
use crate::cluster::distribution::LIMIT;
use crate::cluster::error::ClusterError;
use crate::cluster::provisions::Provisions;
use crate::cluster::{ApiServer, Authorities, Distribution, Inputs, MAIN, Setting, Started};
use crate::engine::{Container, ContainerSpec, Scope};
use crate::event::Events;
use crate::process::wait::{Condition, WaitError, until};

/// Starts k3s from `image` in `scope`, and waits until its API server is ready.
///
/// # Errors
/// The image is missing, k3s exits, or is not ready in time; it is then removed completely.
pub async fn start(scope: &Scope, image: &str, inputs: Inputs<'_>, events: &Events) -> Result<Started<Distribution>, ClusterError> {
    events.in_phase("k3s", async |_| started(scope, image, inputs).await).await
}

async fn started(scope: &Scope, image: &str, inputs: Inputs<'_>) -> Result<Started<Distribution>, ClusterError> {
    let provisions = Provisions::write(inputs.directory, &Setting::named(MAIN)?, inputs.version, inputs.places)?;
    let directory = Directory(inputs.directory.join("k3s"));
    fs_err::create_dir_all(&directory.0)?;
    let keys = ["key", "pub"].map(|end| inputs.authorities.file(&format!("service-accounts.{end}")));
    let Scope { engine, network, labels } = scope;
    let spec = ContainerSpec::new(format!("authlab-{}-k3s", labels.lab), image, labels)
        .arguments(arguments(&provisions, &directory.0, (&keys[0], &keys[1])))
        // It runs as the user who runs the lab, so that both can read each other's files.
        .user(engine.own_user())
        .environment("HOME", directory.0.to_string_lossy())
        // It first creates directories there, as any user.
        .in_memory(SETTINGS, "mode=1777")
        .shared(inputs.directory)
        .network(network, &["k3s"])
        .publish(PORT);
    let node = spec.start(engine).await?;
    match ready(&node, &provisions, &directory, inputs.authorities).await {
        Ok((main, authorities)) => {
            let container = node.clone();
            Ok(Started {
                cluster: Distribution::new(node, move || async move { container.remove().await.map_err(ClusterError::from) }),
                main,
                authorities,
            })
        }
        Err(error) => {
            // The first error is the one to report.
            let _ = node.remove().await;
            Err(error)
        }
    }
}

async fn ready(
    node: &Container,
    provisions: &Provisions,
    directory: &Directory,
    ours: &Authorities,
) -> Result<(ApiServer, Authorities), ClusterError> {
    // It ends with the container.
    let _following = node.follow(&provisions.log)?;
    let written = until("the keys of k3s", LIMIT, || async {
        node.expect_running().await?;
        Ok::<_, ClusterError>(match directory.missing() {
            None => Condition::Met(()),
            Some(path) => Condition::NotYet(format!("{} is not there", path.display())),
        })
    });
    written.await.map_err(|error| match error {
        WaitError::Failed(error) => error,
        WaitError::TimedOut { limit, why, .. } => ClusterError::NothingWritten {
            limit,
            why,
            log: provisions.log.clone(),
        },
    })?;
    let mut written = read_back(directory)?;
    written.kubeconfig = written.kubeconfig.published(node.published(PORT).unwrap_or(PORT));
    written.ready(node, provisions, ours).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Minor, Placeholders};
    use crate::engine::{Engine, EngineError, Image, Labels, Presence, Swept};
    use crate::hint::Hint;
    use crate::server_binaries::Versions;
    use crate::server_binaries::images::Images;

    /// Starts k3s if an engine is available; returns whether the image was present, and the result.
    async fn started() -> (bool, Result<(), ClusterError>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let engine = Engine::find(None).await.expect("a container engine");
        let place = tempfile::tempdir().unwrap();
        let labels = Labels::new("k3s-test", place.path());
        let scope = Scope::create(engine, "authlab-k3s-test", labels).await.unwrap();
        let pki = place.path().join("pki");
        std::fs::create_dir(&pki).unwrap();
        let authorities = Authorities::create(&pki, &[]).unwrap();
        let kubernetes = Versions::pinned().newest();
        let images = Images::of(kubernetes, None).unwrap();
        let image = images.k3s.expect("its tag is pinned").to_string();
        let present = matches!(Image::presence(&scope.engine, &image).await.unwrap(), Presence::Present(_));
        let inputs = Inputs {
            directory: place.path(),
            authorities: &authorities,
            version: Minor(kubernetes.version.minor.into()),
            places: &Placeholders::example(),
            main: None,
        };
        let ended = match start(&scope, &image, inputs, &Events::silent()).await {
            Ok(started) => {
                assert!(started.main.url.starts_with("https://127.0.0.1:"), "{:?}", started.main);
                started.cluster.expect_running().await.unwrap();
                started.cluster.stop().await
            }
            Err(error) => Err(error),
        };
        scope.network.clone().remove().await.unwrap();
        let left: Swept = scope.sweep().await.unwrap();
        assert_eq!(left, Swept::default(), "something was left");
        (present, ended)
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a container engine"]
    async fn it_becomes_ready_where_its_image_is_and_says_so_where_it_is_not() {
        match started().await {
            (true, ended) => ended.unwrap(),
            (false, ended) => {
                let error = ended.unwrap_err();
                assert!(matches!(error, ClusterError::Engine(EngineError::ImageMissing { .. })), "{error}");
                assert!(error.hint().unwrap().contains("docker pull docker.io/rancher/k3s:v"), "{error}");
            }
        }
    }
}
