//! Distortions of responses and logs on their way to their readers.
//!
//! The main type is [`Distortion`]. A proxy that terminates TLS would lose the client's certificate, because it cannot present it
//! without its key; so responses are distorted where they are read, after the server itself has decided and logged its reason.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The distortions, in the order in which they are applied; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distortion {
    /// The replacements of responses.
    #[serde(default)]
    pub answers: Vec<StandIn>,
    /// The changes to lines of the log.
    #[serde(default)]
    pub log: Vec<Line>,
    /// The changes to lines of the audit log.
    #[serde(default)]
    pub audit_log: Vec<Line>,
}

/// A replacement of the API server's responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    /// The status of the responses to replace.
    pub status: u16,
    /// A pattern of the server's reason in its log; if absent, any reason matches.
    #[serde(default)]
    pub because: Option<String>,
    /// The status of the replacement.
    pub becomes: u16,
    /// The body of the replacement; if absent, the body stays.
    #[serde(default)]
    pub body: Option<String>,
}

/// A change to a line of a log, or its removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The pattern of the text to replace.
    pub pattern: String,
    /// The replacement; if absent, the whole line is removed.
    #[serde(default)]
    pub with: Option<String>,
}

impl Distortion {
    /// Returns whether nothing is distorted.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether every pattern is a valid regular expression.
    pub fn is_sound(&self) -> bool {
        let lines = self.log.iter().chain(&self.audit_log).map(|line| &line.pattern);
        let mut patterns = lines.chain(self.answers.iter().filter_map(|answer| answer.because.as_ref()));
        patterns.all(|pattern| Regex::new(pattern).is_ok())
    }

    /// Returns the replacement of a response that has `status`, because of `reasons`.
    pub fn stand_in(&self, status: u16, reasons: &[String]) -> Option<&StandIn> {
        let meant = |stand_in: &&StandIn| {
            let matches = |pattern: &String| Regex::new(pattern).is_ok_and(|pattern| reasons.iter().any(|reason| pattern.is_match(reason)));
            stand_in.status == status && stand_in.because.as_ref().is_none_or(matches)
        };
        self.answers.iter().find(meant)
    }

    /// Returns whether a step's `text` quotes a reason that gets another status or is changed in the log: the distortion affects it.
    pub fn is_quoted(&self, text: &str) -> bool {
        let lines = self.log.iter().map(|line| &line.pattern);
        let others = self.answers.iter().filter(|answer| answer.becomes != answer.status);
        let mut patterns = lines.chain(others.filter_map(|answer| answer.because.as_ref()));
        patterns.any(|pattern| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text)))
    }

    /// Returns the distorted form of `text` from the log.
    pub fn of_log(&self, text: String) -> String {
        distorted(&self.log, text)
    }

    /// Returns the distorted form of `text` from the audit log.
    pub fn of_audit_log(&self, text: String) -> String {
        distorted(&self.audit_log, text)
    }
}

fn distorted(changes: &[Line], text: String) -> String {
    changes.iter().fold(text, |text, change| {
        let Ok(pattern) = Regex::new(&change.pattern) else { return text };
        let mut read = String::new();
        for line in text.lines() {
            match &change.with {
                None if pattern.is_match(line) => continue,
                None => read.push_str(line),
                Some(with) => read.push_str(&pattern.replace_all(line, with.as_str())),
            }
            read.push('\n');
        }
        read
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_lost_or_changed_and_the_others_stay() {
        let line = |pattern: &str, with: Option<&str>| Line {
            pattern: pattern.to_owned(),
            with: with.map(str::to_owned),
        };
        let distortion = Distortion {
            log: vec![line("expired", None), line("st(range)", Some("$1"))],
            ..Distortion::default()
        };
        assert_eq!(distortion.of_log("has expired\na stranger\nkept\n".to_owned()), "a ranger\nkept\n");
        assert_eq!(distortion.of_audit_log("has expired\n".to_owned()), "has expired\n");
    }

    #[test]
    fn an_answer_is_replaced_for_its_reason() {
        let distortion = Distortion {
            answers: vec![StandIn {
                status: 401,
                because: Some("has expired".to_owned()),
                becomes: 201,
                body: None,
            }],
            ..Distortion::default()
        };
        let reasons = |reason: &str| vec![reason.to_owned()];
        assert!(distortion.stand_in(401, &reasons("x509: it has expired")).is_some());
        assert!(distortion.stand_in(401, &reasons("x509: unknown authority")).is_none());
        assert!(distortion.stand_in(403, &reasons("x509: it has expired")).is_none());
        assert!(distortion.stand_in(401, &[]).is_none());
        assert!(distortion.is_quoted("Then she is refused, because \"it has expired\""));
        assert!(!distortion.is_quoted("Then she is refused, because \"unknown authority\"") && !Distortion::default().is_quoted("x"));
    }
}
