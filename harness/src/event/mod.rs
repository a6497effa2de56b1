//! Events: the only interface between running and reporting.
//!
//! Code that does something emits [`Event`]s into an [`Events`] sink; code that
//! shows or stores them consumes them. Neither depends on the other.

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

/// An event, in the order in which it happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A named part of the work began (`etcd`, `keycloak`, `build 1.37.2`, …).
    PhaseStarted {
        /// The phase's name.
        phase: String,
    },
    /// A running phase made progress.
    PhaseProgress {
        /// The phase's name.
        phase: String,
        /// One line for people.
        detail: String,
        /// The bytes done so far, if the phase counts bytes.
        done: Option<u64>,
        /// The total number of bytes, if known.
        total: Option<u64>,
    },
    /// A phase ended.
    PhaseFinished {
        /// The phase's name.
        phase: String,
        /// The duration in milliseconds.
        ms: u64,
        /// The reason for the failure; `None` if it succeeded.
        failed: Option<String>,
    },
    /// One line for the user: a choice made, a source that failed over.
    Note {
        /// The line.
        text: String,
    },
    /// The lab is ready.
    LabReady {
        /// The lab's contents.
        lab: LabReport,
    },
    /// Scenarios were selected; the lab that they need starts next.
    RunStarted {
        /// The number of selected scenarios.
        selected: usize,
        /// The number of other scenarios.
        filtered_out: usize,
        /// `true` if sound twins are presented in place of flawed credentials: every scenario with one has to fail.
        #[serde(default)]
        inverted: bool,
    },
    /// The last scenario ended, or the run was interrupted.
    RunFinished {
        /// The duration including the lab's start, in milliseconds.
        ms: u64,
        /// `true` if the run was interrupted.
        interrupted: bool,
    },
    /// A scenario began.
    ScenarioStarted {
        /// The scenario's identity, as `--list` shows it.
        id: String,
    },
    /// A scenario ended; boxed, because it carries all its responses.
    ScenarioFinished {
        /// The scenario and its result.
        report: Box<ScenarioReport>,
    },
}

/// The contents of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabReport {
    /// The cluster driver: `process`, `container`, `k3s`, `kind` or `existing`.
    pub cluster: String,
    /// The version of Kubernetes that the API server reports.
    pub kubernetes: String,
    /// The identity provider and its version.
    pub identity_provider: String,
}

/// The result of one scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// The scenario's identity: `folder/feature::scenario` (an outline's row in brackets).
    pub id: String,
    /// The way of authenticating: the folder of its feature file.
    pub flow: String,
    /// The feature's title.
    pub feature: String,
    /// The rule that it illustrates, if the feature has rules.
    pub rule: Option<String>,
    /// The scenario's title.
    pub name: String,
    /// The feature file and the line.
    pub place: String,
    /// The tags, without `@`.
    pub tags: Vec<String>,
    /// The ids of the behaviours in the catalogue that it proves.
    pub behaviours: Vec<String>,
    /// The arguments of `authlab run` that name its feature file, its configuration and a cluster that exists; none for a built-in feature
    /// in a lab.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run_with: Vec<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason why it was skipped, if it was.
    #[serde(flatten)]
    pub skipped: Option<Skip>,
    /// The failure: the failed step, its position and the cause.
    pub failure: Option<Failure>,
    /// The duration in milliseconds.
    pub ms: u64,
    /// The assertion that noticed, in an inverted run, that the sound twin was presented in place of the flawed credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inversion: Option<Inversion>,
    /// The servers' responses, in order.
    pub answers: Vec<AnswerReport>,
    /// The steps, those of the background first. Absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepReport>,
    /// Every request between its parties, in the order in which they began. Absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchange>,
}

/// A sink for events, cheap to clone and shared by all code that emits them.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Returns a sink that passes events to `consumer`, on the thread that emits them.
    pub fn new(consumer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(consumer))
    }

    /// Returns a sink that drops all events.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Emits `event`.
    pub fn emit(&self, event: Event) {
        (self.0)(event);
    }

    /// Emits a note: one line for the user.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { text: text.into() });
    }

    /// Reports `work` as a phase, which ends with its success or its error.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn in_phase<T, E: std::fmt::Display>(
        &self,
        name: impl Into<String>,
        work: impl AsyncFnOnce(&Phase) -> Result<T, E>,
    ) -> Result<T, E> {
        let phase = self.phase(name);
        let result = work(&phase).await;
        match &result {
            Ok(_) => phase.succeeded(),
            Err(error) => phase.failed(error),
        }
        result
    }

    /// Begins a phase whose end is not that of a future; the returned guard ends it.
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

/// The failure of a phase that was dropped before its end.
pub const GIVEN_UP: &str = "given up";

/// A running phase. Ends with [`Phase::succeeded`] or [`Phase::failed`];
/// if dropped before either, it was given up.
#[derive(Debug)]
#[must_use = "a phase that is dropped at once counts as given up"]
pub struct Phase {
    events: Events,
    phase: String,
    started: Instant,
    ended: bool,
}

impl Phase {
    /// Emits a description of the phase's current work.
    pub fn detail(&self, detail: impl Into<String>) {
        self.progress(detail, None, None);
    }

    /// Emits the phase's progress, in bytes.
    pub fn progress(&self, detail: impl Into<String>, done: Option<u64>, total: Option<u64>) {
        self.events.emit(Event::PhaseProgress {
            phase: self.phase.clone(),
            detail: detail.into(),
            done,
            total,
        });
    }

    /// Returns the time since the phase began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends the phase successfully.
    pub fn succeeded(mut self) {
        self.end(None);
    }

    /// Ends the phase with a failure, because of `why`.
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_phase_ends_as_its_work_does() {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&ends);
        let events = Events::new(move |event| {
            if let Event::PhaseFinished { phase, failed, .. } = event {
                told.lock().unwrap().push((phase, failed));
            }
        });
        assert_eq!(events.in_phase("sound", async |_| Ok::<_, &str>(1)).await, Ok(1));
        assert_eq!(events.in_phase("broken", async |_| Err::<(), _>("no port")).await, Err("no port"));
        let stuck = events.in_phase("dropped", async |_| std::future::pending::<Result<(), &str>>().await);
        assert!(futures::FutureExt::now_or_never(stuck).is_none());
        let ended = |phase: &str, failed: Option<&str>| (phase.to_owned(), failed.map(str::to_owned));
        let expected = [
            ended("sound", None),
            ended("broken", Some("no port")),
            ended("dropped", Some(GIVEN_UP)),
        ];
        assert_eq!(*ends.lock().unwrap(), expected);
    }
}
