//! The steps that are defined for a world, for the message about an undefined
//! one and for finding unused ones. The main type is
//! [`StepDefinition`].

use cucumber::codegen::{Parameter as _, StepConstructor, WorldInventory, inventory};
use gherkin::StepType;
use regex::Regex;

use super::Person;
use super::requirement::{Need, declared};
use super::wording::Wording;

/// A step as its function defines it.
#[derive(Clone, Debug)]
pub struct StepDefinition {
    /// Given, When or Then.
    pub kind: StepType,
    /// The pattern that its text must match.
    pub pattern: Regex,
    /// The file and line of the function.
    pub place: String,
    /// The step's requirements of a cluster, as `requires!` above the function declares it.
    pub requires: Vec<Need>,
}

impl StepDefinition {
    /// Returns whether it is the definition of `step`.
    #[must_use]
    pub fn defines(&self, step: &gherkin::Step) -> bool {
        self.kind == step.ty && self.pattern.is_match(&step.value)
    }

    /// Returns the person with whom `step` begins, if its definition begins with one.
    #[must_use]
    pub fn person(&self, step: &gherkin::Step) -> Option<Person> {
        self.pattern.as_str().strip_prefix("^(")?.strip_prefix(Person::REGEX)?;
        let found = self.pattern.captures(&step.value)?;
        Some(Person::called(found.get(1)?.as_str()))
    }
}

/// Returns every step that is defined for `W`, in the order of files and lines.
#[must_use]
pub fn step_definitions<W: WorldInventory>() -> Vec<StepDefinition> {
    type Found = ((&'static str, u32), StepType, Regex);
    fn all<W, C: StepConstructor<W> + inventory::Collect>(kind: StepType) -> impl Iterator<Item = Found> {
        inventory::iter::<C>.into_iter().map(move |constructor| {
            let (location, pattern, _) = constructor.inner();
            ((location.path, location.line), kind, pattern())
        })
    }
    let mut found: Vec<Found> = all::<W, W::Given>(StepType::Given)
        .chain(all::<W, W::When>(StepType::When))
        .chain(all::<W, W::Then>(StepType::Then))
        .collect();
    found.sort_by_key(|(place, ..)| *place);
    let places: Vec<_> = found.iter().map(|(place, ..)| *place).collect();
    std::iter::zip(found, declared(&places))
        .map(|(((path, line), kind, pattern), requires)| StepDefinition {
            kind,
            pattern,
            place: format!("{path}:{line}"),
            requires,
        })
        .collect()
}

/// Returns the objection to `step`, which none of `definitions` defines: a definition for another keyword, or the most similar ones.
pub(super) fn undefined(step: &gherkin::Step, definitions: &[StepDefinition]) -> String {
    let mut message = format!("no step is defined for `{}`", step.value);
    let mut others = definitions.iter().filter(|definition| definition.pattern.is_match(&step.value));
    if let Some(other) = others.next() {
        message.push_str(&format!(
            "; a {:?} step matches, at {}, and this is a {:?}",
            other.kind, other.place, step.ty
        ));
        return message;
    }
    let near = nearest(step, definitions);
    if !near.is_empty() {
        message.push_str("; the most similar:");
        for definition in near {
            message.push_str(&format!("\n  {}", Wording::of(definition)));
        }
    }
    message
}

/// Returns at most three definitions that resemble `step`, the nearest first.
fn nearest<'a>(step: &gherkin::Step, definitions: &'a [StepDefinition]) -> Vec<&'a StepDefinition> {
    let text = step.value.to_lowercase();
    let mut scored: Vec<(f64, &StepDefinition)> = definitions
        .iter()
        .map(|definition| {
            (
                strsim::sorensen_dice(&text, &words_of(&Wording::of(definition).to_string())),
                definition,
            )
        })
        .filter(|(score, _)| *score > 0.35)
        .collect();
    scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    scored.into_iter().take(3).map(|(_, definition)| definition).collect()
}

/// Returns the words of a pattern, in lower case and without punctuation.
fn words_of(pattern: &str) -> String {
    pattern
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == ' ' || c == '\'' {
                c.to_ascii_lowercase()
            } else {
                ' '
            }
        })
        .collect()
}
