//! Responses of the playground: a whole document, or lines that come as they are known. Each has the headers that keep the page to itself.
//!
//! The main functions are [`whole`] and [`lines`].

use std::convert::Infallible;
use std::pin::Pin;

use futures::stream::{self, Stream, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// The parts of a body, as they become known.
type Parts = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// A response.
pub(super) type Reply = Response<StreamBody<Parts>>;

/// The policy of the page: its own script and style, requests to its own server, and nothing else.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Returns a response with `body`.
pub(super) fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let part = Ok(Frame::data(body.into()));
    reply(status, kind, Box::pin(stream::iter([part])))
}

/// Returns a response with a JSON document.
pub(super) fn document(status: StatusCode, document: &Value) -> Reply {
    whole(status, "application/json", document.to_string())
}

/// Returns an error: what was expected or seen, and what the user can do.
pub(super) fn error(status: StatusCode, message: impl Into<String>, hint: Option<&str>) -> Reply {
    document(status, &json!({ "message": message.into(), "hint": hint }))
}

/// Returns the response to a method that the path does not have.
pub(super) fn other_method(allowed: &'static str) -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {allowed} only"), None);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// Returns a response with one JSON document on each line (<https://github.com/ndjson/ndjson-spec>), each sent when it is known.
pub(super) fn lines(documents: impl Stream<Item = Value> + Send + 'static) -> Reply {
    let parts = documents.map(|document| Ok(Frame::data(Bytes::from(format!("{document}\n")))));
    reply(StatusCode::OK, "application/x-ndjson", Box::pin(parts))
}

fn reply(status: StatusCode, kind: &'static str, parts: Parts) -> Reply {
    let mut reply = Response::new(StreamBody::new(parts));
    *reply.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address has the word.
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
