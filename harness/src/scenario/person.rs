//! The people of the features, as steps name them. The main type is [`Person`].

use std::convert::Infallible;
use std::str::FromStr;

use crate::lab::cast;

/// A person of the cast (`fixtures/cast.toml`), or a pronoun for the one named last.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "person", regex = "Alice|Bob|Carol|Dana|Mallory|the deployer|the robot|she|he|it|they")]
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

    /// Returns the user name of a person named by their own name: "alice". See [`World::user`](super::world::World::user) for pronouns.
    #[must_use]
    pub fn user(&self) -> String {
        cast::user_called(&self.0).unwrap_or(&self.0).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use cucumber::codegen::Parameter as _;

    use super::*;

    #[test]
    fn steps_name_everybody_of_the_cast_that_has_a_name_in_the_features() {
        let names: Vec<&str> = Person::REGEX.split('|').filter(|name| !Person::called(name).is_pronoun()).collect();
        assert_eq!(names, cast::called().map(|(called, _)| called).collect::<Vec<_>>());
        assert_eq!(Person::called("Dana").user(), "da-admin");
        assert_eq!(Person::called("the deployer").user(), "deployer");
    }
}
