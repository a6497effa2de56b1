//! The identity provider of a lab, which starts beside everything else.
//!
//! The main type is [`LabProvider`]; [`start`] returns it at once, with what becomes of the start ([`Readiness`]).

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::description::{ContainerDescription, ProcessDescription};
use super::plan::ProviderPlan;
use super::sabotaged::without_mappers;
use super::watched_scope::ScopeOnDemand;
use super::{Directory, Keycloak, LabError, LabOptions, cast};
use crate::cluster::Authorities;
use crate::event::Events;
use crate::identity_provider::issuer::RealKeys;
use crate::identity_provider::keycloak::{self, Front, Settings};
use crate::identity_provider::oidc_provider::{self, OidcProvider, OidcProviderClient, OidcProviderSettings};
use crate::identity_provider::{Kind, Provider};
use crate::listener::Account;
use crate::pki::Leaf;

/// A client of the identity provider, or the reason why it could not be started; `None` while it starts.
pub(super) type Readiness = watch::Receiver<Option<Result<Provider, Arc<LabError>>>>;

/// A running server.
#[derive(Debug)]
enum Server {
    Keycloak(keycloak::Keycloak),
    OidcProvider(OidcProvider),
}

impl Server {
    fn client(&self) -> Result<Provider, LabError> {
        Ok(match self {
            Self::Keycloak(keycloak) => Provider::Keycloak(Keycloak::new(&keycloak.description())?),
            Self::OidcProvider(provider) => Provider::OidcProvider(OidcProviderClient::new(&provider.description())?),
        })
    }

    async fn stop(self) {
        match self {
            Self::Keycloak(keycloak) => keycloak.stop().await,
            Self::OidcProvider(provider) => provider.stop().await,
        }
    }
}

/// An identity provider, starting or running.
#[derive(Debug)]
pub(super) struct LabProvider {
    kind: Kind,
    /// Taken by the caller that ends it.
    starting: Mutex<Option<JoinHandle<()>>>,
    /// Aborts the start without waiting.
    giving_up: AbortHandle,
    running: Arc<Mutex<Option<Server>>>,
}

impl Drop for LabProvider {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl LabProvider {
    /// Aborts the start, if it goes on.
    pub(super) fn give_up(&self) {
        self.giving_up.abort();
    }

    /// Ends it, and waits until it is gone.
    pub(super) async fn stop(&self) {
        // A server that is still being started is killed as its task ends.
        if let Some(starting) = self.starting.lock().await.take() {
            let _given_up = starting.await;
        }
        if let Some(server) = self.running.lock().await.take() {
            server.stop().await;
        }
    }

    /// Returns its container, if it runs in one.
    pub(super) async fn container(&self) -> Option<ContainerDescription> {
        let running = self.running.lock().await;
        let Server::Keycloak(keycloak) = running.as_ref()? else {
            return None;
        };
        let container = keycloak.container()?;
        Some(ContainerDescription {
            name: self.kind.name().to_owned(),
            id: container.container().id().to_owned(),
        })
    }

    /// Returns its process, if it is one.
    pub(super) async fn process(&self) -> Option<ProcessDescription> {
        self.described(self.running.lock().await.as_ref()?)
    }

    /// Returns its process, if it is one; `None` while it is being started or ended.
    pub(super) fn process_now(&self) -> Option<ProcessDescription> {
        self.described(self.running.try_lock().ok()?.as_ref()?)
    }

    fn described(&self, server: &Server) -> Option<ProcessDescription> {
        let child = match server {
            Server::Keycloak(keycloak) => keycloak.child()?,
            Server::OidcProvider(provider) => provider.child(),
        };
        Some(ProcessDescription {
            name: self.kind.name().to_owned(),
            pid: child.pid()?,
            log: Some(child.log().to_owned()),
        })
    }
}

/// The files that the server needs while it starts.
struct Files {
    directory: PathBuf,
    certificate: Leaf,
    authority: String,
}

impl Files {
    fn settings(&self, front: Front) -> Settings<'_> {
        Settings {
            front,
            directory: &self.directory,
            certificate: &self.certificate,
            authority: &self.authority,
        }
    }
}

/// The places at which others find the identity provider.
pub(super) struct Published {
    /// Its public address, which holds early requests.
    pub(super) front: Front,
    /// The keys of somebody's realm.
    pub(super) real_keys: RealKeys,
    /// The account to keep of the requests of API servers, if any.
    pub(super) account: Option<Account>,
}

/// Returns the readiness of an identity provider that nobody starts.
pub(super) fn none() -> Readiness {
    let lacks = LabError::Lacks {
        what: "an identity provider",
    };
    watch::channel(Some(Err(Arc::new(lacks)))).1
}

/// Begins to start the identity provider as `plan` says, with the realm and the faults in `options`.
pub(super) async fn start(
    plan: ProviderPlan,
    scope: &ScopeOnDemand<'_>,
    Published { front, real_keys, account }: Published,
    directory: &Directory,
    authorities: &Authorities,
    options: &LabOptions,
    events: &Events,
) -> Result<(LabProvider, Readiness), LabError> {
    let kind = plan.kind();
    let files = Files {
        directory: directory.below(kind.name())?,
        certificate: authorities.serving_certificate(kind.name())?,
        authority: authorities.serving.certificate().to_owned(),
    };
    let front = match account {
        Some(account) => front.accounted(account, &kind.facts().called, &files.certificate, &files.authority)?,
        None => front,
    };
    let events = events.clone();
    let (sabotage, realm) = (options.sabotage.clone(), options.realm.clone());
    let starting: BoxFuture<'static, Result<Server, LabError>> = match plan {
        ProviderPlan::Process(prepared) => {
            let lab = directory.id().clone();
            async move {
                let started = match &realm {
                    Some(realm) => {
                        let started = keycloak::start_with_realm(&prepared, &lab, files.settings(front), realm, &events).await?;
                        // Before anybody logs in: API servers ask again for keys that they do not know.
                        real_keys.publish(&realm.issuer, &Keycloak::new(&started.description())?.keys().await?);
                        started
                    }
                    None => keycloak::start(&prepared, &lab, files.settings(front), &events).await?,
                };
                Ok(Server::Keycloak(started))
            }
            .boxed()
        }
        ProviderPlan::Container { engine, image } => {
            let scope = scope.in_engine(&engine).await?.scope.clone();
            async move {
                let started = keycloak::start_in_container(image, &scope, files.settings(front), &events).await?;
                Ok(Server::Keycloak(started))
            }
            .boxed()
        }
        ProviderPlan::OidcProvider(installed) => {
            let lab = directory.id().clone();
            async move {
                let people: Vec<(&str, &[String])> = cast::at_the_provider().collect();
                let settings = OidcProviderSettings {
                    front,
                    directory: &files.directory,
                    certificate: &files.certificate,
                    authority: &files.authority,
                    people: &people,
                };
                Ok(Server::OidcProvider(
                    oidc_provider::start(installed, &lab, settings, &events).await?,
                ))
            }
            .boxed()
        }
    };
    let running = Arc::new(Mutex::new(None));
    let (tell, readiness) = watch::channel(None);
    let kept = Arc::clone(&running);
    let starting = tokio::spawn(async move {
        let told = match starting.await {
            Ok(server) => {
                let client = server.client();
                *kept.lock().await = Some(server);
                match (client, sabotage) {
                    (Ok(Provider::Keycloak(client)), Some(sabotage)) => {
                        let changed = without_mappers(client, &sabotage).await;
                        changed.map(Provider::Keycloak).map_err(LabError::from)
                    }
                    (client, _) => client,
                }
                .map_err(Arc::new)
            }
            Err(error) => Err(Arc::new(error)),
        };
        tell.send_replace(Some(told));
        // Callers may ask until the lab ends.
        tell.closed().await;
    });
    let provider = LabProvider {
        kind,
        giving_up: starting.abort_handle(),
        starting: Mutex::new(Some(starting)),
        running,
    };
    Ok((provider, readiness))
}
