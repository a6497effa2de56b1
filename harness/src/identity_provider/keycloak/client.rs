//! A relying party's requests to Keycloak: grants, introspection, userinfo, logout.
//!
//! The main type is [`KeycloakClient`]. It is plain HTTP on purpose, so that a scenario sees the protocol's own
//! responses, errors among them; the auth proxy verifies tokens with a full relying-party library instead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::admin::{KeycloakAdmin, Session};
use super::{ADMIN_CLIENT, KeycloakDescription, KeycloakError, OTHER_REALM};
use crate::event::{Exchange, Exchanges, Presented, Verdict};
use crate::secret::{Secret, redact};

/// The timeout of one request to Keycloak.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tokens that a grant returns (RFC 6749 §5.1, OpenID Connect Core 1.0 §3.1.3.3).
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// The access token.
    pub access: Secret,
    /// The ID token, the one for an API server.
    pub id: Secret,
    /// The refresh token; a grant to the client itself has none.
    pub refresh: Option<Secret>,
    /// The lifetime of the access token that was left when Keycloak answered; zero if it had expired by then.
    pub expires_in: Duration,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    id_token: Secret,
    refresh_token: Option<Secret>,
    /// In seconds, and negative on a busy machine: Keycloak subtracts its clock from the token's `exp` when it writes the response
    /// (`TokenManager.AccessTokenResponseBuilder.build`), so that a token for one second may have expired by then.
    expires_in: i64,
}

impl From<TokenAnswer> for TokenSet {
    fn from(answer: TokenAnswer) -> Self {
        Self {
            access: answer.access_token,
            id: answer.id_token,
            refresh: answer.refresh_token,
            expires_in: Duration::from_secs(answer.expires_in.try_into().unwrap_or_default()),
        }
    }
}

/// The introspection of a token (RFC 7662 §2.2).
#[derive(Clone, Debug, Deserialize)]
pub struct Introspection {
    /// `true` if the token is valid now.
    pub active: bool,
    /// All other members of the response; empty for a token that is not active.
    #[serde(flatten)]
    pub claims: BTreeMap<String, Value>,
}

/// A client of one realm. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeycloakClient {
    pub(super) http: reqwest::Client,
    realm: Arc<KeycloakDescription>,
    session: Arc<tokio::sync::Mutex<Session>>,
    exchanges: Exchanges,
    /// The caller that exchanges are reported with; `None` leaves it to [`Exchanges::set_caller`].
    caller: Option<&'static str>,
}

impl KeycloakClient {
    /// Creates the client that the description names.
    ///
    /// # Errors
    /// The authority's certificate cannot be read.
    pub fn new(realm: &KeycloakDescription) -> Result<Self, KeycloakError> {
        Ok(Self {
            http: https(&realm.authority)?,
            realm: Arc::new(realm.clone()),
            session: Arc::default(),
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

    /// Returns another client of the same realm.
    ///
    /// # Errors
    /// The realm has no such client.
    pub fn as_client(&self, client: &str) -> Result<Self, KeycloakError> {
        let realm = self.realm.as_client(client).ok_or_else(|| KeycloakError::NoSuchClient {
            realm: self.realm.realm.clone(),
            client: client.to_owned(),
            known: self.realm.clients.keys().cloned().collect(),
        })?;
        Ok(Self {
            realm: Arc::new(realm),
            ..self.clone()
        })
    }

    /// Returns the client of the same name in the realm that no API server trusts.
    ///
    /// # Errors
    /// The description does not contain that realm.
    pub fn elsewhere(&self) -> Result<Self, KeycloakError> {
        let realm = self.realm.elsewhere.as_deref().ok_or_else(|| KeycloakError::NoSuchRealm {
            realm: OTHER_REALM.to_owned(),
        })?;
        Ok(Self {
            http: self.http.clone(),
            realm: Arc::new(realm.clone()),
            session: Arc::default(),
            exchanges: self.exchanges.clone(),
            caller: self.caller,
        })
    }

    /// Returns the admin API of the realm; all that come from one client and its clones share one token.
    ///
    /// # Errors
    /// The realm has no client for it.
    pub fn admin(&self) -> Result<KeycloakAdmin, KeycloakError> {
        self.admin_as(ADMIN_CLIENT)
    }

    /// Returns the admin API with the service account of another client, which needs the roles for it.
    ///
    /// # Errors
    /// The realm has no such client.
    pub fn admin_as(&self, client: &str) -> Result<KeycloakAdmin, KeycloakError> {
        let client = Self {
            caller: Some("Keycloak's administrator"),
            ..self.as_client(client)?
        };
        Ok(KeycloakAdmin::new(client, Arc::clone(&self.session)))
    }

    /// Returns the realm that it uses, as its client.
    pub fn description(&self) -> &KeycloakDescription {
        &self.realm
    }

    /// Requests the provider's configuration (OpenID Connect Discovery 1.0 §4).
    ///
    /// # Errors
    /// Keycloak cannot be reached, or its response is not a configuration.
    pub async fn discovery(&self) -> Result<Value, KeycloakError> {
        self.ask("discovery", self.http.get(&self.realm.discovery_url)).await
    }

    /// Requests the realm's public keys (RFC 7517 §5).
    ///
    /// # Errors
    /// Keycloak cannot be reached, or its response is not a key set.
    pub async fn keys(&self) -> Result<Value, KeycloakError> {
        self.ask("keys", self.http.get(self.endpoint("certs"))).await
    }

    /// Logs a user in with their password (RFC 6749 §4.3).
    ///
    /// # Errors
    /// [`KeycloakError::Refused`] with `invalid_grant`: the user is unknown or disabled, or the password is wrong.
    pub async fn password_grant(&self, user: &str, password: &Secret) -> Result<TokenSet, KeycloakError> {
        self.grant(
            "password grant",
            &[("grant_type", "password"), ("username", user), ("password", password.expose())],
        )
        .await
    }

    /// Logs a user in with their password, and asks for `scopes` beside `openid` (OpenID Connect Core 1.0 §5.4).
    ///
    /// # Errors
    /// As [`KeycloakClient::password_grant`]; `invalid_scope` if the client has no such scope.
    pub async fn log_in(&self, user: &str, password: &Secret, scopes: &[String]) -> Result<TokenSet, KeycloakError> {
        let scope = [&["openid".to_owned()], scopes].concat().join(" ");
        let fields = [
            ("grant_type", "password"),
            ("username", user),
            ("password", password.expose()),
            ("scope", &scope),
        ];
        self.tokens("password grant", &fields).await
    }

    /// Logs a user in without asking for an ID token (OpenID Connect Core 1.0 §3.1.2.1: the scope `openid`); returns the refresh token.
    ///
    /// # Errors
    /// As [`KeycloakClient::password_grant`].
    pub async fn password_grant_without_id(&self, user: &str, password: &Secret) -> Result<Secret, KeycloakError> {
        #[derive(Deserialize)]
        struct Answer {
            refresh_token: Secret,
        }
        let fields = [("grant_type", "password"), ("username", user), ("password", password.expose())];
        let answer: Answer = self.ask("password grant", self.post("token", &fields)).await?;
        Ok(answer.refresh_token)
    }

    /// Exchanges a refresh token for new tokens (RFC 6749 §6).
    ///
    /// # Errors
    /// [`KeycloakError::Refused`] with `invalid_grant`: the session is over, or the token is not a refresh token.
    pub async fn refresh(&self, refresh: &Secret) -> Result<TokenSet, KeycloakError> {
        self.grant(
            "refresh grant",
            &[("grant_type", "refresh_token"), ("refresh_token", refresh.expose())],
        )
        .await
    }

    /// Requests tokens for the client itself (RFC 6749 §4.4).
    ///
    /// # Errors
    /// The client has no service account.
    pub async fn client_credentials(&self) -> Result<TokenSet, KeycloakError> {
        self.grant("client credentials grant", &[("grant_type", "client_credentials")])
            .await
    }

    /// Introspects a token (RFC 7662).
    ///
    /// # Errors
    /// The client may not introspect tokens.
    pub async fn introspect(&self, token: &Secret) -> Result<Introspection, KeycloakError> {
        self.ask("introspection", self.post("token/introspect", &[("token", token.expose())]))
            .await
    }

    /// Requests the claims about the user of an access token (OpenID Connect Core 1.0 §5.3).
    ///
    /// # Errors
    /// The token is not accepted.
    pub async fn userinfo(&self, access: &Secret) -> Result<Value, KeycloakError> {
        self.ask(
            "userinfo request",
            self.http.get(self.endpoint("userinfo")).bearer_auth(access.expose()),
        )
        .await
    }

    /// Ends the session that a refresh token belongs to.
    ///
    /// # Errors
    /// The token is not accepted.
    pub async fn logout(&self, refresh: &Secret) -> Result<(), KeycloakError> {
        self.send("logout", self.post("logout", &[("refresh_token", refresh.expose())]))
            .await
            .map(drop)
    }

    /// Revokes a token (RFC 7009); revoking a refresh token ends its session.
    ///
    /// # Errors
    /// The client may not revoke tokens.
    pub async fn revoke(&self, token: &Secret) -> Result<(), KeycloakError> {
        self.send("revocation", self.post("revoke", &[("token", token.expose())]))
            .await
            .map(drop)
    }

    async fn grant(&self, request: &str, fields: &[(&str, &str)]) -> Result<TokenSet, KeycloakError> {
        let mut fields = fields.to_vec();
        // Without this scope Keycloak issues no ID token.
        fields.push(("scope", "openid"));
        self.tokens(request, &fields).await
    }

    async fn tokens(&self, request: &str, fields: &[(&str, &str)]) -> Result<TokenSet, KeycloakError> {
        let answer: TokenAnswer = self.ask(request, self.post("token", fields)).await?;
        Ok(answer.into())
    }

    /// Creates a form request that identifies the client: a confidential one by its secret in the header
    /// (RFC 6749 §2.3.1), a public one by its name alone.
    fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let request = self.http.post(self.endpoint(endpoint));
        match &self.realm.client_secret {
            Some(secret) => request.basic_auth(&self.realm.client_id, Some(secret.expose())).form(fields),
            None => {
                let mut fields = fields.to_vec();
                fields.push(("client_id", &self.realm.client_id));
                request.form(&fields)
            }
        }
    }

    fn endpoint(&self, name: &str) -> String {
        format!("{}/protocol/openid-connect/{name}", self.realm.issuer)
    }

    /// Sends `request` and reads a JSON response.
    pub(super) async fn ask<T: DeserializeOwned>(&self, name: &str, request: RequestBuilder) -> Result<T, KeycloakError> {
        let body = self.send(name, request).await?;
        serde_json::from_slice(&body).map_err(|source| KeycloakError::Malformed {
            request: name.to_owned(),
            source,
        })
    }

    /// Sends `request` and accepts any success.
    pub(super) async fn send(&self, name: &str, request: RequestBuilder) -> Result<Vec<u8>, KeycloakError> {
        let unreachable = |source: reqwest::Error| KeycloakError::Unreachable {
            request: name.to_owned(),
            source: source.without_url(),
        };
        let (http, request) = request.build_split();
        let request = request.map_err(unreachable)?;
        let mut exchange = Exchange {
            from: self.caller.unwrap_or_default().to_owned(),
            to: "Keycloak".to_owned(),
            request: format!("{} {} ({name})", request.method(), request.url().path()),
            presented: presented(&request),
            ..Exchange::default()
        };
        let began = SystemTime::now();
        let answered = http.execute(request).await;
        exchange.status = answered.as_ref().ok().map(|answer| answer.status().as_u16());
        let outcome = match answered {
            Ok(answer) => read(name, answer).await,
            Err(error) => Err(unreachable(error)),
        };
        match &outcome {
            Ok(body) => {
                exchange.verdict = Verdict::Accepted;
                exchange.issued = issued(body);
            }
            Err(error) => {
                // A failed request is never recorded as accepted, even if the status of its response is a success.
                exchange.verdict = match Verdict::of_answer(exchange.status) {
                    Verdict::Accepted => Verdict::Unreachable,
                    verdict => verdict,
                };
                exchange.answer = Some(redact(&error.to_string()).into_owned());
            }
        }
        self.exchanges.tell(began, began.elapsed().unwrap_or_default(), exchange);
        outcome
    }
}

/// Creates an HTTPS client that trusts one authority only, and uses no proxy.
pub(super) fn https(authority: &str) -> Result<reqwest::Client, KeycloakError> {
    crate::tls::https(Some(authority), PATIENCE).map_err(KeycloakError::HttpsClient)
}

/// Reads a response to its end.
async fn read(name: &str, answer: reqwest::Response) -> Result<Vec<u8>, KeycloakError> {
    let status = answer.status();
    // A bearer-protected endpoint returns its error in a header (RFC 6750 §3).
    let challenge = answer
        .headers()
        .get("www-authenticate")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = answer.bytes().await.map_err(|source| KeycloakError::Unreachable {
        request: name.to_owned(),
        source: source.without_url(),
    })?;
    if status.is_success() {
        Ok(body.into())
    } else {
        Err(refusal(name, status, challenge.as_deref(), &body))
    }
}

/// Returns the credentials in the request's `Authorization` header.
fn presented(request: &reqwest::Request) -> Vec<Presented> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    header.map(Presented::authorization).into_iter().collect()
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

fn refusal(name: &str, status: StatusCode, challenge: Option<&str>, body: &[u8]) -> KeycloakError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        error_description: Option<String>,
    }
    let request = name.to_owned();
    let refusal = serde_json::from_slice::<Refusal>(body).ok().or_else(|| {
        let parameter = |name: &str| Some(challenge?.split_once(&format!("{name}=\""))?.1.split_once('"')?.0.to_owned());
        Some(Refusal {
            error: parameter("error")?,
            error_description: parameter("error_description"),
        })
    });
    match refusal {
        Some(Refusal { error, error_description }) => KeycloakError::Refused {
            request,
            status,
            error,
            description: error_description,
        },
        None => KeycloakError::Unexpected {
            request,
            status,
            body: redact(&String::from_utf8_lossy(body)).chars().take(400).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_have_expired_before_the_response_was_written() {
        for (written, left) in [("300", 300), ("0", 0), ("-1", 0)] {
            let body = format!(r#"{{"access_token":"a","id_token":"i","expires_in":{written}}}"#);
            let answer: TokenAnswer = serde_json::from_str(&body).unwrap();
            assert_eq!(TokenSet::from(answer).expires_in, Duration::from_secs(left), "{written}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_words_of_the_protocol() {
        let body = br#"{"error":"invalid_grant","error_description":"Account disabled"}"#;
        let refused = refusal("password grant", StatusCode::BAD_REQUEST, None, body);
        assert_eq!(refused.code(), Some("invalid_grant"));
        assert_eq!(
            refused.to_string(),
            "Keycloak refused the password grant with 400 Bad Request: invalid_grant (Account disabled)"
        );
    }

    #[test]
    fn a_refusal_may_be_in_the_header_alone() {
        let challenge = r#"Bearer realm="kubernetes", error="invalid_token", error_description="Token verification failed""#;
        let refused = refusal("userinfo request", StatusCode::UNAUTHORIZED, Some(challenge), b"");
        assert_eq!(refused.code(), Some("invalid_token"));
    }

    #[test]
    fn any_other_answer_is_shown_without_secrets() {
        let refused = refusal(
            "logout",
            StatusCode::BAD_GATEWAY,
            None,
            b"refresh_token=abcdefgh was sent to nobody",
        );
        assert_eq!(refused.code(), None);
        assert!(!refused.to_string().contains("abcdefgh"), "{refused}");
    }
}
