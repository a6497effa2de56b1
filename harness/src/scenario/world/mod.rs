//! The world of one scenario: the people's credentials, the endpoint they use, and the answers they got.
//!
//! The main type is [`World`]. It is small on purpose: the steps about one noun keep their own state
//! in a type of their own ([`World::notes`]).

mod lab;
mod own;

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use sha2::Digest;

pub use own::Expected;

use super::calls::Calls;
use super::{Cleanup, Ended, Left, Person, SharedScenario, Stage, UnderTest, evidence};
use crate::cluster::Capabilities;
use crate::credential::Credential;
use crate::event::{AnswerReport, Events, Exchange, Exchanges};
use crate::identity_provider::issuer::Signer;
use crate::lab::{AccessReview, Lab, RUN, SCENARIO};
use crate::probe::{Answer, Endpoint, Question, ask};
use crate::template::fill;

/// A lab shared by scenarios, and the receiver of its events.
#[derive(Clone, Debug)]
pub struct Site {
    /// The lab.
    pub lab: Lab,
    /// The receiver of events (a further API server starts, …).
    pub events: Events,
    /// `true` if the requests between the parties are recorded.
    pub exchanges: bool,
    /// `true` if one scenario alone uses the lab, so that its servers do everything meanwhile for that scenario.
    pub is_alone: bool,
    /// The mode in which scenarios run.
    pub mode: Mode,
    /// The learner whose work the scenarios check, if they are the goal of a lesson.
    pub learner: Option<LearnersPlace>,
    /// The task that deletes the scenarios' objects, if the lab keeps running after the run.
    pub cleanup: Option<Cleanup>,
    /// The lab's API server, if it has somebody's own configuration.
    pub under_test: Option<Arc<UnderTest>>,
}

impl Site {
    /// Returns the capabilities that scenarios can rely on.
    pub fn capabilities(&self) -> Capabilities {
        match &self.under_test {
            Some(under_test) => under_test.capabilities(),
            None => self.lab.capabilities(),
        }
    }
}

/// The place of a learner's work on a lesson, which scenarios check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnersPlace {
    /// The learner's name, which is also the name of their namespace.
    pub learner: String,
    /// The directory that holds their files.
    pub directory: std::path::PathBuf,
}

/// The mode in which scenarios run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As they are written.
    #[default]
    AsWritten,
    /// With the sound twin in place of each flawed credential: a scenario that asserts a refusal must fail.
    Inverted,
    /// As they are written, in a deliberately faulty lab: no evidence of a failure is kept.
    Sabotaged,
}

/// The credential that a person holds.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The credential that they present.
    pub credential: Credential,
    /// The sound counterpart of a flawed credential: made in the same way by the same authority or issuer.
    pub twin: Option<Twin>,
}

/// A sound credential beside a flawed one: it shows that the flaw is the only reason for a refusal.
#[derive(Clone, Debug)]
pub struct Twin {
    /// The credential that is presented.
    pub credential: Credential,
    /// The user that the API server must authenticate its holder as.
    pub user: String,
}

/// One scenario's world.
#[derive(Default, cucumber::World)]
pub struct World {
    site: Option<Site>,
    scenario: Option<SharedScenario>,
    holdings: BTreeMap<String, Holding>,
    current: Option<Person>,
    endpoint: Option<Endpoint>,
    answers: Vec<Answer>,
    exchanges: Exchanges,
    /// The time at which the scenario began.
    entered: Option<SystemTime>,
    namespace: Option<String>,
    /// The rights that were granted: each API server learns of them in its own time.
    rights: Vec<AccessReview>,
    /// `true` if it created anything that outlives it.
    made: Cell<bool>,
    notes: HashMap<TypeId, Box<dyn Any>>,
    /// `true` if a twin was presented in place of a flawed credential.
    twin_presented: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("holdings", &self.holdings.keys())
            .field("answers", &self.answers.len())
            .finish_non_exhaustive()
    }
}

impl World {
    fn site(&self) -> &Site {
        self.site.as_ref().expect("the runner gives every world its site")
    }

    fn lab(&self) -> &Lab {
        &self.site().lab
    }

    /// Returns `base` with a suffix: a name for any Kubernetes object that no other scenario and no other run uses.
    pub fn unique(&self, base: &str) -> String {
        format!("{base}-{}", self.suffix())
    }

    /// Returns the suffix that distinguishes the scenario's names from all others, including its own in another run.
    fn suffix(&self) -> String {
        let id = self.scenario.as_ref().map_or("", |scenario| scenario.id.as_str());
        let mut hash = sha2::Sha256::new();
        hash.update(id);
        hash.update(run_id());
        hex::encode(&hash.finalize()[..5])
    }

    /// Returns the metadata of an object called `name` that the scenario creates: its labels identify the scenario, so that it can be found
    /// and deleted. A name outside of the scenario's namespace must be [unique](World::unique).
    pub fn metadata(&self, name: &str) -> serde_json::Value {
        let mut labels = self.lab().labels();
        labels.extend([(RUN, run_id().to_owned()), (SCENARIO, self.suffix())].map(|(key, value)| (key.to_owned(), value)));
        self.made.set(true);
        serde_json::json!({ "name": name, "labels": labels })
    }

    /// Notes that the scenario created the account `name` at the identity provider, which is deleted after the scenario.
    pub fn made_account(&self, name: &str) {
        self.made.set(true);
        if let Some(cleanup) = &self.site().cleanup {
            cleanup.account(&self.suffix(), name);
        }
    }

    /// Returns `text` with the lab's values filled in: `{issuer}` is the identity provider's issuer, `{provider}` its name, which is the
    /// prefix of its users and groups, and `{learner}` the lesson's learner.
    ///
    /// # Errors
    /// The text has another placeholder, or the scenario is not the goal of a lesson.
    pub fn filled(&self, text: &str) -> Result<String> {
        let learner = || Some(self.site().learner.as_ref()?.learner.clone());
        Ok(fill(text, |name| match name {
            "issuer" => Some(self.lab().description().keycloak_issuer.clone()),
            "provider" => Some(self.provider_name().to_owned()),
            "learner" => learner(),
            _ => None,
        })?)
    }

    /// Returns the place of the lesson's learner.
    ///
    /// # Errors
    /// The scenario is not the goal of a lesson.
    pub fn learners_place(&self) -> Result<LearnersPlace> {
        self.site()
            .learner
            .clone()
            .context("only the goal of a lesson has a learner: `authlab lesson check`")
    }

    /// Returns the person meant, who is the one named last from now on: a pronoun is the one named before.
    ///
    /// # Errors
    /// `said` is a pronoun, and nobody was named before.
    pub fn person(&mut self, said: &Person) -> Result<Person> {
        if said.is_pronoun() {
            let current = self.current.clone();
            return current.with_context(|| format!("'{}' is used before a person is named", said.name()));
        }
        self.current = Some(said.clone());
        self.exchanges.set_caller(said.name());
        Ok(said.clone())
    }

    /// Returns the user name of the person meant, who is the one named last from now on.
    ///
    /// # Errors
    /// `said` is a pronoun, and nobody was named before.
    pub fn user(&mut self, said: &Person) -> Result<String> {
        Ok(self.person(said)?.user())
    }

    /// Returns the last answer, for a step that names the person who got it.
    ///
    /// # Errors
    /// `said` is a pronoun, and nobody was named before; or no request was sent yet.
    pub fn answer_to(&mut self, said: &Person) -> Result<&Answer> {
        let person = self.person(said)?;
        match self.is_own(&person) {
            true => self.own_answer(&person),
            false => self.answer(),
        }
    }

    /// Returns whether the scenario is inverted: sound twins take the place of flawed credentials.
    pub fn is_inverted(&self) -> bool {
        self.site().mode == Mode::Inverted
    }

    /// Returns whether to present a twin now, in place of its flawed counterpart, and notes that it is presented.
    pub fn presents_twin(&mut self) -> bool {
        self.twin_presented |= self.is_inverted();
        self.is_inverted()
    }

    /// Returns whether a twin was presented in place of a flawed credential.
    pub fn has_presented_twin(&self) -> bool {
        self.twin_presented
    }

    /// Gives `credential` to `said`. With a twin, the credential is a flawed one, and an inverted scenario gives the twin instead.
    ///
    /// # Errors
    /// `said` is a pronoun, and nobody was named before.
    pub fn hold(&mut self, said: &Person, credential: Credential, twin: Option<Twin>) -> Result<()> {
        let person = self.person(said)?;
        let credential = match &twin {
            Some(twin) if self.presents_twin() => twin.credential.clone(),
            _ => credential,
        };
        self.holdings.insert(person.name().to_owned(), Holding { credential, twin });
        Ok(())
    }

    /// Marks the credential that `said` holds as flawed, with `twin` as its sound counterpart, which an inverted scenario gives instead.
    ///
    /// # Errors
    /// They hold no credential.
    pub fn spoil(&mut self, said: &Person, twin: Twin) -> Result<()> {
        let credential = self.holding(said)?.credential.clone();
        self.hold(said, credential, Some(twin))
    }

    /// Returns the credential that `said` holds, with its twin.
    ///
    /// # Errors
    /// They hold no credential.
    pub fn holding(&mut self, said: &Person) -> Result<&Holding> {
        let person = self.person(said)?;
        self.holdings
            .get(person.name())
            .with_context(|| format!("{} holds nothing yet", person.name()))
    }

    /// Returns the sound counterpart of the flawed credential that was given last.
    ///
    /// # Errors
    /// Nobody holds a flawed credential.
    pub fn twin(&self) -> Result<Twin> {
        let current = self.current.as_ref().and_then(|person| self.holdings.get(person.name()));
        let twins = current
            .into_iter()
            .chain(self.holdings.values())
            .filter_map(|holding| holding.twin.clone());
        twins
            .into_iter()
            .next()
            .context("nobody holds a flawed credential that has a sound twin")
    }

    /// Sends all requests to `endpoint` from now on, once its API server knows the rights granted so far.
    ///
    /// # Errors
    /// The API server does not learn of a right in time.
    pub async fn go_to(&mut self, endpoint: Endpoint) -> Result<()> {
        for right in &self.rights {
            right.until_allowed(&self.administrator_at(&endpoint.server)?).await?;
        }
        self.endpoint = Some(endpoint);
        Ok(())
    }

    /// Notes that `right` was granted, and waits until the current endpoint's API server knows it.
    ///
    /// # Errors
    /// The API server does not learn of it in time.
    pub async fn granted(&mut self, right: AccessReview) -> Result<()> {
        right.until_allowed(&self.administrator_at(&self.endpoint().server)?).await?;
        self.rights.push(right);
        Ok(())
    }

    /// Returns the endpoint of all requests: the main API server unless the scenario chose another.
    pub fn endpoint(&self) -> Endpoint {
        let endpoint = self.endpoint.clone().unwrap_or_else(|| Endpoint::of(self.lab().main()));
        Endpoint {
            exchanges: self.exchanges.clone(),
            ..endpoint
        }
    }

    /// Sends `question` as `said`, presenting the credential that they hold.
    ///
    /// # Errors
    /// They hold no credential.
    pub async fn ask(&mut self, said: &Person, question: &Question) -> Result<Answer> {
        let person = self.person(said)?;
        self.present_known(&person).await?;
        let credential = self.holding(&person)?.credential.clone();
        Ok(self.ask_with(&person, &credential, question).await)
    }

    /// Sends `question` as `who`, presenting `credential`. The answer becomes the last one.
    pub async fn ask_with(&mut self, who: &Person, credential: &Credential, question: &Question) -> Answer {
        let answer = ask(&self.endpoint(), who.name(), credential, question).await;
        self.answers.push(answer.clone());
        answer
    }

    /// Records an answer from elsewhere (a watch, a tool) as the last one.
    pub fn answered(&mut self, answer: Answer) {
        self.answers.push(answer);
    }

    /// Returns the last answer.
    ///
    /// # Errors
    /// No request was sent yet.
    pub fn answer(&self) -> Result<&Answer> {
        self.answers.last().context("no request was sent yet")
    }

    /// Returns all answers, in order.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Returns the scenario's own namespace, created on first use.
    ///
    /// # Errors
    /// The namespace cannot be created.
    pub async fn namespace(&mut self) -> Result<String> {
        if let Some(name) = self.namespace.as_ref().or(self.site().learner.as_ref().map(|place| &place.learner)) {
            return Ok(name.clone());
        }
        let name = self.unique("authlab");
        let namespace = serde_json::from_value(serde_json::json!({ "metadata": self.metadata(&name) }))?;
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(self.administrator()?);
        namespaces
            .create(&kube::api::PostParams::default(), &namespace)
            .await
            .context("the scenario's namespace")?;
        self.namespace = Some(name.clone());
        Ok(name)
    }

    /// Returns the state of the steps about one noun: a value of their own type.
    pub fn notes<T: Any + Default>(&mut self) -> &mut T {
        let notes = self.notes.entry(TypeId::of::<T>()).or_insert_with(|| Box::<T>::default());
        notes.downcast_mut().expect("it is kept under its own type")
    }
}

impl World {
    /// Adds the requests that API servers sent to the lab's own servers because of this scenario.
    async fn add_calls(&self) {
        let exchanges = self.exchanges.all();
        let Some(since) = self.entered.filter(|_| !exchanges.is_empty()) else {
            return;
        };
        let signer = self.lab().signer().ok();
        let unshared: Vec<String> = signer.into_iter().flat_map(Signer::unshared).collect();
        let calls = Calls {
            since,
            exchanges: &exchanges,
            is_alone: self.site().is_alone,
            unshared: &unshared,
        };
        let found = self.lab().calls(&calls.wanted(&self.suffix())).await;
        for (at, lasted, exchange) in calls.attributed(found) {
            self.exchanges.tell(at, lasted, exchange);
        }
    }
}

impl Stage for World {
    type Lab = Site;

    fn enter(&mut self, site: Site, scenario: SharedScenario) {
        if !site.exchanges {
            self.exchanges = Exchanges::discarding();
        }
        self.site = Some(site);
        self.scenario = Some(scenario);
        self.entered = Some(SystemTime::now());
    }

    fn answers(&self) -> Vec<AnswerReport> {
        self.answers.iter().map(Answer::report).collect()
    }

    fn exchanges(&self) -> Vec<(SystemTime, Exchange)> {
        self.exchanges.all()
    }

    async fn leave(&mut self, ended: Ended) -> Left {
        self.add_calls().await;
        if let (true, Some(cleanup)) = (self.made.get(), &self.site().cleanup) {
            cleanup.left(self.suffix());
        }
        if self.twin_presented || self.site().mode == Mode::Sabotaged || self.site().learner.is_some() {
            // The failure is intended, or the learner is not done yet: no evidence is kept.
            return Left {
                inverted: self.twin_presented,
                ..Left::default()
            };
        }
        let (Ended::Failed(why), Some(scenario)) = (ended, self.scenario.clone()) else {
            return Left::default();
        };
        let log = self.answers.last().map(|last| last.record.log.clone()).unwrap_or_default();
        match evidence::keep(run_id(), &scenario, &why, &self.answers) {
            Ok(directory) => Left {
                log,
                evidence: Some(directory.display().to_string()),
                ..Left::default()
            },
            Err(error) => Left {
                log,
                evidence: None,
                problem: Some(format!("cannot keep the evidence: {error:#}")),
                ..Left::default()
            },
        }
    }
}

/// Returns the id that distinguishes this run of the features from every other in the same lab.
pub(crate) fn run_id() -> &'static str {
    static ID: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let mut id = [0_u8; 8];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut id);
        hex::encode(id)
    });
    &ID
}
