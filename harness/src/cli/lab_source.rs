//! Where `run` and `cargo test` get their lab and their world from, and what
//! becomes of the lab afterwards.

use std::fmt::Debug;

use super::error::CommandError;
use super::exit::Exit;
use super::options::LabOptions;
use crate::event::{AnswerReport, Events};
use crate::scenario::{Ended, Left, SharedScenario, Stage, Tally, Vocabulary, parser};

/// The lab that scenarios are carried out in.
#[derive(Clone, Debug)]
pub struct Lab;

/// The world of one scenario.
#[derive(Debug, Default, cucumber::World)]
pub struct World;

impl Stage for World {
    type Lab = Lab;

    fn enter(&mut self, _lab: Lab, _scenario: SharedScenario) {}

    fn answers(&self) -> Vec<AnswerReport> {
        Vec::new()
    }

    async fn leave(&mut self, _ended: Ended) -> Left {
        Left::default()
    }
}

/// The world's steps.
mod steps {
    use cucumber::given;

    use super::World;

    #[given("a lab")]
    fn a_lab(_world: &mut World) {}
}

/// The words that tags may be.
#[must_use]
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        tags: Vocabulary::tags_in_table(parser::readme()),
        behaviours: Vec::new(),
        capabilities: Vec::new(),
    }
}

/// A lab that is up and matches `options`, else a new one that this process owns.
/// Given up (dropped) when the person interrupts.
///
/// # Errors
/// The lab could not be started.
pub async fn lab_for_run(_options: &LabOptions, _events: &Events) -> Result<Lab, CommandError> {
    Err(CommandError::new(Exit::LabNotStarted, "this build has no cluster driver"))
}

/// Whether `lab` is able to carry `scenario` out; if not, why.
///
/// # Errors
/// The capability that is missing, in words for a person.
pub fn fit(_lab: &Lab, _scenario: &SharedScenario) -> Result<(), String> {
    Ok(())
}

/// Stops a lab that this process owns; one that was up before stays up.
///
/// # Errors
/// Something could not be stopped.
pub async fn release(_lab: Lab, _options: &LabOptions, _tally: Tally, _events: &Events) -> Result<(), CommandError> {
    Ok(())
}
