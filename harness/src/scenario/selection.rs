//! The selection of scenarios, the same for `authlab run` and for `cargo test`.
//! The main types are [`Selection`], and [`Selected`], its result for a suite.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use gherkin::tagexpr::TagOperation;
use regex::Regex;

use super::SharedScenario;
use super::suite::{Entry, Suite};
use super::vocabulary::{Vocabulary, VocabularyError};
use crate::hint::Hint;

/// A selection of scenarios. The default means all that are not ignored.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Parts of the identities to select, or whole identities with [`Selection::exact`]; empty means all.
    pub filters: Vec<String>,
    /// Parts of the identities to leave out, or whole identities with [`Selection::exact`].
    pub skip: Vec<String>,
    /// `true` if filters must be the whole identity.
    pub exact: bool,
    /// The identities to select; `None` means all.
    pub only: Option<BTreeSet<String>>,
    /// The pattern that the identity must match.
    pub name: Option<Regex>,
    /// The expression that the tags must satisfy.
    pub tags: Option<TagExpression>,
    /// The part to run of the scenarios selected otherwise.
    pub shard: Option<Shard>,
    /// The treatment of scenarios tagged `@ignore`.
    pub ignored: Ignored,
}

/// The treatment of scenarios tagged `@ignore`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ignored {
    /// They are selected, and skipped.
    #[default]
    Skip,
    /// Only they are selected, and run.
    Only,
    /// They run like all others.
    Include,
}

/// The scenarios of a [`Suite`] that a [`Selection`] picks.
#[derive(Debug)]
pub struct Selected<'a> {
    pub(super) suite: &'a Suite,
    pub(super) entries: Vec<&'a Entry>,
    pub(super) ignored: Ignored,
}

impl<'a> Selected<'a> {
    /// Returns the scenarios, in the order of the suite.
    pub fn scenarios(&self) -> impl Iterator<Item = &'a SharedScenario> {
        self.entries.iter().map(|entry| &entry.context)
    }

    /// Returns the number of scenarios.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no scenario was picked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of scenarios of the suite that were not picked.
    #[must_use]
    pub fn filtered_out(&self) -> usize {
        self.suite.entries().len() - self.entries.len()
    }
}

impl Selection {
    /// Picks scenarios from `suite`.
    #[must_use]
    pub fn pick<'a>(&self, suite: &'a Suite) -> Selected<'a> {
        let picked = suite.entries().iter().filter(|entry| self.means(&entry.context));
        let mut entries: Vec<&Entry> = picked.collect();
        if let Some(shard) = self.shard {
            // Dealt by identity, so that a part is the same however the feature files were named.
            let mut ids: Vec<&str> = entries.iter().map(|entry| entry.context.id.as_str()).collect();
            ids.sort_unstable();
            entries.retain(|entry| {
                ids.binary_search(&entry.context.id.as_str())
                    .is_ok_and(|position| shard.has(position))
            });
        }
        Selected {
            suite,
            entries,
            ignored: self.ignored,
        }
    }

    fn means(&self, scenario: &SharedScenario) -> bool {
        let id = scenario.id.as_str();
        let names = |pattern: &String| if self.exact { id == pattern } else { id.contains(pattern.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(names))
            && !self.skip.iter().any(names)
            && self.only.as_ref().is_none_or(|only| only.contains(id))
            && self.name.as_ref().is_none_or(|name| name.is_match(id))
            && self.tags.as_ref().is_none_or(|tags| tags.holds(&scenario.tags))
            && (self.ignored != Ignored::Only || scenario.is_ignored())
    }
}

/// A boolean expression over tags: `@oidc and not @X4`.
#[derive(Clone, Debug)]
pub struct TagExpression {
    text: String,
    operation: TagOperation,
}

/// A text that is not an expression over tags.
#[derive(Debug, thiserror::Error)]
#[error("invalid tag expression at column {column} (expected one such as `@oidc and not (@X4 or @serial)`)")]
pub struct TagSyntaxError {
    column: usize,
}

impl FromStr for TagExpression {
    type Err = TagSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let operation = text.trim().parse().map_err(|error: peg_error::Error| TagSyntaxError {
            column: error.location.column,
        })?;
        Ok(Self {
            text: text.to_owned(),
            operation,
        })
    }
}

/// The parser's error type, under a name that no other module uses.
mod peg_error {
    pub(super) type Error = <gherkin::tagexpr::TagOperation as std::str::FromStr>::Err;
}

/// An expression that names an unknown tag: it would select by accident.
#[derive(Debug, thiserror::Error)]
#[error("the expression `{expression}` cannot select anything")]
pub struct UnknownTag {
    expression: String,
    #[source]
    source: VocabularyError,
}

impl Hint for UnknownTag {
    fn hint(&self) -> Option<String> {
        self.source.hint()
    }
}

impl fmt::Display for TagExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TagExpression {
    /// Checks that every tag in the expression is known.
    ///
    /// # Errors
    /// A tag is unknown.
    pub fn check(&self, vocabulary: &Vocabulary) -> Result<(), UnknownTag> {
        let mut tags = Vec::new();
        collect(&self.operation, &mut tags);
        vocabulary.check_tags(&tags).map_err(|source| UnknownTag {
            expression: self.text.clone(),
            source,
        })
    }

    fn holds(&self, tags: &[String]) -> bool {
        holds(&self.operation, tags)
    }
}

fn collect(operation: &TagOperation, tags: &mut Vec<String>) {
    match operation {
        TagOperation::And(one, other) | TagOperation::Or(one, other) => {
            collect(one, tags);
            collect(other, tags);
        }
        TagOperation::Not(one) => collect(one, tags),
        TagOperation::Tag(tag) => tags.push(tag.clone()),
    }
}

fn holds(operation: &TagOperation, tags: &[String]) -> bool {
    match operation {
        TagOperation::And(one, other) => holds(one, tags) && holds(other, tags),
        TagOperation::Or(one, other) => holds(one, tags) || holds(other, tags),
        TagOperation::Not(one) => !holds(one, tags),
        TagOperation::Tag(tag) => tags.contains(tag),
    }
}

/// Part `index` (from 1) of `count` equal parts, dealt in turn: every scenario is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Returns all `count` parts.
    pub fn all(count: usize) -> impl Iterator<Item = Self> {
        (1..=count).map(move |index| Self { index, count })
    }

    /// Returns the index of the part, from 1.
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// Returns the number of parts.
    #[must_use]
    pub fn count(self) -> usize {
        self.count
    }

    /// Returns whether the item at `position` is in this part.
    pub(crate) fn has(self, position: usize) -> bool {
        position % self.count == self.index - 1
    }
}

/// A text that is not a shard.
#[derive(Debug, thiserror::Error)]
#[error("not a shard (expected I/N with I from 1 to N, such as `1/3`)")]
pub struct NoShard;

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (index, count) = text.split_once('/').ok_or(NoShard)?;
        let (index, count) = (index.parse().map_err(|_| NoShard)?, count.parse().map_err(|_| NoShard)?);
        if (1..=count).contains(&index) {
            Ok(Self { index, count })
        } else {
            Err(NoShard)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_its_count() {
        for text in ["1/1", "3/3"] {
            assert!(text.parse::<Shard>().is_ok(), "{text}");
        }
        for text in ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "/"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_expression_over_tags_is_read_as_cucumber_reads_it() {
        let tags = ["oidc".to_owned(), "X4".to_owned(), "requires:audit-log".to_owned()];
        for (text, expected) in [
            ("@oidc", true),
            ("not @oidc", false),
            ("@a or @oidc and @X4", true),
            ("@a or (@oidc and not @X4)", false),
            ("@requires:audit-log", true),
        ] {
            assert_eq!(
                text.parse::<TagExpression>().map(|expression| expression.holds(&tags)).ok(),
                Some(expected),
                "{text}"
            );
        }
        for text in ["", "oidc", "@oidc and", "@a not @b"] {
            assert!(text.parse::<TagExpression>().is_err(), "{text}");
        }
    }
}
