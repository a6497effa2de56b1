//! The requests that the parties of a scenario really sent, with their responses.
//!
//! The main type is [`Exchange`]. Each client reports its requests to an [`Exchanges`], and the scenario's report
//! contains them. Nothing secret is stored: credentials are decoded, and only the parts that may be shown are kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{ReasonSource, Verdict};
use super::presented::Presented;

/// One request and its response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// The step that sent it, counted from 0; `None` before the first and after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The start time, in milliseconds since the scenario's start.
    pub at_ms: u64,
    /// The duration in milliseconds.
    pub ms: u64,
    /// The time by which it began before the scenario, in milliseconds: only of documents that an API server read at the issuer of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_ms: Option<u64>,
    /// The caller: `alice`, `the administrator`, `auth proxy impersonating`, …
    pub from: String,
    /// The server: `API server main`, `Keycloak`, `auth proxy impersonating`, …
    pub to: String,
    /// The method and path, or a description of a request that is not HTTP.
    pub request: String,
    /// The relevant headers of the request, in order, redacted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The presented credentials: certificate, tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presented: Vec<Presented>,
    /// The digests of the presented tokens, by which other servers' requests about them are recognised. They are not stored.
    #[serde(skip)]
    pub tokens: Vec<String>,
    /// The HTTP status, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The kind of the response.
    pub verdict: Verdict,
    /// The response in a line for people: the user that the caller was taken for, or the error message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The relevant headers of the response, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answer_headers: Vec<(String, String)>,
    /// The credentials in the response: tokens, a certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issued: Vec<Presented>,
    /// The server's own record of the request, if it keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<ServerRecord>,
}

/// A server's record of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerRecord {
    /// The server's own reason for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The place where the reason was read.
    pub reason_source: ReasonSource,
    /// The `Audit-Id` of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_id: Option<String>,
    /// The audit event with that id: the user, the request and its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_event: Option<Value>,
    /// The server's log lines during the request, for a refusal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Counters that were read before and after (`authentication_attempts{result="failure"}`, …), by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, (f64, f64)>,
}

/// One step of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's keyword and text.
    pub text: String,
    /// The outcome; `None` if the step never began.
    pub outcome: Option<super::Outcome>,
    /// The duration in milliseconds.
    pub ms: u64,
}

/// A sink for exchanges: one per scenario, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Exchanges(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    is_discarded: bool,
    caller: Option<String>,
    exchanges: Vec<(SystemTime, Exchange)>,
}

/// The request that reads counters.
const READING: &str = "GET /metrics";

/// The caller of requests for which no caller was named.
const NOBODY_NAMED: &str = "the harness";

impl Exchanges {
    /// Returns a sink that drops all exchanges.
    pub fn discarding() -> Self {
        let recorded = Recorded {
            is_discarded: true,
            ..Recorded::default()
        };
        Self(Arc::new(Mutex::new(recorded)))
    }

    /// Returns whether the sink keeps exchanges: if not, callers need not build them.
    pub fn is_recording(&self) -> bool {
        !self.lock().is_discarded
    }

    /// Sets `who` as the caller of all further exchanges that name none.
    pub fn set_caller(&self, who: &str) {
        self.lock().caller = Some(who.to_owned());
    }

    /// Adds `exchange`, which began at `at` and took `lasted`; sets its duration, and its caller if it names none.
    pub fn tell(&self, at: SystemTime, lasted: Duration, mut exchange: Exchange) {
        exchange.ms = milliseconds(lasted);
        let mut recorded = self.lock();
        if recorded.is_discarded {
            return;
        }
        if exchange.from.is_empty() {
            exchange.from = recorded.caller.clone().unwrap_or_else(|| NOBODY_NAMED.to_owned());
        }
        recorded.exchanges.push((at, exchange));
    }

    /// Adds a counter, read before and after the last request to the server, to that request. Requests that read counters are skipped.
    pub fn measured(&self, counter: &str, before: f64, after: f64) {
        let mut recorded = self.lock();
        let mut asked = recorded.exchanges.iter_mut().rev().map(|(_, exchange)| exchange);
        if let Some(last) = asked.find(|exchange| exchange.request != READING) {
            let record = last.record.get_or_insert_default();
            record.metrics.insert(counter.to_owned(), (before, after));
        }
    }

    /// Returns all exchanges in the order in which they began, each with its start time.
    pub fn all(&self) -> Vec<(SystemTime, Exchange)> {
        let mut all = self.lock().exchanges.clone();
        all.sort_by_key(|(at, _)| *at);
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Converts a duration to whole milliseconds, the unit of records.
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
