//! The API servers that may receive a login: a server that receives a token can use it at every other server that trusts the issuer.
//!
//! The main type is [`ApiServer`].

use base64::Engine as _;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// An API server, and how a client verifies it: the same address with another CA is another server, since
/// a party that names both can put a proxy in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiServer {
    /// Its address.
    pub url: String,
    /// The verification of its certificate, in a form that can be compared: [`SYSTEM`], or a fingerprint.
    pub verified_by: String,
}

/// Verification by the system's CAs, and the name in the address.
pub const SYSTEM: &str = "system";

impl ApiServer {
    /// Returns the server at `url`, whose certificate `authority` signed (PEM, in base64 as in kubeconfigs; `None`: a system CA), for
    /// `name` if that is not the one in the address; with `unverified`, its certificate is not checked.
    #[must_use]
    pub fn new(url: &str, authority: Option<&str>, name: Option<&str>, unverified: bool) -> Self {
        let authority = authority.filter(|authority| !authority.is_empty());
        let name = name.filter(|name| !name.is_empty());
        let verified_by = if authority.is_none() && name.is_none() && !unverified {
            SYSTEM.to_owned()
        } else {
            let pem = authority.map(|authority| base64::engine::general_purpose::STANDARD.decode(authority));
            let pem = pem.map(|pem| pem.map(|pem| String::from_utf8_lossy(&pem).into_owned()));
            let pem = pem.map(|pem| pem.unwrap_or_else(|_| authority.unwrap_or_default().to_owned()));
            let all = serde_json::json!([pem.as_deref().map(fingerprint), name, unverified]);
            fingerprint(&all.to_string())
        };
        Self::known(url, verified_by)
    }

    /// Returns the server at `url`, verified as `verified_by` says.
    #[must_use]
    pub fn known(url: &str, verified_by: String) -> Self {
        let normal = Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
        Self {
            url: normal.trim_end_matches('/').to_owned(),
            verified_by,
        }
    }
}

/// Returns a short fingerprint of a text. White space around it and line endings do not count.
pub(super) fn fingerprint(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    hex::encode(&sha2::Sha256::digest(lines.join("\n"))[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_is_written_and_another_with_another_authority() {
        let encoded = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
        let (ours, same) = (encoded("-----BEGIN\nours\n"), encoded("-----BEGIN\r\nours"));
        let of = |url: &str| ApiServer::new(url, Some(&ours), None, false);
        assert_eq!(of("https://API.test:443/"), of("https://api.test"));
        assert_eq!(of("https://api.test"), ApiServer::new("https://api.test", Some(&same), None, false));
        let server = of("https://api.test");
        for other in [
            of("https://api.test:6443"),
            of("https://api.test/elsewhere"),
            ApiServer::new("https://api.test", Some(&encoded("theirs")), None, false),
            ApiServer::new("https://api.test", None, None, false),
            ApiServer::new("https://api.test", Some(&ours), Some("evil.test"), false),
            ApiServer::new("https://api.test", Some(&ours), None, true),
            ApiServer::new("https://api.test", None, None, true),
        ] {
            assert_ne!(other, server);
        }
        assert_eq!(ApiServer::new("https://api.test", Some(""), Some(""), false).verified_by, SYSTEM);
    }
}
