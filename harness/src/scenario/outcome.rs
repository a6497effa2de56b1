//! Turns cucumber's events into ours. The main type is [`Outcomes`], which
//! follows each scenario from its first step to its report.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::SystemTime;

use cucumber::event::{Cucumber, Feature, Hook, HookType, Rule, Scenario, Step, StepError};
use gherkin::{LineCol, StepType};

use super::comparison::cause;
use super::failure_limit::FailureLimit;
use super::inversion::{Failing, Judged, judge};
use super::runner::{Aftermath, Aftermaths, Key, RunOptions, Tally};
use super::step_definition::{StepDefinition, undefined};
use super::steps_taken::Steps;
use super::{ScenarioContext, SharedScenario};
use crate::event::{AnswerReport, Cause, Event, Events, Failure, Outcome, ScenarioReport, Skip};

/// An observer of scenarios that reports the outcome of each.
pub(super) struct Outcomes {
    scenarios: Rc<HashMap<Key, SharedScenario>>,
    aftermaths: Aftermaths,
    definitions: Vec<StepDefinition>,
    failures: HashMap<Key, Failing>,
    steps: HashMap<Key, Steps>,
    /// The assertions that held so far, in an inverted run.
    held: HashMap<Key, Vec<gherkin::Step>>,
    events: Events,
    limit: Rc<FailureLimit>,
    finished: HashSet<Key>,
    inverted: bool,
    run_with: Vec<String>,
    pub(super) tally: Tally,
}

impl Outcomes {
    pub(super) fn new(
        scenarios: Rc<HashMap<Key, SharedScenario>>,
        aftermaths: Aftermaths,
        definitions: Vec<StepDefinition>,
        limit: Rc<FailureLimit>,
        events: Events,
        options: &RunOptions,
    ) -> Self {
        Self {
            scenarios,
            aftermaths,
            definitions,
            failures: HashMap::new(),
            steps: HashMap::new(),
            held: HashMap::new(),
            events,
            limit,
            finished: HashSet::new(),
            inverted: options.inverted,
            run_with: options.run_with.clone(),
            tally: Tally::default(),
        }
    }

    pub(super) fn on<W>(&mut self, at: SystemTime, event: Cucumber<W>) {
        if let Cucumber::Feature(feature, event) = event {
            let (scenario, event) = match event {
                Feature::Scenario(scenario, event) | Feature::Rule(_, Rule::Scenario(scenario, event)) => (scenario, event.event),
                _ => return,
            };
            let key = Key::of(&feature, scenario.position);
            let Some(context) = self.scenarios.get(&key).cloned() else { return };
            self.on_scenario(at, key, &context, &scenario.steps, event);
        }
    }

    fn on_scenario<W>(&mut self, at: SystemTime, key: Key, context: &ScenarioContext, own_steps: &[gherkin::Step], event: Scenario<W>) {
        match event {
            // Only after the hook: it may hold a scenario back for ever.
            Scenario::Hook(HookType::Before, Hook::Passed) => self.events.emit(Event::ScenarioStarted { id: context.id.clone() }),
            Scenario::Background(step, event) | Scenario::Step(step, event) => {
                self.steps.entry(key.clone()).or_default().on(at, &step, &event);
                if self.inverted && step.ty == StepType::Then && matches!(event, Step::Passed(..)) {
                    self.held.entry(key.clone()).or_default().push((*step).clone());
                }
                if let Some(failing) = self.failing(&step, event) {
                    self.failures.entry(key).or_insert(failing);
                }
            }
            Scenario::Hook(which, Hook::Failed(_, payload)) => {
                let (step, what) = match which {
                    HookType::Before => ("(before the first step)", "cannot prepare the world"),
                    HookType::After => ("(after the last step)", "the clean-up panicked"),
                };
                let cause = Cause::failed(format!("{what}: {}", panic_text(&*payload)));
                let failing = Failing {
                    step: step.to_owned(),
                    line: None,
                    definition: None,
                    cause,
                    asserts: false,
                };
                self.failures.entry(key).or_insert(failing);
            }
            Scenario::Started | Scenario::Hook(..) | Scenario::Log(_) => {}
            Scenario::Finished => self.finished(&key, context, own_steps),
        }
    }

    fn failing<W>(&self, step: &gherkin::Step, event: Step<W>) -> Option<Failing> {
        let (cause, definition) = match event {
            Step::Started | Step::Passed(..) => return None,
            Step::Skipped | Step::Failed(_, _, _, StepError::NotFound) => (Cause::failed(undefined(step, &self.definitions)), None),
            Step::Failed(_, _, _, StepError::AmbiguousMatch(matches)) => {
                let places: Vec<String> = matches
                    .possible_matches
                    .iter()
                    .map(|(pattern, place)| {
                        format!(
                            "{} at {}",
                            pattern.as_str(),
                            place.map(|place| format!("{}:{}", place.path, place.line)).unwrap_or_default()
                        )
                    })
                    .collect();
                (
                    Cause::failed(format!("the step has {} definitions:\n  {}", places.len(), places.join("\n  "))),
                    None,
                )
            }
            Step::Failed(_, place, _, StepError::Panic(payload)) => (
                cause(&panic_text(&*payload)),
                place.map(|place| format!("{}:{}", place.path, place.line)),
            ),
        };
        Some(Failing {
            step: format!("{} {}", step.keyword.trim(), step.value),
            line: Some(step.position.line),
            asserts: step.ty == StepType::Then && definition.is_some(),
            definition,
            cause,
        })
    }

    fn finished(&mut self, key: &Key, context: &ScenarioContext, own_steps: &[gherkin::Step]) {
        let Aftermath {
            answers,
            exchanges,
            left,
            ms,
        } = self.aftermaths.borrow_mut().remove(key).unwrap_or_default();
        let mut steps = self.steps.remove(key).unwrap_or_default();
        steps.finished(own_steps);
        let mut failing = self.failures.remove(key);
        if let Some(problem) = left.problem {
            match &mut failing {
                Some(failing) => failing.cause = failing.cause.clone().and(&format!("and the clean-up failed: {problem}")),
                None => {
                    failing = Some(Failing {
                        step: "(after the last step)".to_owned(),
                        line: None,
                        definition: None,
                        cause: Cause::failed(format!("the clean-up failed: {problem}")),
                        asserts: false,
                    })
                }
            }
        }
        let held = self.held.remove(key).unwrap_or_default();
        let judged = if self.inverted {
            judge(failing, left.inverted, &held, &answers)
        } else {
            Judged::as_written(failing)
        };
        let failure = judged.failing.map(|failing| Failure {
            place: format!("{}:{}", context.file, failing.line.unwrap_or(context.line)),
            step: failing.step,
            definition: failing.definition,
            cause: failing.cause,
            log: left.log,
            evidence: left.evidence,
        });
        let outcome = match (&failure, &judged.not_inverted) {
            (Some(_), _) => Outcome::Failed,
            (None, Some(_)) => Outcome::Skipped,
            (None, None) => Outcome::Passed,
        };
        self.tally.count(outcome);
        self.limit.judged(outcome == Outcome::Failed);
        self.finished.insert(key.clone());
        let report = ScenarioReport {
            outcome,
            failure,
            skipped: judged.not_inverted,
            inversion: judged.noticed,
            ms,
            answers,
            exchanges: steps.placed(exchanges),
            steps: steps.told,
            run_with: self.run_with.clone(),
            ..report(context, outcome)
        };
        self.events.emit(Event::ScenarioFinished { report: Box::new(report) });
    }

    /// Reports each scenario that did not begin, since the run stopped after `failures`.
    pub(super) fn stopped_after(&mut self, failures: usize) {
        let not_run = self.scenarios.iter().filter(|(key, _)| !self.finished.contains(*key));
        let mut not_run: Vec<SharedScenario> = not_run.map(|(_, context)| context.clone()).collect();
        not_run.sort_by(|one, other| one.id.cmp(&other.id));
        for context in not_run {
            self.skipped(&context, Skip::not_run(failures));
        }
    }

    /// Reports a skipped scenario.
    pub(super) fn skipped(&mut self, context: &ScenarioContext, skip: Skip) {
        self.tally.count(Outcome::Skipped);
        let report = ScenarioReport {
            skipped: Some(skip),
            run_with: self.run_with.clone(),
            ..report(context, Outcome::Skipped)
        };
        self.events.emit(Event::ScenarioFinished { report: Box::new(report) });
    }
}

fn report(context: &ScenarioContext, outcome: Outcome) -> ScenarioReport {
    ScenarioReport {
        id: context.id.clone(),
        flow: context.flow.clone(),
        feature: context.feature.clone(),
        rule: context.rule.clone(),
        name: context.name.clone(),
        place: context.place(),
        tags: context.tags.clone(),
        behaviours: context.behaviours.clone(),
        run_with: Vec::new(),
        outcome,
        skipped: None,
        failure: None,
        ms: 0,
        inversion: None,
        answers: Vec::<AnswerReport>::new(),
        steps: Vec::new(),
        exchanges: Vec::new(),
    }
}

/// Returns the text of a panic; steps that return an error panic with its text.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else {
        "a panic without text".to_owned()
    }
}

impl Key {
    fn of(feature: &gherkin::Feature, position: LineCol) -> Self {
        Self {
            file: feature.path.clone().unwrap_or_default(),
            line: position.line,
            column: position.col,
        }
    }
}
