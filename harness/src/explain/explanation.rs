//! The result of explaining one credential. The main type is [`Explanation`].

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{Finding, bindings};
use crate::event::{ReasonSource, Verdict};
use crate::probe::Answer;
use crate::secret::redact;

/// The outcome of one explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The API server said who this is.
    Accepted,
    /// The API server refused the credential.
    Refused,
    /// The API server answered, and its answer does not say whether it accepts the credential.
    NotJudged,
    /// Something answered that is not an API server.
    NotAnApiServer,
    /// Nothing answered.
    NoAnswer,
    /// No request was made, because kubectl would not make one either.
    NotSent,
    /// No request was made, because authlab cannot make the one that kubectl would make.
    NotAsked,
}

/// The identity of a credential, or why it has none.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The outcome.
    pub outcome: Outcome,
    /// The address of the server; empty if it is unknown.
    pub server: String,
    /// A description of the credential.
    pub presented: String,
    /// The verdict of the response; `None` without one of an API server.
    pub verdict: Option<Verdict>,
    /// The status of the response.
    pub status: Option<u16>,
    /// The server's own reason, redacted.
    pub reason: Option<String>,
    /// The place where the reason was read.
    pub reason_source: ReasonSource,
    /// The user name that the server assigned.
    pub user: Option<String>,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The user's UID.
    pub uid: Option<String>,
    /// The user's extra fields.
    pub extra: BTreeMap<String, Vec<String>>,
    /// The findings, the most important first.
    pub findings: Vec<Finding>,
    /// A binding for the identity, ready to be applied.
    pub binding: Option<Value>,
}

impl Explanation {
    /// Returns the explanation of a credential that no API server has judged.
    #[must_use]
    pub fn unanswered(outcome: Outcome, server: &str, presented: &str, findings: Vec<Finding>) -> Self {
        Self {
            outcome,
            server: server.to_owned(),
            presented: presented.to_owned(),
            verdict: None,
            status: None,
            reason: None,
            reason_source: ReasonSource::None,
            user: None,
            groups: Vec::new(),
            uid: None,
            extra: BTreeMap::new(),
            findings,
            binding: None,
        }
        .sorted()
    }

    /// Adds what an API server answered.
    #[must_use]
    pub fn answered(self, answer: &Answer) -> Self {
        let identity = answer.identity.as_ref().filter(|_| answer.verdict == Verdict::Accepted);
        Self {
            verdict: Some(answer.verdict),
            status: answer.status,
            reason: reason(answer),
            reason_source: answer.record.source,
            user: identity.map(|identity| identity.user.clone()),
            groups: identity
                .map(|identity| identity.groups.iter().cloned().collect())
                .unwrap_or_default(),
            uid: identity.map(|identity| identity.uid.clone()).filter(|uid| !uid.is_empty()),
            extra: identity.map(|identity| identity.extra.clone()).unwrap_or_default(),
            binding: identity.and_then(|identity| bindings::granting(&identity.user, &identity.groups)),
            ..self
        }
    }

    /// Adds `findings`, in their order of importance.
    #[must_use]
    pub fn with(mut self, findings: impl IntoIterator<Item = Finding>) -> Self {
        self.findings.extend(findings);
        self.sorted()
    }

    fn sorted(mut self) -> Self {
        self.findings.sort_by_key(Finding::rank);
        self
    }
}

/// Returns the server's own reason, redacted.
pub(super) fn reason(answer: &Answer) -> Option<String> {
    let reason = answer.record.reason.clone().or_else(|| answer.message().map(str::to_owned));
    reason.map(|reason| redact(&reason).into_owned())
}
