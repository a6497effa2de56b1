//! What is wrong with answers and records on their way to who reads them.
//!
//! The main type is [`Distortion`]. Something on the wire that ends TLS would lose the client's certificate, which nobody can pass on
//! without its key; so answers are distorted where they are read, after the server itself has decided and logged why.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// What is wrong, in the order in which it is said; nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distortion {
    /// What stands in the way of answers.
    #[serde(default)]
    pub answers: Vec<StandIn>,
    /// What is wrong with the lines of the log.
    #[serde(default)]
    pub log: Vec<Line>,
    /// What is wrong with the lines of the audit log.
    #[serde(default)]
    pub audit_log: Vec<Line>,
}

/// Something in front of the API server that answers in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    /// The status of the answers meant.
    pub status: u16,
    /// A pattern of the server's reason in its log; any, when not given.
    #[serde(default)]
    pub because: Option<String>,
    /// The status they get.
    pub becomes: u16,
    /// The body they get; their own, when not given.
    #[serde(default)]
    pub body: Option<String>,
}

/// A line that is changed, or lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What of it is meant.
    pub pattern: String,
    /// What is there in its place; without, the whole line is lost.
    #[serde(default)]
    pub with: Option<String>,
}

impl Distortion {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every pattern is a regular expression.
    pub fn is_sound(&self) -> bool {
        let lines = self.log.iter().chain(&self.audit_log).map(|line| &line.pattern);
        let mut patterns = lines.chain(self.answers.iter().filter_map(|answer| answer.because.as_ref()));
        patterns.all(|pattern| Regex::new(pattern).is_ok())
    }

    /// Who answers in place of the server when it answered with `status`, because of `reasons`.
    pub fn stand_in(&self, status: u16, reasons: &[String]) -> Option<&StandIn> {
        let meant = |stand_in: &&StandIn| {
            let matches = |pattern: &String| Regex::new(pattern).is_ok_and(|pattern| reasons.iter().any(|reason| pattern.is_match(reason)));
            stand_in.status == status && stand_in.because.as_ref().is_none_or(matches)
        };
        self.answers.iter().find(meant)
    }

    /// Whether `text`, what a step says, quotes a reason that gets another status, or is not in the log: it is about just what is distorted.
    pub fn is_quoted(&self, text: &str) -> bool {
        let lines = self.log.iter().map(|line| &line.pattern);
        let others = self.answers.iter().filter(|answer| answer.becomes != answer.status);
        let mut patterns = lines.chain(others.filter_map(|answer| answer.because.as_ref()));
        patterns.any(|pattern| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text)))
    }

    /// What is read of the log when `text` is in it.
    pub fn of_log(&self, text: String) -> String {
        distorted(&self.log, text)
    }

    /// What is read of the audit log when `text` is in it.
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
