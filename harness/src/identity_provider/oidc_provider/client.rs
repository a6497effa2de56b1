//! A relying party's requests to node-oidc-provider: grants, introspection, userinfo, revocation, and changes of accounts.
//!
//! The main type is [`OidcProviderClient`]. It is plain HTTP on purpose, so that a scenario sees the protocol's own responses; a login is in
//! `agent.rs`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::description::OidcProviderDescription;
use super::error::OidcProviderError;
use crate::event::{Exchange, Exchanges, Presented, Verdict};
use crate::identity_provider::Kind;
use crate::identity_provider::keycloak::{Introspection, TokenSet};
use crate::secret::{Secret, redact};

/// The timeout of one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one issuer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OidcProviderClient {
    pub(super) http: reqwest::Client,
    issuer: Arc<OidcProviderDescription>,
    exchanges: Exchanges,
    caller: Option<&'static str>,
}

/// A response that was read to its end.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The tokens of a grant (RFC 6749 §5.1). Without the scope `openid` there is no ID token.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: Secret,
    pub(super) id_token: Option<Secret>,
    pub(super) refresh_token: Option<Secret>,
    pub(super) expires_in: u64,
}

impl TokenAnswer {
    pub(super) fn with_id(self, request: &'static str) -> Result<TokenSet, OidcProviderError> {
        let id = self.id_token.ok_or_else(|| OidcProviderError::Malformed {
            request,
            why: "there is no ID token".to_owned(),
        })?;
        Ok(TokenSet {
            access: self.access_token,
            id,
            refresh: self.refresh_token,
            expires_in: Duration::from_secs(self.expires_in),
        })
    }
}

impl OidcProviderClient {
    /// Creates a client of the issuer.
    ///
    /// # Errors
    /// The authority's certificate cannot be read.
    pub fn new(issuer: &OidcProviderDescription) -> Result<Self, OidcProviderError> {
        Ok(Self {
            http: crate::tls::https(Some(&issuer.authority), PATIENCE).map_err(OidcProviderError::HttpsClient)?,
            issuer: Arc::new(issuer.clone()),
            exchanges: Exchanges::default(),
            caller: None,
        })
    }

    /// Returns the same client, which reports its requests to `exchanges`.
    #[must_use]
    pub fn telling(&self, exchanges: &Exchanges) -> Self {
        Self {
            exchanges: exchanges.clone(),
            ..self.clone()
        }
    }

    /// Returns a client of the issuer that no API server trusts.
    ///
    /// # Errors
    /// The description does not contain it.
    pub fn elsewhere(&self) -> Result<Self, OidcProviderError> {
        let issuer = self.issuer.elsewhere.as_deref().ok_or(OidcProviderError::NoOtherIssuer)?;
        Ok(Self {
            issuer: Arc::new(issuer.clone()),
            ..self.clone()
        })
    }

    /// Returns the issuer that it uses.
    pub fn description(&self) -> &OidcProviderDescription {
        &self.issuer
    }

    /// Exchanges a refresh token for new tokens (RFC 6749 §6).
    ///
    /// # Errors
    /// [`OidcProviderError::Refused`] with `invalid_grant`: the login is over, or the token is not a refresh token.
    pub async fn refresh(&self, client: &str, refresh: &Secret) -> Result<TokenSet, OidcProviderError> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
        let answer: TokenAnswer = self.ask("refresh grant", self.post("token", client, &fields)?).await?;
        answer.with_id("refresh grant")
    }

    /// Introspects a token (RFC 7662).
    ///
    /// # Errors
    /// The client may not introspect tokens.
    pub async fn introspect(&self, client: &str, token: &Secret) -> Result<Introspection, OidcProviderError> {
        let request = self.post("token/introspection", client, &[("token", token.expose())])?;
        self.ask("introspection", request).await
    }

    /// Requests the claims about the user of an access token (OpenID Connect Core 1.0 §5.3).
    ///
    /// # Errors
    /// The token is not accepted.
    pub async fn userinfo(&self, access: &Secret) -> Result<Value, OidcProviderError> {
        let request = self.http.get(self.endpoint("me")).bearer_auth(access.expose());
        self.ask("userinfo request", request).await
    }

    /// Revokes a refresh token, which ends its login (RFC 7009 §2.1).
    ///
    /// # Errors
    /// The client may not revoke it.
    pub async fn revoke(&self, client: &str, token: &Secret) -> Result<(), OidcProviderError> {
        let request = self.post("token/revocation", client, &[("token", token.expose())])?;
        self.succeed("revocation", request).await.map(drop)
    }

    /// Makes the account `name`, or changes what `changes` names of it.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn put_account(&self, name: &str, changes: &Value) -> Result<(), OidcProviderError> {
        let request = self.http.put(self.account(name)).json(changes);
        self.administer("change of an account", request).await
    }

    /// Removes the account `name`, and ends its logins.
    ///
    /// # Errors
    /// It cannot be reached, or there is no such account.
    pub async fn delete_account(&self, name: &str) -> Result<(), OidcProviderError> {
        self.administer("deletion of an account", self.http.delete(self.account(name)))
            .await
    }

    /// Ends all logins of the account `name`.
    ///
    /// # Errors
    /// It cannot be reached, or there is no such account.
    pub async fn end_logins(&self, name: &str) -> Result<(), OidcProviderError> {
        let request = self.http.delete(format!("{}/logins", self.account(name)));
        self.administer("end of all logins", request).await
    }

    /// Makes the account `name` with `password`, in `groups`.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn create_account(&self, name: &str, password: &Secret, groups: &[&str]) -> Result<(), OidcProviderError> {
        let email = format!("{name}@example.com");
        let account = json!({ "password": password.expose(), "groups": groups, "email": email, "email_verified": true });
        self.put_account(name, &account).await
    }

    async fn administer(&self, name: &'static str, request: RequestBuilder) -> Result<(), OidcProviderError> {
        let administrator = Self {
            caller: Some("the provider's administrator"),
            ..self.clone()
        };
        let request = request.bearer_auth(self.issuer.administrator.expose());
        administrator.succeed(name, request).await.map(drop)
    }

    fn account(&self, name: &str) -> String {
        self.endpoint(&format!("accounts/{name}"))
    }

    pub(super) fn endpoint(&self, name: &str) -> String {
        format!("{}/{name}", self.issuer.issuer)
    }

    /// Creates a form request that identifies `client` by its secret in the header (RFC 6749 §2.3.1).
    pub(super) fn post(&self, endpoint: &str, client: &str, fields: &[(&str, &str)]) -> Result<RequestBuilder, OidcProviderError> {
        let secret = self.issuer.clients.get(client).ok_or_else(|| OidcProviderError::NoSuchClient {
            client: client.to_owned(),
            known: self.issuer.clients.keys().cloned().collect(),
        })?;
        let request = self.http.post(self.endpoint(endpoint)).form(fields);
        Ok(request.basic_auth(client, Some(secret.expose())))
    }

    /// Sends `request` and reads a JSON response.
    pub(super) async fn ask<T: DeserializeOwned>(&self, name: &'static str, request: RequestBuilder) -> Result<T, OidcProviderError> {
        let body = self.succeed(name, request).await?;
        serde_json::from_slice(&body).map_err(|error| OidcProviderError::Malformed {
            request: name,
            why: error.to_string(),
        })
    }

    /// Sends `request` and accepts any success.
    async fn succeed(&self, name: &'static str, request: RequestBuilder) -> Result<Vec<u8>, OidcProviderError> {
        let response = self.send(name, request).await?;
        if response.status.is_success() {
            return Ok(response.body);
        }
        Err(refusal(name, &response))
    }

    /// Sends `request`, and reports it with the response, whatever that says.
    pub(super) async fn send(&self, name: &'static str, request: RequestBuilder) -> Result<Response, OidcProviderError> {
        let unreachable = |source: reqwest::Error| OidcProviderError::Unreachable {
            request: name,
            source: source.without_url(),
        };
        let (http, request) = request.build_split();
        let request = request.map_err(unreachable)?;
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let mut exchange = Exchange {
            from: self.caller.unwrap_or_default().to_owned(),
            to: Kind::OidcProvider.facts().called.clone(),
            request: format!("{} {} ({name})", request.method(), request.url().path()),
            presented: authorization.map(Presented::authorization).into_iter().collect(),
            ..Exchange::default()
        };
        let began = SystemTime::now();
        let received = async {
            let answer = http.execute(request).await.map_err(unreachable)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.map_err(unreachable)?.into();
            Ok(Response { status, headers, body })
        };
        let received: Result<Response, OidcProviderError> = received.await;
        match &received {
            Ok(response) => {
                exchange.status = Some(response.status.as_u16());
                exchange.verdict = match response.status {
                    status if status.is_success() || status.is_redirection() => Verdict::Accepted,
                    status => Verdict::of_status(status.as_u16()),
                };
                exchange.issued = issued(&response.body);
                if !response.status.is_success() && !response.status.is_redirection() {
                    exchange.answer = Some(redact(&refusal(name, response).to_string()).into_owned());
                }
            }
            Err(error) => {
                exchange.verdict = Verdict::Unreachable;
                exchange.answer = Some(redact(&error.to_string()).into_owned());
            }
        }
        self.exchanges.tell(began, began.elapsed().unwrap_or_default(), exchange);
        received
    }
}

/// Returns the tokens in a response (RFC 6749 §5.1), decoded.
fn issued(body: &[u8]) -> Vec<Presented> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let tokens = ["id_token", "access_token", "refresh_token"]
        .iter()
        .filter_map(|name| fields.get(*name)?.as_str());
    tokens.filter_map(Presented::token).collect()
}

/// Returns the error in `response`: OAuth's own words, or the beginning of anything else.
fn refusal(request: &'static str, response: &Response) -> OidcProviderError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        error_description: Option<String>,
    }
    match serde_json::from_slice::<Refusal>(&response.body) {
        Ok(Refusal { error, error_description }) => OidcProviderError::Refused {
            request,
            status: response.status,
            error,
            description: error_description,
        },
        Err(_) => OidcProviderError::Unexpected {
            request,
            status: response.status,
            body: redact(&String::from_utf8_lossy(&response.body)).chars().take(400).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str) -> Response {
        Response {
            status: StatusCode::BAD_REQUEST,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_refusal_keeps_the_words_of_the_protocol() {
        let refused = refusal(
            "refresh grant",
            &response(r#"{"error":"invalid_grant","error_description":"grant request is invalid"}"#),
        );
        assert_eq!(
            refused.to_string(),
            "node-oidc-provider refused the refresh grant with 400 Bad Request: invalid_grant (grant request is invalid)"
        );
        let other = refusal("revocation", &response("refresh_token=abcdefgh was sent to nobody")).to_string();
        assert!(!other.contains("abcdefgh"), "{other}");
    }
}
