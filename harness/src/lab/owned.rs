//! The servers of a lab that this process runs, and their end. The main type is [`Owned`].

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::LabError;
use super::cluster::Cluster;
use super::description::{ContainerDescription, ProcessDescription};
use super::provider::LabProvider;
use super::watched_scope::WatchedScope;
use crate::access_webhook::AccessWebhook;
use crate::auth_proxy::AuthProxy;
use crate::cluster::{ApiServer, Given, Setting};
use crate::event::Events;
use crate::identity_provider::issuer::{Detour, Egress, Issuer, StandInRequest};
use crate::listener::Account;
use crate::server_binaries::ServerBinaries;
use crate::token_webhook::TokenWebhook;

/// The servers of a lab that this process runs. Taken from here, each ends; what is in containers is removed with the scope.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) cluster: tokio::sync::Mutex<Option<Cluster>>,
    pub(super) provider: Option<LabProvider>,
    /// The directory with what API servers beside those of the fixtures are started with ([`Given`]).
    pub(super) given: PathBuf,
    pub(super) issuer: Mutex<Option<(Issuer, Egress, Detour)>>,
    pub(super) token_webhook: Mutex<Option<TokenWebhook>>,
    pub(super) access_webhook: Mutex<Option<AccessWebhook>>,
    /// The requests of API servers to the issuer, the identity provider and the webhooks.
    pub(super) account: Account,
    pub(super) proxies: Mutex<Vec<AuthProxy>>,
    pub(super) scope: tokio::sync::Mutex<Option<WatchedScope>>,
    /// They stay in the cache as long as the lab lives.
    pub(super) _programs: Option<ServerBinaries>,
}

impl Owned {
    /// Starts the API server with the setting `name`.
    pub(super) async fn further(&self, name: &str, events: &Events) -> Result<ApiServer, LabError> {
        let directory = self.given.as_path();
        let given = Given::load(directory, name).map_err(|source| LabError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let setting = match given {
            Some(given) => Setting::given(name, given),
            None => Setting::named(name)?,
        };
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
        if let Some(provider) = &self.provider {
            provider.give_up();
        }
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let cluster = async {
            match self.cluster.lock().await.take() {
                Some(cluster) => cluster.stop().await,
                None => Ok(()),
            }
        };
        let provider = async {
            if let Some(provider) = &self.provider {
                provider.stop().await;
            }
        };
        let (stopped, ()) = futures::join!(cluster, provider);
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.token_webhook.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.access_webhook.lock().unwrap_or_else(PoisonError::into_inner).take();
        match self.scope.lock().await.take() {
            // Servers that could not be stopped individually are removed here, or reported.
            Some(scope) => scope.end().await,
            None => stopped,
        }
    }

    /// Returns the requests for documents of stand-ins since `begin`, in order.
    pub(super) fn stand_in_requests(&self, begin: SystemTime) -> Vec<StandInRequest> {
        let running = self.issuer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((issuer, _, detour)) = running.as_ref() else {
            return Vec::new();
        };
        let mut requests = issuer.stand_in_requests(begin);
        requests.extend(detour.stand_in_requests(begin));
        requests.sort_by_key(|request| request.at);
        requests
    }

    /// Returns the name and id of every container.
    pub(super) async fn containers(&self) -> Vec<ContainerDescription> {
        let cluster = self.cluster.lock().await.as_ref().map(Cluster::containers).unwrap_or_default();
        let provider = match &self.provider {
            Some(provider) => provider.container().await,
            None => None,
        };
        cluster.into_iter().chain(provider).collect()
    }

    /// Returns the processes as they are now, without those of a part in which a server is just being started or ended.
    pub(super) fn processes_now(&self) -> Vec<ProcessDescription> {
        let cluster = self.cluster.try_lock().ok();
        let cluster = cluster.as_ref().and_then(|cluster| cluster.as_ref()).map(Cluster::processes);
        let provider = self.provider.as_ref().and_then(LabProvider::process_now);
        cluster.into_iter().flatten().chain(provider).collect()
    }

    /// Returns the process of every server.
    pub(super) async fn processes(&self) -> Vec<ProcessDescription> {
        let cluster = self.cluster.lock().await.as_ref().map(Cluster::processes).unwrap_or_default();
        let provider = match &self.provider {
            Some(provider) => provider.process().await,
            None => None,
        };
        cluster.into_iter().chain(provider).collect()
    }

    /// Returns the address of the engine, if anything runs in containers.
    pub(super) async fn engine(&self) -> Option<String> {
        let scope = self.scope.lock().await;
        scope.as_ref().map(|watched| watched.scope.engine.address().to_owned())
    }
}
