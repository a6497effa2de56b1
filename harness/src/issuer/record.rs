//! The record of a request, without any secret. The type is [`RequestRecord`].

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// A request that an issuer answered.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    /// The time of the answer.
    pub time: Timestamp,
    /// The issuer's name; `None` outside of issuers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The method and the endpoint, or the path outside of issuers.
    pub asked: String,
    /// The status of the answer.
    pub status: u16,
    /// The grant type (RFC 6749 §1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// The client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The user: the name in the login, or the person that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The program that asked, as it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// One line.
impl fmt::Display for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time.strftime("%H:%M:%S");
        let issuer = self.issuer.as_deref().unwrap_or("-");
        write!(f, "{time} {issuer}: {} {}", self.asked, self.status)?;
        let named = [("client", &self.client), ("user", &self.user), ("by", &self.agent)];
        let named = named.iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_deref()?)));
        let details: Vec<String> = self.grant_type.iter().cloned().chain(named).collect();
        if details.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", details.join(", "))
    }
}
