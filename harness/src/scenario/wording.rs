//! The wording of a step's definition, for readers and for editors. The main type is [`Wording`].

use std::fmt;

use cucumber::codegen::Parameter as _;
use gherkin::StepType;

use super::Person;
use super::step_definition::StepDefinition;
use super::under_test::PROJECT;

/// The wording of a definition: texts and parameters in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// Given, When or Then.
    pub kind: StepType,
    /// The parts, in order.
    pub parts: Vec<Part>,
    is_own: bool,
}

/// A part of a definition's pattern, as Cucumber expressions have them (cucumber/cucumber-expressions `ARCHITECTURE.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A text.
    Text(String),
    /// A text that may be missing.
    Optional(String),
    /// One of several texts.
    Either(Vec<String>),
    /// A name.
    Person,
    /// A quoted text.
    Quoted,
    /// A word.
    Word,
    /// A whole number.
    Number,
    /// Anything else, by its regular expression.
    Other(String),
}

/// Steps of all features that are also enough for rules about an own configuration: one that each definition matches.
const COMMON: &[&str] = &[
    "Alice asks the API server who they are",
    r#"Alice is accepted as "a""#,
    r#"Alice is in the group "a""#,
    "Alice has no UID",
    r#"Alice is refused as unauthenticated, because "a""#,
];

impl Wording {
    /// Returns the wording of `definition`.
    #[must_use]
    pub fn of(definition: &StepDefinition) -> Self {
        let requires = definition.requires.iter().any(|need| need.name == PROJECT);
        let is_common = || {
            COMMON
                .iter()
                .any(|step| definition.pattern.is_match(step) && definition.kind != StepType::Given)
        };
        Self {
            kind: definition.kind,
            parts: parts(definition.pattern.as_str()),
            is_own: requires || is_common(),
        }
    }

    /// Returns whether it is of the vocabulary for own configurations.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Returns it as a Cucumber expression. `named` returns the name of the parameter type with a regular expression.
    pub fn expression(&self, mut named: impl FnMut(&str) -> String) -> String {
        let literal = |text: &str| {
            text.replace('\\', r"\\")
                .replace('(', r"\(")
                .replace('{', r"\{")
                .replace('/', r"\/")
        };
        let part = |part: &Part| match part {
            Part::Text(text) => literal(text),
            Part::Optional(text) => format!("({text})"),
            Part::Either(texts) => texts.join("/"),
            Part::Person => "{person}".to_owned(),
            Part::Quoted => "{string}".to_owned(),
            Part::Word => "{word}".to_owned(),
            Part::Number => "{int}".to_owned(),
            Part::Other(regex) => format!("{{{}}}", named(regex)),
        };
        self.parts.iter().map(part).collect()
    }
}

/// Shows it to people: `Given NAME has a token of "TEXT"( with)`.
impl fmt::Display for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.kind)?;
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Optional(text) => write!(f, "({text})")?,
                Part::Either(texts) => f.write_str(&texts.join("/"))?,
                Part::Person => f.write_str("NAME")?,
                Part::Quoted => f.write_str("\"TEXT\"")?,
                Part::Word => f.write_str("WORD")?,
                Part::Number => f.write_str("N")?,
                Part::Other(regex) => f.write_str(&shown(regex))?,
            }
        }
        Ok(())
    }
}

/// Shows a regular expression as its phrases.
fn shown(regex: &str) -> String {
    let plain = regex
        .replace(r#"(?:(?:, | and )"[^"]*")*"#, ", …")
        .replace(r#""[^"]*""#, "\"TEXT\"")
        .replace(r"\w+", "WORD")
        .replace(r"[^\s]+", "WORD")
        .replace(r"\d+", "N")
        .replace(")?", ")")
        .replace("(?:", "(")
        .replace('\\', "");
    if plain.contains('|') { format!("<{plain}>") } else { plain }
}

/// Reads the pattern that a Cucumber expression was expanded to, or a regular expression.
fn parts(pattern: &str) -> Vec<Part> {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let mut rest = pattern.strip_suffix('$').unwrap_or(pattern);
    let mut parts: Vec<Part> = Vec::new();
    while let Some(first) = rest.chars().next() {
        if first == '(' {
            let end = closing(rest);
            let inside = &rest[1..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            let part = match (inside.strip_prefix("?:"), rest.strip_prefix('?')) {
                (Some(text), Some(after)) => {
                    rest = after;
                    Part::Optional(unescaped(text))
                }
                (Some(texts), None) if texts.contains("(?P<") => Part::Quoted,
                (Some(texts), None) => Part::Either(texts.split('|').map(unescaped).collect()),
                (None, _) => parameter(inside),
            };
            parts.push(part);
            continue;
        }
        let mut characters = rest.chars();
        let literal = match characters.next() {
            Some('\\') => characters.next().unwrap_or('\\'),
            _ => first,
        };
        rest = characters.as_str();
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push(literal),
            _ => parts.push(Part::Text(literal.to_string())),
        }
    }
    parts
}

fn parameter(regex: &str) -> Part {
    match regex {
        Person::REGEX => Part::Person,
        r"[^\s]+" | r"\w+" => Part::Word,
        r"(?:-?\d+)|(?:\d+)" => Part::Number,
        other => Part::Other(other.to_owned()),
    }
}

/// Returns the index of the parenthesis that closes the one at the beginning of `text`.
fn closing(text: &str) -> usize {
    let (mut depth, mut in_class, mut is_escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => {
                is_escaped = false;
                continue;
            }
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(c) = characters.next() {
        plain.push(if c == '\\' { characters.next().unwrap_or(c) } else { c });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::step_definition::step_definitions;
    use crate::scenario::world::World;

    #[test]
    fn a_definition_is_shown_as_it_was_written() {
        let definitions = step_definitions::<World>();
        let shown = |step: &str| {
            let found: Vec<Wording> = definitions
                .iter()
                .filter(|definition| definition.pattern.is_match(step))
                .map(Wording::of)
                .collect();
            assert_eq!(found.len(), 1, "{step}: {found:?}");
            let name = |regex: &str| format!("p{}", regex.len());
            (found[0].to_string(), found[0].expression(name), found[0].is_own())
        };
        for (step, readable, expression) in [
            (
                r#"Erin has a token of "a" with"#,
                r#"Given NAME has a token of "TEXT"( with)(:)"#,
                "{person} has a token of {string}( with)(:)",
            ),
            (
                "she asks the API server who she is",
                "When NAME asks the API server who WORD is/are",
                "{person} asks the API server who {word} is/are",
            ),
            (
                r#"Ci-bot may "get pods""#,
                r#"Then NAME <may|may not> "TEXT""#,
                "{person} {p11} {string}",
            ),
        ] {
            assert_eq!(shown(step), (readable.to_owned(), expression.to_owned(), true));
        }
    }

    #[test]
    fn every_definition_is_shown_without_its_regular_expression() {
        for definition in step_definitions::<World>() {
            let shown = Wording::of(&definition).to_string();
            assert!(!shown.contains("[^") && !shown.contains("?:") && !shown.contains("?P<"), "{shown}");
        }
    }

    #[test]
    fn every_common_step_has_a_definition() {
        let definitions = step_definitions::<World>();
        for step in COMMON {
            let count = definitions.iter().filter(|definition| definition.pattern.is_match(step)).count();
            assert_eq!(count, 1, "{step}");
        }
    }
}
