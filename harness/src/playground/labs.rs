//! The labs of a playground: one for each version and text of manifests that is asked for, started at its first use and kept while a page
//! wants it ([`Slots`]). The main type is [`Labs`].
//!
//! Another configuration is a further API server of the lab. Other manifests are another lab: what earlier ones created would
//! still give rights, and not everything can be deleted without the controllers that a bare lab lacks (a namespace never ends there).
//! Learners share labs and API servers: an answer depends on the configuration, the manifests and the credential, which are the same.

use std::sync::PoisonError;

use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{Mutex, Semaphore, mpsc};

use super::answer::{Is, OnVersion, Right, Said, Tried};
use super::draft::Question;
use super::marks::{Mark, of_flags, of_server};
use super::sent;
use super::slots::Slots;
use crate::cluster::Given;
use crate::event::{Events, Exchanges, Verdict};
use crate::lab::{Lab, LabError, LabOptions};
use crate::server_binaries::{Kubernetes, KubernetesVersion, Versions};
use crate::trial::manifest::ManifestError;
use crate::trial::{Outcome, Person, Trial, TrialError};

/// The number of versions that are tried at a time: two API servers start together nearly as fast as one.
const AT_ONCE: usize = 2;

/// The limits of what runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// The most labs.
    pub(super) labs: usize,
    /// The most API servers of a lab beside its main one: each takes a quarter of a gigabyte of memory.
    pub(super) further: usize,
}

impl Limits {
    /// Returns the limits for one user, who has one lab for each version.
    pub(super) fn alone() -> Self {
        Self {
            labs: Versions::pinned().kubernetes.len(),
            further: 2,
        }
    }

    /// Returns the limits for a class: less than four gigabytes of memory together.
    pub(super) const fn of_class() -> Self {
        Self { labs: 3, further: 3 }
    }

    /// Returns the most API servers.
    pub(super) const fn api_servers(self) -> usize {
        self.labs * (1 + self.further)
    }
}

/// The most people of a version who are asked about at a time.
const ASKED: usize = 8;

/// Something that a page asks for.
#[derive(Debug)]
pub(super) struct Job {
    /// The page, by number: each uses one lab of a version.
    pub(super) page: usize,
    pub(super) question: Question,
    /// Takes the answers. Once it is closed, nobody waits for them.
    pub(super) answers: mpsc::UnboundedSender<OnVersion>,
}

/// The labs.
#[derive(Debug)]
pub(super) struct Labs {
    options: LabOptions,
    events: Events,
    limits: Limits,
    at_once: Semaphore,
    slots: std::sync::Mutex<Slots<KubernetesVersion, Place>>,
    /// The labs that are being ended: whoever waits next goes on where a request was given up.
    ending: Mutex<Ending>,
}

/// The place for a lab, locked by the one request that asks its API servers.
type Place = Mutex<Option<Running>>;

/// Labs that are being ended, and the first error in that.
#[derive(Debug, Default)]
struct Ending {
    labs: FuturesUnordered<LocalBoxFuture<'static, Result<(), LabError>>>,
    failed: Option<LabError>,
}

impl Ending {
    /// Waits until they have ended.
    async fn finish(&mut self) {
        while let Some(ended) = self.labs.next().await {
            if let Err(error) = ended {
                self.failed.get_or_insert(error);
            }
        }
    }
}

/// A lab that runs.
#[derive(Debug)]
struct Running {
    lab: Lab,
    /// Its API servers, the least recently used first.
    servers: Vec<Trial>,
    /// The flags and files of a further API server that was being started when nobody waited for it any more.
    abandoned: Option<Given>,
}

/// The reason why an API server cannot be asked.
#[derive(Debug, thiserror::Error)]
enum CannotAsk {
    #[error(transparent)]
    Trial(TrialError),
    #[error(transparent)]
    Manifest(ManifestError),
}

impl From<TrialError> for CannotAsk {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Manifest(error) => Self::Manifest(error),
            error => Self::Trial(error),
        }
    }
}

impl From<LabError> for CannotAsk {
    fn from(error: LabError) -> Self {
        Self::Trial(error.into())
    }
}

impl Labs {
    /// Returns the labs with `options`, none of which has started.
    pub(super) fn new(options: LabOptions, limits: Limits, events: Events) -> Self {
        Self {
            options,
            events,
            limits,
            at_once: Semaphore::new(AT_ONCE),
            slots: Slots::new(limits.labs).into(),
            ending: Mutex::default(),
        }
    }

    /// Carries `job` out, until nobody waits for it.
    pub(super) async fn carry_out(&self, job: Job) {
        let Job { page, question, answers } = job;
        let asked = question.versions.iter().map(|version| self.on(page, version, &question));
        let mut asked: FuturesUnordered<_> = asked.collect();
        let work = async {
            while let Some(answer) = asked.next().await {
                // Then `closed` is next.
                let _unheard = answers.send(answer);
            }
        };
        tokio::select! {
            () = answers.closed() => {}
            () = work => {}
        }
    }

    /// Ends all labs.
    pub(super) async fn end(self) -> Result<(), LabError> {
        let slots = self.slots.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut ending = self.ending.into_inner();
        for running in slots.take_all().into_iter().filter_map(Mutex::into_inner) {
            ending.labs.push(Box::pin(running.end()));
        }
        ending.finish().await;
        ending.failed.map_or(Ok(()), Err)
    }

    /// Ends the labs that no page wants, and those that are too many.
    async fn end_surplus(&self) {
        let surplus = self.slots.lock().unwrap_or_else(PoisonError::into_inner).take_surplus();
        self.end_all(surplus.into_iter().filter_map(Mutex::into_inner)).await;
    }

    /// Ends labs, and waits until they have ended: a further one needs their memory.
    async fn end_all(&self, labs: impl Iterator<Item = Running>) {
        let mut ending = self.ending.lock().await;
        for running in labs {
            ending.labs.push(Box::pin(running.end()));
        }
        ending.finish().await;
    }

    async fn on(&self, page: usize, version: &'static Kubernetes, question: &Question) -> OnVersion {
        let said = match self.said(page, version, question).await {
            Ok(people) => Said::People(people),
            Err(CannotAsk::Trial(TrialError::Lab(LabError::NotAccepted { said }))) => {
                // Not the name in the lab, but that of the saved project.
                let said = said.replace("authentication.json", "authentication.yaml");
                let given = question.setup.given.authentication.as_deref().unwrap_or_default();
                let mut marks = of_server(&said, &question.configuration, given);
                marks.extend(of_flags(&said, &question.flags));
                Said::DoesNotStart { said, marks }
            }
            Err(CannotAsk::Trial(error)) => {
                let mark = Mark::of_trial(&error);
                Said::Error(of_flags(&mark.message, &question.flags).unwrap_or(mark))
            }
            Err(CannotAsk::Manifest(error)) => Said::Error(Mark::of_manifests(&error)),
        };
        OnVersion {
            version: version.version.minor_version(),
            said,
        }
    }

    async fn said(&self, page: usize, version: &'static Kubernetes, question: &Question) -> Result<Vec<Tried>, CannotAsk> {
        // Never closed. Places are claimed by those alone whose turn it is, so that all others may end.
        let _permit = self.at_once.acquire().await;
        let place = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.claim(page, version.version, &question.manifests_text)
        };
        self.end_surplus().await;
        let said = self.said_at(&place, version, question).await;
        drop(place);
        // Another request of the page may have left its place meanwhile.
        self.end_surplus().await;
        said
    }

    async fn said_at(&self, place: &Place, version: &'static Kubernetes, question: &Question) -> Result<Vec<Tried>, CannotAsk> {
        let mut slot = place.lock().await;
        let trial = match slot.as_mut() {
            Some(running) => running.trial(question, self.limits).await?,
            None => slot.insert(self.start(version, question).await?).newest()?,
        };
        let people = futures::stream::iter(&question.people).map(|person| tried(&trial, person, question));
        let people: Vec<Tried> = people.buffered(ASKED).collect().await;
        let is_gone = |tried: &Tried| matches!(&tried.is, Is::Refused(refused) if refused.kind == Verdict::Unreachable);
        if people.iter().any(is_gone) {
            // An API server that ended is not asked again.
            drop(trial);
            self.end_all(slot.take().into_iter()).await;
        }
        Ok(people)
    }

    /// Starts a lab of `version` whose main API server has the configuration.
    async fn start(&self, version: &Kubernetes, question: &Question) -> Result<Running, CannotAsk> {
        let options = LabOptions {
            kubernetes: Some(version.version.minor_version()),
            ..self.options.clone()
        };
        let trial = Trial::start(question.setup.clone(), &options, &self.events).await?;
        let running = Running {
            lab: trial.lab().clone(),
            servers: vec![trial],
            abandoned: None,
        };
        match running.prepare(question).await {
            Ok(()) => Ok(running),
            Err(error) => {
                self.end_all(std::iter::once(running)).await;
                Err(error)
            }
        }
    }
}

impl Running {
    async fn end(self) -> Result<(), LabError> {
        drop(self.servers);
        self.lab.end(false).await
    }

    /// Creates the objects, and waits until they count.
    async fn prepare(&self, question: &Question) -> Result<(), CannotAsk> {
        if question.manifests.is_empty() {
            return Ok(());
        }
        Ok(self.newest()?.apply(&question.manifests).await?)
    }

    /// Returns the API server that was used last.
    fn newest(&self) -> Result<Trial, LabError> {
        self.servers.last().cloned().ok_or(LabError::Ended)
    }

    /// Returns the API server with the configuration: one that runs, or a further one, which is started after the objects were created.
    async fn trial(&mut self, question: &Question, limits: Limits) -> Result<Trial, TrialError> {
        let setup = &question.setup;
        if let Some(abandoned) = self.abandoned.take().filter(|abandoned| *abandoned != setup.given) {
            self.lab.end_given(&abandoned).await?;
        }
        if let Some(at) = self.servers.iter().position(|trial| trial.setup().given == setup.given) {
            let trial = self.servers.remove(at);
            self.servers.push(trial.clone());
            return Ok(trial);
        }
        self.make_room(limits).await?;
        self.abandoned = Some(setup.given.clone());
        let started = Trial::within(self.lab.clone(), setup.clone()).await;
        self.abandoned = None;
        match started {
            Ok(trial) => {
                self.servers.push(trial.clone());
                Ok(trial)
            }
            Err(error) => {
                self.lab.end_given(&setup.given).await?;
                Err(error)
            }
        }
    }

    /// Ends the API servers that leave no room for a further one.
    async fn make_room(&mut self, limits: Limits) -> Result<(), LabError> {
        let main = self.lab.description().given.clone();
        let is_further = |trial: &Trial| main.as_ref() != Some(&trial.setup().given.name());
        while self.servers.iter().filter(|trial| is_further(trial)).count() >= limits.further {
            let Some(least) = self.servers.iter().position(is_further) else {
                break;
            };
            let trial = self.servers.remove(least);
            self.lab.end_given(&trial.setup().given).await?;
        }
        Ok(())
    }
}

/// Tries `person`, and what that user may do.
async fn tried(trial: &Trial, person: &Person, question: &Question) -> Tried {
    let error = |error: &TrialError| Tried {
        person: person.name.clone(),
        is: Is::Error(Mark::of_trial(error)),
        may: Vec::new(),
        requests: None,
    };
    let sent = Exchanges::default();
    let trial = &trial.recorded(&sent);
    let credential = match trial.credential(person).await {
        Ok(credential) => credential,
        Err(cause) => return error(&cause),
    };
    let outcome = trial.who(&person.name, &credential).await;
    let (mut may, mut reviewed) = (Vec::new(), Vec::new());
    if matches!(outcome, Outcome::Accepted(_)) {
        for action in &question.actions {
            may.push(match trial.may(&person.name, &credential, action).await {
                Ok(decision) => Right::Decided(decision),
                Err(cause) => Right::NotReviewed {
                    action: action.to_string(),
                    error: Mark::of_trial(&cause),
                },
            });
            // An action may be wrong before anything is sent.
            if sent.all().len() > 1 + reviewed.len() {
                reviewed.push(action);
            }
        }
    }
    Tried {
        person: person.name.clone(),
        is: outcome.into(),
        may,
        requests: sent::diagram(person, trial, &sent, &reviewed),
    }
}
