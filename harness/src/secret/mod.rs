//! Secrets that hide themselves, and the one boundary where text is redacted.
//!
//! The main type is [`Secret`]: its `Debug` and `Display` never show it. Text
//! that comes from elsewhere (server logs print presented tokens) goes
//! through [`redact`] before it reaches a person or a file.
//!
//! [`redact`] finds two kinds of secrets: those that this process holds or held a moment ago (`known`), and those that are recognized by
//! their form or by the name before them (`patterns`). It searches for both in the text itself and in its decodings (`views`).
//! Redact a whole text before it is cut into lines: a private key spans many.

mod known;
mod logs;
mod names;
mod patterns;
mod views;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use logs::{last_lines, last_lines_of, redact_log};
pub use names::names_a_secret;

/// The text in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// A token, password or private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Secret(Arc<str>);

/// Every secret that this process held since [`remember`] was called.
static REMEMBERED: OnceLock<Mutex<BTreeSet<String>>> = OnceLock::new();

/// Remembers every secret from now on until the process ends: for the test that searches for them in all output.
pub fn remember() {
    REMEMBERED.get_or_init(Mutex::default);
}

/// Returns all remembered secrets; empty unless [`remember`] was called.
pub fn remembered() -> Vec<String> {
    let remembered = REMEMBERED
        .get()
        .map(|remembered| remembered.lock().unwrap_or_else(PoisonError::into_inner));
    remembered
        .into_iter()
        .flat_map(|remembered| remembered.iter().cloned().collect::<Vec<_>>())
        .collect()
}

/// Returns a value by which a token is recognised, and which does not contain it.
#[must_use]
pub fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        if let Some(remembered) = REMEMBERED.get() {
            remembered.lock().unwrap_or_else(PoisonError::into_inner).insert(value.clone());
        }
        Self(known::add(value))
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        (*secret.0).to_owned()
    }
}

impl Secret {
    /// Hides `value`, and lets [`redact`] search for it from now on.
    pub fn new(value: impl Into<String>) -> Self {
        Self::from(value.into())
    }

    /// Wraps a public value in the place of a secret, such as a header that only names a protocol. [`redact`] does not search for it.
    pub fn public(value: impl Into<String>) -> Self {
        Self(value.into().into())
    }

    /// Returns the secret itself: only for a request or a file with mode 0600.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(REDACTED)
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The prefix of a token in a sub-protocol of a WebSocket; the token follows in base64url
/// (kubernetes/apiserver `pkg/authentication/request/websocket/protocol.go`).
pub const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// A part of a text that has to be removed, and its replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    label: Cow<'static, str>,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end,
            label: REDACTED.into(),
        }
    }
}

/// Returns `text` without any secret: those that this process knows, as they are and in every encoding, and those that are recognized by
/// their form. A signed token keeps its header, its claims and six characters of its signature.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut spans = views::search(text);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    // Of the spans that begin together, the longest comes first, and among equals the one that was found earlier.
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut redacted = String::with_capacity(text.len());
    let mut at = 0;
    let mut spans = spans.into_iter().peekable();
    while let Some(mut span) = spans.next() {
        while let Some(next) = spans.next_if(|next| next.start < span.end || (next.start == span.end && next.label == span.label)) {
            span.end = span.end.max(next.end);
        }
        redacted.push_str(&text[at..span.start]);
        redacted.push_str(&span.label);
        at = span.end;
    }
    redacted.push_str(&text[at..]);
    Cow::Owned(redacted)
}

/// Redacts every text in `value`, and any text under a name that [`names_a_secret`].
pub fn redact_value(value: &mut Value) {
    redact_under(None, value);
}

fn redact_under(name: Option<&str>, value: &mut Value) {
    match value {
        Value::String(text) => {
            let redacted = redact(text);
            let secret = name.is_some_and(names_a_secret) && !text.is_empty();
            // A signed token keeps its claims under any name.
            if secret && !patterns::holds_signed_token(text) {
                *text = REDACTED.to_owned();
            } else if let Cow::Owned(redacted) = redacted {
                *text = redacted;
            }
        }
        Value::Array(values) => match values.as_mut_slice() {
            // A header and its value.
            [Value::String(header), value @ Value::String(_)] if is_header_of_credentials(header) && !is_redacted(value) => {
                redact_under(Some(header), value);
            }
            values => values.iter_mut().for_each(|value| redact_under(name, value)),
        },
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| redact_under(Some(name), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_header_of_credentials(name: &str) -> bool {
    ["authorization", "proxy-authorization", "cookie", "set-cookie"]
        .iter()
        .any(|header| name.eq_ignore_ascii_case(header))
}

/// Returns `true` if the value was redacted before.
fn is_redacted(value: &Value) -> bool {
    value.as_str().is_some_and(|value| value.contains(REDACTED))
}

#[cfg(test)]
mod tests;
