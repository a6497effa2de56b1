//! The words of feature files: the tags in the features' README, the ids of the behaviours,
//! the capabilities that a lab can have, and the steps. The main type is [`Vocabulary`].

use super::step_definition::StepDefinition;
use super::{OwnPeople, REQUIRES};
use crate::hint::Hint;
use crate::similar::similar;

/// The words allowed as tags, all without `@`, and the steps.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The words in the table of tags.
    pub tags: Vec<String>,
    /// The ids of the behaviours.
    pub behaviours: Vec<String>,
    /// The capabilities, as `@requires:NAME` names them.
    pub capabilities: Vec<String>,
    /// The definitions of steps, which require capabilities, too.
    pub steps: Vec<StepDefinition>,
    /// The own people, whom steps may name beside the cast.
    pub people: OwnPeople,
    /// `true` if the features are a user's own, who says which further tags there are.
    pub is_own: bool,
}

/// An unknown tag.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `@{tag}`")]
pub struct VocabularyError {
    kind: &'static str,
    tag: String,
    hint: String,
}

impl VocabularyError {
    /// Returns the error for a tag in a user's own features.
    fn own(tag: &str, known: &[String]) -> Self {
        let near = similar(tag, known.iter().map(String::as_str), 3);
        let near: Vec<String> = near.iter().map(|tag| format!("@{tag}")).collect();
        let meant = if near.is_empty() {
            String::new()
        } else {
            format!("did you mean {}? ", near.join(", "))
        };
        Self {
            kind: "tag",
            tag: tag.to_owned(),
            hint: format!("{meant}tags of your own are named by `tags` of [features] in authlab.toml, or with --own-tags {tag}"),
        }
    }

    fn new(kind: &'static str, tag: &str, known: &[String], source_of_truth: &str) -> Self {
        let list = |tags: &[String]| tags.iter().map(|tag| format!("@{tag}")).collect::<Vec<_>>().join(", ");
        let near = similar(tag, known.iter().map(String::as_str), 3);
        let hint = if !near.is_empty() {
            format!("did you mean {}? {source_of_truth} lists them all", list(&near))
        } else if !known.is_empty() {
            format!("known in {source_of_truth}: {}", list(known))
        } else {
            format!("list it in {source_of_truth}")
        };
        Self {
            kind,
            tag: tag.to_owned(),
            hint,
        }
    }
}

impl Hint for VocabularyError {
    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }
}

impl Vocabulary {
    /// Returns the tags in the first column of the Markdown table in `readme`, each as `` `@tag` ``.
    #[must_use]
    pub fn tags_in_table(readme: &str) -> Vec<String> {
        readme
            .lines()
            .filter_map(|line| line.trim().strip_prefix('|')?.split('|').next())
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .filter_map(|code| code.trim().strip_prefix('@'))
            .map(str::to_owned)
            .collect()
    }

    /// Checks that every tag of `tags` is known.
    ///
    /// # Errors
    /// Returns the first unknown tag, with similar ones.
    pub fn check_tags(&self, tags: &[String]) -> Result<(), VocabularyError> {
        tags.iter().try_for_each(|tag| self.check(tag))
    }

    /// Checks that `tag` is known.
    ///
    /// # Errors
    /// The tag is unknown.
    pub fn check(&self, tag: &str) -> Result<(), VocabularyError> {
        let (kind, source_of_truth, known): (_, _, Vec<String>) = if let Some(capability) = tag.strip_prefix(REQUIRES) {
            if self.capabilities.iter().any(|known| known == capability) {
                return Ok(());
            }
            (
                "capability",
                "fixtures/capabilities/",
                self.capabilities.iter().map(|name| format!("{REQUIRES}{name}")).collect(),
            )
        } else if is_behaviour(tag) {
            ("behaviour", "fixtures/behaviours.toml", self.behaviours.clone())
        } else {
            ("tag", "features/README.md", self.tags.clone())
        };
        if known.iter().any(|word| word == tag) {
            return Ok(());
        }
        Err(match kind {
            "tag" if self.is_own => VocabularyError::own(tag, &known),
            _ => VocabularyError::new(kind, tag, &known, source_of_truth),
        })
    }
}

/// Returns whether `tag` has the form of a behaviour's id: capital letters, then a number (`X4`, `O28`).
#[must_use]
pub fn is_behaviour(tag: &str) -> bool {
    let number = tag.trim_start_matches(|c: char| c.is_ascii_uppercase());
    number.len() < tag.len() && number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Vocabulary {
            tags: words(&["oidc", "serial", "external-certificate"]),
            behaviours: words(&["X1", "X4"]),
            capabilities: words(&["audit-log"]),
            ..Vocabulary::default()
        }
    }

    #[test]
    fn the_table_gives_the_tags_of_its_first_column() {
        let readme = "# Tags\n| Tag | Means |\n|---|---|\n| `@serial` | alone, unlike `@other` |\n| `@a`, `@b` | two |\ntext `@no`\n";
        assert_eq!(Vocabulary::tags_in_table(readme), ["serial", "a", "b"]);
    }

    #[test]
    fn each_kind_of_tag_has_its_own_list() {
        let known = ["oidc", "X4", "requires:audit-log"].map(str::to_owned);
        assert_eq!(vocabulary().check_tags(&known), Ok(()));
        for (tag, message) in [
            ("X5", "unknown behaviour `@X5`"),
            ("requires:audit", "unknown capability `@requires:audit`"),
            ("ocid", "unknown tag `@ocid`"),
        ] {
            assert_eq!(vocabulary().check(tag).map_err(|error| error.to_string()), Err(message.to_owned()));
        }
    }

    #[test]
    fn an_unknown_tag_names_those_that_are_near() {
        let hint = vocabulary().check("external-certificates").err().and_then(|error| error.hint());
        assert_eq!(
            hint.as_deref(),
            Some("did you mean @external-certificate? features/README.md lists them all")
        );
        let hint = vocabulary().check("zzz").err().and_then(|error| error.hint());
        assert_eq!(
            hint.as_deref(),
            Some("known in features/README.md: @oidc, @serial, @external-certificate")
        );
    }

    #[test]
    fn tags_of_own_features_are_named_by_their_author() {
        let own = Vocabulary {
            is_own: true,
            ..vocabulary()
        };
        let hint = own.check("seriall").err().and_then(|error| error.hint());
        let how = "tags of your own are named by `tags` of [features] in authlab.toml, or with --own-tags seriall";
        assert_eq!(hint.unwrap(), format!("did you mean @serial? {how}"));
    }
}
