//! The people of the features, as steps name them. The main types are [`Person`] and, for those of a project, [`OwnPeople`].

use std::convert::Infallible;
use std::str::FromStr;

use crate::lab::cast;
use crate::trial;

/// A person of the cast (`fixtures/cast.toml`), a pronoun for the one named last, or in own features anybody whose name begins with a capital.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "person",
    regex = "Alice|Bob|Carol|Dana|Mallory|the deployer|the robot|she|he|it|they|[A-Z][A-Za-z0-9-]*"
)]
pub struct Person(String);

impl FromStr for Person {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self(said.to_owned()))
    }
}

impl Person {
    /// Returns the person called `name`, as features call them: "Alice".
    #[must_use]
    pub fn called(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Returns the name by which features call them, or the pronoun.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Returns `true` for a pronoun.
    #[must_use]
    pub fn is_pronoun(&self) -> bool {
        matches!(self.0.as_str(), "she" | "he" | "it" | "they")
    }

    /// Returns the names of the cast in features.
    pub fn of_the_cast() -> impl Iterator<Item = &'static str> {
        cast::called().map(|(called, _)| called)
    }

    /// Returns `true` for a person of the cast, or a pronoun.
    #[must_use]
    pub fn is_of_the_cast(&self) -> bool {
        self.is_pronoun() || cast::user_called(&self.0).is_some()
    }

    /// Returns the user name of a person named by their own name: "alice". See [`World::user`](super::world::World::user) for pronouns.
    #[must_use]
    pub fn user(&self) -> String {
        cast::user_called(&self.0).unwrap_or(&self.0).to_owned()
    }
}

/// A person of a project.
#[derive(Clone, Debug)]
pub struct OwnPerson {
    /// The name in the project.
    pub name: String,
    /// The capability that a lab must have so that they can be asked, if they need one.
    pub requires: Option<&'static str>,
    /// The credential that they present; `None` where that is not known or not to be had.
    pub presents: Option<trial::Presented>,
}

/// The people of a project, by the names by which steps know them.
#[derive(Clone, Debug, Default)]
pub struct OwnPeople(Vec<OwnPerson>);

impl FromIterator<OwnPerson> for OwnPeople {
    fn from_iter<T: IntoIterator<Item = OwnPerson>>(people: T) -> Self {
        Self(people.into_iter().collect())
    }
}

impl OwnPeople {
    /// Returns the person whom a step calls `called`: `Alice` is `alice`, and `the deployer` is `deployer`.
    #[must_use]
    pub fn called(&self, called: &str) -> Option<&OwnPerson> {
        let plain = |name: &str| name.strip_prefix("the ").unwrap_or(name).to_lowercase();
        let called = plain(called);
        self.0.iter().find(|person| plain(&person.name) == called)
    }

    /// Returns the person with whom `step` begins, if it is one of them.
    #[must_use]
    pub fn in_step(&self, step: &str) -> Option<&OwnPerson> {
        let count = if step.starts_with("the ") { 2 } else { 1 };
        let begin: Vec<&str> = step.split(' ').take(count).collect();
        let name = begin.join(" ");
        self.called(name.trim_end_matches(',').trim_end_matches("'s"))
    }

    /// Returns them.
    pub fn iter(&self) -> impl Iterator<Item = &OwnPerson> {
        self.0.iter()
    }

    /// Returns their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|person| person.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use cucumber::codegen::Parameter as _;

    use super::*;

    #[test]
    fn steps_name_everybody_of_the_cast_that_has_a_name_in_the_features() {
        let named = |name: &&str| !name.contains('[') && !Person::called(name).is_pronoun();
        let names: Vec<&str> = Person::REGEX.split('|').filter(named).collect();
        assert_eq!(names, cast::called().map(|(called, _)| called).collect::<Vec<_>>());
        assert_eq!(Person::called("Dana").user(), "da-admin");
        assert_eq!(Person::called("the deployer").user(), "deployer");
    }

    #[test]
    fn people_of_a_project_are_known_by_their_names_in_sentences() {
        let own = |name: &str| OwnPerson {
            name: name.to_owned(),
            requires: None,
            presents: None,
        };
        let people: OwnPeople = ["erin", "deployer"].map(own).into_iter().collect();
        for (called, name) in [
            ("Erin", "erin"),
            ("erin", "erin"),
            ("the deployer", "deployer"),
            ("Deployer", "deployer"),
        ] {
            assert_eq!(people.called(called).map(|person| person.name.as_str()), Some(name), "{called}");
        }
        assert!(people.called("the").is_none() && people.called("Eri").is_none());
        for (step, name) in [
            ("Erin may \"get pods\"", Some("erin")),
            ("the deployer, with a token, is accepted", Some("deployer")),
            ("Erin's token ends", Some("erin")),
            ("she may \"get pods\"", None),
            ("Gina asks", None),
        ] {
            assert_eq!(people.in_step(step).map(|person| person.name.as_str()), name, "{step}");
        }
    }
}
