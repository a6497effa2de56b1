//! Starting k3s in a container, until its API server is ready.
//!
//! The main type is [`K3s`]; its container belongs to the lab by its labels, and is removed by [`K3s::stop`] or a sweep.

use std::time::Duration;

use super::arguments::{PORT, arguments};
use super::read_back::{Directory, K3sFiles, read_back};
use crate::cluster::error::ClusterError;
use crate::cluster::provisions::{Provisions, Surroundings};
use crate::cluster::readiness::ready;
use crate::cluster::{ApiServer, Authorities, LogDelay, Setting};
use crate::engine::{Container, ContainerSpec};
use crate::event::Events;
use crate::process::wait::{Condition, WaitError, until};

/// The settings directory of k3s' node (k3s-io/k3s `pkg/agent/config/config.go`), used even with `--disable-agent`; root's, in the image.
const SETTINGS: &str = "/etc/rancher";

/// The time limit for k3s to become ready: ten times what a slow machine needs.
const LIMIT: Duration = Duration::from_secs(120);

/// A running k3s.
#[derive(Debug)]
pub struct K3s {
    container: Container,
}

impl K3s {
    /// Starts k3s with `setting`, and waits until its API server is ready. Returns the authorities of `around` with k3s' own in them.
    ///
    /// # Errors
    /// The image is missing, k3s exits, or is not ready in time; it is then removed completely.
    pub async fn start(
        around: Surroundings<'_>,
        setting: &Setting,
        events: &Events,
    ) -> Result<(Self, ApiServer, Authorities), ClusterError> {
        events.in_phase("k3s", async |_| Self::started(around, setting).await).await
    }

    async fn started(around: Surroundings<'_>, setting: &Setting) -> Result<(Self, ApiServer, Authorities), ClusterError> {
        let provisions = Provisions::write(around.directory, setting, around.version, around.places)?;
        let directory = Directory(around.directory.join("k3s"));
        fs_err::create_dir_all(&directory.0)?;
        let keys = ["key", "pub"].map(|end| around.authorities.file(&format!("service-accounts.{end}")));
        let name = format!("authlab-{}-k3s", around.labels.lab);
        let spec = ContainerSpec::new(name, around.images.k3s.to_string(), around.labels)
            .arguments(arguments(&provisions, &directory.0, (&keys[0], &keys[1])))
            // It runs as the user who runs the lab, so that both can read each other's files.
            .user(around.engine.own_user())
            .environment("HOME", directory.0.to_string_lossy())
            // It first creates directories there, as any user.
            .in_memory(SETTINGS, "mode=1777")
            .shared(around.directory)
            .network(around.network, &["k3s"])
            .publish(PORT);
        let container = spec.start(around.engine).await?;
        let k3s = Self { container };
        match k3s.ready(around, &provisions, &directory).await {
            Ok((server, authorities)) => Ok((k3s, server, authorities)),
            Err(error) => {
                // The first error is the one to report.
                let _ = k3s.container.remove().await;
                Err(error)
            }
        }
    }

    async fn ready(
        &self,
        around: Surroundings<'_>,
        provisions: &Provisions,
        directory: &Directory,
    ) -> Result<(ApiServer, Authorities), ClusterError> {
        // It ends with the container.
        let _following = self.container.follow(&provisions.log)?;
        let written = until("the keys of k3s", LIMIT, || async {
            self.container.expect_running().await?;
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
        let K3sFiles { kubeconfig, authorities } = read_back(directory)?;
        let authorities = around.authorities.read_back(&authorities)?;
        let kubeconfig = kubeconfig.published(self.container.published(PORT).unwrap_or(PORT));
        let server = provisions.api_server(kubeconfig.server, kubeconfig.serving_authority, LogDelay::PassedOn);
        ready(&server, &authorities.administrator()?, LIMIT, || async {
            Ok::<_, ClusterError>(self.container.expect_running().await?)
        })
        .await?;
        Ok((server, authorities))
    }

    /// Fails if it no longer runs.
    ///
    /// # Errors
    /// Its exit status, and the last lines of its log.
    pub async fn expect_running(&self) -> Result<(), ClusterError> {
        Ok(self.container.expect_running().await?)
    }

    /// Returns its container.
    pub fn containers(&self) -> Vec<&Container> {
        vec![&self.container]
    }

    /// Removes it, and waits until it is gone.
    ///
    /// # Errors
    /// The engine is no longer available.
    pub async fn stop(self) -> Result<(), ClusterError> {
        Ok(self.container.remove().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{MAIN, Minor, Placeholders};
    use crate::engine::{Engine, EngineError, Image, Labels, Network, Presence, Swept};
    use crate::hint::Hint;
    use crate::server_binaries::Versions;
    use crate::server_binaries::images::Images;

    /// Starts k3s if an engine is available; returns whether the image was present, and the result.
    async fn started() -> (bool, Result<(), ClusterError>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let engine = Engine::find(None).await.expect("a container engine");
        let place = tempfile::tempdir().unwrap();
        let labels = Labels::new("k3s-test", place.path());
        let network = Network::create(&engine, "authlab-k3s-test", &labels).await.unwrap();
        let pki = place.path().join("pki");
        std::fs::create_dir(&pki).unwrap();
        let authorities = Authorities::create(&pki, &[]).unwrap();
        let kubernetes = Versions::pinned().newest();
        let images = Images::of(kubernetes, None).unwrap();
        let image = images.k3s.to_string();
        let present = matches!(Image::presence(&engine, &image).await.unwrap(), Presence::Present(_));
        let around = Surroundings {
            engine: &engine,
            network: &network,
            labels: &labels,
            images: &images,
            directory: place.path(),
            authorities: &authorities,
            version: Minor(kubernetes.version.minor.into()),
            places: &Placeholders::example(),
        };
        let started = K3s::start(around, &Setting::named(MAIN).unwrap(), &Events::silent()).await;
        let ended = match started {
            Ok((k3s, server, _)) => {
                assert!(server.url.starts_with("https://127.0.0.1:"), "{server:?}");
                k3s.expect_running().await.unwrap();
                k3s.stop().await
            }
            Err(error) => Err(error),
        };
        network.remove().await.unwrap();
        let left: Swept = crate::engine::sweep(&engine, &crate::engine::Filter::owned(&labels)).await.unwrap();
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
