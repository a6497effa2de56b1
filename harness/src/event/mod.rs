//! What happened: the one thing that running and reporting share.
//!
//! Whoever does something emits [`Event`]s into an [`Events`] sink; whoever
//! tells a person or a file about it consumes them. Neither knows the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

mod answer;
mod ending;
mod exchange;
mod presented;

pub use answer::{AnswerReport, NOT_OBSERVABLE, ReasonSource, Verdict};
pub use ending::{Cause, Failure, Inversion, Outcome, Skip, SkipKind};
pub use exchange::{Exchange, Exchanges, ServerRecord, StepReport, milliseconds};
pub use presented::Presented;

/// Something that happened, in the order in which it did.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A named part of the work began (`etcd`, `keycloak`, `build 1.37.2`, …).
    PhaseStarted {
        /// The phase's name.
        phase: String,
    },
    /// What a phase that is under way is doing now.
    PhaseProgress {
        /// The phase's name.
        phase: String,
        /// One line for a person.
        detail: String,
        /// Bytes done so far, where bytes are what it is about.
        done: Option<u64>,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// A phase came to its end.
    PhaseFinished {
        /// The phase's name.
        phase: String,
        /// How long it took, in milliseconds.
        ms: u64,
        /// Why it failed; `None` when it succeeded.
        failed: Option<String>,
    },
    /// One line a person should know: a choice made, a source that failed over.
    Note {
        /// The line.
        text: String,
    },
    /// The lab is ready, and this is what is in it.
    LabReady {
        /// What is in it.
        lab: LabReport,
    },
    /// Scenarios were selected; the lab they need comes next.
    RunStarted {
        /// How many.
        selected: usize,
        /// How many others there are.
        filtered_out: usize,
        /// Whether sound twins are presented in place of flawed credentials: every scenario with one has to fail.
        #[serde(default)]
        inverted: bool,
    },
    /// The last scenario ended, or it was given up.
    RunFinished {
        /// How long it took with the lab's start, in milliseconds.
        ms: u64,
        /// Whether it was given up.
        interrupted: bool,
    },
    /// A scenario begins.
    ScenarioStarted {
        /// Its identity, as `--list` shows it.
        id: String,
    },
    /// A scenario ended; boxed, as it carries all its answers.
    ScenarioFinished {
        /// What it was and how it went.
        report: Box<ScenarioReport>,
    },
}

/// What a lab consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabReport {
    /// The cluster driver: `process`, `container`, `k3s`, `kind` or `existing`.
    pub cluster: String,
    /// The version of Kubernetes, as the API server tells it.
    pub kubernetes: String,
    /// The identity provider and its version.
    pub identity_provider: String,
}

/// What became of one scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Its identity: `folder/feature::scenario` (an outline's row in brackets).
    pub id: String,
    /// The way of authenticating: the folder of its feature file.
    pub flow: String,
    /// The feature's title.
    pub feature: String,
    /// The rule it illustrates, where the feature has rules.
    pub rule: Option<String>,
    /// The scenario's title.
    pub name: String,
    /// The feature file and the line.
    pub place: String,
    /// Its tags, without `@`.
    pub tags: Vec<String>,
    /// The ids of the catalogue that it proves.
    pub behaviours: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was not carried out, when it was not.
    #[serde(flatten)]
    pub skipped: Option<Skip>,
    /// The step that failed, its position and why.
    pub failure: Option<Failure>,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What noticed, in an inverted run, that the sound twin was presented in place of the flawed credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inversion: Option<Inversion>,
    /// What the servers answered, in order.
    pub answers: Vec<AnswerReport>,
    /// Its steps, those of the background first. Absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepReport>,
    /// Every request between its parties, in the order in which they began. Absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchange>,
}

/// Where events go. Cheap to clone; shared by all that run.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Events go to `consumer`, on whatever thread they happen.
    pub fn new(consumer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(consumer))
    }

    /// Nobody listens.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Tells that `event` happened.
    pub fn emit(&self, event: Event) {
        (self.0)(event);
    }

    /// One line a person should know.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { text: text.into() });
    }

    /// Begins a phase; the returned guard ends it.
    pub fn phase(&self, name: impl Into<String>) -> Phase {
        let phase = name.into();
        self.emit(Event::PhaseStarted { phase: phase.clone() });
        Phase {
            events: self.clone(),
            phase,
            started: Instant::now(),
            ended: false,
        }
    }
}

/// Why a phase ended that nobody waits for any longer.
pub const GIVEN_UP: &str = "given up";

/// A phase under way. Ends with [`Phase::succeeded`] or [`Phase::failed`];
/// dropped before either, it was given up.
#[derive(Debug)]
#[must_use = "a phase that is dropped at once counts as given up"]
pub struct Phase {
    events: Events,
    phase: String,
    started: Instant,
    ended: bool,
}

impl Phase {
    /// Tells what the phase is doing.
    pub fn detail(&self, detail: impl Into<String>) {
        self.progress(detail, None, None);
    }

    /// Tells how far the phase is, in bytes.
    pub fn progress(&self, detail: impl Into<String>, done: Option<u64>, total: Option<u64>) {
        self.events.emit(Event::PhaseProgress {
            phase: self.phase.clone(),
            detail: detail.into(),
            done,
            total,
        });
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The phase reached its end.
    pub fn succeeded(mut self) {
        self.end(None);
    }

    /// The phase failed, because of `why`.
    pub fn failed(mut self, why: impl std::fmt::Display) {
        self.end(Some(why.to_string()));
    }

    fn end(&mut self, failed: Option<String>) {
        self.ended = true;
        let ms = milliseconds(self.started.elapsed());
        self.events.emit(Event::PhaseFinished {
            phase: self.phase.clone(),
            ms,
            failed,
        });
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Some(GIVEN_UP.to_owned()));
        }
    }
}
