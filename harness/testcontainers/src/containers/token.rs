//! Tokens, and the clients that request them.
//!
//! The main types are [`Token`] and [`Client`].

use std::fmt;

use serde::Deserialize;

/// The answer of Keycloak's token endpoint (RFC 6749 §5.1).
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct Token {
    /// The access token.
    pub access_token: String,
    /// The ID token, which API servers take (with the scope `openid`).
    #[serde(default)]
    pub id_token: Option<String>,
    /// The refresh token, if the grant has one.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// The seconds until the access token expires.
    pub expires_in: u64,
}

impl fmt::Debug for Token {
    /// Leaves out the tokens themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// A client of a realm: its id, and its secret unless it is a public one. `"portal"` and `("portal", "portal-secret")` are clients, too.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub(super) id: &'a str,
    pub(super) secret: Option<&'a str>,
}

impl<'a> From<&'a str> for Client<'a> {
    /// Returns the public client `id`.
    fn from(id: &'a str) -> Self {
        Self { id, secret: None }
    }
}

impl<'a> From<(&'a str, &'a str)> for Client<'a> {
    /// Returns the confidential client of an id and a secret.
    fn from((id, secret): (&'a str, &'a str)) -> Self {
        Self { id, secret: Some(secret) }
    }
}

impl fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_secrets_are_read_and_not_printed() {
        let token: Token = serde_json::from_str(r#"{"access_token": "hidden", "expires_in": 60, "token_type": "Bearer"}"#).unwrap();
        assert_eq!(token.access_token, "hidden");
        assert!(token.id_token.is_none() && token.refresh_token.is_none());
        let client = Client::from(("portal", "hidden"));
        assert_eq!(client.secret, Some("hidden"));
        assert!(!format!("{token:?} {client:?}").contains("hidden"));
    }
}
