//! The response of a server.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Failure, Record};
use crate::event::{AnswerReport, NOT_OBSERVABLE, ReasonSource, Verdict};
use crate::tls::ServerCertificate;

/// The caller's identity according to the server (authentication.k8s.io/v1 `UserInfo`). Groups are a set: their order is not promised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The user's name.
    #[serde(alias = "username")]
    pub user: String,
    /// The user's UID; empty if there is none.
    pub uid: String,
    /// The groups.
    pub groups: BTreeSet<String>,
    /// The extra fields, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A server's response to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// A description of the request: caller, request, endpoint.
    pub request: String,
    /// The kind of response.
    pub verdict: Verdict,
    /// The HTTP status; `None` without a response.
    pub status: Option<u16>,
    /// The response headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body: JSON if it parses, else text, else null.
    pub body: Value,
    /// The body's bytes, as text.
    pub text: String,
    /// The caller's identity according to the server, if it is in the response itself or in the audit event.
    pub identity: Option<Identity>,
    /// The evidence in the server's logs.
    pub record: Record,
    /// The reason for a missing response.
    pub failure: Option<Failure>,
    /// The certificate of the server that answered, if it was looked at.
    pub server_certificate: Option<ServerCertificate>,
}

impl Answer {
    /// Returns the first value of the response header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the `message` of a Kubernetes `Status` body.
    pub fn message(&self) -> Option<&str> {
        self.body.get("message").and_then(Value::as_str)
    }

    /// Returns the form that the record of a run keeps.
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

/// Prints verdict and identity or reason, for people.
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
