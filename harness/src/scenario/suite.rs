//! All scenarios: outlines expanded, identities unique, and nothing
//! that would pass without being run. The main type is [`Suite`].

use std::collections::HashMap;
use std::sync::Arc;

use cucumber::feature::Ext as _;
use gherkin::{Feature, LineCol, Rule, Scenario, Step};

use super::parser::{FeatureFile, SyntaxError, parse};
use super::requirement::Needs;
use super::vocabulary::{Vocabulary, VocabularyError, is_behaviour};
use super::{REQUIRES, ScenarioContext, SharedScenario};
use crate::hint::Hint;

/// All scenarios, in the order of files and lines.
#[derive(Debug)]
pub struct Suite {
    pub(super) features: Vec<Feature>,
    entries: Vec<Entry>,
}

/// A scenario and its place among the parsed features.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) context: SharedScenario,
    pub(super) feature: usize,
    pub(super) position: LineCol,
}

/// A defect of the features that keeps them from being run.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file is not Gherkin.
    #[error("a feature file has a syntax error: {0}")]
    Syntax(Box<SyntaxError>),
    /// An outline names a column that its examples do not have.
    #[error("{file}:{line}: `<{name}>` is not a column of the examples")]
    Placeholder {
        /// The file.
        file: String,
        /// The line of the step or the outline.
        line: usize,
        /// The name of the missing column.
        name: String,
    },
    /// Two scenarios have the same identity.
    #[error("two scenarios have the identity `{id}`: {first} and {second}")]
    Duplicate {
        /// The identity.
        id: String,
        /// The place of the first.
        first: String,
        /// The place of the second.
        second: String,
    },
    /// A scenario without steps would pass without doing anything.
    #[error("{place}: the scenario `{name}` has no step")]
    NoSteps {
        /// The scenario's place.
        place: String,
        /// The scenario's title.
        name: String,
    },
    /// An outline without a row would never run.
    #[error("{place}: the outline `{name}` has no row of examples")]
    NoExamples {
        /// The outline's place.
        place: String,
        /// The outline's title.
        name: String,
    },
    /// A tag is unknown.
    #[error("{place}: scenario `{name}`")]
    Tag {
        /// The scenario's place.
        place: String,
        /// The scenario's title.
        name: String,
        /// The problem with the tag.
        #[source]
        source: VocabularyError,
    },
}

impl Hint for SuiteError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Tag { source, .. } => source.hint(),
            Self::Duplicate { .. } => Some("give one of them another title".to_owned()),
            _ => None,
        }
    }
}

impl Suite {
    /// Reads `files`, whose tags must be words of `vocabulary`. A step that it does not define requires nothing.
    ///
    /// # Errors
    /// Returns the first defect that makes a file or a scenario unfit.
    pub fn new(files: &[FeatureFile], vocabulary: &Vocabulary) -> Result<Self, SuiteError> {
        let mut suite = Self {
            features: Vec::new(),
            entries: Vec::new(),
        };
        let mut needs = Needs::new(vocabulary);
        let mut seen: HashMap<String, SharedScenario> = HashMap::new();
        for file in files {
            let feature = parse(file).map_err(|error| SuiteError::Syntax(Box::new(error)))?;
            refuse_empty(&feature, file)?;
            let feature = feature.expand_examples().map_err(|error| SuiteError::Placeholder {
                file: file.shown.to_string(),
                line: error.pos.line,
                name: error.name,
            })?;
            for (rule, scenario) in scenarios(&feature) {
                let context = Arc::new(describe(file, &feature, rule, scenario, &mut needs));
                vocabulary.check_tags(&context.tags).map_err(|source| SuiteError::Tag {
                    place: context.place(),
                    name: context.name.clone(),
                    source,
                })?;
                if let Some(first) = seen.insert(context.id.clone(), Arc::clone(&context)) {
                    return Err(SuiteError::Duplicate {
                        id: context.id.clone(),
                        first: first.place(),
                        second: context.place(),
                    });
                }
                suite.entries.push(Entry {
                    context,
                    feature: suite.features.len(),
                    position: scenario.position,
                });
            }
            suite.features.push(feature);
        }
        Ok(suite)
    }

    /// Returns all scenarios.
    pub fn scenarios(&self) -> impl Iterator<Item = &SharedScenario> {
        self.entries.iter().map(|entry| &entry.context)
    }

    /// Returns the steps of `entry`, those of backgrounds first.
    pub(super) fn steps(&self, entry: &Entry) -> impl Iterator<Item = &Step> {
        let feature = &self.features[entry.feature];
        let found = scenarios(feature).find(|(_, scenario)| scenario.position == entry.position);
        found.into_iter().flat_map(|(rule, scenario)| steps(feature, rule, scenario))
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn scenarios(feature: &Feature) -> impl Iterator<Item = (Option<&Rule>, &Scenario)> {
    let outside = feature.scenarios.iter().map(|scenario| (None, scenario));
    let inside = feature
        .rules
        .iter()
        .flat_map(|rule| rule.scenarios.iter().map(move |scenario| (Some(rule), scenario)));
    outside.chain(inside)
}

/// Returns the steps of `scenario`, those of backgrounds first.
fn steps<'a>(feature: &'a Feature, rule: Option<&'a Rule>, scenario: &'a Scenario) -> impl Iterator<Item = &'a Step> {
    let backgrounds = feature.background.iter().chain(rule.and_then(|rule| rule.background.as_ref()));
    backgrounds.flat_map(|background| &background.steps).chain(&scenario.steps)
}

fn refuse_empty(feature: &Feature, file: &FeatureFile) -> Result<(), SuiteError> {
    for (_, scenario) in scenarios(feature) {
        let (place, name) = (format!("{}:{}", file.shown, scenario.position.line), scenario.name.clone());
        let is_outline = scenario.keyword.contains("Outline") || scenario.keyword.contains("Template");
        if scenario.steps.is_empty() {
            return Err(SuiteError::NoSteps { place, name });
        }
        let empty = |examples: &gherkin::Examples| examples.table.as_ref().is_none_or(|table| table.rows.len() < 2);
        if scenario.examples.iter().any(empty) || (is_outline && scenario.examples.is_empty()) {
            return Err(SuiteError::NoExamples { place, name });
        }
    }
    Ok(())
}

fn describe(file: &FeatureFile, feature: &Feature, rule: Option<&Rule>, scenario: &Scenario, needs: &mut Needs<'_>) -> ScenarioContext {
    let row = scenario
        .examples
        .first()
        .and_then(|examples| examples.table.as_ref()?.rows.get(1))
        .map(|row| format!(" [{}]", row.join(", ")));
    let mut tags: Vec<String> = Vec::new();
    for tag in feature
        .tags
        .iter()
        .chain(rule.iter().flat_map(|rule| &rule.tags))
        .chain(&scenario.tags)
    {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    let steps: Vec<&Step> = steps(feature, rule, scenario).collect();
    let requirements = needs.requirements(&tags, &steps);
    for requirement in &requirements {
        let tag = format!("{REQUIRES}{}", requirement.name);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    ScenarioContext {
        id: format!("{}::{}{}", file.stem, scenario.name.trim(), row.unwrap_or_default()),
        flow: file.stem.split('/').next().unwrap_or_default().to_owned(),
        feature: feature.name.clone(),
        rule: rule.map(|rule| rule.name.clone()),
        name: scenario.name.trim().to_owned(),
        file: file.shown.clone(),
        line: scenario.position.line,
        behaviours: tags.iter().filter(|tag| is_behaviour(tag)).cloned().collect(),
        tags,
        requirements,
    }
}
