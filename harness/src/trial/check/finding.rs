//! The findings of a check. The main type is [`Finding`].

use super::rules::{Rule, Severity};

/// Something that should be looked at, with its place in the user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub rule: &'static Rule,
    /// The field, such as `jwt[0].claimMappings.username` or `--oidc-username-claim`; empty for the file as a whole.
    pub field: String,
    /// The file, as it is shown; `None` for the file that was checked.
    pub file: Option<String>,
    /// The line in the file.
    pub line: Option<usize>,
    /// The URL of the issuer that it is about.
    pub issuer: Option<String>,
    /// The finding, in one sentence without a full stop.
    pub message: String,
    /// The request that showed it, and the server's answer; `None` if nothing was asked.
    pub proof: Option<Proof>,
    /// The change to make.
    pub change: Option<String>,
    /// The full versions of Kubernetes on which it was found; empty if no server was asked.
    pub versions: Vec<String>,
    /// The words on each of several versions, if they differ between them, the newest first; otherwise empty.
    pub wordings: Vec<Wording>,
}

/// The words of a finding on some versions.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Wording {
    /// The full versions of Kubernetes.
    pub versions: Vec<String>,
    /// The finding in their words.
    pub message: String,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Proof {
    /// The credential that was presented.
    pub asked: String,
    /// The server's answer, with its reason.
    pub answered: String,
}

impl Finding {
    pub(super) fn new(rule: &'static Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            field: String::new(),
            file: None,
            line: None,
            issuer: None,
            message: message.into(),
            proof: None,
            change: None,
            versions: Vec::new(),
            wordings: Vec::new(),
        }
    }

    /// Returns the finding of `rule` about `field`, without a place.
    #[cfg(test)]
    pub(crate) fn of_field(rule: &'static Rule, field: &str) -> Self {
        Self::new(rule, "m").at((field.to_owned(), None))
    }

    /// Places it at the field `field`, in line `line`.
    #[must_use]
    pub(super) fn at(self, (field, line): (String, Option<usize>)) -> Self {
        Self { field, line, ..self }
    }

    #[must_use]
    pub(super) fn of_issuer(self, url: &str) -> Self {
        Self {
            issuer: Some(url.to_owned()),
            ..self
        }
    }

    #[must_use]
    pub(super) fn proved(self, asked: impl Into<String>, answered: impl Into<String>) -> Self {
        Self {
            proof: Some(Proof {
                asked: asked.into(),
                answered: answered.into(),
            }),
            ..self
        }
    }

    #[must_use]
    pub(super) fn change(self, change: impl Into<String>) -> Self {
        Self {
            change: Some(change.into()),
            ..self
        }
    }

    /// Returns its weight.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.rule.severity
    }

    /// Returns `true` if `other` is about the same, in whichever words.
    fn is_about_the_same(&self, other: &Self) -> bool {
        (self.rule, &self.field, &self.file, self.line) == (other.rule, &other.field, &other.file, other.line)
    }

    /// Returns `true` if `other` is the same on other versions, whose servers word it in another way.
    fn is_worded_otherwise(&self, other: &Self) -> bool {
        let is_elsewhere = !self.versions.iter().any(|version| other.versions.contains(version));
        let has_servers = !self.versions.is_empty() && !other.versions.is_empty();
        self.is_about_the_same(other) && self.change == other.change && has_servers && is_elsewhere
    }

    /// Returns `findings`, those of older versions first, with those that are the same as one, which has the versions of all of them:
    /// errors first, then in the order of the file.
    ///
    /// Of different words, those of the newest version count; [`Finding::wordings`] has them all.
    #[must_use]
    pub fn merged(findings: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut same: Vec<Self> = Vec::new();
        for finding in findings {
            match same
                .iter_mut()
                .find(|known| known.is_about_the_same(&finding) && known.message == finding.message)
            {
                Some(known) => add(&mut known.versions, finding.versions),
                None => same.push(finding),
            }
        }
        let mut merged: Vec<Self> = Vec::new();
        for finding in same {
            match merged.iter_mut().find(|known| known.is_worded_otherwise(&finding)) {
                Some(known) => known.reword(finding),
                None => merged.push(finding),
            }
        }
        merged.sort_by(|one, other| {
            let order = |finding: &Self| (finding.severity(), finding.file.clone(), finding.line);
            order(one).cmp(&order(other))
        });
        merged
    }

    /// Takes the words and versions of `newer`, the same on other versions.
    fn reword(&mut self, newer: Self) {
        let wording = |finding: &Self| Wording {
            versions: finding.versions.clone(),
            message: finding.message.clone(),
        };
        if self.wordings.is_empty() {
            self.wordings.push(wording(self));
        }
        self.wordings.insert(0, wording(&newer));
        (self.message, self.proof) = (newer.message, newer.proof);
        add(&mut self.versions, newer.versions);
    }
}

fn add(versions: &mut Vec<String>, more: Vec<String>) {
    for version in more {
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;

    #[test]
    fn equal_findings_of_several_versions_are_one() {
        let found = |rule: &'static Rule, line: usize, version: &str| Finding {
            versions: vec![version.to_owned()],
            ..Finding::new(rule, "m").at(("f".to_owned(), Some(line)))
        };
        let merged = Finding::merged([
            found(&rules::NO_PREFIX, 1, "1.30.14"),
            found(&rules::SYSTEM_NAME, 4, "1.30.14"),
            found(&rules::NO_PREFIX, 1, "1.37.2"),
            found(&rules::SYSTEM_NAME, 2, "1.37.2"),
        ]);
        let told: Vec<_> = merged
            .iter()
            .map(|finding| (finding.rule.name, finding.line, finding.versions.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("system-name-accepted", Some(2), 1),
                ("system-name-accepted", Some(4), 1),
                ("no-prefix", Some(1), 2)
            ]
        );
    }

    #[test]
    fn a_finding_that_versions_word_differently_is_one_with_the_newest_words() {
        let found = |message: &str, change: &str, version: &str| Finding {
            versions: vec![version.to_owned()],
            ..Finding::new(&rules::DOES_NOT_START, message)
                .at(("f".to_owned(), Some(1)))
                .change(change)
        };
        let told = |findings: Vec<Finding>| -> Vec<(String, usize, usize)> {
            let merged = Finding::merged(findings).into_iter();
            merged
                .map(|finding| (finding.message, finding.versions.len(), finding.wordings.len()))
                .collect()
        };
        let one = |message: &str, versions, words| (message.to_owned(), versions, words);
        assert_eq!(
            told(vec![
                found("old", "c", "1.30.14"),
                found("new", "c", "1.34.4"),
                found("new", "c", "1.37.2")
            ]),
            [one("new", 3, 2)]
        );
        // Two on one version, and two with different remedies, are two.
        assert_eq!(
            told(vec![
                found("a", "c", "1.30.14"),
                found("b", "c", "1.30.14"),
                found("a", "c", "1.37.2")
            ]),
            [one("a", 2, 0), one("b", 1, 0)]
        );
        assert_eq!(
            told(vec![found("a", "c", "1.30.14"), found("b", "d", "1.37.2")]),
            [one("a", 1, 0), one("b", 1, 0)]
        );
    }
}
