//! Scenarios: found, checked, selected and run.
//!
//! [`Suite`] holds all scenarios, [`Selection`] picks some of
//! them, and [`runner::run`] runs those on a [`Stage`]
//! (a world per scenario, one lab for all) and reports progress as events.

use std::sync::Arc;

use camino::Utf8PathBuf;

mod calls;
mod cleanup;
mod comparison;
mod evidence;
mod failure_limit;
mod inversion;
pub mod outcome;
pub mod parser;
mod person;
#[macro_use]
pub mod requirement;
pub mod runner;
pub mod selection;
pub mod step_definition;
mod steps;
mod steps_taken;
pub mod suite;
mod told;
mod under_test;
mod unfit;
mod visiting;
pub mod vocabulary;
pub mod wording;
pub mod world;

pub use cleanup::Cleanup;
pub use comparison::Differs;
pub use parser::FeatureFile;
pub use person::{OwnPeople, OwnPerson, Person};
pub use requirement::Requirement;
pub use runner::{Ended, Left, RunOptions, Stage, Tally};
pub use selection::{Selected, Selection};
pub use suite::Suite;
pub use under_test::{CONTEXTS, PROJECT, STAND_INS, Subject, UnderTest};
pub use unfit::Unfit;
pub use visiting::Visiting;
pub use vocabulary::Vocabulary;

/// The prefix of the tag that names a capability that a scenario requires beyond its steps.
pub const REQUIRES: &str = "requires:";
/// The tag of scenarios that run only on request.
pub const IGNORE: &str = "ignore";
/// The tag of scenarios that take minutes, which run on request, too: a workflow asks for them every night.
pub const NIGHTLY: &str = "nightly";

/// One scenario (or one row of an outline), independent of Gherkin's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioContext {
    /// Its identity: `folder/feature::scenario`, with an outline's row in brackets.
    pub id: String,
    /// The way of authenticating: the folder of its feature file.
    pub flow: String,
    /// The feature's title.
    pub feature: String,
    /// The rule it illustrates, where the feature has rules.
    pub rule: Option<String>,
    /// The scenario's title.
    pub name: String,
    /// The path of the feature file, as shown to users.
    pub file: Utf8PathBuf,
    /// The line of the scenario, or of the outline's row.
    pub line: usize,
    /// Its own and inherited tags and those that its steps amount to (`requires:NAME`), without `@`, each once.
    pub tags: Vec<String>,
    /// Its requirements of a cluster, each with the tag or step that says so.
    pub requirements: Vec<Requirement>,
    /// The ids of the behaviours that it proves.
    pub behaviours: Vec<String>,
}

impl ScenarioContext {
    /// Returns the file and the line.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// Returns whether it runs only on request.
    #[must_use]
    pub fn is_ignored(&self) -> bool {
        self.tags.iter().any(|tag| tag == IGNORE) || self.is_nightly()
    }

    /// Returns whether it takes minutes, and is carried out every night.
    #[must_use]
    pub fn is_nightly(&self) -> bool {
        self.tags.iter().any(|tag| tag == NIGHTLY)
    }

    /// Returns the capabilities that it requires, by its tags or its steps.
    pub fn requires(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().filter_map(|tag| tag.strip_prefix(REQUIRES))
    }

    /// Returns a name for the scenario's own namespaces, users and clients: a DNS label
    /// (RFC 1123) of at most 40 characters that no other scenario has.
    #[must_use]
    pub fn label(&self) -> String {
        let mut words = String::new();
        for c in self.name.chars() {
            match c.to_ascii_lowercase() {
                c @ ('a'..='z' | '0'..='9') => words.push(c),
                '\'' => {}
                _ if !words.ends_with('-') && !words.is_empty() => words.push('-'),
                _ => {}
            }
        }
        words.truncate(31);
        // FNV-1a: the same on every machine and in every version, unlike the standard library's hasher.
        let hash = self.id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let hash = (hash >> 32) ^ (hash & 0xffff_ffff);
        format!("{}-{hash:08x}", if words.is_empty() { "s" } else { words.trim_end_matches('-') })
    }
}

/// A shared scenario.
pub type SharedScenario = Arc<ScenarioContext>;
