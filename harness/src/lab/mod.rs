//! A lab: all servers started together, with one directory, one owner and one end.
//!
//! The main type is [`Lab`]: a cluster with its authorities, the issuer, Keycloak and the auth proxies,
//! whether this process owns them or has attached to a running lab. [`with_lab`] is
//! the one scope: it ends everything that it starts.

mod access_review;
mod administrator;
mod attach;
mod auth_proxies;
mod by_hand;
pub mod cast;
mod cluster;
mod control;
mod description;
mod directory;
mod ending;
mod error;
pub(crate) mod existing;
mod further;
mod issuers;
mod keycloak;
mod kubeconfigs;
mod kubectl;
mod learners_proxy;
mod leftovers;
mod listeners;
mod made;
mod owned;
mod plan;
mod processes;
mod sabotaged;
mod seed_objects;
mod start;
mod status;
mod supervisor;
mod watched_scope;
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

/// The options of a lab.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// Its name; a lab that only lives as long as its owner needs none.
    pub name: Option<String>,
    /// The driver of its cluster; chosen automatically if not given.
    pub cluster: Option<Driver>,
    /// The driver of its identity provider; chosen automatically if not given.
    pub identity_provider: Option<identity_provider::Driver>,
    /// The kubeconfig of the cluster, for [`Driver::Existing`].
    pub kubeconfig: Option<std::path::PathBuf>,
    /// The context of that kubeconfig; its current one if not given.
    pub context: Option<String>,
    /// The issuer and its person, for [`identity_provider::Driver::Existing`].
    pub issuer: Option<identity_provider::existing::Settings>,
    /// The version of Kubernetes, as the user writes it; the newest pinned one if not given.
    pub kubernetes: Option<String>,
    /// The version of Keycloak, as the user writes it; the default one if not given.
    pub keycloak: Option<String>,
    /// The allowed sources of server binaries.
    pub server_binaries: server_binaries::Options,
    /// `true` to keep the lab's directory even after success.
    pub keep: bool,
    /// `true` to require a lab of this process: a running one is not used.
    pub own: bool,
    /// The number of learners in a class: an additional controller enforces their limits.
    pub learners: u32,
    /// `true` if a lab with learners may be used, since the work grants no rights.
    pub beside_learners: bool,
    /// The time without requests after which a further API server of a lab that stays up ends; two minutes if not given.
    pub idle: Option<Duration>,
    /// The deliberate faults, in a lab of processes that this process owns.
    pub sabotage: Option<Arc<Sabotage>>,
}

impl LabOptions {
    /// Returns the requested version of Kubernetes.
    ///
    /// # Errors
    /// It is not one of the pinned versions.
    pub fn pinned(&self) -> Result<&'static server_binaries::Kubernetes, server_binaries::UnknownVersion> {
        server_binaries::Versions::pinned().kubernetes_or_newest(self.kubernetes.as_deref())
    }

    /// Returns the requested version of Keycloak.
    ///
    /// # Errors
    /// It is not one of the pinned versions.
    pub fn pinned_keycloak(&self) -> Result<&'static server_binaries::Keycloak, server_binaries::UnknownKeycloak> {
        server_binaries::Versions::pinned().keycloak_or_default(self.keycloak.as_deref())
    }
}

/// A running lab. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lab(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    description: LabDescription,
    /// `None` in an existing cluster.
    authorities: Option<Authorities>,
    /// `None` if the cluster does not trust the harness' issuer.
    signer: Option<Signer>,
    main: ApiServer,
    administrator: Administrator,
    further: Mutex<HashMap<String, Arc<OnceCell<ApiServer>>>>,
    keycloak: watch::Receiver<Option<Result<Keycloak, Arc<LabError>>>>,
    owner: Owner,
    /// After `owner`: on drop, the servers end before the directory is removed.
    directory: Arc<Directory>,
}

/// The process that can start more servers in the lab, and that ends it.
#[derive(Debug)]
enum Owner {
    /// This process.
    Us(Box<owned::Owned>),
    /// No process: the cluster existed before; only the objects created in it are ours.
    Guest(Box<existing::Guest>),
    /// Another process, which accepts requests from this one.
    Another(control::Client),
}

impl Lab {
    /// Starts a lab that this process owns. It is usable as soon as its main API server is ready;
    /// Keycloak may still be starting ([`Lab::keycloak`] waits for it).
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
        Capabilities::of(self.0.description.cluster, self.version()).observed(self.0.description.observed.clone())
    }

    /// Returns `true` if it has learners, and work with `options` might grant them rights.
    fn is_kept_from(&self, options: &LabOptions) -> bool {
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
                Owner::Us(owned) => owned.further(name, events).await,
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

    /// Ends the API server with the setting `name` in a lab of this process.
    async fn end_api_server(&self, name: &str) -> Result<(), LabError> {
        self.0.further.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        match &self.0.owner {
            Owner::Us(owned) => owned.end_further(name).await,
            Owner::Guest(_) | Owner::Another(_) => Ok(()),
        }
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
            server: self.main().clone(),
            exchanges: Exchanges::default(),
        })
    }

    /// Waits until all servers are ready.
    ///
    /// # Errors
    /// Keycloak could not be started.
    pub async fn ready(&self) -> Result<(), LabError> {
        self.keycloak().await.map(|_| ())
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
                guest.belongings.delete(&self.administrator().client()).await?;
                self.0.directory.remove()?;
            }
            Owner::Another(_) => {}
        }
        Ok(())
    }
}

/// Runs `work` in a lab: a running one that matches `options`, or a new one that ends with `work`.
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
    // The run keeps other processes from ending the servers that it uses.
    let _under_way = lab.begin_run(&crate::owner::random()).await?;
    let done = work(lab.clone()).await;
    lab.end(options.keep || done.is_err()).await?;
    done
}

/// Returns a running lab that matches `options`, or a new one that this process owns.
///
/// # Errors
/// The running lab of the given name does not match or has learners, or no lab could be started.
pub async fn attach_or_start(options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    // An existing cluster has no lab to attach to: the cluster itself is what stays up. And no lab records its Keycloak version.
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

/// Returns the reason why the lab `name` cannot be attached to.
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

/// Returns a name that cannot be guessed, for a lab that only lives as long as this process.
fn passing_name() -> String {
    format!("run-{}", &crate::owner::random()[..16])
}

/// Returns the option that names the lab in a command, with the space before it; the default lab needs none.
pub(crate) fn lab_option(name: &str) -> String {
    if name == DEFAULT_NAME {
        String::new()
    } else {
        format!(" --lab {}", quoted(name))
    }
}
