//! A question and its answer, as the record of a run shows them. The main item is [`exchanges`].

use serde_json::{Map, Value};

use super::{Answer, Door, Question, ReasonSource, Verdict};
use crate::credential::Presentation;
use crate::event::{Exchange, Presented, ServerRecord};
use crate::secret::redact;

/// The answer's headers that say something about authentication.
const ANSWER_HEADERS: [&str; 5] = ["www-authenticate", "audit-id", "warning", "connection", "retry-after"];

/// What of an audit event (audit.k8s.io/v1 `Event`) is about who asked for what, and what became of it.
const AUDITED: [&str; 9] = [
    "stage",
    "verb",
    "requestURI",
    "user",
    "impersonatedUser",
    "authenticationMetadata",
    "sourceIPs",
    "responseStatus",
    "annotations",
];

/// What was exchanged when `who` asked `question` at `door`: with something in front of the API server, the second leg is told,
/// too, as far as the API server recorded it.
pub(super) fn exchanges(door: &Door, who: &str, presentation: &Presentation, question: &Question, answer: &Answer) -> Vec<Exchange> {
    let server = format!("API server {}", door.server.name);
    let in_front = door.url != door.server.url;
    let first = Exchange {
        from: who.to_owned(),
        to: if in_front { door.name.clone() } else { server.clone() },
        request: question.to_string(),
        headers: headers(presentation, question),
        presented: presented(presentation),
        status: answer.status,
        verdict: answer.verdict.name().to_owned(),
        answer: said(answer),
        answer_headers: ANSWER_HEADERS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), redact(answer.header(name)?).into_owned())))
            .collect(),
        issued: issued(&answer.body),
        record: Some(record(answer)),
        ..Exchange::default()
    };
    if !in_front || answer.record.event.is_none() {
        return vec![first];
    }
    let second = Exchange {
        from: first.to.clone(),
        to: server,
        headers: Vec::new(),
        presented: Vec::new(),
        ..first.clone()
    };
    vec![Exchange { record: None, ..first }, second]
}

/// The headers that matter: what the credential and the question add; of an `Authorization` header only its kind.
fn headers(presentation: &Presentation, question: &Question) -> Vec<(String, String)> {
    let presented = presentation.headers.iter().map(|(name, value)| {
        if name.eq_ignore_ascii_case("Authorization") {
            (name.clone(), redact_credential(value.expose()))
        } else {
            (name.clone(), redact(value.expose()).into_owned())
        }
    });
    let asked = question.headers.iter().map(|(name, value)| {
        if name.eq_ignore_ascii_case("Authorization") || name.eq_ignore_ascii_case("Cookie") {
            (name.clone(), redact_credential(value))
        } else {
            (name.clone(), redact(value).into_owned())
        }
    });
    presented.chain(asked).collect()
}

/// The scheme stays, and of a signed token what [`redact`] leaves of it.
fn redact_credential(value: &str) -> String {
    let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
    match Presented::token(rest) {
        Some(_) => redact(value).into_owned(),
        None => format!("{scheme} [redacted]").trim_start().to_owned(),
    }
}

fn presented(presentation: &Presentation) -> Vec<Presented> {
    let certificate = presentation
        .certificate
        .as_ref()
        .and_then(|leaf| Presented::certificate(&leaf.certificate));
    let tokens = presentation
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("Authorization"))
        .map(|(_, value)| Presented::authorization(value.expose()));
    certificate.into_iter().chain(tokens).collect()
}

/// What the answer's object brings: the token of a TokenRequest.
fn issued(body: &Value) -> Vec<Presented> {
    let token = body.pointer("/status/token").and_then(Value::as_str);
    token.and_then(Presented::token).into_iter().collect()
}

fn said(answer: &Answer) -> Option<String> {
    match (&answer.identity, answer.verdict) {
        (Some(identity), Verdict::Accepted) => {
            let groups: Vec<&str> = identity.groups.iter().map(String::as_str).collect();
            Some(match groups.as_slice() {
                [] => format!("taken for {}", identity.user),
                groups => format!("taken for {} in {}", identity.user, groups.join(", ")),
            })
        }
        _ => answer
            .message()
            .or(answer.record.reason.as_deref())
            .map(|message| redact(message).into_owned()),
    }
}

fn record(answer: &Answer) -> ServerRecord {
    let Answer { record, .. } = answer;
    ServerRecord {
        reason: record.reason.clone(),
        reason_source: match record.source {
            ReasonSource::NotObservable => crate::event::NOT_OBSERVABLE.to_owned(),
            source => source.name().to_owned(),
        },
        audit_id: record.audit_id.clone(),
        audit_event: record.event.as_ref().map(|event| {
            let kept: Map<String, Value> = AUDITED
                .iter()
                .filter_map(|field| Some(((*field).to_owned(), event.0.get(field)?.clone())))
                .collect();
            kept.into()
        }),
        log: record.log.clone(),
        ..ServerRecord::default()
    }
}
