//! The Keycloak of a lab, which starts beside everything else.
//!
//! The main type is [`LabKeycloak`]; [`start`] returns it at once, with what becomes of the start ([`Readiness`]).

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::description::{ContainerDescription, ProcessDescription};
use super::plan::KeycloakPlan;
use super::sabotaged::without_mappers;
use super::watched_scope::ScopeOnDemand;
use super::{Directory, Keycloak, LabError, LabOptions};
use crate::cluster::Authorities;
use crate::event::Events;
use crate::identity_provider::issuer::RealKeys;
use crate::identity_provider::keycloak::{self, Front, KeycloakError, Settings};
use crate::pki::Leaf;

/// A client of Keycloak, or the reason why it could not be started; `None` while it starts.
pub(super) type Readiness = watch::Receiver<Option<Result<Keycloak, Arc<LabError>>>>;

const NAME: &str = "keycloak";

/// Keycloak, starting or running.
#[derive(Debug)]
pub(super) struct LabKeycloak {
    /// Taken by the caller that ends it.
    starting: Mutex<Option<JoinHandle<()>>>,
    /// Aborts the start without waiting.
    giving_up: AbortHandle,
    running: Arc<Mutex<Option<keycloak::Keycloak>>>,
}

impl Drop for LabKeycloak {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl LabKeycloak {
    /// Aborts the start, if it goes on.
    pub(super) fn give_up(&self) {
        self.giving_up.abort();
    }

    /// Ends it, and waits until it is gone.
    pub(super) async fn stop(&self) {
        // A Keycloak that is still being started is killed as its task ends.
        if let Some(starting) = self.starting.lock().await.take() {
            let _given_up = starting.await;
        }
        if let Some(keycloak) = self.running.lock().await.take() {
            keycloak.stop().await;
        }
    }

    /// Returns its container, if it runs in one.
    pub(super) async fn container(&self) -> Option<ContainerDescription> {
        let running = self.running.lock().await;
        let container = running.as_ref()?.container()?;
        Some(ContainerDescription {
            name: NAME.to_owned(),
            id: container.container().id().to_owned(),
        })
    }

    /// Returns its process, if it is one.
    pub(super) async fn process(&self) -> Option<ProcessDescription> {
        let running = self.running.lock().await;
        let pid = running.as_ref()?.pid()?;
        Some(ProcessDescription {
            name: NAME.to_owned(),
            pid,
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

/// The places at which others find Keycloak.
pub(super) struct Published {
    /// Its public address, which holds early requests.
    pub(super) front: Front,
    /// The keys of somebody's realm.
    pub(super) real_keys: RealKeys,
}

/// Returns the readiness of a Keycloak that nobody starts.
pub(super) fn none() -> Readiness {
    let lacks = LabError::Lacks { what: "a Keycloak" };
    watch::channel(Some(Err(Arc::new(lacks)))).1
}

/// Begins to start Keycloak as `plan` says, with the realm and the faults in `options`.
pub(super) async fn start(
    plan: KeycloakPlan,
    scope: &ScopeOnDemand<'_>,
    Published { front, real_keys }: Published,
    directory: &Directory,
    authorities: &Authorities,
    options: &LabOptions,
    events: &Events,
) -> Result<(LabKeycloak, Readiness), LabError> {
    let files = Files {
        directory: directory.below("keycloak")?,
        certificate: authorities.serving_certificate("keycloak")?,
        authority: authorities.serving.certificate().to_owned(),
    };
    let events = events.clone();
    let (sabotage, realm) = (options.sabotage.clone(), options.realm.clone());
    let starting: BoxFuture<'static, Result<keycloak::Keycloak, KeycloakError>> = match plan {
        KeycloakPlan::Process(prepared) => {
            let lab = directory.id().clone();
            async move {
                match &realm {
                    Some(realm) => {
                        let started = keycloak::start_with_realm(&prepared, &lab, files.settings(front), realm, &events).await?;
                        // Before anybody logs in: API servers ask again for keys that they do not know.
                        real_keys.publish(&realm.issuer, &Keycloak::new(&started.description())?.keys().await?);
                        Ok(started)
                    }
                    None => keycloak::start(&prepared, &lab, files.settings(front), &events).await,
                }
            }
            .boxed()
        }
        KeycloakPlan::Container { engine, image } => {
            let scope = scope.in_engine(&engine).await?.scope.clone();
            async move { keycloak::start_in_container(image, &scope, files.settings(front), &events).await }.boxed()
        }
    };
    let running = Arc::new(Mutex::new(None));
    let (tell, readiness) = watch::channel(None);
    let kept = Arc::clone(&running);
    let starting = tokio::spawn(async move {
        let told = match starting.await {
            Ok(keycloak) => {
                let client = Keycloak::new(&keycloak.description());
                *kept.lock().await = Some(keycloak);
                match (client, sabotage) {
                    (Ok(client), Some(sabotage)) => without_mappers(client, &sabotage).await,
                    (client, _) => client,
                }
                .map_err(|error| Arc::new(error.into()))
            }
            Err(error) => Err(Arc::new(error.into())),
        };
        tell.send_replace(Some(told));
        // Callers may ask until the lab ends.
        tell.closed().await;
    });
    let keycloak = LabKeycloak {
        giving_up: starting.abort_handle(),
        starting: Mutex::new(Some(starting)),
        running,
    };
    Ok((keycloak, readiness))
}
