//! The response of a server, in types that reports compare.

use serde::{Deserialize, Serialize};

/// The kind of a response. "Refused" is never enough: these are different things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Authenticated, and the request was carried out.
    Accepted,
    /// 401: the server does not know the caller.
    Unauthenticated,
    /// 403: the server knows the caller, who lacks the right.
    Forbidden,
    /// Any other 4xx (400, 404, 409, 422, …): authenticated and permitted, but the request
    /// itself cannot be carried out.
    BadRequest,
    /// The TLS handshake was refused.
    TlsRefused,
    /// No response at all, or a server-side failure (5xx).
    #[default]
    Unreachable,
}

impl Verdict {
    /// Returns the name in `run.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::BadRequest => "bad_request",
            Self::TlsRefused => "tls_refused",
            Self::Unreachable => "unreachable",
        }
    }

    /// Returns the name in words, for a sentence: `bad request`.
    #[must_use]
    pub fn words(self) -> String {
        self.name().replace('_', " ")
    }

    /// Returns the verdict of an HTTP status.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            100..=399 => Self::Accepted,
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            400..=499 => Self::BadRequest,
            _ => Self::Unreachable,
        }
    }

    /// Returns the verdict of a request whose response had `status`, or that got no response.
    #[must_use]
    pub fn of_answer(status: Option<u16>) -> Self {
        status.map_or(Self::Unreachable, Self::of_status)
    }

    /// Returns whether the request was refused, or got no response.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        self != Self::Accepted
    }
}

/// The place where the reason of a refusal was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonSource {
    /// The API server's log.
    Log,
    /// The audit event.
    Audit,
    /// The response's body.
    Body,
    /// No place: nothing was refused, or the log was ambiguous.
    #[default]
    None,
    /// No place: the server's log cannot be read here, so the reason stays unproved.
    NotObservable,
}

impl ReasonSource {
    /// Returns the name in `run.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Audit => "audit",
            Self::Body => "body",
            Self::None => "none",
            Self::NotObservable => "not_observable",
        }
    }
}

/// The text that reports show in place of a reason from [`ReasonSource::NotObservable`].
pub const NOT_OBSERVABLE: &str = "not observable here";

/// One response of a server, as the record stores it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnswerReport {
    /// The caller, the server and the request: `alice → main: GET /api/v1/nodes`.
    pub request: String,
    /// The kind of the response.
    pub verdict: Verdict,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The server's own reason for a refusal.
    pub reason: Option<String>,
    /// The place where the reason was read.
    pub reason_source: ReasonSource,
    /// The `Audit-Id` of the request.
    pub audit_id: Option<String>,
    /// The user that the server took the caller for.
    pub user: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_spells_verdicts_and_sources_by_their_names() {
        let verdicts = [
            Verdict::Accepted,
            Verdict::Unauthenticated,
            Verdict::Forbidden,
            Verdict::BadRequest,
            Verdict::TlsRefused,
            Verdict::Unreachable,
        ];
        for verdict in verdicts {
            assert_eq!(serde_json::to_value(verdict).expect("a word"), verdict.name());
        }
        let sources = [
            ReasonSource::Log,
            ReasonSource::Audit,
            ReasonSource::Body,
            ReasonSource::None,
            ReasonSource::NotObservable,
        ];
        for source in sources {
            assert_eq!(serde_json::to_value(source).expect("a word"), source.name());
        }
    }
}
