//! A cluster that a distribution starts in one container, its node.
//!
//! The main type is [`Distribution`]. Distributions differ in how the node is made and removed, and in where they write what is read
//! back ([`Written`]).

use std::fmt;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::error::ClusterError;
use super::provisions::Provisions;
use super::readiness::ready;
use super::{ApiServer, Authorities, LogDelay, ReadBack};
use crate::engine::Container;
use crate::kubeconfig::AdministratorKubeconfig;

/// The time limit for the node's files and for its API server: ten times what a slow machine needs.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

type Removal = Box<dyn FnOnce() -> BoxFuture<'static, Result<(), ClusterError>> + Send + Sync>;

/// A running node. Dropping it removes nothing: its container is found by its labels, or by the name of its cluster.
pub struct Distribution {
    node: Container,
    removal: Removal,
}

impl fmt::Debug for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Distribution").field(&self.node).finish()
    }
}

impl Distribution {
    /// Returns the cluster of `node`, which `removal` removes.
    pub(super) fn new<F>(node: Container, removal: impl FnOnce() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), ClusterError>> + Send + 'static,
    {
        Self {
            node,
            removal: Box::new(move || removal().boxed()),
        }
    }

    /// Fails if it no longer runs.
    ///
    /// # Errors
    /// Its exit status, and the last lines of its log.
    pub async fn expect_running(&self) -> Result<(), ClusterError> {
        Ok(self.node.expect_running().await?)
    }

    /// Returns name and container id of its node.
    pub fn containers(&self) -> Vec<(String, String)> {
        vec![(self.node.name().to_owned(), self.node.id().to_owned())]
    }

    /// Removes it, and waits until it is gone.
    ///
    /// # Errors
    /// The engine, or the distribution's command, fails.
    pub async fn stop(self) -> Result<(), ClusterError> {
        (self.removal)().await
    }
}

/// The files that a distribution wrote for its administrator.
#[derive(Clone, Debug)]
pub struct Written {
    /// The kubeconfig.
    pub kubeconfig: AdministratorKubeconfig,
    /// The authorities that the distribution made.
    pub authorities: ReadBack,
}

impl Written {
    /// Waits until the API server in `node`, at the kubeconfig's address, is ready. Returns `ours` with the distribution's own authorities in them.
    pub(super) async fn ready(
        self,
        node: &Container,
        provisions: &Provisions,
        ours: &Authorities,
    ) -> Result<(ApiServer, Authorities), ClusterError> {
        let authorities = ours.read_back(&self.authorities)?;
        // Another program forwards the log, line by line.
        let server = provisions.api_server(self.kubeconfig.server, self.kubeconfig.serving_authority, LogDelay::PassedOn);
        let running = || async { node.expect_running().await.map_err(ClusterError::from) };
        ready(&server, &authorities.administrator()?, LIMIT, running).await?;
        Ok((server, authorities))
    }
}
