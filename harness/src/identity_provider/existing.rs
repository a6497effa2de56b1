//! An existing identity provider: a user can log in there, and nothing in it is changed.
//!
//! The main type is [`ExistingIssuer`]. It is any OpenID Connect issuer with discovery and the password grant.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cause::with_causes;
use crate::hint::Hint;
use crate::jwt::Jwt;
use crate::secret::{Secret, redact};

/// The timeout of one request to the issuer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings that the user gives for it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer's URL.
    pub issuer: String,
    /// The client that logs users in; the API server expects it as the audience.
    pub client_id: String,
    /// The client's secret; a public client has none.
    pub client_secret: Option<Secret>,
    /// The user that logs in.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// The authority of the issuer's certificate, PEM; `None` for the authorities of the system.
    pub authority: Option<String>,
}

/// An error of using the issuer.
#[derive(Debug, thiserror::Error)]
pub enum ExistingIssuerError {
    /// No HTTPS client can be created: the authority is invalid.
    #[error("cannot use the authority of the issuer's certificate")]
    Authority(#[source] reqwest::Error),
    /// The issuer cannot be reached.
    #[error("cannot request {what} from the issuer {issuer}")]
    Unreachable {
        /// The issuer's URL.
        issuer: String,
        /// The requested object.
        what: &'static str,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The issuer responds with an error.
    #[error("the issuer {issuer} refused the request for {what}: {status}{}", if said.is_empty() { String::new() } else { format!(", {said}") })]
    Refused {
        /// The issuer's URL.
        issuer: String,
        /// The requested object.
        what: &'static str,
        /// The status of the response.
        status: StatusCode,
        /// The issuer's error, redacted.
        said: String,
    },
    /// The issuer's response has an unexpected form.
    #[error("cannot read the issuer {issuer}'s response to the request for {what}")]
    Malformed {
        /// The issuer's URL.
        issuer: String,
        /// The requested object.
        what: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The configuration is that of another issuer (OpenID Connect Discovery 1.0 §4.3).
    #[error("the issuer {issuer} gives another issuer in its configuration: {said}")]
    Another {
        /// The issuer's URL, as given.
        issuer: String,
        /// The issuer in the configuration.
        said: String,
    },
    /// The issuer has no password grant, or not for this client.
    #[error("the issuer {issuer} gave no ID token")]
    NoIdToken {
        /// The issuer's URL.
        issuer: String,
    },
}

impl ExistingIssuerError {
    /// Returns the status of an error response; `None` without a response, or if it was not an error.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    /// Returns the error with its causes, on one line.
    #[must_use]
    pub fn told(&self) -> String {
        redact(&with_causes(self)).into_owned()
    }
}

impl Hint for ExistingIssuerError {
    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Authority(_) => "give a PEM file with --issuer-authority",
                Self::Unreachable { .. } => "check the URL, and the authority of its certificate (--issuer-authority)",
                Self::Another { .. } => "give the URL exactly as in the issuer's tokens",
                Self::Refused { .. } | Self::NoIdToken { .. } => {
                    "allow the client the password grant (in Keycloak: direct access grants), and check that the user has no required actions at login"
                }
                Self::Malformed { .. } => "give the URL of an OpenID Connect issuer",
            }
            .to_owned(),
        )
    }
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<Secret>,
}

/// An existing issuer, with a user that can log in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExistingIssuer {
    http: reqwest::Client,
    settings: Arc<Settings>,
    token_endpoint: Arc<str>,
}

impl ExistingIssuer {
    /// Reads the issuer's configuration (OpenID Connect Discovery 1.0 §4). No user logs in.
    ///
    /// # Errors
    /// The configuration cannot be read, or is that of another issuer.
    pub async fn discover(settings: &Settings) -> Result<Self, ExistingIssuerError> {
        let http = crate::tls::https(settings.authority.as_deref(), PATIENCE).map_err(ExistingIssuerError::Authority)?;
        let url = format!("{}/.well-known/openid-configuration", settings.issuer.trim_end_matches('/'));
        let found: Configuration = ask(settings, "its configuration", http.get(url)).await?;
        if found.issuer != settings.issuer {
            return Err(ExistingIssuerError::Another {
                issuer: settings.issuer.clone(),
                said: found.issuer,
            });
        }
        Ok(Self {
            http,
            settings: Arc::new(settings.clone()),
            token_endpoint: found.token_endpoint.into(),
        })
    }

    /// Returns the issuer's URL.
    pub fn url(&self) -> &str {
        &self.settings.issuer
    }

    /// Returns the user that logs in.
    pub fn user(&self) -> &str {
        &self.settings.user
    }

    /// Logs the user in with their password (RFC 6749 §4.3); returns the ID token, the one for an API server.
    ///
    /// # Errors
    /// The issuer refuses the login, or returns no ID token.
    pub async fn login(&self) -> Result<Secret, ExistingIssuerError> {
        let settings = &*self.settings;
        let mut fields = vec![
            ("grant_type", "password"),
            ("scope", "openid profile email"),
            ("username", &settings.user),
            ("password", settings.password.expose()),
        ];
        let request = self.http.post(&*self.token_endpoint);
        let request = match &settings.client_secret {
            Some(secret) => request.basic_auth(&settings.client_id, Some(secret.expose())),
            None => {
                fields.push(("client_id", &settings.client_id));
                request
            }
        };
        let tokens: Tokens = ask(settings, "a token", request.form(&fields)).await?;
        tokens.id_token.ok_or_else(|| ExistingIssuerError::NoIdToken {
            issuer: settings.issuer.clone(),
        })
    }
}

async fn ask<T: DeserializeOwned>(
    settings: &Settings,
    what: &'static str,
    request: reqwest::RequestBuilder,
) -> Result<T, ExistingIssuerError> {
    let issuer = || settings.issuer.clone();
    let unreachable = |source: reqwest::Error| ExistingIssuerError::Unreachable {
        issuer: issuer(),
        what,
        source: source.without_url(),
    };
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(unreachable)?;
    if !status.is_success() {
        return Err(ExistingIssuerError::Refused {
            issuer: issuer(),
            what,
            status,
            said: refusal(&body),
        });
    }
    serde_json::from_slice(&body).map_err(|source| ExistingIssuerError::Malformed {
        issuer: issuer(),
        what,
        source,
    })
}

/// Returns OAuth's error with its description (RFC 6749 §5.2); text in any other form is not repeated.
fn refusal(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        error_description: Option<String>,
    }
    let Ok(Refusal { error, error_description }) = serde_json::from_slice(body) else {
        return String::new();
    };
    let text = error_description.map_or_else(|| error.clone(), |description| format!("{error} ({description})"));
    redact(&text).into_owned()
}

/// The claims that API servers usually take names from.
const NAMES: &[&str] = &["preferred_username", "email", "name", "upn", "sub"];

/// Returns the claim of `token` that holds `user`, which may have a prefix before it.
#[must_use]
pub fn name_claim(token: &Secret, user: &str) -> Option<String> {
    let claims = Jwt::parse(token.expose()).ok()?.claims;
    let says = |claim: &str| {
        claims
            .get(claim)
            .and_then(serde_json::Value::as_str)
            .filter(|value| !value.is_empty())
    };
    let usual = NAMES.iter().copied().map(str::to_owned);
    let mut all = usual.chain(claims.keys().cloned());
    all.find(|claim| says(claim).is_some_and(|value| user.ends_with(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Secret {
        use base64::Engine;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        Secret::new(format!(
            "{}.{}.{}",
            encode(r#"{"alg":"RS256"}"#),
            encode(claims),
            encode("signature")
        ))
    }

    #[test]
    fn a_name_is_a_claim_with_a_prefix() {
        let token = token(r#"{"sub":"4711","preferred_username":"alice","email":"alice@example.com","exp":1}"#);
        for (user, claim) in [
            ("alice", Some("preferred_username")),
            ("keycloak:alice", Some("preferred_username")),
            ("https://issuer#4711", Some("sub")),
            ("oidc:alice@example.com", Some("email")),
            ("somebody", None),
        ] {
            assert_eq!(name_claim(&token, user).as_deref(), claim, "{user}");
        }
    }

    #[test]
    fn a_refusal_is_repeated_in_the_protocols_words_alone() {
        assert_eq!(
            refusal(br#"{"error":"invalid_grant","error_description":"Invalid user credentials"}"#),
            "invalid_grant (Invalid user credentials)"
        );
        assert_eq!(refusal(b"<html>password=hunter2</html>"), "");
    }
}
