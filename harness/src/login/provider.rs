//! A discovered issuer: the requests to it, and the verification of its tokens.
//!
//! The main type is [`Provider`], on top of the `openidconnect` crate, with an HTTP client of our own so that only the
//! given CAs are trusted and no redirect is followed.

use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
    CoreTokenResponse,
};
use openidconnect::{
    AdditionalProviderMetadata, ClientId, ClientSecret, DeviceAuthorizationUrl, DiscoveryError, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, ErrorResponse, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse, ProviderMetadata, RefreshToken,
    RequestTokenError, Scope, TokenResponse,
};
use serde::{Deserialize, Serialize};

use super::address::{BadAddress, check_configuration};
use super::cache::Entry;
use super::{Flow, LoginError, Notice, Person, Settings};
use crate::cause::with_causes;
use crate::secret::{Secret, redact};

/// The time limit of one request to the issuer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The fields of an issuer's configuration beyond the usual ones (RFC 8628 §4).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct DeviceEndpoint {
    pub(super) device_authorization_endpoint: Option<DeviceAuthorizationUrl>,
}

impl AdditionalProviderMetadata for DeviceEndpoint {}

type Metadata = ProviderMetadata<
    DeviceEndpoint,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The client with the endpoints that every issuer here has: a login page and a token endpoint.
pub(super) type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointMaybeSet>;

/// The reason that a request has no usable response.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Address(#[from] BadAddress),
}

/// An issuer that responded.
pub(super) struct Provider<'a> {
    pub(super) settings: &'a Settings,
    pub(super) client: Client,
    pub(super) device: Option<DeviceAuthorizationUrl>,
    http: reqwest::Client,
}

impl<'a> Provider<'a> {
    /// Reads the issuer's configuration and keys (OpenID Connect Discovery 1.0 §4), without logging in.
    pub(super) async fn discover(settings: &'a Settings) -> Result<Self, LoginError> {
        let bad_url = |why: String| LoginError::Url {
            url: settings.issuer.clone(),
            why,
        };
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|error| bad_url(error.to_string()))?;
        if issuer.url().scheme() != "https" {
            return Err(bad_url("tokens are only fetched over https".to_owned()));
        }
        let http = crate::tls::https(settings.authority.as_deref(), PATIENCE).map_err(LoginError::Authority)?;
        let asked = http.clone();
        let call = move |request: HttpRequest| {
            let asked = asked.clone();
            async move {
                let is_configuration = request.uri().path().ends_with("/.well-known/openid-configuration");
                let answer = send(asked, request).await?;
                if is_configuration {
                    // Before any other request: the next one fetches the keys.
                    check_configuration(answer.body())?;
                }
                Ok::<_, CallError>(answer)
            }
        };
        let metadata = Metadata::discover_async(issuer, &call).await.map_err(|error| match error {
            DiscoveryError::Request(error) => no_answer(settings, "its configuration", error),
            DiscoveryError::Validation(why) => LoginError::Another {
                given: settings.issuer.clone(),
                said: said_in(&why),
            },
            other => malformed(settings, "configuration", &other),
        })?;
        let Some(token_endpoint) = metadata.token_endpoint().cloned() else {
            return Err(LoginError::Lacks {
                issuer: settings.issuer.clone(),
                what: "token endpoint",
            });
        };
        let device = metadata.additional_metadata().device_authorization_endpoint.clone();
        let secret = settings
            .client_secret
            .as_ref()
            .map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let client =
            CoreClient::from_provider_metadata(metadata, ClientId::new(settings.client_id.clone()), secret).set_token_uri(token_endpoint);
        Ok(Self {
            settings,
            client,
            device,
            http,
        })
    }

    /// Returns the function that sends requests, in the form that `openidconnect` expects.
    pub(super) fn call(&self) -> impl Fn(HttpRequest) -> futures::future::BoxFuture<'static, Result<HttpResponse, CallError>> + use<> {
        let http = self.http.clone();
        move |request| Box::pin(send(http.clone(), request))
    }

    /// Returns the scopes beside `openid`.
    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> + use<> {
        self.settings.scopes.clone().into_iter().map(Scope::new)
    }

    /// Returns whether a new login can be tried with `person`.
    pub(super) fn can_log_in(&self, person: &dyn Person) -> bool {
        person.is_there() || matches!(self.settings.flow, Flow::Password { password: Some(_), .. })
    }

    /// Logs in anew.
    pub(super) async fn log_in(&self, person: &dyn Person) -> Result<Entry, LoginError> {
        if !self.can_log_in(person) {
            return Err(LoginError::NobodyThere);
        }
        if let Some(server) = self.settings.server.as_ref().filter(|_| person.is_there()) {
            person.tell(&Notice::LoggingInFor(server));
        }
        match &self.settings.flow {
            Flow::Browser => self.in_a_browser(person).await,
            Flow::Device => self.by_device(person).await,
            Flow::Password { user, password } => self.by_password(person, user, password.as_ref()).await,
        }
    }

    /// Exchanges a refresh token for new tokens (RFC 6749 §6).
    pub(super) async fn refresh(&self, refresh: &Secret) -> Result<Entry, LoginError> {
        let token = RefreshToken::new(refresh.expose().to_owned());
        let answer = self.client.exchange_refresh_token(&token).request_async(&self.call()).await;
        let answer = answer.map_err(|error| self.refused("refresh", error))?;
        let mut entry = self.entry(&answer, None)?;
        // Without a new refresh token, the old one stays valid.
        entry.refresh_token.get_or_insert_with(|| refresh.clone());
        Ok(entry)
    }

    /// Returns the verified tokens of a response (OpenID Connect Core 1.0 §3.1.3.7).
    pub(super) fn entry(&self, answer: &CoreTokenResponse, nonce: Option<&Nonce>) -> Result<Entry, LoginError> {
        let id = answer.id_token().ok_or(LoginError::NoIdToken)?;
        let verifier = self
            .client
            .id_token_verifier()
            // Tokens may have further audiences, as for API servers.
            .set_other_audience_verifier_fn(|_| true);
        let verified = match nonce {
            Some(nonce) => id.claims(&verifier, nonce),
            // A nonce belongs to a login in a browser alone, and a refreshed token need not repeat it (§12.2).
            None => id.claims(&verifier, |_: Option<&Nonce>| Ok(())),
        };
        let claims = verified.map_err(|error| LoginError::Token(with_causes(&error)))?;
        Ok(Entry {
            id_token: Secret::new(id.to_string()),
            refresh_token: answer.refresh_token().map(|token| Secret::new(token.secret().clone())),
            issued: claims.issue_time().timestamp(),
            expires: claims.expiration().timestamp(),
        })
    }

    /// Returns the error for a refused grant.
    pub(super) fn refused<T: ErrorResponse + 'static>(&self, what: &'static str, error: RequestTokenError<CallError, T>) -> LoginError {
        match error {
            RequestTokenError::ServerResponse(answer) => refusal(what, &answer),
            RequestTokenError::Request(error) => no_answer(self.settings, "a token", error),
            RequestTokenError::Parse(error, body) => {
                // Keycloak sends some refusals without a description in another form.
                let text: String = redact(&String::from_utf8_lossy(&body)).chars().take(200).collect();
                LoginError::Malformed {
                    issuer: self.settings.issuer.clone(),
                    what: "answer",
                    why: format!("{error}: {text}"),
                }
            }
            RequestTokenError::Other(why) => LoginError::Malformed {
                issuer: self.settings.issuer.clone(),
                what: "answer",
                why,
            },
        }
    }
}

/// Returns the protocol's words of a refusal, which is JSON whatever its type.
fn refusal(what: &'static str, answer: &impl Serialize) -> LoginError {
    let fields = serde_json::to_value(answer).unwrap_or_default();
    let text = |name: &str| fields.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    LoginError::Refused {
        what,
        code: text("error").unwrap_or_else(|| "no reason".to_owned()),
        description: text("error_description"),
    }
}

pub(super) fn no_answer(settings: &Settings, what: &'static str, error: CallError) -> LoginError {
    let issuer = settings.issuer.clone();
    match error {
        CallError::Http(source) => LoginError::Unreachable { issuer, what, source },
        CallError::Address(source) => LoginError::Address { issuer, source },
    }
}

fn malformed(settings: &Settings, what: &'static str, error: &dyn std::error::Error) -> LoginError {
    LoginError::Malformed {
        issuer: settings.issuer.clone(),
        what,
        why: with_causes(error),
    }
}

/// Returns the issuer's own name from the crate's sentence about it.
fn said_in(why: &str) -> String {
    let found = why.strip_prefix("unexpected issuer URI `").and_then(|rest| rest.split_once('`'));
    found.map_or_else(|| why.to_owned(), |(said, _)| said.to_owned())
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, CallError> {
    let answer = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await.map_err(reqwest::Error::without_url)?.to_vec();
    Ok(response)
}
