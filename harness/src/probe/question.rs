//! A request to an API server.

use base64::Engine as _;
use serde_json::{Value, json};

/// The header with the id of a request (kubernetes/apiserver `pkg/apis/audit/types.go`).
const AUDIT_ID: &str = "Audit-ID";

/// One request.
#[derive(Clone, Debug)]
pub struct Question {
    /// The HTTP method.
    pub method: hyper::Method,
    /// Path and query.
    pub path: String,
    /// The body, if any.
    pub body: Option<Value>,
    /// Headers beyond those of the credential.
    pub headers: Vec<(String, String)>,
}

impl Question {
    /// Returns a GET of `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: hyper::Method::GET,
            path: path.into(),
            body: None,
            headers: Vec::new(),
        }
    }

    /// Returns a POST of `body` to `path`.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: hyper::Method::POST,
            path: path.into(),
            body: Some(body),
            headers: Vec::new(),
        }
    }

    /// Returns a PUT of `body` to `path`.
    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: hyper::Method::PUT,
            ..Self::post(path, body)
        }
    }

    /// Returns a SelfSubjectReview ("who am I?"), which every authenticated user may create (KEP-3325).
    pub fn who_am_i() -> Self {
        Self::who_am_i_in("v1")
    }

    /// Returns a SelfSubjectReview in an older version: `v1beta1` is there from Kubernetes 1.27, `v1alpha1` from 1.26.
    pub fn who_am_i_in(version: &str) -> Self {
        let review = json!({ "apiVersion": format!("authentication.k8s.io/{version}"), "kind": "SelfSubjectReview" });
        Self::post(format!("/apis/authentication.k8s.io/{version}/selfsubjectreviews"), review)
    }

    /// Returns a watch of `path` over a WebSocket (RFC 6455 §4.1). It sets its own audit id, since the response has none.
    pub fn web_socket(path: impl Into<String>) -> Self {
        let mut random = [0_u8; 16];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut random);
        let key = base64::engine::general_purpose::STANDARD.encode(random);
        Self::get(path)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", key)
            // A WebSocket request without an origin is refused (golang.org/x/net/websocket `checkOrigin`).
            .header("Origin", "https://authlab.test")
            .header(AUDIT_ID, format!("authlab-{}", hex::encode(random)))
    }

    /// Returns the request's audit id, if the request sets it.
    pub(super) fn audit_id(&self) -> Option<&str> {
        let header = self.headers.iter().find(|(name, _)| name == AUDIT_ID);
        header.map(|(_, id)| id.as_str())
    }

    /// Returns the same question with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
