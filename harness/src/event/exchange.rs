//! What really happened between the parties of a scenario, request by request.
//!
//! The main type is [`Exchange`]; whoever asks somebody something tells an [`Exchanges`], and the scenario's report
//! carries what was told. Nothing secret goes in: tokens are taken apart here, and only what may be shown is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// The step during which it happened, counted from 0; `None` before the first and after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// When it began: milliseconds since the scenario did.
    pub at_ms: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Who asked: `alice`, `the administrator`, `auth proxy impersonating`, …
    pub from: String,
    /// Whom: `API server main`, `Keycloak`, `auth proxy impersonating`, …
    pub to: String,
    /// Method and path, or what was asked where it is not HTTP.
    pub request: String,
    /// The request's headers that matter, in order, redacted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What was presented: certificate, tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presented: Vec<Presented>,
    /// The HTTP status, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `accepted`, `unauthenticated`, `forbidden`, `bad_request`, `tls_refused` or `unreachable`.
    pub verdict: String,
    /// The answer in a line for a person: who the caller was taken for, or the error's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The answer's headers that matter, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answer_headers: Vec<(String, String)>,
    /// What the answer brought: tokens, a certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issued: Vec<Presented>,
    /// The server's own record of it, where it keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<ServerRecord>,
}

/// A credential as it may be shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Presented {
    /// An X.509 certificate (RFC 5280 §4.1), without its key.
    Certificate {
        /// The subject, as RFC 4514 writes it.
        subject: String,
        /// The issuer, likewise.
        issuer: String,
        /// The serial number, decimal.
        serial: String,
        /// The beginning of its validity, RFC 3339.
        not_before: String,
        /// The end of its validity, RFC 3339.
        not_after: String,
        /// The extended key usages (`client_auth`, `server_auth`, …; else dotted); none: the certificate does not restrict them.
        extended_key_usages: Vec<String>,
    },
    /// A signed token in compact form (RFC 7515 §3.1).
    Token {
        /// The decoded header.
        header: Value,
        /// The decoded claims.
        claims: Value,
        /// The first characters of the signature.
        signature: String,
    },
    /// Something else in an `Authorization` header, of which only the kind may be shown.
    Opaque {
        /// What it is, in a word or two: `bearer token`, `basic`, …
        described_as: String,
    },
}

/// What a server recorded about a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerRecord {
    /// Its own reason for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where that was read: `log`, `audit`, `body` or `none`.
    pub reason_source: String,
    /// The `Audit-Id` of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_id: Option<String>,
    /// The audit event with that id: what it says about who asked for what, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_event: Option<Value>,
    /// The server's log while the request was under way, for a refusal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Counters that were read before and after (`authentication_attempts{result="failure"}`, …), by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, (f64, f64)>,
}

/// One step of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its keyword and text.
    pub text: String,
    /// How it ended; `None` when it was never begun.
    pub outcome: Option<super::Outcome>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Where exchanges are told: one per scenario, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Exchanges(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    began: Option<Instant>,
    step: Option<usize>,
    exchanges: Vec<Exchange>,
}

impl Exchanges {
    /// The scenario begins now.
    pub fn begin(&self) {
        self.lock().began = Some(Instant::now());
    }

    /// What is told from now on happened during `step`.
    pub fn enter_step(&self, step: Option<usize>) {
        self.lock().step = step;
    }

    /// `exchange` began `at` and took `lasted`; its own fields about time and step are filled in.
    pub fn tell(&self, at: Instant, lasted: Duration, exchange: Exchange) {
        let mut told = self.lock();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let at_ms = told.began.map_or(0, |began| milliseconds(at.saturating_duration_since(began)));
        let step = told.step;
        told.exchanges.push(Exchange {
            step,
            at_ms,
            ms: milliseconds(lasted),
            ..exchange
        });
    }

    /// All that was told, in the order in which it began.
    pub fn all(&self) -> Vec<Exchange> {
        let mut all = self.lock().exchanges.clone();
        all.sort_by_key(|exchange| exchange.at_ms);
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
