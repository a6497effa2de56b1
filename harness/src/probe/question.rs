//! What is asked of an API server.

use serde_json::{Value, json};

/// One request.
#[derive(Clone, Debug)]
pub struct Question {
    /// The HTTP method.
    pub method: hyper::Method,
    /// Path and query.
    pub path: String,
    /// The body, where there is one.
    pub body: Option<Value>,
    /// Headers beyond those of the credential.
    pub headers: Vec<(String, String)>,
}

impl Question {
    /// A GET of `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: hyper::Method::GET,
            path: path.into(),
            body: None,
            headers: Vec::new(),
        }
    }

    /// A POST of `body` to `path`.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: hyper::Method::POST,
            path: path.into(),
            body: Some(body),
            headers: Vec::new(),
        }
    }

    /// A PUT of `body` to `path`.
    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: hyper::Method::PUT,
            ..Self::post(path, body)
        }
    }

    /// "Who am I?": a SelfSubjectReview, which everyone authenticated may create (KEP-3325).
    pub fn who_am_i() -> Self {
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        Self::post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    }

    /// The same question with one more header.
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
