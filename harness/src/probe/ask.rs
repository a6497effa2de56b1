//! One request to an API server: a connection of its own, the unchanged credential, the response with its record.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::exchange::{Exchanged, Reading, connect};
use super::failure::{Failure, Progress};
use super::header::unsendable;
use super::route::LIMIT;
use super::{Answer, Endpoint, Gate, Identity, Mark, Question, Record, Watch, record, seen};
use crate::cluster::{ApiServer, LogDelay};
use crate::credential::Credential;
use crate::event::{ReasonSource, Verdict};
use crate::pki::{Authority, Request};
use crate::process::wait::{Condition, until};
use crate::secret::redact;

/// The longest time that the engine may take to forward a log line.
const MARK_LIMIT: Duration = Duration::from_secs(5);

/// The longest time that an open connection waits for its turn; after that, a new one is made. API servers close a connection
/// without a request after 32 seconds (`ReadHeaderTimeout` in kubernetes/apiserver `pkg/server/secure_serving.go`), other servers
/// may do so earlier.
const STALE: Duration = Duration::from_secs(5);

/// The number of log lines that are shown with a refusal.
const LINES: usize = 12;

/// Asks `question` at `endpoint` as `who`, presenting `credential`.
///
/// Never fails: the lack of a response is a verdict, too ([`Verdict::Unreachable`]).
pub async fn ask(endpoint: &Endpoint, who: &str, credential: &Credential, question: &Question) -> Answer {
    carry(endpoint, who, credential, question, Reading::Whole).await.0
}

/// Asks `question`, whose response is a stream, and returns as soon as it begins. There is a [`Watch`] only
/// if the request was accepted; a refusal is read to its end as [`ask`] does.
pub async fn watch(endpoint: &Endpoint, who: &str, credential: &Credential, question: &Question) -> (Answer, Option<Watch>) {
    carry(endpoint, who, credential, question, Reading::AsItComes).await
}

async fn carry(endpoint: &Endpoint, who: &str, credential: &Credential, question: &Question, reading: Reading) -> (Answer, Option<Watch>) {
    let request = format!("{who} → {}: {question}", endpoint.name);
    let presentation = endpoint.presented(credential);
    // Only requests are logged, so connecting does not have to wait for its turn.
    let limit = endpoint.route.as_ref().map_or(LIMIT, |route| route.limit);
    let progress = Progress::default();
    let connected = match unsendable(&presentation) {
        Some(failure) => Ok(Err(failure.into())),
        None => tokio::time::timeout(limit, connect(endpoint, &presentation, &progress)).await,
    };
    let waiting = Instant::now();
    let gate = Gate::enter(&endpoint.server.gate).await;
    let connected = match connected {
        Ok(Ok(_)) if waiting.elapsed() > STALE => tokio::time::timeout(limit, connect(endpoint, &presentation, &progress)).await,
        connected => connected,
    };
    let mark = Mark::now(&endpoint.server);
    let began = SystemTime::now();
    let mut certificate = None;
    let (connecting, sent) = match connected {
        Ok(Ok(mut connected)) => {
            let took = connected.took;
            certificate = connected.certificate.take();
            (
                took,
                tokio::time::timeout(limit, connected.exchange(&presentation, question, reading)).await,
            )
        }
        Ok(Err(error)) => (Duration::ZERO, Ok(Err(error))),
        Err(late) => (limit, Err(late)),
    };
    let lasted = connecting + began.elapsed().unwrap_or_default();
    let unauthenticated = matches!(&sent, Ok(Ok((exchanged, _))) if exchanged.status == 401);
    let passed_on = endpoint
        .server
        .logs
        .as_ref()
        .is_some_and(|logs| logs.log_delay == LogDelay::PassedOn);
    let marked = match passed_on && unauthenticated {
        true => Some(until_marked(&endpoint.server, mark).await),
        false => None,
    };
    // Read before the next request is let through, so that the last lines are about this one.
    let log = mark.log_since(&endpoint.server);
    drop(gate);

    let logged = match log {
        Ok(log) => Logged {
            refusals: marked.unwrap_or_else(|| Ok(record::refusals(&log))),
            log,
        },
        Err(error) => Logged {
            refusals: Err(format!("cannot read the API server's log: {error}")),
            log: String::new(),
        },
    };
    let (mut answer, watch) = match sent {
        Ok(Ok((mut exchanged, watch))) => {
            // A response that changes the protocol does not repeat the request's audit id.
            if exchanged.status == 101 {
                exchanged
                    .headers
                    .extend(question.audit_id().map(|id| ("audit-id".to_owned(), id.to_owned())));
            }
            (answer(endpoint, request, exchanged, mark, logged).await, watch)
        }
        Ok(Err(error)) => {
            let (reason, failure) = (cause(&*error), Failure::of(&*error, progress.stage()));
            let verdict = if is_tls(&*error) || failure.is_tls() {
                Verdict::TlsRefused
            } else {
                Verdict::Unreachable
            };
            (unanswered(request, verdict, reason, failure), None)
        }
        Err(_) => {
            let stage = progress.stage();
            let reason = format!("no answer within {limit:?}");
            (
                unanswered(request, Verdict::Unreachable, reason, Failure::TimedOut { stage, limit }),
                None,
            )
        }
    };
    answer.server_certificate = certificate;
    if endpoint.exchanges.is_recording() {
        for told in seen::exchanges(endpoint, who, &presentation, question, &answer) {
            endpoint.exchanges.tell(began, lasted, told);
        }
    }
    (answer, watch)
}

/// Returns the refusals logged since `mark`, for logs whose lines come a moment after the response: a refusal of our own making, whose
/// line has its certificate's serial number, is logged behind all that came before it.
///
/// # Errors
/// The reason that the logged refusals are unknown, which is not the same as no refusals.
async fn until_marked(server: &ApiServer, mark: Mark) -> Result<Vec<String>, String> {
    let stranger = Authority::self_signed(&Request::client("authlab-mark", &[])).map_err(|error| error.to_string())?;
    let serial = stranger.serial_number().map_err(|error| error.to_string())?;
    let word = format!("SN={serial},");
    let presentation = Credential::Certificate(stranger).presentation();
    // The outcome does not matter: without its line there is no reason either.
    let _answered = async {
        let connected = connect(&Endpoint::of(server), &presentation, &Progress::default()).await?;
        connected.exchange(&presentation, &Question::who_am_i(), Reading::Whole).await
    }
    .await;
    let seen = until("the mark in the API server's log", MARK_LIMIT, || async {
        let refusals = mark.refusals(server)?;
        let end = refusals.iter().position(|reason| reason.contains(&word));
        Ok::<_, std::io::Error>(match end {
            Some(end) => Condition::Met(refusals[..end].to_vec()),
            None => Condition::NotYet(format!("no line with {word}")),
        })
    });
    seen.await.map_err(|error| error.to_string())
}

/// The API server's log while a request was under way.
struct Logged {
    /// The reasons of all refusals, in order; or the reason that they are unknown.
    refusals: Result<Vec<String>, String>,
    /// The whole log, not redacted.
    log: String,
}

impl Logged {
    /// Returns the last lines, redacted.
    fn last_lines(&self) -> Vec<String> {
        // Redacted before it is cut, since a secret may have several lines.
        let log = redact(&self.log);
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LINES);
        lines[from..].iter().map(|line| (*line).to_owned()).collect()
    }
}

/// Builds the answer, with the record of what was exchanged.
async fn answer(endpoint: &Endpoint, request: String, exchanged: Exchanged, mark: Mark, logged: Logged) -> Answer {
    let Exchanged { status, headers, text } = through_stand_in(endpoint, exchanged, &logged.refusals);
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| if text.is_empty() { Value::Null } else { text.clone().into() });
    let audit_id = headers.iter().find(|(name, _)| name == "audit-id").map(|(_, value)| value.clone());
    let event = match &audit_id {
        Some(id) => mark.event(&endpoint.server, id).await,
        None => None,
    };
    let verdict = Verdict::of_status(status);
    let log = match verdict {
        Verdict::Accepted => Vec::new(),
        _ => logged.last_lines(),
    };
    // Unexpected errors of the server come as plain text, not as a `Status`.
    let message = || {
        body.get("message")
            .unwrap_or(&body)
            .as_str()
            .map(|message| redact(message).into_owned())
    };
    // The auth proxy's own refusals have a body with the reason, but no audit id, since the API server never saw them.
    let answered_by_server = audit_id.is_some();
    let (reason, source) = match verdict {
        Verdict::Accepted => (None, ReasonSource::None),
        Verdict::Unauthenticated if endpoint.server.logs.is_none() && answered_by_server => (None, ReasonSource::NotObservable),
        // The only refusal in the log while we held the gate is this request's.
        Verdict::Unauthenticated => match logged.refusals.as_deref() {
            Err(why) => (Some(why.clone()), ReasonSource::None),
            Ok([first, more @ ..]) if more.iter().all(|reason| reason == first) => (Some(first.clone()), ReasonSource::Log),
            // The log has no line for a request without a credential; the audit event does.
            Ok([]) => match event.as_ref().and_then(|event| event.message()) {
                Some(message) => (Some(message.to_owned()), ReasonSource::Audit),
                None => (message(), ReasonSource::Body),
            },
            Ok(several) => (
                Some(format!("ambiguous: other requests were refused at the same time: {several:?}")),
                ReasonSource::None,
            ),
        },
        Verdict::Forbidden | Verdict::BadRequest | Verdict::Unreachable | Verdict::TlsRefused => (message(), ReasonSource::Body),
    };
    let said = body
        .pointer("/status/userInfo")
        .and_then(|said| serde_json::from_value::<Identity>(said.clone()).ok());
    let identity = said.or_else(|| {
        event
            .as_ref()
            .filter(|_| verdict != Verdict::Unauthenticated)
            .and_then(|event| event.identity())
    });
    Answer {
        failure: None,
        server_certificate: None,
        request,
        verdict,
        status: Some(status),
        headers,
        body,
        text,
        identity,
        record: Record {
            reason,
            source,
            audit_id,
            event,
            log,
        },
    }
}

/// Replaces the response if a sabotaged lab has a stand-in in front of its API server that responds in its place.
fn through_stand_in(endpoint: &Endpoint, exchanged: Exchanged, refusals: &Result<Vec<String>, String>) -> Exchanged {
    let Some(logs) = &endpoint.server.logs else { return exchanged };
    let reasons = refusals.as_deref().unwrap_or_default();
    match logs.distortion.stand_in(exchanged.status, reasons) {
        Some(stand_in) => Exchanged {
            status: stand_in.becomes,
            text: stand_in.body.clone().unwrap_or(exchanged.text),
            ..exchanged
        },
        None => exchanged,
    }
}

fn unanswered(request: String, verdict: Verdict, reason: String, failure: Failure) -> Answer {
    Answer {
        failure: Some(failure),
        server_certificate: None,
        request,
        verdict,
        status: None,
        headers: Vec::new(),
        body: Value::Null,
        text: String::new(),
        identity: None,
        record: Record {
            reason: Some(reason),
            source: ReasonSource::None,
            audit_id: None,
            event: None,
            log: Vec::new(),
        },
    }
}

/// Returns `true` if TLS failed: searches for rustls' error, however deep it is wrapped.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || wrapped.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    redact(&cause.to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_shown_with_the_lines_nearest_to_it() {
        let lines: Vec<String> = (0..LINES + 8).map(|number| format!("line {number}")).collect();
        let logged = |lines: &[String]| Logged {
            refusals: Ok(Vec::new()),
            log: lines.join("\n"),
        };
        assert_eq!(logged(&lines).last_lines(), lines[8..]);
        assert_eq!(logged(&lines[..3]).last_lines(), lines[..3]);
        assert!(logged(&[]).last_lines().is_empty());
    }
}
