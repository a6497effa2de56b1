//! Deliberate faults of an endpoint, as data. The main type is [`Fault`].

use hyper::StatusCode;
use hyper::header::HeaderValue;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::error::Refused;

/// The longest delay, in milliseconds: longer than any client waits.
const LONGEST: u64 = 600_000;

/// A deliberate fault of an endpoint. Without any field, the endpoint works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// The time before each answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The status, with an error in place of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body in place of the answer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The header `Cache-Control` of the answer (RFC 9111 §5.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// The issuer that the discovery document names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `true` to publish keys that sign no token, under the ids of those that do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wrong_keys: bool,
    /// The number of requests after which the fault ends; without it, it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Fault {
    /// Returns the status, if it has one.
    pub(super) fn status_code(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.status?).ok()
    }

    /// Returns the header `Cache-Control`, if it has one.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.cache_control.as_deref()?).ok()
    }

    /// Checks that `endpoint` can have the fault.
    pub(super) fn check(&self, endpoint: Endpoint) -> Result<(), Refused> {
        let refuse = |why: String| Err(Refused::request(why));
        if let Some(status) = self.status.filter(|status| !(200..=599).contains(status)) {
            return refuse(format!("status is {status} (expected 200 to 599)"));
        }
        if let Some(delay) = self.delay_ms.filter(|delay| *delay > LONGEST) {
            return refuse(format!("delay_ms is {delay} (expected at most {LONGEST})"));
        }
        if self.times == Some(0) {
            return refuse("times is 0 (expected at least 1)".to_owned());
        }
        if self.cache_control.is_some() && self.header().is_none() {
            return refuse("cache_control cannot be the value of a header".to_owned());
        }
        if self.wrong_keys && endpoint != Endpoint::Keys {
            return refuse(format!("wrong_keys is a fault of keys, not of {endpoint}"));
        }
        match &self.issuer {
            Some(_) if endpoint != Endpoint::Discovery => refuse(format!("issuer is a fault of discovery, not of {endpoint}")),
            Some(issuer) if Url::parse(issuer).is_err() => refuse(format!("issuer is {issuer:?} (expected a URL)")),
            _ => Ok(()),
        }
    }
}
