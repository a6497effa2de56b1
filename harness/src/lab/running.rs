//! A running lab, whether this process owns it or not. The main type is [`Lab`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::OnceCell;

use super::attach::{self, not_up};
use super::control::Client;
use super::existing::Guest;
use super::owned::Owned;
use super::provider::Readiness;
use super::{
    Administrator, Call, Directory, Keycloak, LabDescription, LabError, LabOptions, ProcessDescription, UnderWay, WantedCalls, own_servers,
    processes, start,
};
use crate::cluster::{AGGREGATED_API, AGGREGATOR, ApiServer, Authorities, Capabilities, Given, MAIN, Minor, ending_with};
use crate::event::{Events, Exchanges};
use crate::identity_provider::Provider;
use crate::identity_provider::issuer::{Signer, StandInRequest};
use crate::probe::Endpoint;

/// A running lab. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lab(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) description: LabDescription,
    /// `None` in an existing cluster.
    pub(super) authorities: Option<Authorities>,
    /// `None` if the cluster does not trust the harness' issuer.
    pub(super) signer: Option<Signer>,
    pub(super) main: ApiServer,
    pub(super) administrator: Administrator,
    pub(super) further: Mutex<HashMap<String, Arc<OnceCell<ApiServer>>>>,
    pub(super) provider: Readiness,
    pub(super) owner: Owner,
    /// After `owner`: on drop, the servers end before the directory is removed.
    pub(super) directory: Arc<Directory>,
}

/// The process that can start more servers in the lab, and that ends it.
#[derive(Debug)]
pub(super) enum Owner {
    /// This process.
    Us(Box<Owned>),
    /// No process: the cluster existed before; only the objects created in it are ours.
    Guest(Box<Guest>),
    /// Another process, which accepts requests from this one.
    Another(Client),
}

impl Lab {
    /// Starts a lab that this process owns. It is usable as soon as its main API server is ready;
    /// its identity provider may still be starting ([`Lab::provider`] waits for it).
    ///
    /// # Errors
    /// A server cannot be obtained or is not ready in time. Nothing is left running then.
    pub async fn start(options: &LabOptions, events: &Events) -> Result<Self, LabError> {
        start::start(options, events).await
    }

    /// Attaches to the lab `name`, if it stays up and is ready.
    ///
    /// # Errors
    /// Its description cannot be read.
    pub async fn attach(name: &str) -> Result<Option<Self>, LabError> {
        attach::attach(name).await
    }

    /// Attaches to the lab `name`.
    ///
    /// # Errors
    /// It is not up, or is still being started, or its description cannot be read.
    pub async fn existing(name: &str) -> Result<Self, LabError> {
        match Self::attach(name).await? {
            Some(lab) => Ok(lab),
            None => Err(not_up(name)?),
        }
    }

    /// Returns the lab's description.
    pub fn description(&self) -> &LabDescription {
        &self.0.description
    }

    /// Returns the lab's directory.
    pub fn directory(&self) -> &Path {
        self.0.directory.path()
    }

    /// Returns the minor version of Kubernetes.
    pub fn version(&self) -> Minor {
        self.0.description.minor
    }

    /// Returns the capabilities that scenarios can rely on.
    pub fn capabilities(&self) -> Capabilities {
        let description = self.description();
        let capabilities = Capabilities::of(description.cluster, self.version()).observed(description.observed.clone());
        match description.provider {
            Some(provider) => capabilities.without(&provider.facts().called, &provider.facts().lacks),
            None => capabilities,
        }
    }

    /// Returns `true` if it has learners, and work with `options` might grant them rights.
    pub(super) fn is_kept_from(&self, options: &LabOptions) -> bool {
        self.description().learners > 0 && !options.beside_learners
    }

    /// Returns `true` if this process ends it.
    pub fn is_owned(&self) -> bool {
        matches!(self.0.owner, Owner::Us(_))
    }

    /// Returns `true` if it is a lab of authlab that continues when this process ends.
    pub fn goes_on(&self) -> bool {
        matches!(self.0.owner, Owner::Another(_))
    }

    /// Returns the lab's authorities.
    ///
    /// # Errors
    /// The lab uses an existing cluster.
    pub fn authorities(&self) -> Result<&Authorities, LabError> {
        self.0.authorities.as_ref().ok_or(LabError::Lacks {
            what: "authorities of its own",
        })
    }

    /// Returns the signer of the issuer's tokens.
    ///
    /// # Errors
    /// The cluster does not trust the harness' issuer.
    pub fn signer(&self) -> Result<&Signer, LabError> {
        self.0.signer.as_ref().ok_or(LabError::Lacks {
            what: "an issuer of its own",
        })
    }

    /// Returns the main API server.
    pub fn main(&self) -> &ApiServer {
        &self.0.main
    }

    /// Returns the flags of the running `server`, redacted; `None` if its process is not visible.
    #[must_use]
    pub fn flags_of(&self, server: &ApiServer) -> Option<Vec<String>> {
        let place = server.logs.as_ref()?.log.parent()?;
        let own = format!("--cert-dir={}", place.display());
        let seen = processes::servers(self.directory()).into_iter();
        seen.filter(processes::Seen::is_api_server)
            .map(|seen| seen.flags())
            .find(|flags| flags.contains(&own))
    }

    /// Returns the user that may do everything in the cluster.
    pub fn administrator(&self) -> &Administrator {
        &self.0.administrator
    }

    /// Returns the authorities that `server` trusts: the lab's, or its own.
    ///
    /// # Errors
    /// The lab uses an existing cluster, or the server's own authorities cannot be read.
    pub fn authorities_of(&self, server: &ApiServer) -> Result<Authorities, LabError> {
        let authorities = self.authorities()?;
        Ok(match &server.own_authorities {
            Some(own) => authorities.load_apart(own)?,
            None => authorities.clone(),
        })
    }

    /// Returns an administrator of `server`: the lab's, unless the server accepts no credential of the lab.
    ///
    /// # Errors
    /// The server's own authorities cannot be read.
    pub fn administrator_of(&self, server: &ApiServer) -> Result<Administrator, LabError> {
        match &server.own_authorities {
            Some(_) => Administrator::new(server, self.authorities_of(server)?.administrator()?),
            None => Ok(self.administrator().clone()),
        }
    }

    /// Returns the API server with the setting `name`, which is started at its first use.
    ///
    /// # Errors
    /// There is no such setting, the server cannot be started, or the lab has learners.
    pub async fn api_server(&self, name: &str, events: &Events) -> Result<ApiServer, LabError> {
        if name == MAIN {
            return Ok(self.main().clone());
        }
        if self.description().learners > 0 {
            return Err(LabError::BesideLearners { asked: name.to_owned() });
        }
        let cell = {
            let mut further = self.0.further.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(further.entry(name.to_owned()).or_default())
        };
        let started = cell.get_or_try_init(|| async {
            match &self.0.owner {
                Owner::Us(owned) => {
                    if name == AGGREGATED_API {
                        return self.aggregated_api(owned, events).await;
                    }
                    owned.further(name, events).await
                }
                Owner::Guest(_) => Err(LabError::Lacks {
                    what: "API servers that can be started",
                }),
                Owner::Another(client) => {
                    let now = LabDescription::load(self.directory())?;
                    let runs = now.is_some_and(|now| now.api_servers.contains_key(name));
                    // A running server is available at once.
                    let events = if runs { Events::silent() } else { events.clone() };
                    let started = events.in_phase(format!("API server {name}"), async |_| client.api_server(name).await);
                    started.await
                }
            }
        });
        started.await.cloned()
    }

    /// Starts the aggregated API server behind the [`AGGREGATOR`].
    async fn aggregated_api(&self, owned: &Owned, events: &Events) -> Result<ApiServer, LabError> {
        let front = Box::pin(self.api_server(AGGREGATOR, events)).await?;
        let client = self.administrator().at(&front)?.client();
        own_servers::prepare_aggregated_api(&client).await?;
        // One that could not be registered may have been left.
        owned.end_further(AGGREGATED_API).await?;
        let server = owned.further(AGGREGATED_API, events).await?;
        own_servers::register_aggregated_api(&client, &server).await?;
        Ok(server)
    }

    /// Returns the API server that is started with `given`: the main one, one that runs, or a new one.
    ///
    /// # Errors
    /// The server cannot be started ([`LabError::NotAccepted`] if it refuses what it is given), or the lab has learners.
    pub async fn given(&self, given: &Given, events: &Events) -> Result<ApiServer, LabError> {
        let name = given.name();
        if self.description().given.as_ref() == Some(&name) {
            return Ok(self.main().clone());
        }
        given.save(&self.directory().join(start::GIVEN))?;
        match self.api_server(&name, events).await {
            Err(error) if error.is_server_exit() => match start::last_words(self.directory(), &name).await {
                Some(said) => Err(LabError::NotAccepted { said }),
                None => Err(error),
            },
            started => started,
        }
    }

    /// Returns the free space for the lab's files, in bytes; `None` if the file system does not report it.
    #[must_use]
    pub fn free_space(&self) -> Option<u64> {
        self.0.directory.free_space()
    }

    /// Returns the processes of the lab as they are now, without those of a part in which a server is just being started or ended; none if
    /// another process owns the lab.
    pub fn processes(&self) -> Vec<ProcessDescription> {
        match &self.0.owner {
            Owner::Us(owned) => owned.processes_now(),
            Owner::Guest(_) | Owner::Another(_) => Vec::new(),
        }
    }

    /// Returns the requests of API servers for documents of stand-ins since `begin`, in order; none if another process owns the lab.
    pub fn stand_in_requests(&self, begin: SystemTime) -> Vec<StandInRequest> {
        match &self.0.owner {
            Owner::Us(owned) => owned.stand_in_requests(begin),
            Owner::Guest(_) | Owner::Another(_) => Vec::new(),
        }
    }

    /// Returns the requests of API servers to the lab's own servers that `wanted` names, in order: none in a cluster that exists, or if the
    /// lab's owner does not respond.
    pub async fn calls(&self, wanted: &WantedCalls) -> Vec<Call> {
        match &self.0.owner {
            Owner::Us(owned) => owned.account.about(wanted),
            Owner::Another(client) => client.calls(wanted.clone()).await.unwrap_or_default(),
            Owner::Guest(_) => Vec::new(),
        }
    }

    /// Ends the API server that was started with `given` in a lab of this process, unless it is the main one.
    ///
    /// # Errors
    /// Its files cannot be removed.
    pub async fn end_given(&self, given: &Given) -> Result<(), LabError> {
        self.end_api_server(&given.name()).await
    }

    /// Ends the API server with the setting `name` in a lab of this process, and those behind it.
    pub(super) async fn end_api_server(&self, name: &str) -> Result<(), LabError> {
        let mut ended = Ok(());
        for name in ending_with(name) {
            self.0.further.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            if let Owner::Us(owned) = &self.0.owner {
                ended = ended.and(owned.end_further(name).await);
            }
        }
        ended
    }

    /// Announces the run `run` to the owner of a lab that continues; does nothing in another lab. Until the result is dropped, or this
    /// process ends, the lab's API servers stay; then the objects with the run's label are deleted.
    ///
    /// # Errors
    /// The owner does not respond.
    pub async fn begin_run(&self, run: &str) -> Result<Option<UnderWay>, LabError> {
        match &self.0.owner {
            Owner::Another(client) => client.begin_run(run).await.map(Some),
            Owner::Us(_) | Owner::Guest(_) => Ok(None),
        }
    }

    /// Returns Keycloak, once it is ready.
    ///
    /// # Errors
    /// It could not be started, or the identity provider is another one.
    pub async fn keycloak(&self) -> Result<Keycloak, LabError> {
        match self.provider().await? {
            Provider::Keycloak(keycloak) => Ok(keycloak),
            Provider::OidcProvider(_) => Err(LabError::Lacks { what: "a Keycloak" }),
        }
    }

    /// Returns the identity provider, once it is ready.
    ///
    /// # Errors
    /// It could not be started.
    pub async fn provider(&self) -> Result<Provider, LabError> {
        let mut receiver = self.0.provider.clone();
        let known = receiver.wait_for(Option::is_some).await.map_err(|_| LabError::Ended)?;
        match known.as_ref() {
            Some(Ok(provider)) => Ok(provider.clone()),
            Some(Err(error)) => Err(LabError::Shared(Arc::clone(error))),
            None => Err(LabError::Ended),
        }
    }

    /// Returns the auth proxy `name` (`request-headers` or `impersonation`), in front of the main API server.
    ///
    /// # Errors
    /// No auth proxy has that name.
    pub fn auth_proxy(&self, name: &str) -> Result<Endpoint, LabError> {
        let proxies = &self.0.description.auth_proxies;
        let proxy = proxies.get(name).ok_or_else(|| LabError::NoSuchProxy {
            name: name.to_owned(),
            known: proxies.keys().cloned().collect(),
        })?;
        Ok(Endpoint {
            name: format!("{name} proxy"),
            url: proxy.url.clone(),
            authority: self.authorities()?.serving.certificate().to_owned(),
            route: None,
            server: self.main().clone(),
            exchanges: Exchanges::default(),
        })
    }

    /// Waits until all servers are ready.
    ///
    /// # Errors
    /// The identity provider could not be started.
    pub async fn ready(&self) -> Result<(), LabError> {
        self.provider().await.map(|_| ())
    }

    /// Ends a lab that this process owns: every server is gone afterwards, and so is its directory unless it is to be
    /// kept. A lab that belongs to another process continues.
    ///
    /// # Errors
    /// The directory cannot be removed.
    pub async fn end(self, keep: bool) -> Result<(), LabError> {
        match &self.0.owner {
            Owner::Us(owned) => {
                let stopped = owned.stop().await;
                if keep || stopped.is_err() {
                    self.0.directory.keep();
                } else {
                    self.0.directory.remove()?;
                }
                stopped?;
            }
            // Created objects are deleted however the scenarios ended: an existing cluster is no place to keep evidence.
            Owner::Guest(guest) => {
                guest.created.delete(&self.administrator().client()).await?;
                self.0.directory.remove()?;
            }
            Owner::Another(_) => {}
        }
        Ok(())
    }
}
