//! The answer of a server, in types that reports compare.

use serde::{Deserialize, Serialize};

/// The kind of an answer. "Refused" is never enough: these are different things.
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
    /// No answer at all, or a server-side failure (5xx).
    #[default]
    Unreachable,
}

impl Verdict {
    /// Its name, as `run.json` spells it.
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

    /// Its name in words, for a sentence: `bad request`.
    #[must_use]
    pub fn words(self) -> String {
        self.name().replace('_', " ")
    }

    /// The verdict that an HTTP status stands for.
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

    /// The verdict of a request that was answered with `status`, or not at all.
    #[must_use]
    pub fn of_answer(status: Option<u16>) -> Self {
        status.map_or(Self::Unreachable, Self::of_status)
    }

    /// Whether the request was refused, or not answered.
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
    /// The answer's body.
    Body,
    /// Nowhere: nothing was refused, or the log was not clear about it.
    #[default]
    None,
    /// Nowhere: the server's log cannot be read here, so the reason stays unproved.
    NotObservable,
}

impl ReasonSource {
    /// Its name, as `run.json` spells it.
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

/// Reports say of a refusal whose reason is [`ReasonSource::NotObservable`] that its reason is this.
pub const NOT_OBSERVABLE: &str = "not observable here";

/// One answer of a server, as the record keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnswerReport {
    /// The caller, the server and the request: `alice → main: GET /api/v1/nodes`.
    pub request: String,
    /// Its kind.
    pub verdict: Verdict,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// The server's own reason for a refusal.
    pub reason: Option<String>,
    /// The place where the reason was read.
    pub reason_source: ReasonSource,
    /// The `Audit-Id` of the request.
    pub audit_id: Option<String>,
    /// The user the server took the caller for.
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
