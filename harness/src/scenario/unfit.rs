//! Steps that cannot be carried out, found before anything starts: undefined ones, and people whom nobody knows. The main type is
//! [`Unfit`].

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use gherkin::{Step, StepType};

use super::Person;
use super::selection::Selected;
use super::step_definition::{StepDefinition, undefined};
use super::vocabulary::Vocabulary;
use super::wording::Wording;

/// Steps of the selected scenarios that cannot be carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Listed(.0))]
pub struct Unfit(pub Vec<UnfitStep>);

/// A step that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitStep {
    /// Its file and line.
    pub place: String,
    /// Its text.
    pub step: String,
    /// The reason, and what resembles it.
    pub why: String,
}

struct Listed<'a>(&'a [UnfitStep]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "a step cannot be carried out")?,
            count => write!(f, "{count} steps cannot be carried out")?,
        }
        self.0
            .iter()
            .try_for_each(|UnfitStep { place, step, why }| write!(f, "\n{place}: {step}\n  {why}"))
    }
}

impl Selected<'_> {
    /// Checks that every step of the scenarios has a definition in `vocabulary`, and names somebody who is known: of the cast, of the own
    /// people, or by a step that says what they present.
    ///
    /// # Errors
    /// Returns every step that has not.
    pub fn check(&self, vocabulary: &Vocabulary) -> Result<(), Unfit> {
        let mut known: HashMap<(StepType, &str), Vec<&StepDefinition>> = HashMap::new();
        let mut unfit = Vec::new();
        let mut told = BTreeSet::new();
        for entry in &self.entries {
            let mut introduced: BTreeSet<String> = BTreeSet::new();
            for step in self.suite.steps(entry) {
                let definitions = known.entry((step.ty, step.value.as_str())).or_insert_with(|| {
                    let all = vocabulary.steps.iter();
                    all.filter(|definition| definition.defines(step)).collect()
                });
                let why = match definitions.first() {
                    None => Some(undefined(step, &vocabulary.steps)),
                    Some(definition) => stranger(definition, step, vocabulary, &mut introduced),
                };
                let place = format!("{}:{}", entry.context.file, step.position.line);
                if let Some(why) = why
                    && told.insert(place.clone())
                {
                    unfit.push(UnfitStep {
                        place,
                        step: format!("{} {}", step.keyword.trim(), step.value),
                        why,
                    });
                }
            }
        }
        if unfit.is_empty() { Ok(()) } else { Err(Unfit(unfit)) }
    }
}

/// Returns the objection to the person whom `step` names, if nobody knows them; `introduced` are those whose credential was said.
fn stranger(definition: &StepDefinition, step: &Step, vocabulary: &Vocabulary, introduced: &mut BTreeSet<String>) -> Option<String> {
    let person = definition.person(step)?;
    let name = person.name();
    if Wording::of(definition).is_own() && step.ty == StepType::Given {
        introduced.insert(name.to_owned());
        return None;
    }
    if person.is_of_the_cast() || introduced.contains(name) || vocabulary.people.called(name).is_some() {
        return None;
    }
    let own = vocabulary.people.names().chain(introduced.iter().map(String::as_str));
    let of_the_cast = Person::of_the_cast().map(str::to_owned);
    let all: Vec<String> = of_the_cast.chain(own.map(str::to_owned)).collect();
    Some(format!(
        "nobody is called {name} (known: {}); a step such as `Given {name} has a token of \"https://login.example.com\"` introduces them",
        all.join(", ")
    ))
}
