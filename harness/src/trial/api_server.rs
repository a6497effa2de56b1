//! An API server that is tried. The main type is [`Trial`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, OnceCell};

use super::action::Action;
use super::login::refused_login;
use super::manifest::{self, Manifest, ManifestError};
use super::outcome::{Decision, Outcome};
use super::person::{Claims, Person, Presented};
use super::served::Served;
use super::settled;
use super::setup::{Setup, UnknownIssuer};
use crate::cluster::{ApiServer, Driver};
use crate::credential::Credential;
use crate::event::{Events, Exchanges, Verdict};
use crate::hint::Hint;
use crate::identity_provider::issuer::{Forgery, IssuerError, StandIn, StandInRequest};
use crate::identity_provider::keycloak::KeycloakError;
use crate::identity_provider::keycloak::export::Login;
use crate::lab::service_account::{self, unless_it_exists};
use crate::lab::{Lab, LabError, LabOptions};
use crate::pki::{PkiError, Request};
use crate::probe::{Answer, Endpoint, Gate, Question, ask};
use crate::process::wait::WaitError;
use crate::secret::Secret;

/// The life of a service account's token.
const SERVICE_ACCOUNT_LIFE: Duration = Duration::from_secs(3600);

/// The file below a lab's directory with the paths of the objects that were applied.
const APPLIED: &str = "applied.json";

/// The file below a lab's directory that is locked while people are tried there.
const TURN: &str = "try.lock";

/// An API server with a configuration, in a lab.
#[derive(Clone, Debug)]
pub struct Trial {
    lab: Lab,
    pub(super) server: ApiServer,
    pub(super) setup: Arc<Setup>,
    /// The resources of the API server.
    served: Arc<OnceCell<Served>>,
    /// Held during a login: Keycloak's protection against brute force refuses all but one of a user at a time.
    pub(super) logging_in: Arc<Mutex<()>>,
    /// Its requests to issuers when it was started.
    asked: Arc<[StandInRequest]>,
    /// The real issuers that it did not find, each with the reason.
    not_found: Arc<[String]>,
    exchanges: Exchanges,
    /// Told that somebody else is waited for.
    events: Events,
    /// Held while people are tried in a lab that continues: its objects are there for everybody who tries somebody.
    turn: Arc<OnceCell<Gate>>,
}

/// The reason why somebody cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The lab cannot be started, or a server in it.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A certificate cannot be issued.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A token cannot be signed.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// A person's issuer is not one of the configuration.
    #[error("cannot make a token for {person}")]
    Untrusted {
        /// The person.
        person: String,
        /// The cause.
        source: UnknownIssuer,
    },
    /// A person's credential would have to be made for a cluster that exists.
    #[error("cannot make a credential for {person}: a cluster that exists accepts none of authlab's")]
    NotMade {
        /// The person.
        person: String,
    },
    /// Keycloak does not let a person in.
    #[error("{person} cannot log in as {} with the client {}", login.user, login.client)]
    Login {
        /// The person.
        person: String,
        /// The login.
        login: Box<Login>,
        /// Keycloak's words.
        source: Box<KeycloakError>,
    },
    /// An object for a person cannot be created.
    #[error("cannot create {what}")]
    Object {
        /// The object.
        what: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object that should be there cannot be created.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The file cannot be locked that lets one command after the other try people.
    #[error("cannot lock {}", file.display())]
    Turn {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The API server does not learn of roles and bindings in time.
    #[error("{0}")]
    NotSettled(String),
    /// The API server does not find its issuers.
    #[error(transparent)]
    Issuers(#[from] WaitError<std::convert::Infallible>),
    /// No API group has the resource of an action.
    #[error("the API server has no resource '{resource}'")]
    NoResource {
        /// The resource.
        resource: String,
        /// The resources with a similar name.
        similar: Vec<String>,
    },
    /// Several API groups have the resource of an action.
    #[error("several API groups have the resource '{resource}': {}", groups.join(", "))]
    SeveralGroups {
        /// The resource.
        resource: String,
        /// The groups.
        groups: Vec<String>,
    },
    /// A resource of the whole cluster is meant in a namespace.
    #[error("'{resource}' are not in namespaces, so nobody asks about them in '{namespace}'")]
    NoNamespace {
        /// The resource.
        resource: String,
        /// The namespace.
        namespace: String,
    },
    /// The API server did not review an action.
    #[error("the API server did not review '{action}': {why}")]
    NotReviewed {
        /// The action.
        action: String,
        /// Its answer.
        why: String,
    },
}

impl Hint for TrialError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Lab(error) => error.hint(),
            Self::Untrusted { source, .. } => source.hint(),
            Self::Login { login, source, .. } => refused_login(login, source),
            Self::NoResource { similar, .. } if !similar.is_empty() => Some(format!("did you mean {}?", similar.join(" or "))),
            Self::NoResource { .. } => Some("resources are named in the plural: `pods`, `deployments.apps`".to_owned()),
            Self::NoNamespace { namespace, .. } => Some(format!("leave out `in {namespace}`")),
            Self::SeveralGroups { resource, groups } => {
                Some(format!("name one: `{resource}.{}`", groups.last().map_or("GROUP", String::as_str)))
            }
            _ => None,
        }
    }
}

impl Trial {
    /// Starts an API server as `setup` says, alone in a lab with `options`, and waits until it knows its issuers.
    ///
    /// # Errors
    /// The lab cannot be started; [`LabError::NotAccepted`] if the API server refuses its configuration.
    pub async fn start(setup: Setup, options: &LabOptions, events: &Events) -> Result<Self, TrialError> {
        let began = SystemTime::now();
        let lab = Lab::start(&Self::options(&setup, options), events).await?;
        match Self::since(began, lab.clone(), setup).await {
            Err(error) => {
                lab.end(false).await?;
                Err(error)
            }
            trial => trial,
        }
    }

    /// Returns `options` for a lab whose main API server is started as `setup` says, with nothing beside it.
    #[must_use]
    pub fn options(setup: &Setup, options: &LabOptions) -> LabOptions {
        LabOptions {
            bare: true,
            cluster: Some(Driver::Process),
            main: Some(Arc::new(setup.given.clone())),
            realm: setup.started_realm().map(|realm| Arc::clone(&realm.import)),
            ..options.clone()
        }
    }

    /// Starts an API server as `setup` says in `lab`, unless there is one, and waits until it knows its issuers.
    ///
    /// # Errors
    /// The API server cannot be started; [`LabError::NotAccepted`] if it refuses its configuration.
    pub async fn within(lab: Lab, setup: Setup) -> Result<Self, TrialError> {
        Self::since(SystemTime::now(), lab, setup).await
    }

    /// Does the same; the API server's requests to its issuers since `began` are kept.
    async fn since(began: SystemTime, lab: Lab, setup: Setup) -> Result<Self, TrialError> {
        // Its start is part of an answer that is awaited anyway.
        let server = lab.given(&setup.given, &Events::silent()).await?;
        if setup.started_realm().is_some() {
            lab.keycloak().await?;
        }
        let trial = Self {
            lab,
            server,
            setup: Arc::new(setup),
            served: Arc::default(),
            logging_in: Arc::default(),
            asked: Arc::default(),
            not_found: Arc::default(),
            exchanges: Exchanges::discarding(),
            events: Events::silent(),
            turn: Arc::default(),
        };
        let not_found = trial.ready().await?;
        Ok(Self {
            asked: trial.lab.stand_in_requests(began).into(),
            not_found: not_found.into(),
            ..trial
        })
    }

    /// Creates or changes the objects of `manifests`, and deletes those that were applied in the same lab before and are not among them.
    ///
    /// In a lab that continues, it waits until nobody else is tried there; until the last copy of `self` is dropped, nobody else is.
    ///
    /// # Errors
    /// An object that the API server does not know, does not accept or does not delete; or the record of the objects cannot be written.
    pub async fn apply(&self, manifests: &[Manifest]) -> Result<(), TrialError> {
        if self.lab.goes_on() {
            let name = &self.lab.description().name;
            let waits = || {
                let told = format!("waiting for the lab '{name}': another command tries people there, and only one does at a time");
                self.events.note(told);
            };
            self.turn.get_or_try_init(|| turn(self.lab.directory().join(TURN), waits)).await?;
        }
        let client = self.lab.administrator().client();
        let record = self.lab.directory().join(APPLIED);
        let before: Vec<String> = match std::fs::read_to_string(&record) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let paths = manifest::apply(&client, manifests).await?;
        for gone in before.iter().filter(|path| !paths.contains(path)) {
            // A namespace never ends in a bare lab, and an empty one gives no rights.
            if !manifest::is_namespace(gone) {
                manifest::delete(&client, gone).await?;
            }
        }
        if !(manifests.is_empty() && before.is_empty()) && settled::has_rbac(&self.setup.given) {
            settled::wait(self).await?;
        }
        if self.lab.goes_on() {
            crate::pki::write_private(&record, &json!(paths).to_string())?;
        }
        Ok(())
    }

    /// Returns the full version of Kubernetes.
    pub fn kubernetes(&self) -> &str {
        &self.lab.description().kubernetes
    }

    /// Returns the lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Returns the same API server; `events` are told if somebody else is waited for.
    #[must_use]
    pub fn reporting(self, events: &Events) -> Self {
        Self {
            events: events.clone(),
            ..self
        }
    }

    /// Returns the API server.
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// Returns the same API server, whose answers are told to `exchanges`.
    #[must_use]
    pub fn recorded(&self, exchanges: &Exchanges) -> Self {
        Self {
            exchanges: exchanges.clone(),
            ..self.clone()
        }
    }

    /// Returns the API server's requests to its issuers when it was started, in order; none if another process started it, or if it ran
    /// already. Another API server that was started in the same lab at the same time may have sent some of them.
    #[must_use]
    pub fn requests_to_issuers(&self) -> &[StandInRequest] {
        &self.asked
    }

    /// Returns the real issuers that the API server did not find, each with the reason from its log: it refuses their tokens.
    #[must_use]
    pub fn issuers_not_found(&self) -> &[String] {
        &self.not_found
    }

    /// Returns what the API server was started with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Ends it, and the lab that was started for it.
    ///
    /// # Errors
    /// The lab's directory cannot be removed.
    pub async fn end(self) -> Result<(), LabError> {
        self.lab.end(false).await
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint {
            exchanges: self.exchanges.clone(),
            ..Endpoint::of(&self.server)
        }
    }

    /// Returns the credential of `person`, made for this API server.
    ///
    /// # Errors
    /// It cannot be made: the issuer is unknown, or an object is refused.
    pub async fn credential(&self, person: &Person) -> Result<Credential, TrialError> {
        match &person.presents {
            Presented::Token(claims) => Ok(Credential::Token(self.token(&person.name, claims)?)),
            Presented::Certificate {
                common_name,
                organizations,
            } => {
                let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
                let request = Request::client(common_name, &organizations);
                Ok(Credential::Certificate(self.lab.authorities()?.clients.issue(&request)?))
            }
            Presented::ServiceAccount { namespace, name } => Ok(Credential::Token(self.service_account(namespace, name).await?)),
            Presented::Login(login) => Ok(Credential::Token(self.log_in(&person.name, login).await?)),
            Presented::Own(credential) => Ok(credential.clone()),
        }
    }

    /// Returns a token of the stand-in for the issuer of `claims`.
    pub(super) fn token(&self, person: &str, claims: &Claims) -> Result<Secret, TrialError> {
        let issuer = self.setup.issuer(claims.named_issuer()).map_err(|source| TrialError::Untrusted {
            person: person.to_owned(),
            source,
        })?;
        let complete = claims.complete(person, &issuer.url, issuer.audiences.first().map(String::as_str));
        let stand_in = StandIn::new(&*issuer.url);
        let mut token = self.lab.signer()?.token_of(&stand_in, self.setup.algorithm, complete)?;
        if let Some(typ) = &claims.typ {
            token = token.header("typ", typ.as_str());
        }
        Ok(token.sign()?)
    }

    /// Returns a token with exactly `claims`, signed by the stand-in for the issuer `url`, or `forged`.
    pub(super) fn signed(&self, url: &str, claims: Map<String, Value>, forged: Option<Forgery>) -> Result<Secret, TrialError> {
        let mut token = self.lab.signer()?.token_of(&StandIn::new(url), self.setup.algorithm, claims)?;
        if let Some(forgery) = forged {
            token = token.forged(forgery);
        }
        Ok(token.sign()?)
    }

    /// Returns a token of the service account `name`, which is created with its namespace unless they exist.
    async fn service_account(&self, namespace: &str, name: &str) -> Result<Secret, TrialError> {
        let client = self.lab.administrator().client();
        let wrong = |source| TrialError::Object {
            what: format!("the service account {namespace}/{name}"),
            source: Box::new(source),
        };
        let space = serde_json::from_value(json!({ "metadata": { "name": namespace } })).unwrap_or_default();
        unless_it_exists(Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &space).await).map_err(wrong)?;
        let accounts = Api::namespaced(client, namespace);
        service_account::token(&accounts, name, SERVICE_ACCOUNT_LIFE).await.map_err(wrong)
    }

    /// Asks the API server who `name` is, who presents `credential`.
    pub async fn who(&self, name: &str, credential: &Credential) -> Outcome {
        Outcome::of(&self.answer(name, credential).await)
    }

    /// Asks the same, and returns the whole answer.
    pub async fn answer(&self, name: &str, credential: &Credential) -> Answer {
        self.question(name, credential, &Question::who_am_i()).await
    }

    /// Asks the API server `question` as `name`, who presents `credential`.
    pub(super) async fn question(&self, name: &str, credential: &Credential, question: &Question) -> Answer {
        ask(&self.endpoint(), name, credential, question).await
    }

    /// Asks the API server whether `name`, who presents `credential`, may do `action`; nothing is done.
    ///
    /// # Errors
    /// The API server does not know the resource, or does not review the action.
    pub async fn may(&self, name: &str, credential: &Credential, action: &Action) -> Result<Decision, TrialError> {
        let action = self.complete(action).await?;
        Decision::of(&action, &self.question(name, credential, &action.question()).await)
    }

    /// Returns `action` with the API group that has its resource.
    ///
    /// # Errors
    /// The API server does not serve it, or several API groups have it.
    pub async fn complete(&self, action: &Action) -> Result<Action, TrialError> {
        let client = self.lab.administrator().client();
        let get = async |path: String| match hyper::Request::get(path).body(Vec::new()) {
            Ok(request) => client.request(request).await.unwrap_or_default(),
            Err(_) => Value::Null,
        };
        self.served.get_or_init(|| Served::read(get)).await.complete(action)
    }
}

/// Waits for the lock on `file`, which is created unless it exists; calls `waits` once if somebody else has it.
async fn turn(file: PathBuf, waits: impl FnOnce()) -> Result<Gate, TrialError> {
    let entered = async {
        std::fs::File::options().append(true).create(true).open(&file)?;
        Gate::enter_later(&file, waits).await
    };
    entered.await.map_err(|source| TrialError::Turn { file, source })
}

impl Decision {
    /// Returns the decision on `action` in the answer to [`Action::question`].
    ///
    /// # Errors
    /// The answer is no review.
    pub fn of(action: &Action, answer: &Answer) -> Result<Self, TrialError> {
        let status = answer.body.get("status").filter(|_| answer.verdict == Verdict::Accepted);
        let status = status.ok_or_else(|| TrialError::NotReviewed {
            action: action.to_string(),
            why: answer.to_string(),
        })?;
        let text = |field: &str| status.get(field).and_then(Value::as_str).unwrap_or_default();
        let reason = match (text("reason"), text("evaluationError")) {
            (reason, "") => reason.to_owned(),
            ("", error) => error.to_owned(),
            (reason, error) => format!("{reason} ({error})"),
        };
        Ok(Self {
            action: action.to_string(),
            allowed: status.get("allowed").and_then(Value::as_bool).unwrap_or_default(),
            reason,
        })
    }
}
