//! The goals of a lesson, run as scenarios: which of them hold already, and the server's answer where one does not.
//!
//! The main type is [`Goal`].

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::workspace::Workspace;
use super::{Lesson, LessonError};
use crate::event::{Event, Events, Outcome, ScenarioReport};
use crate::scenario::runner::{self, RunOptions};
use crate::scenario::world::{LearnersPlace, Mode, Site, World};
use crate::scenario::{Selection, SharedScenario, Suite, Vocabulary};

/// One goal of a lesson.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// The scenario's name.
    pub name: String,
    /// The rule that the scenario is an example of.
    pub rule: Option<String>,
    /// The behaviours of the catalogue that the scenario covers.
    pub behaviours: Vec<String>,
    /// `true` if the goal holds.
    pub holds: bool,
    /// The expected and the observed result, if the goal does not hold.
    pub why: Option<String>,
}

impl From<ScenarioReport> for Goal {
    fn from(report: ScenarioReport) -> Self {
        Self {
            name: report.name,
            rule: report.rule,
            behaviours: report.behaviours,
            holds: report.outcome == Outcome::Passed,
            why: report
                .failure
                .map(|failure| failure.cause.to_string())
                .or(report.skipped.map(|skip| skip.because)),
        }
    }
}

/// Runs the goals of `lesson` in the learner's workspace.
///
/// # Errors
/// The lab lacks something that the goals need.
pub(super) async fn look(lesson: &Lesson, workspace: &Workspace<'_>, vocabulary: &Vocabulary) -> Result<Vec<Goal>, LessonError> {
    let suite = Suite::new(&[lesson.goal()], vocabulary)?;
    let selected = Selection::default().pick(&suite);
    let reports: Arc<Mutex<Vec<ScenarioReport>>> = Arc::default();
    let kept = Arc::clone(&reports);
    let events = Events::new(move |event| {
        if let Event::ScenarioFinished { report } = event {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(*report);
        }
    });
    let site = Site {
        cleanup: None,
        under_test: None,
        lab: workspace.lab.clone(),
        events: events.clone(),
        exchanges: false,
        is_alone: false,
        mode: Mode::AsWritten,
        learner: Some(LearnersPlace {
            learner: workspace.learner.name().to_owned(),
            directory: workspace.directory.clone(),
        }),
    };
    let capabilities = workspace.lab.capabilities();
    // A goal is never skipped: a capability that the lab lacks is an error.
    let fit = |_: &Site, scenario: &SharedScenario| match capabilities.check_all(scenario.requires())? {
        Ok(()) => Ok(None),
        Err(skip) => Err(LessonError::Lacks { why: skip.because }),
    };
    // One after the other, since one scenario sees the state that another one leaves.
    let options = RunOptions {
        concurrency: 1,
        ..RunOptions::default()
    };
    runner::run::<World, LessonError>(&selected, &options, async { Ok(site) }, fit, &events).await?;
    let reports = std::mem::take(&mut *reports.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(reports.into_iter().map(Goal::from).collect())
}
