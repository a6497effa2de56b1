//! Mistakes at lines of what the user wrote: the program's own, and those that an API server names when it refuses its configuration.
//!
//! The main type is [`Mark`]; [`of_server`] finds the lines that a server's words are about.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::configuration::document::Document;
use crate::configuration::refusal::{mistakes, with_lines_of};

/// A mistake, and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    /// The text that it is in.
    pub(super) place: Place,
    /// The person whom it is about, by index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) person: Option<usize>,
    /// The line, from 1; `None` if it is about the whole.
    pub(super) line: Option<usize>,
    /// The words about it.
    pub(super) message: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

/// A text on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    Configuration,
    Flags,
    Manifests,
    Claims,
    /// The person, beside the claims.
    Person,
    Actions,
    Versions,
    /// None of them: the server itself.
    Server,
}

impl Mark {
    /// Returns a mistake at `line`.
    pub(super) fn at(place: Place, line: usize, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of(place, message)
        }
    }

    /// Returns a mistake without a line.
    pub(super) fn of(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            person: None,
            line: None,
            message: message.into(),
            hint: None,
        }
    }

    /// Returns the same at `line`.
    pub(super) fn on(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// Returns the same for the person at `index`.
    pub(super) fn person(mut self, index: usize) -> Self {
        self.person = Some(index);
        self
    }
}

/// Returns the marks for `said`, an API server's words about the configuration `written`, of which it was given `given`.
pub(super) fn of_server(said: &str, written: &str, given: &str) -> Vec<Mark> {
    let Ok(document) = Document::of_text(Path::new(""), written.to_owned(), &["AuthenticationConfiguration"]) else {
        return Vec::new();
    };
    let found = mistakes(Some(&document), &with_lines_of(said, written, given)).into_iter();
    let marks = found.filter_map(|mistake| {
        let mark = Mark::at(Place::Configuration, mistake.place?.line, mistake.words);
        Some(Mark {
            hint: mistake.advice.map(|advice| advice.change),
            ..mark
        })
    });
    marks.collect()
}

/// A flag in a program's words.
static FLAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"--([a-z][a-z0-9-]+)").expect("a pattern"));

/// Returns the mark for the first of `flags`, which the user wrote, that `said` names, with the line of `said` that names it.
pub(super) fn of_flags(said: &str, flags: &str) -> Option<Mark> {
    let name = |line: &str| {
        line.trim()
            .trim_start_matches('-')
            .split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    said.lines().find_map(|words| {
        let written = FLAG
            .captures_iter(words)
            .find_map(|found| flags.lines().position(|line| name(line) == found[1]));
        written.map(|index| Mark::at(Place::Flags, index + 1, words.trim_start_matches("Error: ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_marked_at_the_lines_they_are_about() {
        let written = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    audience: k\n";
        let marks = of_server("strict decoding error: unknown field \"jwt[0].issuer.audience\"", written, written);
        assert_eq!(marks.iter().map(|mark| mark.line).collect::<Vec<_>>(), [Some(5)]);
        assert_eq!(marks[0].hint.as_deref(), Some("write `audiences` for `audience`"));
        assert_eq!(of_server("etcd is not there", written, written), []);
    }

    #[test]
    fn a_flag_in_a_servers_words_is_marked_if_the_user_wrote_it() {
        let flags = "# mine\n--v=2\nno-such = 1\n";
        let mark = of_flags("kube-apiserver exited\nError: unknown flag: --no-such", flags);
        assert_eq!(mark, Some(Mark::at(Place::Flags, 3, "unknown flag: --no-such")));
        assert_eq!(of_flags("--etcd-servers must be specified", flags), None);
    }
}
