//! Questions about tokens that were issued: userinfo, introspection, revocation. The type is [`Issued`].

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde_json::{Map, Value, json};

use super::error::Refused;
use super::http::Reply;
use super::mint::now;
use super::parameters::{Parameters, bearer};
use super::state::State;
use crate::jwt::seconds;
use crate::listener::answer;

/// A token that was issued.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) issuer: String,
    pub(super) claims: Map<String, Value>,
}

/// The claims about the token, not about its user.
const ABOUT_THE_TOKEN: [&str; 10] = ["iss", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "nonce", "auth_time"];

impl State {
    /// Returns the claims of a token of the issuer `name` that is valid by now.
    fn active(&self, name: &str, token: &str) -> Option<Map<String, Value>> {
        let mut locked = self.locked();
        let issued = locked.issued.find(token).filter(|issued| issued.issuer == name)?;
        let expires = issued.claims.get("exp").and_then(seconds);
        expires.is_none_or(|expires| expires > now()).then(|| issued.claims.clone())
    }

    /// Answers with the claims of the user (OpenID Connect Core 1.0 §5.3.2).
    pub(super) fn userinfo(&self, name: &str, headers: &HeaderMap, parameters: &Parameters) -> Result<Reply, Refused> {
        let token = match bearer(headers) {
            Some(token) => Some(token),
            None => parameters.text("access_token")?,
        };
        let Some(mut claims) = token.and_then(|token| self.active(name, &token)) else {
            let refused = Refused::new(
                "invalid_token",
                "the token is not one of this issuer, or has expired or been revoked",
            );
            let mut reply = refused.with_status(401).response();
            let header = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            reply.headers_mut().insert(WWW_AUTHENTICATE, header);
            return Ok(reply);
        };
        claims.retain(|claim, _| !ABOUT_THE_TOKEN.contains(&claim.as_str()));
        Ok(answer::json(StatusCode::OK, &Value::Object(claims)))
    }

    /// Answers with the state of a token (RFC 7662 §2.2).
    pub(super) fn introspect(&self, name: &str, parameters: &Parameters) -> Result<Reply, Refused> {
        let token = parameters.needed("token")?;
        let state = match self.active(name, &token) {
            Some(mut claims) => {
                claims.insert("active".to_owned(), json!(true));
                claims.insert("token_type".to_owned(), json!("Bearer"));
                Value::Object(claims)
            }
            None => json!({ "active": self.locked().refresh_tokens.find(&token).is_some_and(|grant| grant.issuer == name) }),
        };
        Ok(answer::json(StatusCode::OK, &state))
    }

    /// Ends a token (RFC 7009 §2.2): an unknown one is no error.
    pub(super) fn revoke(&self, name: &str, parameters: &Parameters) -> Result<Reply, Refused> {
        let token = parameters.needed("token")?;
        let mut locked = self.locked();
        if locked.issued.find(&token).is_some_and(|issued| issued.issuer == name) {
            locked.issued.take(&token);
        }
        if locked.refresh_tokens.find(&token).is_some_and(|grant| grant.issuer == name) {
            locked.refresh_tokens.take(&token);
        }
        Ok(answer::json(StatusCode::OK, &json!({})))
    }
}
