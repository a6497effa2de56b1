//! What really happened between the parties of a scenario, request by request.
//!
//! The main type is [`Exchange`]; whoever asks somebody something tells an [`Exchanges`], and the scenario's report
//! carries what was told. Nothing secret goes in: credentials are taken apart, and only what may be shown is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{ReasonSource, Verdict};
use super::presented::Presented;

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
    /// The kind of its answer.
    pub verdict: Verdict,
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

/// What a server recorded about a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerRecord {
    /// Its own reason for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The place where the reason was read.
    pub reason_source: ReasonSource,
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
    unheard: bool,
    speaker: Option<String>,
    exchanges: Vec<(SystemTime, Exchange)>,
}

/// How counters are read.
const READING: &str = "GET /metrics";

/// Who asks, as long as nobody was named.
const NOBODY_NAMED: &str = "the harness";

impl Exchanges {
    /// Nothing that is told is kept.
    pub fn unheard() -> Self {
        let told = Told {
            unheard: true,
            ..Told::default()
        };
        Self(Arc::new(Mutex::new(told)))
    }

    /// Whether what is told is kept: if not, it need not be put together.
    pub fn are_heard(&self) -> bool {
        !self.lock().unheard
    }

    /// Whatever is asked from now on without a name of its own is asked by `who`.
    pub fn speaks(&self, who: &str) {
        self.lock().speaker = Some(who.to_owned());
    }

    /// `exchange` began at `at` and took `lasted`; both are filled in, and who asked where it does not say.
    pub fn tell(&self, at: SystemTime, lasted: Duration, mut exchange: Exchange) {
        exchange.ms = milliseconds(lasted);
        let mut told = self.lock();
        if told.unheard {
            return;
        }
        if exchange.from.is_empty() {
            exchange.from = told.speaker.clone().unwrap_or_else(|| NOBODY_NAMED.to_owned());
        }
        told.exchanges.push((at, exchange));
    }

    /// A counter of the server was read before and after what was asked of it last. Asking for counters does not count.
    pub fn measured(&self, counter: &str, before: f64, after: f64) {
        let mut told = self.lock();
        let mut asked = told.exchanges.iter_mut().rev().map(|(_, exchange)| exchange);
        if let Some(last) = asked.find(|exchange| exchange.request != READING) {
            let record = last.record.get_or_insert_default();
            record.metrics.insert(counter.to_owned(), (before, after));
        }
    }

    /// All that was told, in the order in which it began, each with the time at which it did.
    pub fn all(&self) -> Vec<(SystemTime, Exchange)> {
        let mut all = self.lock().exchanges.clone();
        all.sort_by_key(|(at, _)| *at);
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As records have times: whole milliseconds.
#[must_use]
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_belongs_to_what_was_asked_and_not_to_its_own_reading() {
        let exchanges = Exchanges::default();
        for request in ["POST /apis/authentication.k8s.io/v1/selfsubjectreviews", READING] {
            let exchange = Exchange {
                request: request.to_owned(),
                ..Exchange::default()
            };
            exchanges.tell(SystemTime::now(), Duration::from_millis(1), exchange);
        }
        exchanges.measured("attempts{}", 1.0, 2.0);
        let all = exchanges.all();
        let counters: Vec<_> = all
            .iter()
            .map(|(_, exchange)| exchange.record.as_ref().map(|record| record.metrics.len()))
            .collect();
        assert_eq!(counters, [Some(1), None]);
    }
}
