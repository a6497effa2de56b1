//! Responses of HTTP servers: a status and a body of a known kind.
//!
//! The main functions are [`json`], [`text`], [`html`] and [`status`].

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
#[cfg(feature = "issuer")]
use hyper::header::REFERRER_POLICY;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

/// Returns a response with a JSON document.
pub fn json(status: StatusCode, document: &Value) -> Response<Full<Bytes>> {
    let mut answer = text(status, document.to_string());
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Returns a response with plain text.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer
}

/// Returns a response with a page that is not cached, and that may only have styles.
pub fn html(status: StatusCode, page: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = text(status, page);
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Returns a response with a plain page for people: a title and `content`. Its address may hold a code, which other sites do not learn.
#[cfg(feature = "issuer")]
pub fn page(status: StatusCode, title: &str, content: &maud::Markup) -> Response<Full<Bytes>> {
    let page = maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}input,button,textarea{font:inherit}" }
            }
            body { h1 { (title) } (content) }
        }
    };
    let mut page = html(status, page.into_string());
    page.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    page
}

/// Returns a response with a `Status` (kubernetes/apimachinery `pkg/apis/meta/v1/types.go`), so that Kubernetes clients repeat its message.
pub fn status(code: StatusCode, reason: &str, message: &str) -> Response<Full<Bytes>> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": message, "reason": reason, "code": code.as_u16(),
    });
    json(code, &status)
}

/// A body with a value that lives as long as it does.
#[derive(Debug)]
pub struct Holding<B, T> {
    body: B,
    _held: T,
}

impl<B, T> Holding<B, T> {
    /// Keeps `held` until `body` was sent or dropped.
    pub fn new(body: B, held: T) -> Self {
        Self { body, _held: held }
    }
}

impl<B: Body + Unpin, T: Unpin> Body for Holding<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
