//! The servers of a lab that this process runs, and their end. The main type is [`Owned`].

use std::sync::{Mutex, PoisonError};

use super::LabError;
use super::cluster::Cluster;
use super::description::{ContainerDescription, ProcessDescription};
use super::keycloak::LabKeycloak;
use super::watched_scope::WatchedScope;
use crate::auth_proxy::AuthProxy;
use crate::cluster::{ApiServer, Setting};
use crate::event::Events;
use crate::identity_provider::issuer::{Egress, Issuer};
use crate::server_binaries::ServerBinaries;
use crate::token_webhook::TokenWebhook;

/// The servers of a lab that this process runs. Taken from here, each ends; what is in containers is removed with the scope.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) cluster: tokio::sync::Mutex<Option<Cluster>>,
    pub(super) keycloak: LabKeycloak,
    pub(super) issuer: Mutex<Option<(Issuer, Egress)>>,
    pub(super) token_webhook: Mutex<Option<TokenWebhook>>,
    pub(super) proxies: Mutex<Vec<AuthProxy>>,
    pub(super) scope: tokio::sync::Mutex<Option<WatchedScope>>,
    /// They stay in the cache as long as the lab lives.
    pub(super) _programs: Option<ServerBinaries>,
}

impl Owned {
    /// Starts the API server with the setting `name`.
    pub(super) async fn further(&self, name: &str, events: &Events) -> Result<ApiServer, LabError> {
        let setting = Setting::named(name)?;
        let mut cluster = self.cluster.lock().await;
        cluster.as_mut().ok_or(LabError::Ended)?.further(&setting, events).await
    }

    /// Ends the API server with the setting `name`.
    pub(super) async fn end_further(&self, name: &str) -> Result<(), LabError> {
        match self.cluster.lock().await.as_mut() {
            Some(cluster) => cluster.end_further(name).await,
            None => Ok(()),
        }
    }

    /// Ends every server and waits until they are gone.
    ///
    /// # Errors
    /// A container could not be removed.
    pub(super) async fn stop(&self) -> Result<(), LabError> {
        self.keycloak.give_up();
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let cluster = async {
            match self.cluster.lock().await.take() {
                Some(cluster) => cluster.stop().await,
                None => Ok(()),
            }
        };
        let (stopped, ()) = futures::join!(cluster, self.keycloak.stop());
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.token_webhook.lock().unwrap_or_else(PoisonError::into_inner).take();
        match self.scope.lock().await.take() {
            // Servers that could not be stopped individually are removed here, or reported.
            Some(scope) => scope.end().await,
            None => stopped,
        }
    }

    /// Returns the name and id of every container.
    pub(super) async fn containers(&self) -> Vec<ContainerDescription> {
        let cluster = self.cluster.lock().await.as_ref().map(Cluster::containers).unwrap_or_default();
        cluster.into_iter().chain(self.keycloak.container().await).collect()
    }

    /// Returns the name and process id of every server.
    pub(super) async fn processes(&self) -> Vec<ProcessDescription> {
        let cluster = self.cluster.lock().await.as_ref().map(Cluster::processes).unwrap_or_default();
        cluster.into_iter().chain(self.keycloak.process().await).collect()
    }

    /// Returns the address of the engine, if anything runs in containers.
    pub(super) async fn engine(&self) -> Option<String> {
        let scope = self.scope.lock().await;
        scope.as_ref().map(|watched| watched.scope.engine.address().to_owned())
    }
}
