//! An existing cluster, used as a guest.
//!
//! The main function is [`start`]; [`survey`] asks the same questions and creates nothing, and [`clear`] deletes the leftovers
//! of crashes. Every object that is created has authlab's labels ([`created_objects`]), is in its own namespace where possible, and is
//! deleted at the end.

mod access;
mod client_certificate;
pub(crate) mod created_objects;
mod error;
mod home;
mod in_cluster;
mod questions;
mod visited;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde::Serialize;
use tokio::sync::watch;

use super::description::{LabDescription, fingerprint};
use super::directory::{self, Claim, Ownership};
use super::leftovers::{self, Counts};
use super::{Administrator, Directory, Inner, Lab, LabError, LabOptions, Owner, passing_name};
use crate::cluster::{ApiServer, Capabilities, Driver, MAIN, Minor, Observed};
use crate::event::{Events, Exchange, Exchanges, Presented, Verdict};
use crate::identity_provider;
use crate::identity_provider::existing::{ExistingIssuer, ExistingIssuerError, name_claim};
use crate::probe::{self, Endpoint, Question};
use crate::secret::Secret;
use crate::server_binaries::Versions;

pub(crate) use access::{Access, KubeContext};
use created_objects::CreatedObjects;
pub use created_objects::Whose;
pub use error::ExistingError;
use home::Home;
pub use in_cluster::InCluster;
use questions::{Asking, Questioned};
pub(crate) use visited::version;

/// The part of an existing cluster that this process uses.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) created: CreatedObjects,
    issuer: Option<ExistingIssuer>,
    person: Option<String>,
}

/// A user that has just logged in at the lab's identity provider.
#[derive(Clone, Debug)]
pub struct Login {
    /// The ID token.
    pub token: Secret,
    /// The username that the API server gives to the token's holder.
    pub user: String,
    /// The claim that contains it, with a prefix or without.
    pub claim: String,
}

/// The facts about an existing cluster that are known before anything is created in it.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// The context of the kubeconfig.
    pub context: String,
    /// The API server's address.
    pub server: String,
    /// The username that the API server gives to the kubeconfig's user.
    pub user: String,
    /// The full version of Kubernetes.
    pub kubernetes: String,
    /// The minor version.
    pub minor: Minor,
    /// The issuer that was given.
    pub issuer: Option<String>,
    /// The observations, by capability.
    pub observed: BTreeMap<String, Observed>,
    /// The capabilities that can only be observed by creating an object.
    pub not_asked: Vec<String>,
    /// The objects that will be created, in words: kinds and names.
    pub creates: Vec<String>,
    /// The label of all created objects.
    pub label: String,
}

impl Survey {
    /// Returns the capabilities for scenarios, as far as they are known; unobserved ones are assumed to be there.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let mut observed = self.observed.clone();
        for name in &self.not_asked {
            if let Some(answer) = observed.get_mut(name) {
                answer.able = true;
            }
        }
        Capabilities::of(Driver::Existing, self.minor).observed(observed)
    }
}

/// The objects that scenarios create, in words.
const CREATES: &[&str] = &[
    "namespaces authlab-HASH, one per scenario, with service accounts, secrets, configmaps, pods that are not scheduled, roles and role bindings",
    "cluster roles and cluster role bindings authlab-N-HASH, for the subjects of one scenario",
    "certificate signing requests request-N-HASH, and one authlab-question-HASH that shows whether requests are signed",
    "certificate signing requests authlab-certificate-HASH, each deleted at once: client certificates of ten minutes for users of the features \
     (alice, bob, …) and for groups of one scenario",
];

/// Asks an existing cluster the questions that leave no trace, and creates nothing. A plugin of the kubeconfig is told to `events`.
///
/// # Errors
/// The kubeconfig or the cluster cannot be used.
pub async fn survey(options: &LabOptions, events: &Events) -> Result<Survey, LabError> {
    let access = access(options, events).await?;
    let reached = Reached::by(&access, Path::new(""), options).await?;
    let answers = questions::ask(&reached.questioned(), Asking::WithoutTrace).await;
    let unknown = answers.observed.iter().filter(|(_, answer)| answer.why == questions::NOT_ASKED);
    let not_asked = unknown.map(|(name, _)| name.clone()).collect();
    let creating = answers.observed.get("administrator").is_some_and(|answer| answer.able);
    Ok(Survey {
        context: access.context,
        server: access.url,
        user: reached.user,
        kubernetes: reached.kubernetes,
        minor: reached.minor,
        issuer: reached.issuer.as_ref().map(|issuer| issuer.url().to_owned()),
        observed: answers.observed,
        not_asked,
        creates: CREATES.iter().filter(|_| creating).map(|what| (*what).to_owned()).collect(),
        label: format!("{}={}", created_objects::MANAGED_BY, created_objects::AUTHLAB),
    })
}

/// The result of deleting authlab's leftovers in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// The number of objects that were deleted.
    pub deleted: usize,
    /// The number of objects of runs that may still live, or that are unknown here.
    pub others: usize,
}

/// Deletes the objects that authlab created in the cluster and did not delete, and forgets the runs that created them.
///
/// # Errors
/// The cluster cannot be used, or an object cannot be deleted.
pub async fn clear(options: &LabOptions, whose: Whose<'_>, events: &Events) -> Result<Deleted, LabError> {
    let access = access(options, events).await?;
    let reached = Reached::by(&access, Path::new(""), &LabOptions::default()).await?;
    let (client, home) = (reached.administrator.client(), Home::here()?);
    let deleted = created_objects::delete(&client, &home, whose).await?;
    forget(&access.url).await?;
    let others = created_objects::count_others(&client, &home).await?;
    Ok(Deleted { deleted, others })
}

/// Removes the directories of runs that were killed while they used the cluster at `server`: none of their objects is in it any more.
async fn forget(server: &str) -> Result<(), LabError> {
    for lab in directory::found()?.into_iter().filter(|lab| lab.ownership == Ownership::Crashed) {
        if InCluster::of(&lab.name, &lab.path).is_some_and(|noted| noted.server == server) {
            match leftovers::clear_one(&lab.path, Claim::Proved, &mut Counts::default()).await {
                // The run of another container: its objects were not deleted either.
                Ok(_) | Err(LabError::Elsewhere { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Uses an existing cluster until the lab ends.
pub(super) async fn start(options: &LabOptions, events: &Events) -> Result<Lab, LabError> {
    let access = access(options, events).await?;
    let name = passing_name();
    let directory = Arc::new(Directory::create(&name).await?);
    let reached = Reached::by(&access, directory.path(), options).await?;
    events.note(format!(
        "cluster: {} (context '{}'), Kubernetes {}, as {}",
        access.url, access.context, reached.kubernetes, reached.user
    ));
    events.note(format!(
        "objects created in it have the label {}={}, are in their own namespaces where possible, and are deleted at the end; \
         --dry-run shows them",
        created_objects::MANAGED_BY,
        created_objects::AUTHLAB
    ));
    let client = reached.administrator.client();
    let home = Home::here()?;
    let before = created_objects::delete(&client, &home, Whose::Crashed).await?;
    forget(&access.url).await?;
    if before > 0 {
        events.note(format!("deleted {before} objects that an earlier run left in the cluster"));
    }
    let created = CreatedObjects::new((&name, directory.path()), &home, &reached.server, &access.credential);
    created.begin()?;
    let labels = created.labels();
    let phase = events.phase("reading the cluster's capabilities");
    let answers = questions::ask(&reached.questioned(), Asking::Labelled(&labels)).await;
    phase.succeeded();
    for (capability, Observed { able, why }) in &answers.observed {
        events.note(format!("{capability}: {}, {why}", if *able { "yes" } else { "no" }));
    }
    let description = description(
        name,
        (reached.kubernetes, reached.minor),
        &reached.server,
        reached.issuer.as_ref(),
        answers.observed,
    );
    description.save(directory.path())?;
    let guest = Guest {
        created,
        issuer: reached.issuer,
        person: answers.person,
    };
    Ok(lab(description, reached.server, reached.administrator, guest, directory))
}

/// Returns the description of the lab `name` in a cluster that runs `kubernetes`.
fn description(
    name: String,
    (kubernetes, minor): (String, Minor),
    server: &ApiServer,
    issuer: Option<&ExistingIssuer>,
    observed: BTreeMap<String, Observed>,
) -> LabDescription {
    LabDescription {
        schema: 1,
        name,
        authlab: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprint: fingerprint(),
        owner: std::process::id(),
        started: jiff::Timestamp::now(),
        kubernetes,
        minor,
        cluster: Driver::Existing,
        given: None,
        project: None,
        identity_provider: issuer.map(|_| identity_provider::Driver::Existing),
        provider: None,
        provider_version: None,
        observed,
        learners: 0,
        api_servers: BTreeMap::from([(MAIN.to_owned(), server.clone())]),
        issuer: String::new(),
        keycloak_issuer: issuer.map(|issuer| issuer.url().to_owned()).unwrap_or_default(),
        keycloak: None,
        oidc_provider: None,
        realm: None,
        auth_proxies: BTreeMap::new(),
        programs: None,
        containers: Vec::new(),
        engine: None,
        processes: Vec::new(),
        control: None,
    }
}

fn lab(description: LabDescription, main: ApiServer, administrator: Administrator, guest: Guest, directory: Arc<Directory>) -> Lab {
    let no_provider = LabError::Lacks {
        what: "an identity provider of its own",
    };
    let (_, provider) = watch::channel(Some(Err(Arc::new(no_provider))));
    Lab(Arc::new(Inner {
        description,
        signer: None,
        authorities: None,
        main,
        administrator,
        further: Mutex::new(HashMap::new()),
        provider,
        owner: Owner::Guest(Box::new(guest)),
        directory,
    }))
}

async fn access(options: &LabOptions, events: &Events) -> Result<Access, LabError> {
    let path = options.kubeconfig.as_deref().ok_or(LabError::Lacks { what: "a kubeconfig" })?;
    Ok(Access::read(path, options.context.as_deref(), events).await?)
}

/// An API server that responded, and accepts the kubeconfig's user.
struct Reached {
    server: ApiServer,
    administrator: Administrator,
    issuer: Option<ExistingIssuer>,
    user: String,
    kubernetes: String,
    minor: Minor,
}

impl Reached {
    async fn by(access: &Access, directory: &Path, options: &LabOptions) -> Result<Self, LabError> {
        let server = access.server(directory);
        let endpoint = Endpoint::of(&server);
        let version = probe::ask(&endpoint, "the kubeconfig's user", &access.credential, &Question::get("/version")).await;
        let why = || version.record.reason.clone().unwrap_or_else(|| version.to_string());
        match version.verdict {
            Verdict::Accepted => {}
            Verdict::TlsRefused | Verdict::Unreachable => {
                return Err(ExistingError::Unreachable {
                    server: access.url.clone(),
                    why: why(),
                }
                .into());
            }
            Verdict::Unauthenticated => {
                return Err(ExistingError::Unauthenticated {
                    server: access.url.clone(),
                    context: access.context.clone(),
                    kind: access.credential.to_string(),
                }
                .into());
            }
            Verdict::Forbidden | Verdict::BadRequest => {
                return Err(ExistingError::NoVersion {
                    server: access.url.clone(),
                    why: why(),
                }
                .into());
            }
        }
        let told = version
            .body
            .get("gitVersion")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        let minor: Minor = told.parse().map_err(|_| ExistingError::NoVersion {
            server: access.url.clone(),
            why: format!("its version is '{told}'"),
        })?;
        let oldest = Versions::pinned().kubernetes.iter().map(|pinned| pinned.version.minor).min();
        if let Some(oldest) = oldest.map(|minor| Minor(minor.into())).filter(|oldest| minor < *oldest) {
            return Err(ExistingError::TooOld {
                version: told.to_owned(),
                oldest: oldest.to_string(),
            }
            .into());
        }
        let who = probe::ask(&endpoint, "the kubeconfig's user", &access.credential, &Question::who_am_i()).await;
        if who.verdict == Verdict::Unauthenticated {
            // Anonymous users may read /version, too.
            return Err(ExistingError::Unauthenticated {
                server: access.url.clone(),
                context: access.context.clone(),
                kind: access.credential.to_string(),
            }
            .into());
        }
        let issuer = match &options.issuer {
            Some(settings) => Some(ExistingIssuer::discover(settings).await.map_err(ExistingError::from)?),
            None => None,
        };
        Ok(Self {
            administrator: Administrator::new(&server, access.credential.clone())?,
            user: who.identity.map_or_else(|| "somebody".to_owned(), |identity| identity.user),
            kubernetes: told.trim_start_matches('v').to_owned(),
            server,
            issuer,
            minor,
        })
    }

    fn questioned(&self) -> Questioned<'_> {
        Questioned {
            server: &self.server,
            administrator: &self.administrator,
            issuer: self.issuer.as_ref(),
        }
    }
}

impl Lab {
    /// Returns the labels of all objects that are created in the cluster for the lab.
    pub fn labels(&self) -> BTreeMap<String, String> {
        match &self.0.owner {
            Owner::Guest(guest) => guest.created.labels(),
            Owner::Us(_) | Owner::Another(_) => created_objects::labels_at_home(&self.description().name),
        }
    }

    /// Logs in at the lab's identity provider: alice at one of its own, or the given user elsewhere. `exchanges` records it.
    ///
    /// # Errors
    /// There is no identity provider, or it rejects the login.
    pub async fn login(&self, exchanges: &Exchanges) -> Result<Login, LabError> {
        if let Owner::Guest(guest) = &self.0.owner {
            let (Some(issuer), Some(user)) = (&guest.issuer, &guest.person) else {
                return Err(LabError::Lacks {
                    what: "an identity provider that the cluster trusts",
                });
            };
            let began = SystemTime::now();
            let token = issuer.login().await;
            let status = token.as_ref().err().and_then(ExistingIssuerError::status);
            let verdict = match &token {
                Ok(_) => Verdict::Accepted,
                Err(_) => status.map_or(Verdict::Unreachable, Verdict::of_status),
            };
            let told = Exchange {
                from: user.clone(),
                to: "identity provider".to_owned(),
                request: "a token".to_owned(),
                status,
                verdict,
                answer: token.as_ref().err().map(ToString::to_string),
                issued: token.iter().filter_map(|token| Presented::token(token.expose())).collect(),
                ..Exchange::default()
            };
            exchanges.tell(began, began.elapsed().unwrap_or_default(), told);
            let token = token.map_err(ExistingError::from)?;
            let claim = name_claim(&token, user).unwrap_or_default();
            return Ok(Login {
                token,
                user: user.clone(),
                claim,
            });
        }
        const PERSON: &str = "alice";
        let provider = self.provider().await?.telling(exchanges);
        let login = crate::lab::cast::log_in(&provider, PERSON).await?;
        Ok(Login {
            token: login.id,
            // As in `fixtures/authentication/keycloak.toml`.
            user: format!("{}:{PERSON}", provider.kind().name()),
            claim: "preferred_username".to_owned(),
        })
    }
}
