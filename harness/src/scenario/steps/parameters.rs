//! The parameter types of steps.

use std::convert::Infallible;
use std::str::FromStr;

/// A person of the cast, or a pronoun for the one named last.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "person", regex = "Alice|Bob|Carol|Dana|Mallory|the deployer|the robot|she|he|it|they")]
pub(crate) struct Person(pub(crate) String);

impl FromStr for Person {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self(said.to_owned()))
    }
}

impl Person {
    /// Returns the user name of a person who is known by their first name: "alice".
    pub(crate) fn user(&self) -> String {
        match self.0.as_str() {
            "Dana" => "da-admin".to_owned(),
            other => other.trim_start_matches("the ").to_lowercase(),
        }
    }
}

/// Quoted texts in a row: `"a"`, `"a" and "b"`, `"a", "b" and "c"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "texts", regex = r#""[^"]*"(?:(?:, | and )"[^"]*")*"#)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl FromStr for Texts {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.split('"').skip(1).step_by(2).map(str::to_owned).collect()))
    }
}

impl Texts {
    /// Returns the texts as string slices.
    pub(crate) fn all(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_one_by_one() {
        let read = |text: &str| text.parse::<Texts>().map(|texts| texts.0);
        assert_eq!(
            read(r#""a", "b, c" and "d""#),
            Ok(vec!["a".to_owned(), "b, c".to_owned(), "d".to_owned()])
        );
    }
}
