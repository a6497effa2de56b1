//! Secrets that hide themselves, and the one boundary where text is redacted.
//!
//! The main type is [`Secret`]: its `Debug` and `Display` never show it. Text
//! that comes from elsewhere (server logs print presented tokens) goes
//! through [`redact`] before it reaches a person or a file.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

/// A token, password or private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Secret(String);

/// Every secret that this process held since [`remember`] was called.
static REMEMBERED: OnceLock<Mutex<BTreeSet<String>>> = OnceLock::new();

/// From now on, every secret is remembered until the process ends: for the test that looks for them in all that was written.
pub fn remember() {
    REMEMBERED.get_or_init(Mutex::default);
}

/// What was remembered; nothing, unless it was asked for.
pub fn remembered() -> Vec<String> {
    let remembered = REMEMBERED
        .get()
        .map(|remembered| remembered.lock().unwrap_or_else(PoisonError::into_inner));
    remembered
        .into_iter()
        .flat_map(|remembered| remembered.iter().cloned().collect::<Vec<_>>())
        .collect()
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        if let Some(remembered) = REMEMBERED.get() {
            remembered.lock().unwrap_or_else(PoisonError::into_inner).insert(value.clone());
        }
        Self(value)
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

impl Secret {
    /// Hides `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self::from(value.into())
    }

    /// Hides `value` as others of its kind are hidden, though it is none itself: a name in a header, among credentials.
    pub fn public(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself: for a request or a file with mode 0600, nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a token in a sub-protocol of a WebSocket stands behind, in base64url
/// (kubernetes/apiserver `pkg/authentication/request/websocket/protocol.go`).
pub const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

#[expect(clippy::unwrap_used, reason = "constant patterns, covered by a test")]
static PATTERNS: LazyLock<[Regex; 6]> = LazyLock::new(|| {
    [
        // A JWS in compact form (RFC 7515 §3.1): header, payload, signature.
        Regex::new(r"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})\.([A-Za-z0-9_-]{16,})").unwrap(),
        Regex::new(r"(?s)-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END [A-Z ]*PRIVATE KEY-----").unwrap(),
        Regex::new(r"(?i)\b(bearer )([A-Za-z0-9._~+/=-]{8,})").unwrap(),
        Regex::new(r#"(?i)\b((?:client_secret|password|refresh_token|access_token|id_token)["']?\s*[=:]\s*["']?)([^"'&\s,}]{4,})"#)
            .unwrap(),
        Regex::new(&format!("({})[A-Za-z0-9_=-]+", regex::escape(TOKEN_PROTOCOL))).unwrap(),
        // A bootstrap token (kubernetes/cluster-bootstrap `token/api/types.go`).
        Regex::new(r"\b([a-z0-9]{6}\.)([a-z0-9]{16})\b").unwrap(),
    ]
});

/// `text` with every secret that can be told by its form replaced: a token keeps its
/// header, its claims and six characters of its signature.
pub fn redact(text: &str) -> Cow<'_, str> {
    let [token, key, bearer, field, protocol, bootstrap] = &*PATTERNS;
    let mut text = Cow::Borrowed(text);
    let mut replace = |pattern: &Regex, by: &dyn Fn(&Captures<'_>) -> String| {
        if pattern.is_match(&text) {
            text = Cow::Owned(pattern.replace_all(&text, by).into_owned());
        }
    };
    replace(key, &|found| format!("[redacted {}]", &found[1]));
    replace(bearer, &|found| {
        if token.is_match(&found[2]) {
            found[0].to_owned()
        } else {
            format!("{}[redacted]", &found[1])
        }
    });
    replace(field, &|found| {
        if token.is_match(&found[2]) {
            found[0].to_owned()
        } else {
            format!("{}[redacted]", &found[1])
        }
    });
    replace(protocol, &|found| format!("{}[redacted]", &found[1]));
    replace(bootstrap, &|found| format!("{}[redacted]", &found[1]));
    replace(token, &|found| format!("{}.{}…", &found[1], &found[2][..6]));
    text
}
