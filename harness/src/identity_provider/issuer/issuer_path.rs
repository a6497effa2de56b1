//! One issuer of the many that share a listener: its path, its algorithms, and how it behaves. The type is [`IssuerPath`].

use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;

/// An issuer: its path on the listener and its algorithms, the default one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerPath {
    /// The path, without a slash at either end: `rs256`, `team/a`.
    pub path: String,
    /// The algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The issuer URL in its tokens and its discovery document, if it is not the issuer's address.
    #[serde(default)]
    pub called: Option<String>,
    /// `true` if requests for its keys fail.
    #[serde(default)]
    pub withholds_keys: bool,
    /// `true` if its keys may be kept for a day (RFC 9111 §5.2.2.1); otherwise nothing says for how long.
    #[serde(default)]
    pub lets_keys_be_kept: bool,
    /// `true` if the first request for its discovery document on each connection fails: an API server finds it at the second attempt.
    #[serde(default)]
    pub fails_at_first: bool,
    /// `true` if one scenario alone uses it, so that what is asked for here is asked for because of that scenario.
    #[serde(default)]
    pub is_unshared: bool,
}

impl IssuerPath {
    /// Creates an issuer at `path` that signs with `algorithms`.
    pub fn new(path: impl Into<String>, algorithms: &[Algorithm]) -> Self {
        Self {
            path: path.into(),
            algorithms: algorithms.to_vec(),
            called: None,
            withholds_keys: false,
            lets_keys_be_kept: false,
            fails_at_first: false,
            is_unshared: false,
        }
    }

    /// Sets the issuer URL to `url`, wherever the issuer listens.
    #[must_use]
    pub fn called(mut self, url: impl Into<String>) -> Self {
        self.called = Some(url.into());
        self
    }

    /// Makes requests for the issuer's keys fail.
    #[must_use]
    pub fn withholding_keys(mut self) -> Self {
        self.withholds_keys = true;
        self
    }

    /// Lets the issuer's keys be kept for a day.
    #[must_use]
    pub fn letting_keys_be_kept(mut self) -> Self {
        self.lets_keys_be_kept = true;
        self
    }

    /// Makes the first request for the discovery document on each connection fail.
    #[must_use]
    pub fn failing_at_first(mut self) -> Self {
        self.fails_at_first = true;
        self
    }

    /// Leaves the issuer to one scenario alone.
    #[must_use]
    pub fn unshared(mut self) -> Self {
        self.is_unshared = true;
        self
    }

    /// Returns the issuer URL, with `base` as the start of its address.
    pub(super) fn url(&self, base: &str) -> String {
        self.called.clone().unwrap_or_else(|| self.address(base))
    }

    /// Returns the issuer's address, below `base`.
    pub(super) fn address(&self, base: &str) -> String {
        format!("{base}/{}", self.path)
    }

    /// Returns the URL of the issuer's keys, below `base`.
    pub(super) fn keys_url(&self, base: &str) -> String {
        format!("{}{}", self.address(base), super::server::KEYS)
    }
}
