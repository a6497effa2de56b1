//! A request and its response, as the record of a run shows them. The main item is [`exchanges`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Answer, Endpoint, Question};
use crate::credential::Presentation;
use crate::event::{Exchange, Presented, ServerRecord, Verdict};
use crate::secret::{Secret, TOKEN_PROTOCOL, digest, redact};

/// The response headers that are about authentication.
const ANSWER_HEADERS: [&str; 5] = ["www-authenticate", "audit-id", "warning", "connection", "retry-after"];

/// The fields of an audit event (audit.k8s.io/v1 `Event`) that describe the caller, the request and its result.
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

/// Returns the exchanges of `who` asking `question` at `endpoint`. If a server is in front of the API server, the second leg is included,
/// as far as the API server recorded it.
pub(super) fn exchanges(
    endpoint: &Endpoint,
    who: &str,
    presentation: &Presentation,
    question: &Question,
    answer: &Answer,
) -> Vec<Exchange> {
    let server = format!("API server {}", endpoint.server.name);
    let in_front = endpoint.url != endpoint.server.url;
    let first = Exchange {
        from: who.to_owned(),
        to: if in_front { endpoint.name.clone() } else { server.clone() },
        request: question.to_string(),
        headers: headers(presentation, question),
        presented: presented(presentation),
        tokens: tokens(presentation).iter().map(|token| digest(token)).collect(),
        status: answer.status,
        verdict: answer.verdict,
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
        tokens: Vec::new(),
        ..first.clone()
    };
    vec![Exchange { record: None, ..first }, second]
}

/// Returns the relevant headers: those of the credential and the question; of a secret, only the kind.
fn headers(presentation: &Presentation, question: &Question) -> Vec<(String, String)> {
    let presented = presentation.headers.iter().map(|(name, value)| (name, value.expose()));
    let asked = question.headers.iter().map(|(name, value)| (name, value.as_str()));
    presented
        .chain(asked)
        .map(|(name, value)| (name.clone(), shown(name, value)))
        .collect()
}

fn shown(name: &str, value: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "authorization" | "cookie" => {
            // The scheme stays, and of a signed token the same part that is kept everywhere.
            let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
            match Presented::token(rest) {
                Some(_) => redact(value).into_owned(),
                None => format!("{scheme} [redacted]").trim_start().to_owned(),
            }
        }
        _ => redact(value).into_owned(),
    }
}

fn presented(presentation: &Presentation) -> Vec<Presented> {
    let certificate = presentation
        .certificate
        .as_ref()
        .and_then(|leaf| Presented::certificate(&leaf.certificate));
    let others = presentation
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let others = others.map(|(_, value)| Presented::authorization(value.expose()));
    let carried = presentation.headers.iter().flat_map(sub_protocol_tokens);
    let carried = carried.map(|token| Presented::authorization(&format!("Bearer {token}")));
    certificate.into_iter().chain(others).chain(carried).collect()
}

/// Returns the tokens in the headers.
fn tokens(presentation: &Presentation) -> Vec<String> {
    let headers = presentation.headers.iter();
    let bearer = headers.clone().filter_map(|(name, value)| {
        let (scheme, token) = value.expose().trim().split_once(' ')?;
        let is_bearer = name.eq_ignore_ascii_case("authorization") && scheme.eq_ignore_ascii_case("bearer");
        is_bearer.then(|| token.trim().to_owned())
    });
    bearer.chain(headers.flat_map(sub_protocol_tokens)).collect()
}

/// Returns the tokens in a header with sub-protocols of a web socket.
fn sub_protocol_tokens((name, value): &(String, Secret)) -> Vec<String> {
    if !name.eq_ignore_ascii_case("sec-websocket-protocol") {
        return Vec::new();
    }
    let encoded = value
        .expose()
        .split(", ")
        .filter_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL));
    let decoded = encoded.map(|encoded| URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default());
    decoded.map(|token| String::from_utf8_lossy(&token).into_owned()).collect()
}

/// Returns the credential that the response's object contains: the token of a TokenRequest.
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
        reason_source: record.source,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_sub_protocol_is_shown_as_any_other() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0";
        let carried = format!("{TOKEN_PROTOCOL}{}, v4.channel.k8s.io", URL_SAFE_NO_PAD.encode(token));
        let presentation = Presentation {
            headers: vec![("Sec-WebSocket-Protocol".to_owned(), crate::secret::Secret::new(carried))],
            ..Presentation::default()
        };
        assert_eq!(
            headers(&presentation, &Question::who_am_i())[0].1,
            "base64url.bearer.authorization.k8s.io.[redacted], v4.channel.k8s.io"
        );
        assert_eq!(presented(&presentation), [Presented::token(token).expect("it is one")]);
        assert_eq!(tokens(&presentation), [token]);
    }

    #[test]
    fn of_what_lets_somebody_in_only_the_kind_is_shown() {
        for (name, value, left) in [
            ("Authorization", "Basic YWxpY2U6c2VjcmV0", "Basic [redacted]"),
            ("authorization", "Bearer abcdef.0123456789abcdef", "Bearer [redacted]"),
            ("Cookie", "session=secret", "[redacted]"),
            ("Impersonate-User", "alice", "alice"),
        ] {
            assert_eq!(shown(name, value), left, "{name}");
        }
    }
}
