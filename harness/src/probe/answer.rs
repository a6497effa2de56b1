//! What a server answered.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::Record;
use crate::event::{AnswerReport, NOT_OBSERVABLE, ReasonSource, Verdict};

/// Who the server took a caller for (authentication.k8s.io/v1 `UserInfo`). Groups are a set: their order is not promised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The user's name.
    #[serde(alias = "username")]
    pub user: String,
    /// The user's UID; empty where there is none.
    pub uid: String,
    /// The groups.
    pub groups: BTreeSet<String>,
    /// Everything else, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a server answered to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who asked what of whom.
    pub request: String,
    /// Its kind.
    pub verdict: Verdict,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// The response headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body: JSON where it is, else text, else null.
    pub body: Value,
    /// The body's bytes, as text.
    pub text: String,
    /// Who the server took the caller for, where it says so: in the answer itself or in the audit event.
    pub identity: Option<Identity>,
    /// The server's own proof.
    pub record: Record,
}

impl Answer {
    /// The first value of the response header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The `message` of a Kubernetes `Status` body.
    pub fn message(&self) -> Option<&str> {
        self.body.get("message").and_then(Value::as_str)
    }

    /// As the record of a run keeps it.
    pub fn report(&self) -> AnswerReport {
        AnswerReport {
            request: self.request.clone(),
            verdict: self.verdict,
            status: self.status,
            reason: self.record.reason.clone(),
            reason_source: self.record.source,
            audit_id: self.record.audit_id.clone(),
            user: self.identity.as_ref().map(|identity| identity.user.clone()),
        }
    }
}

/// For a person: verdict, identity or reason.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.verdict.name())?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        if let Some(identity) = &self.identity {
            write!(f, ", taken for \"{}\"", identity.user)?;
            if !identity.groups.is_empty() {
                write!(f, " in {:?}", identity.groups)?;
            }
        }
        match (&self.record.reason, self.record.source) {
            (_, ReasonSource::NotObservable) => write!(f, ", reason {NOT_OBSERVABLE}"),
            (Some(reason), source) => write!(f, ", because ({}): {reason}", source.name()),
            (None, _) => Ok(()),
        }
    }
}
