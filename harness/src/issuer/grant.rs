//! The token endpoint: each grant type, and the answer with the tokens. The main type is [`Grant`].

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::authorize::Challenge;
use super::device::DeviceState;
use super::error::Refused;
use super::http::Reply;
use super::mint::{TokenRequest, Use};
use super::parameters::Parameters;
use super::recent::unguessable;
use super::state::State;
use crate::jwt::Jwt;
use crate::listener::answer;

/// The grant types, as requests name them.
pub(super) const GRANT_TYPES: [&str; 7] = [
    "authorization_code",
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// The claims of a presented token that a new one does not take over.
const OF_ONE_TOKEN: [&str; 7] = ["iss", "aud", "exp", "iat", "nbf", "jti", "nonce"];

/// A user's or client's right to tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Grant {
    pub(super) issuer: String,
    pub(super) client: Option<String>,
    pub(super) scope: Option<String>,
    /// The user of the login; `None` for the client itself.
    pub(super) user: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) wanted: TokenRequest,
}

impl State {
    /// Answers a token request (RFC 6749 §3.2).
    pub(super) fn token_response(&self, name: &str, parameters: &Parameters) -> Result<Reply, Refused> {
        let grant_type = parameters.needed("grant_type")?;
        let wanted = TokenRequest::read(parameters)?;
        let client = parameters.text("client_id")?;
        let asked = Grant {
            issuer: name.to_owned(),
            client: client.clone(),
            scope: parameters.text("scope")?,
            wanted: wanted.clone(),
            ..Grant::default()
        };
        match grant_type.as_str() {
            "client_credentials" => self.tokens(&asked, None),
            "password" => {
                let user = parameters.needed("username")?;
                // Any password is right, but a form without one is not sent by a login.
                parameters.needed("password")?;
                self.user_tokens(Grant { user: Some(user), ..asked })
            }
            "authorization_code" => {
                let code = parameters.needed("code")?;
                let grant = self.redeemed(name, &code, parameters)?;
                self.user_tokens(Grant {
                    wanted: grant.wanted.clone().with(wanted),
                    ..grant
                })
            }
            "refresh_token" => {
                let token = parameters.needed("refresh_token")?;
                let grant = self
                    .locked()
                    .refresh_tokens
                    .find(&token)
                    .filter(|grant| grant.issuer == name)
                    .cloned();
                let unknown = || Refused::new("invalid_grant", "the refresh token is not one of this issuer, or has been revoked");
                let grant = grant.ok_or_else(unknown)?;
                same_client(&grant, client.as_deref())?;
                let now = Grant {
                    wanted: grant.wanted.clone().with(wanted),
                    scope: asked.scope.or(grant.scope.clone()),
                    // An ID token of a refresh needs none (OpenID Connect Core 1.0 §12.2).
                    nonce: None,
                    ..grant
                };
                self.tokens(&now, Some(&token))
            }
            "urn:ietf:params:oauth:grant-type:device_code" => {
                let code = parameters.needed("device_code")?;
                let grant = self.device_grant(name, &code, client.as_deref())?;
                self.user_tokens(Grant {
                    wanted: grant.wanted.clone().with(wanted),
                    ..grant
                })
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.exchanged(asked, &parameters.needed("assertion")?, false),
            "urn:ietf:params:oauth:grant-type:token-exchange" => self.exchanged(asked, &parameters.needed("subject_token")?, true),
            other => Err(Refused::new(
                "unsupported_grant_type",
                format!("unknown grant type {other:?} (known: {})", GRANT_TYPES.join(", ")),
            )),
        }
    }

    /// Takes the claims of `token` over (RFC 7523 §2.1, RFC 8693 §2.1). Its signature does not matter, since anybody gets any claims here.
    fn exchanged(&self, asked: Grant, token: &str, names_its_kind: bool) -> Result<Reply, Refused> {
        let presented = Jwt::parse(token).map_err(|error| Refused::new("invalid_grant", error.to_string()))?;
        let mut claims = presented.claims;
        claims.retain(|claim, _| !OF_ONE_TOKEN.contains(&claim.as_str()));
        let taken = TokenRequest {
            claims,
            ..TokenRequest::default()
        };
        let grant = Grant {
            wanted: taken.with(asked.wanted.clone()),
            ..asked
        };
        let mut answer = self.answer(&grant, None)?;
        if names_its_kind {
            answer.insert(
                "issued_token_type".to_owned(),
                json!("urn:ietf:params:oauth:token-type:access_token"),
            );
        }
        Ok(uncached(&Value::Object(answer)))
    }

    /// Returns the grant of a device's code, once the user has agreed (RFC 8628 §3.5).
    fn device_grant(&self, name: &str, code: &str, client: Option<&str>) -> Result<Grant, Refused> {
        let mut locked = self.locked();
        let unknown = || {
            Refused::new(
                "expired_token",
                "the device code is not one of this issuer, has been used, or has expired",
            )
        };
        let device = locked
            .devices
            .find(code)
            .filter(|device| device.grant.issuer == name && Instant::now() < device.ends)
            .ok_or_else(unknown)?;
        named_client(&device.grant, client)?;
        match device.state {
            DeviceState::Waiting => Err(Refused::new("authorization_pending", "the user has not entered the code")),
            DeviceState::Denied => Err(Refused::new("access_denied", "the user has refused")),
            DeviceState::Allowed => locked.devices.take(code).map(|device| device.grant).ok_or_else(unknown),
        }
    }

    /// Answers with the tokens of a user, and with a refresh token.
    fn user_tokens(&self, grant: Grant) -> Result<Reply, Refused> {
        let refresh = unguessable();
        let reply = self.tokens(&grant, Some(&refresh))?;
        self.locked().refresh_tokens.add(refresh, grant);
        Ok(reply)
    }

    fn tokens(&self, grant: &Grant, refresh: Option<&str>) -> Result<Reply, Refused> {
        Ok(uncached(&Value::Object(self.answer(grant, refresh)?)))
    }

    /// Returns the answer of RFC 6749 §5.1 and OpenID Connect Core 1.0 §3.1.3.3.
    fn answer(&self, grant: &Grant, refresh: Option<&str>) -> Result<Map<String, Value>, Refused> {
        let subject = grant.user.clone().or_else(|| grant.client.clone());
        let named = |claims: &[(&str, &Option<String>)]| {
            let claims = claims
                .iter()
                .filter_map(|(name, value)| Some(((*name).to_owned(), json!(value.as_ref()?))));
            claims.collect::<Map<String, Value>>()
        };
        let access = Use {
            subject: subject.clone(),
            client_of_id_token: None,
            // RFC 9068 §2.2.
            claims: named(&[("client_id", &grant.client), ("scope", &grant.scope)]),
        };
        let access = self.mint(&grant.issuer, &grant.wanted, &access)?;
        let mut answer = Map::new();
        answer.insert("access_token".to_owned(), json!(access.token.expose()));
        answer.insert("token_type".to_owned(), json!("Bearer"));
        answer.insert("expires_in".to_owned(), json!(access.expires_in));
        if let Some(scope) = &grant.scope {
            answer.insert("scope".to_owned(), json!(scope));
        }
        if let (Some(client), Some(_)) = (&grant.client, &grant.user) {
            let id = Use {
                subject,
                client_of_id_token: Some(client.clone()),
                claims: named(&[("nonce", &grant.nonce)]),
            };
            let id = self.mint(&grant.issuer, &grant.wanted, &id)?;
            answer.insert("id_token".to_owned(), json!(id.token.expose()));
        }
        if let Some(refresh) = refresh {
            answer.insert("refresh_token".to_owned(), json!(refresh));
        }
        Ok(answer)
    }

    /// Returns the grant of a code, which can be used once (RFC 6749 §4.1.3, RFC 7636 §4.6).
    fn redeemed(&self, name: &str, code: &str, parameters: &Parameters) -> Result<Grant, Refused> {
        let code = self.locked().codes.take(code);
        let code = code.filter(|code| code.grant.issuer == name && Instant::now() < code.ends);
        let refuse = |why: &str| Refused::new("invalid_grant", why);
        let code = code.ok_or_else(|| refuse("the code is not one of this issuer, has been used, or has expired"))?;
        named_client(&code.grant, parameters.text("client_id")?.as_deref())?;
        if parameters.needed("redirect_uri")? != code.redirect_uri {
            return Err(refuse("redirect_uri is not that of the login"));
        }
        let verifier = parameters.text("code_verifier")?;
        match (&code.challenge, verifier) {
            (None, None) => Ok(code.grant),
            (Some(challenge), Some(verifier)) if challenge.is_met(&verifier) => Ok(code.grant),
            (Some(_), Some(_)) => Err(refuse("code_verifier does not fit to the code_challenge of the login")),
            (Some(_), None) => Err(refuse("code_verifier is missing, and the login had a code_challenge")),
            (None, Some(_)) => Err(refuse("code_verifier is given, and the login had no code_challenge")),
        }
    }
}

impl Challenge {
    /// Returns whether `verifier` is the one of the challenge.
    fn is_met(&self, verifier: &str) -> bool {
        match self {
            Self::Plain(challenge) => challenge == verifier,
            Self::S256(challenge) => *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
        }
    }
}

/// Demands that the client of the grant says who it is, since its code alone proves nothing (RFC 6749 §4.1.3, RFC 8628 §3.4).
fn named_client(grant: &Grant, client: Option<&str>) -> Result<(), Refused> {
    if client.is_none() {
        return Err(Refused::request("client_id is missing, and the request has no client's password"));
    }
    same_client(grant, client)
}

fn same_client(grant: &Grant, client: Option<&str>) -> Result<(), Refused> {
    match (&grant.client, client) {
        (Some(own), Some(other)) if own != other => Err(Refused::new(
            "invalid_grant",
            format!("the grant is that of the client {own:?}, not of {other:?}"),
        )),
        _ => Ok(()),
    }
}

/// Returns an answer that is not kept (RFC 6749 §5.1).
pub(super) fn uncached(document: &Value) -> Reply {
    let mut reply = answer::json(StatusCode::OK, document);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
