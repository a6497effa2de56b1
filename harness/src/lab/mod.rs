//! A lab is everything started together: one directory, one owner, one end.
//!
//! The main type is [`Lab`]: a cluster with its authorities, the issuer, Keycloak and the auth proxies,
//! whether this process owns them or has attached to a lab that is up. [`with_lab`] is
//! the one scope: what it starts, it ends.

mod access_review;
mod administrator;
mod attach;
mod by_hand;
pub mod cast;
mod choice;
mod cluster;
mod containment;
mod control;
mod description;
mod directory;
mod egress;
mod ending;
mod error;
pub(crate) mod existing;
mod further;
mod seed_objects;
mod issuers;
mod kubeconfigs;
mod kubectl;
mod learners_proxy;
mod leftovers;
mod made;
mod owned;
mod processes;
mod sabotaged;
mod status;
mod supervisor;
mod workplace;

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, watch};

use crate::cluster::{ApiServer, Authorities, Capabilities, Driver, MAIN, Minor};
use crate::event::{Events, Exchanges};
use crate::identity_provider;
use crate::identity_provider::issuer::Signer;
use crate::probe::Endpoint;
use crate::sabotage::Sabotage;
use crate::server_binaries;
use crate::shell_word::quoted;

pub use crate::identity_provider::keycloak::KeycloakClient as Keycloak;
pub use access_review::AccessReview;
pub use administrator::Administrator;
pub use by_hand::{VARIABLES, Variable};
pub use control::UnderWay;
pub use description::{AuthProxyDescription, LabDescription, ProcessDescription};
pub use directory::{Directory, Found, InvalidName, NotALab, Ownership, labs};
pub use ending::{Stopped, TakenDown, take_down};
pub use error::LabError;
pub use existing::{Deleted, ExistingError, InCluster, Login, Survey, Whose, clear as clear_existing, survey};
pub use kubeconfigs::{Form, Plugin};
pub use learners_proxy::LearnersProxyError;
pub(crate) use learners_proxy::kept_of;
pub use leftovers::{Cleared, Clearing, LabElsewhere, OfOthers, clear};
pub use made::{Made, RUN, SCENARIO};
pub use status::{LabState, LabStatus, ServerStatus, status};
pub use supervisor::{supervise, up};
pub use workplace::Workplace;
pub(crate) use workplace::put;

/// The name of the lab that `up` starts and `run` attaches to unless told otherwise.
pub const DEFAULT_NAME: &str = "default";

/// What a lab shall be.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// Its name; a lab that only lives as long as its owner needs none.
    pub name: Option<String>,
    /// How its cluster runs; nobody's wish when not given.
    pub cluster: Option<Driver>,
    /// How its identity provider runs; nobody's wish when not given.
    pub identity_provider: Option<identity_provider::Driver>,
    /// The kubeconfig of the cluster, for [`Driver::Existing`].
    pub kubeconfig: Option<std::path::PathBuf>,
    /// The context of that kubeconfig; its current one when not given.
    pub context: Option<String>,
    /// The issuer and its person, for [`identity_provider::Driver::Existing`].
    pub issuer: Option<identity_provider::existing::Settings>,
    /// The version of Kubernetes, as a person writes it; the newest pinned one when not given.
    pub kubernetes: Option<String>,
    /// The version of Keycloak, as a person writes it; the one that is the default when not given.
    pub keycloak: Option<String>,
    /// Where server binaries may come from.
    pub server_binaries: server_binaries::Options,
    /// Keep the lab's directory also after success.
    pub keep: bool,
    /// It must be a lab of this process: none that is up will do.
    pub own: bool,
    /// How many learners a class has: their limits are kept by a controller more.
    pub learners: u32,
    /// Whether a lab with learners may be used, since the work gives no rights away.
    pub beside_learners: bool,
    /// How long nobody has to have asked a further API server of a lab that stays up, until it ends; two minutes when not given.
    pub idle: Option<Duration>,
    /// What is wrong on purpose, in a lab of processes that this process owns.
    pub sabotage: Option<Arc<Sabotage>>,
}

impl LabOptions {
    /// The version of Kubernetes that is meant.
    ///
    /// # Errors
    /// It is not one of those pinned.
    pub fn pinned(&self) -> Result<&'static server_binaries::Kubernetes, server_binaries::UnknownVersion> {
        server_binaries::Versions::pinned().kubernetes_or_newest(self.kubernetes.as_deref())
    }

    /// The version of Keycloak that is meant.
    ///
    /// # Errors
    /// It is not one of those pinned.
    pub fn pinned_keycloak(&self) -> Result<&'static server_binaries::Keycloak, server_binaries::UnknownKeycloak> {
        server_binaries::Versions::pinned().keycloak_or_default(self.keycloak.as_deref())
    }
}

/// A lab that can be asked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lab(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    description: LabDescription,
    /// None in a cluster that is not ours.
    authorities: Option<Authorities>,
    /// None where the cluster does not trust the harness' issuer.
    signer: Option<Signer>,
    main: ApiServer,
    administrator: Administrator,
    further: Mutex<HashMap<String, Arc<OnceCell<ApiServer>>>>,
    keycloak: watch::Receiver<Option<Result<Keycloak, Arc<LabError>>>>,
    owner: Owner,
    /// Behind the owner: dropped, the servers go before the directory does.
    directory: Arc<Directory>,
}

/// Who can start more servers in the lab, and who ends it.
#[derive(Debug)]
enum Owner {
    /// This process.
    Us(Box<owned::Owned>),
    /// Nobody: the cluster was there before; what we create in it is ours.
    Guest(Box<existing::Guest>),
    /// Another process, which listens to ours.
    Another(control::Client),
}

impl Lab {
    /// Starts a lab that this process owns. It is usable as soon as its main API server is;
    /// Keycloak may still be on its way ([`Lab::keycloak`] waits for it).
    ///
    /// # Errors
    /// A server cannot be had or is not ready in time. Nothing is left running then.
    pub async fn start(options: &LabOptions, events: &Events) -> Result<Self, LabError> {
        owned::start(options, events).await
    }

    /// Attaches to the lab called `name`, if it stays up and is ready.
    ///
    /// # Errors
    /// Its description cannot be read.
    pub async fn attach(name: &str) -> Result<Option<Self>, LabError> {
        attach::attach(name).await
    }

    /// Attaches to the lab called `name`.
    ///
    /// # Errors
    /// It is not up, or still being started, or its description cannot be read.
    pub async fn existing(name: &str) -> Result<Self, LabError> {
        match Self::attach(name).await? {
            Some(lab) => Ok(lab),
            None => Err(not_up(name)?),
        }
    }

    /// What it is.
    pub fn description(&self) -> &LabDescription {
        &self.0.description
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.0.directory.path()
    }

    /// The version of Kubernetes.
    pub fn version(&self) -> Minor {
        self.0.description.minor
    }

    /// What scenarios may ask of it.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(self.0.description.cluster, self.version()).observed(self.0.description.observed.clone())
    }

    /// Returns whether it has learners, and work with `options` might give them rights.
    fn is_kept_from(&self, options: &LabOptions) -> bool {
        self.description().learners > 0 && !options.beside_learners
    }

    /// Whether this process ends it.
    pub fn is_owned(&self) -> bool {
        matches!(self.0.owner, Owner::Us(_))
    }

    /// Whether it is a lab of ours that goes on when this process ends.
    pub fn goes_on(&self) -> bool {
        matches!(self.0.owner, Owner::Another(_))
    }

    /// Its authorities.
    ///
    /// # Errors
    /// The cluster is not ours.
    pub fn authorities(&self) -> Result<&Authorities, LabError> {
        self.0.authorities.as_ref().ok_or(LabError::Lacks {
            what: "authorities of its own",
        })
    }

    /// What signs the issuer's tokens.
    ///
    /// # Errors
    /// The cluster does not trust an issuer of ours.
    pub fn signer(&self) -> Result<&Signer, LabError> {
        self.0.signer.as_ref().ok_or(LabError::Lacks {
            what: "an issuer of its own",
        })
    }

    /// The main API server.
    pub fn main(&self) -> &ApiServer {
        &self.0.main
    }

    /// The flags that `server` really runs with, redacted; none where its process cannot be seen.
    #[must_use]
    pub fn flags_of(&self, server: &ApiServer) -> Option<Vec<String>> {
        let place = server.logs.as_ref()?.log.parent()?;
        let own = format!("--cert-dir={}", place.display());
        let seen = processes::servers(self.directory()).into_iter();
        seen.filter(processes::Seen::is_api_server)
            .map(|seen| seen.flags())
            .find(|flags| flags.contains(&own))
    }

    /// Who may do everything in the cluster.
    pub fn administrator(&self) -> &Administrator {
        &self.0.administrator
    }

    /// Returns the authorities that `server` trusts: the lab's, or its own.
    ///
    /// # Errors
    /// The cluster is not ours, or the server's own cannot be read.
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

    /// The API server with the setting `name`, started when it is first asked for.
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
                Owner::Us(owned) => owned.further(name, events).await,
                Owner::Guest(_) => Err(LabError::Lacks {
                    what: "API servers that can be started",
                }),
                Owner::Another(client) => {
                    let now = LabDescription::load(self.directory())?;
                    let runs = now.is_some_and(|now| now.api_servers.contains_key(name));
                    // One that runs is there at once.
                    let events = if runs { Events::silent() } else { events.clone() };
                    let phase = events.phase(format!("API server {name}"));
                    client.api_server(name).await.inspect(|_| phase.succeeded())
                }
            }
        });
        started.await.cloned()
    }

    /// Ends the API server with the setting `name` in a lab of this process.
    async fn end_api_server(&self, name: &str) -> Result<(), LabError> {
        self.0.further.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        match &self.0.owner {
            Owner::Us(owned) => owned.end_further(name).await,
            Owner::Guest(_) | Owner::Another(_) => Ok(()),
        }
    }

    /// Tells the owner of a lab that goes on that the run `run` begins; nothing, in another lab. Until the answer is dropped, or this
    /// process ends, the lab's API servers stay; then what bears the run's label is deleted.
    ///
    /// # Errors
    /// The owner does not answer.
    pub async fn begin_run(&self, run: &str) -> Result<Option<UnderWay>, LabError> {
        match &self.0.owner {
            Owner::Another(client) => client.begin_run(run).await.map(Some),
            Owner::Us(_) | Owner::Guest(_) => Ok(None),
        }
    }

    /// Keycloak, once it is ready.
    ///
    /// # Errors
    /// It could not be started.
    pub async fn keycloak(&self) -> Result<Keycloak, LabError> {
        let mut receiver = self.0.keycloak.clone();
        let known = receiver.wait_for(Option::is_some).await.map_err(|_| LabError::Ended)?;
        match known.as_ref() {
            Some(Ok(keycloak)) => Ok(keycloak.clone()),
            Some(Err(error)) => Err(LabError::Shared(Arc::clone(error))),
            None => Err(LabError::Ended),
        }
    }

    /// The auth proxy called `name` (`request-headers` or `impersonation`), in front of the main API server.
    ///
    /// # Errors
    /// There is none of that name.
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
            server: self.main().clone(),
            exchanges: Exchanges::default(),
        })
    }

    /// Waits until all of it is ready.
    ///
    /// # Errors
    /// Keycloak could not be started.
    pub async fn ready(&self) -> Result<(), LabError> {
        self.keycloak().await.map(|_| ())
    }

    /// Ends a lab that this process owns: every server is gone afterwards, and so is its directory unless it
    /// shall be kept. A lab that belongs to another process goes on.
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
            // What was created goes however the scenarios ended: nobody's cluster is where evidence is kept.
            Owner::Guest(guest) => {
                guest.belongings.delete(&self.administrator().client()).await?;
                self.0.directory.remove()?;
            }
            Owner::Another(_) => {}
        }
        Ok(())
    }
}

/// Runs `work` in a lab: one that is up and matches `options`, else a new one that ends with `work`.
///
/// A lab whose `work` failed keeps its directory with the servers' logs, as evidence.
///
/// # Errors
/// The lab could not be started or ended, or `work`'s own error.
pub async fn with_lab<T, E, F>(options: &LabOptions, events: &Events, work: impl FnOnce(Lab) -> F) -> Result<T, E>
where
    E: From<LabError>,
    F: Future<Output = Result<T, E>>,
{
    let lab = attach_or_start(options, events).await?;
    // Nobody else ends what is asked for meanwhile.
    let _under_way = lab.begin_run(&crate::owner::random()).await?;
    let done = work(lab.clone()).await;
    lab.end(options.keep || done.is_err()).await?;
    done
}

/// A lab that is up and matches `options`, else a new one that this process owns.
///
/// # Errors
/// A lab of the name given is up but does not match or has learners, or none could be started.
pub async fn attach_or_start(options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    // With an existing cluster there is no lab to attach to: the cluster itself is what stays up. And no lab says which Keycloak it has.
    if options.cluster == Some(Driver::Existing) || options.own || options.keycloak.is_some() {
        return Lab::start(options, events).await;
    }
    let name = options.name.as_deref().unwrap_or(DEFAULT_NAME);
    match (Lab::attach(name).await?, &options.name) {
        (Some(lab), Some(name)) if lab.is_kept_from(options) => return Err(LabError::HasLearners { name: name.clone() }),
        (Some(lab), None) if lab.is_kept_from(options) => events.note(format!(
            "not using the lab '{name}' that is up: it has learners, and scenarios give rights away; starting another for this run"
        )),
        (Some(lab), asked) => match (lab.description().mismatch(options)?, asked) {
            (None, _) => {
                events.note(format!(
                    "using the lab '{name}' that is up (Kubernetes {})",
                    lab.description().kubernetes
                ));
                return Ok(lab);
            }
            (Some(why), Some(_)) => {
                return Err(LabError::Mismatch {
                    name: name.to_owned(),
                    why,
                });
            }
            (Some(why), None) => events.note(format!(
                "not using the lab '{name}' that is up: {why}; starting another for this run"
            )),
        },
        (None, Some(name)) => return Err(not_up(name)?),
        (None, None) => {}
    }
    Lab::start(options, events).await
}

/// Why nobody can attach to the lab called `name`.
fn not_up(name: &str) -> Result<LabError, LabError> {
    let labs = labs()?;
    if labs.iter().any(|lab| lab.name == name) {
        return Ok(LabError::NotReady { name: name.to_owned() });
    }
    Ok(LabError::NotUp {
        name: name.to_owned(),
        up: labs.into_iter().map(|lab| lab.name).collect(),
    })
}

/// The option that names the lab in a command, with the space before it; the default lab needs none.
pub(crate) fn lab_option(name: &str) -> String {
    if name == DEFAULT_NAME {
        String::new()
    } else {
        format!(" --lab {}", quoted(name))
    }
}
