//! Scenarios at a cluster that exists: whom they name, and what they would do beside reviews. The main type is [`Visiting`].

use super::SharedScenario;
use super::selection::Selected;
use super::vocabulary::Vocabulary;
use super::wording::Wording;

/// A scenario, before it is carried out at a cluster that exists.
#[derive(Clone, Debug)]
pub struct Visiting {
    /// The scenario.
    pub scenario: SharedScenario,
    /// The own people whom its steps name, by their names in the project.
    pub people: Vec<String>,
    /// The first step that is not of the vocabulary for own features, which sends reviews alone.
    pub beyond: Option<String>,
}

impl Selected<'_> {
    /// Returns the scenarios as they would be at a cluster that exists, in their order.
    #[must_use]
    pub fn visiting(&self, vocabulary: &Vocabulary) -> Vec<Visiting> {
        let visiting = |entry: &super::suite::Entry| {
            let (mut people, mut beyond) = (Vec::new(), None);
            for step in self.suite.steps(entry) {
                let named = vocabulary.people.in_step(&step.value).map(|person| person.name.clone());
                people.extend(named.filter(|name| !people.contains(name)));
                let mut definitions = vocabulary.steps.iter().filter(|definition| definition.defines(step));
                if beyond.is_none() && !definitions.any(|definition| Wording::of(definition).is_own()) {
                    beyond = Some(format!("{} {}", step.keyword.trim(), step.value));
                }
            }
            Visiting {
                scenario: entry.context.clone(),
                people,
                beyond,
            }
        };
        self.entries.iter().copied().map(visiting).collect()
    }
}
