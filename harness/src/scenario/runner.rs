//! Runs selected scenarios: waits for the lab, skips those that the lab cannot run,
//! runs the rest side by side and reports each outcome. The main items are
//! [`run`] and [`Stage`], the runner's interface to a world.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Debug;
use std::panic;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime};

use cucumber::codegen::WorldInventory;
use cucumber::event::{Cucumber, ScenarioFinished, StepError};
use cucumber::runner::basic::{Basic, Cli};
use cucumber::{Runner as _, World};
use futures::{FutureExt as _, StreamExt as _, stream};
use gherkin::Feature;

use super::SharedScenario;
use super::comparison::cause;
use super::failure_limit::FailureLimit;
use super::outcome::{Outcomes, panic_text};
use super::selection::{Ignored, Selected};
use super::step_definition::step_definitions;
use crate::event::{AnswerReport, Cause, Event, Events, Exchange, Outcome, Skip, milliseconds};
use crate::interrupt::Interrupt;

/// The runner's interface to a world: a value per scenario, whose steps are registered with cucumber's attributes.
pub trait Stage: World + WorldInventory + Debug {
    /// The state that all scenarios share.
    type Lab: Clone + 'static;

    /// Prepares the world for a scenario that is about to start.
    fn enter(&mut self, lab: Self::Lab, scenario: SharedScenario);

    /// Returns the servers' answers so far, in order.
    fn answers(&self) -> Vec<AnswerReport>;

    /// Returns the exchanges so far, each with its start time.
    fn exchanges(&self) -> Vec<(SystemTime, Exchange)> {
        Vec::new()
    }

    /// Ends the scenario: cleans up its own objects and keeps evidence of a failure.
    fn leave(&mut self, ended: Ended) -> impl Future<Output = Left>;
}

/// The result of a scenario's steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps held.
    Passed,
    /// A step did not hold, for this cause.
    Failed(Cause),
}

/// The result of leaving a scenario.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Lines of the servers' logs around the last request, if the scenario failed.
    pub log: Vec<String>,
    /// The directory that holds the evidence, if the scenario failed.
    pub evidence: Option<String>,
    /// The reason for a failed cleanup, which fails the scenario.
    pub problem: Option<String>,
    /// `true` if a sound twin was presented in place of a flawed credential.
    pub inverted: bool,
}

/// The options of a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The number of scenarios at a time.
    pub concurrency: usize,
    /// The capabilities that a lab provides last: features that ask for one start after the others.
    pub last: &'static [&'static str],
    /// The user's request to stop: nothing new starts, and running scenarios are abandoned.
    pub interrupt: Interrupt,
    /// `true` if sound twins are presented in place of flawed credentials, so that the scenarios with one must fail.
    pub inverted: bool,
    /// The number of failures after which no further scenario begins; `None` to carry out all.
    pub max_failures: Option<usize>,
    /// The arguments of `authlab run` that name the feature files and the configuration; none for the built-in features.
    pub run_with: Vec<String>,
}

/// The default number of scenarios at a time. They wait for servers most of the time.
pub const CONCURRENCY: usize = 16;

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            concurrency: CONCURRENCY,
            last: &[],
            interrupt: Interrupt::never(),
            inverted: false,
            max_failures: None,
            run_with: Vec::new(),
        }
    }
}

/// The counts of scenarios by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Scenarios in which every step held.
    pub passed: usize,
    /// Scenarios in which a step did not hold.
    pub failed: usize,
    /// Scenarios that the lab cannot run.
    pub skipped: usize,
    /// `true` if the run was interrupted.
    pub interrupted: bool,
}

impl Tally {
    /// Returns `true` if there were scenarios, and all of them were skipped.
    #[must_use]
    pub fn is_all_skipped(&self) -> bool {
        let Self {
            passed,
            failed,
            skipped,
            interrupted,
        } = *self;
        passed + failed == 0 && skipped > 0 && !interrupted
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }
}

/// The key of a scenario in cucumber's events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The findings of the hook after a scenario.
#[derive(Default)]
pub(super) struct Aftermath {
    pub(super) answers: Vec<AnswerReport>,
    pub(super) exchanges: Vec<(SystemTime, Exchange)>,
    pub(super) left: Left,
    pub(super) ms: u64,
}

pub(super) type Aftermaths = Rc<RefCell<HashMap<Key, Aftermath>>>;

/// Runs `selected` in the lab that `lab` resolves to. `fit` returns, for each scenario, the reason for which that lab must skip it.
///
/// # Errors
/// Returns the errors of `lab` and `fit`. A failed scenario is not an error: it is reported as an event and counted.
pub async fn run<S: Stage, E>(
    selected: &Selected<'_>,
    options: &RunOptions,
    lab: impl Future<Output = Result<S::Lab, E>>,
    fit: impl Fn(&S::Lab, &SharedScenario) -> Result<Option<Skip>, E>,
    events: &Events,
) -> Result<Tally, E> {
    let started = Instant::now();
    events.emit(Event::RunStarted {
        selected: selected.len(),
        filtered_out: selected.filtered_out(),
        inverted: options.inverted,
    });
    let lab = tokio::select! {
        biased;
        () = options.interrupt.requested() => None,
        lab = lab => Some(lab?),
    };
    let tally = match lab {
        Some(lab) => carry_out::<S, E>(selected, options, lab, fit, events).await?,
        None => Tally {
            interrupted: true,
            ..Tally::default()
        },
    };
    events.emit(Event::RunFinished {
        ms: milliseconds(started.elapsed()),
        interrupted: tally.interrupted,
    });
    Ok(tally)
}

/// Allows one run at a time: cucumber replaces the process's panic hook while it runs, and restores the one that it found.
static PANIC_HOOK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn carry_out<S: Stage, E>(
    selected: &Selected<'_>,
    options: &RunOptions,
    lab: S::Lab,
    fit: impl Fn(&S::Lab, &SharedScenario) -> Result<Option<Skip>, E>,
    events: &Events,
) -> Result<Tally, E> {
    let mut runnable: HashMap<Key, SharedScenario> = HashMap::new();
    let mut skipped = Vec::new();
    // Whether each feature asks for one of the capabilities that a lab provides last.
    let mut waits = vec![false; selected.suite.features.len()];
    for entry in &selected.entries {
        let context = &entry.context;
        let skip = match fit(&lab, context)? {
            None if context.is_ignored() && selected.ignored == Ignored::Skip => Some(Skip::ignored()),
            fit => fit,
        };
        match skip {
            Some(skip) => skipped.push((context, skip)),
            None => {
                waits[entry.feature] |= context.requires().any(|name| options.last.contains(&name));
                let file = selected.suite.features[entry.feature].path.clone().unwrap_or_default();
                runnable.insert(
                    Key {
                        file,
                        line: entry.position.line,
                        column: entry.position.col,
                    },
                    Arc::clone(context),
                );
            }
        }
    }
    // Features with the most scenarios start first, so that the run does not end by waiting for one of them alone.
    let size = |feature: &Feature| feature.scenarios.len() + feature.rules.iter().map(|rule| rule.scenarios.len()).sum::<usize>();
    let mut features: Vec<_> = std::iter::zip(&selected.suite.features, waits)
        .filter_map(|(feature, waits)| Some((only(feature, &runnable)?, waits)))
        .collect();
    features.sort_by_key(|(feature, waits)| (*waits, Reverse(size(feature))));
    let features = features.into_iter().map(|(feature, _)| feature);
    let runnable = Rc::new(runnable);
    let aftermaths = Aftermaths::default();
    let limit = Rc::new(FailureLimit::new(options.max_failures));
    let mut outcomes = Outcomes::new(
        Rc::clone(&runnable),
        Rc::clone(&aftermaths),
        step_definitions::<S>(),
        Rc::clone(&limit),
        events.clone(),
        options,
    );
    for (context, skip) in skipped {
        outcomes.skipped(context, skip);
    }

    let _only_one = PANIC_HOOK.lock().await;
    let mut stream = scenarios::<S>(options, lab, runnable, aftermaths, Rc::clone(&limit))
        .run(stream::iter(features.into_iter().map(Ok)), Cli::default());
    let mut is_whole = true;
    loop {
        tokio::select! {
            biased;
            () = options.interrupt.requested() => {
                outcomes.tally.interrupted = true;
                is_whole = false;
                break;
            }
            event = stream.next() => match event {
                None => break,
                Some(Ok(event)) => {
                    let at = event.at;
                    let event = event.into_inner();
                    if matches!(event, Cucumber::Started) {
                        tell_panics_elsewhere(events);
                    }
                    outcomes.on(at, event);
                    if let Some(failures) = limit.has_ended_run() {
                        outcomes.stopped_after(failures);
                        is_whole = false;
                        break;
                    }
                }
                // Only parsing can fail, and the features are parsed already.
                Some(Err(error)) => events.note(format!("cucumber: {error}")),
            },
        }
    }
    drop(stream);
    if !is_whole {
        // The hook that cucumber found was dropped with the stream; this restores the standard library's own.
        drop(panic::take_hook());
    }
    Ok(outcomes.tally)
}

/// Returns the part of `feature` to run, or `None` if it has no scenario to run.
fn only(feature: &Feature, runnable: &HashMap<Key, SharedScenario>) -> Option<Feature> {
    let mut feature = feature.clone();
    let file = feature.path.clone().unwrap_or_default();
    let is_meant = |scenario: &gherkin::Scenario| {
        runnable.contains_key(&Key {
            file: file.clone(),
            line: scenario.position.line,
            column: scenario.position.col,
        })
    };
    feature.scenarios.retain(is_meant);
    for rule in &mut feature.rules {
        rule.scenarios.retain(is_meant);
    }
    feature.rules.retain(|rule| !rule.scenarios.is_empty());
    (!feature.scenarios.is_empty() || !feature.rules.is_empty()).then_some(feature)
}

fn scenarios<S: Stage>(
    options: &RunOptions,
    lab: S::Lab,
    runnable: Rc<HashMap<Key, SharedScenario>>,
    aftermaths: Aftermaths,
    limit: Rc<FailureLimit>,
) -> impl cucumber::Runner<S, Cli = Cli, EventStream = stream::LocalBoxStream<'static, cucumber::parser::Result<cucumber::Event<Cucumber<S>>>>>
{
    let begun: Rc<RefCell<HashMap<Key, Instant>>> = Rc::default();
    let also_begun = Rc::clone(&begun);
    let also_limit = Rc::clone(&limit);
    let key = |feature: &Feature, scenario: &gherkin::Scenario| Key {
        file: feature.path.clone().unwrap_or_default(),
        line: scenario.position.line,
        column: scenario.position.col,
    };
    Basic::<S>::default()
        .steps(S::collection())
        .max_concurrent_scenarios(options.concurrency.max(1))
        // A flaky pass is not a pass.
        .retry_options(|_, _, _, _| None)
        .before(move |feature, _, scenario, world: &mut S| {
            let key = key(feature, scenario);
            let (limit, begun) = (Rc::clone(&limit), Rc::clone(&begun));
            let entry = runnable.get(&key).map(|context| (lab.clone(), Arc::clone(context)));
            async move {
                limit.begin().await;
                if let Some((lab, context)) = entry {
                    world.enter(lab, context);
                }
                begun.borrow_mut().insert(key, Instant::now());
            }
            .boxed_local()
        })
        .after(move |feature, _, scenario, finished, world: Option<&mut S>| {
            let key = key(feature, scenario);
            let ended = ended(finished);
            let (begun, aftermaths, limit) = (Rc::clone(&also_begun), Rc::clone(&aftermaths), Rc::clone(&also_limit));
            async move {
                let mut aftermath = Aftermath::default();
                if let Some(world) = world {
                    let left = panic::AssertUnwindSafe(world.leave(ended)).catch_unwind().await;
                    aftermath.left = left.unwrap_or_else(|payload| Left {
                        problem: Some(panic_text(&*payload)),
                        ..Left::default()
                    });
                    // Read after leaving: reasons may still have been on their way to a log.
                    aftermath.answers = world.answers();
                    aftermath.exchanges = world.exchanges();
                }
                aftermath.ms = begun.borrow_mut().remove(&key).map_or(0, |begun| milliseconds(begun.elapsed()));
                aftermaths.borrow_mut().insert(key, aftermath);
                limit.left();
            }
            .boxed_local()
        })
}

fn ended(finished: &ScenarioFinished) -> Ended {
    match finished {
        ScenarioFinished::StepPassed => Ended::Passed,
        ScenarioFinished::StepSkipped => Ended::Failed(Cause::failed("a step is not defined")),
        ScenarioFinished::BeforeHookFailed(payload) | ScenarioFinished::StepFailed(_, _, StepError::Panic(payload)) => {
            Ended::Failed(cause(&panic_text(&**payload)))
        }
        ScenarioFinished::StepFailed(_, _, error) => Ended::Failed(Cause::failed(error.to_string())),
    }
}

/// Reports panics of tasks that steps left running, which would be lost silently; cucumber catches those of the steps themselves.
fn tell_panics_elsewhere(events: &Events) {
    let (here, events) = (thread::current().id(), events.clone());
    panic::set_hook(Box::new(move |panicked| {
        if thread::current().id() != here {
            let place = panicked
                .location()
                .map(|place| format!(" at {}:{}", place.file(), place.line()))
                .unwrap_or_default();
            events.note(format!("a task panicked{place}: {}", panic_text(panicked.payload())));
        }
    }));
}
