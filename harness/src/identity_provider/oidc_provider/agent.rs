//! Logins by the authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636), by a user agent that keeps cookies, follows redirects and
//! fills in the form of the login page, as a person with a browser does.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, Url};
use sha2::Digest;

use super::client::{OidcProviderClient, Response, TokenAnswer};
use super::error::OidcProviderError;
use crate::identity_provider::LoginRequest;
use crate::identity_provider::keycloak::TokenSet;
use crate::jwt::Jwt;
use crate::secret::Secret;

/// The address that the login page returns to. Nobody listens there: the agent reads the code from the redirect itself.
const REDIRECT: &str = "http://127.0.0.1/callback";

/// The limit of requests until the page returns: a login takes four.
const STEPS: usize = 10;

/// The request that a login consists of, for people.
const LOGIN: &str = "login";

impl OidcProviderClient {
    /// Logs `user` in with their password, as `request` says, and returns the tokens.
    ///
    /// # Errors
    /// [`OidcProviderError::Refused`] with `access_denied`: the page does not let the user in; with another code: the client may not ask
    /// for that.
    pub async fn log_in(&self, user: &str, password: &Secret, request: &LoginRequest) -> Result<TokenSet, OidcProviderError> {
        let scopes: Vec<&str> = std::iter::once("openid").chain(request.scopes.iter().map(String::as_str)).collect();
        let nonce = random();
        let tokens = self.authorize(user, password, &request.client, &scopes, Some(&nonce)).await?;
        let tokens = tokens.with_id(LOGIN)?;
        let claims = Jwt::parse(tokens.id.expose()).map(|token| token.claims).unwrap_or_default();
        match claims.get("nonce").and_then(serde_json::Value::as_str) {
            Some(said) if said == nonce => Ok(tokens),
            _ => Err(malformed("the ID token does not repeat the nonce of the login")),
        }
    }

    /// Logs `user` in without asking for an ID token (OpenID Connect Core 1.0 §3.1.2.1: the scope `openid`); returns the refresh token.
    ///
    /// # Errors
    /// As [`OidcProviderClient::log_in`].
    pub async fn log_in_without_id(&self, user: &str, password: &Secret, request: &LoginRequest) -> Result<Secret, OidcProviderError> {
        let scopes: Vec<&str> = request.scopes.iter().map(String::as_str).collect();
        let tokens = self.authorize(user, password, &request.client, &scopes, None).await?;
        let refresh = tokens.refresh_token;
        refresh.ok_or_else(|| malformed("there is no refresh token"))
    }

    async fn authorize(
        &self,
        user: &str,
        password: &Secret,
        client: &str,
        scopes: &[&str],
        nonce: Option<&str>,
    ) -> Result<TokenAnswer, OidcProviderError> {
        let (state, verifier) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&verifier));
        let scope = scopes.join(" ");
        let mut parameters = vec![
            ("client_id", client),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", &scope),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        parameters.extend(nonce.map(|nonce| ("nonce", nonce)));
        let start = Url::parse_with_params(&self.endpoint("auth"), &parameters).map_err(|error| malformed(error.to_string()))?;
        let returned = self.follow(start, user, password).await?;
        if returned.get("state") != Some(&state) {
            return Err(malformed("the login page returned another state"));
        }
        // RFC 9207 §2.4.
        if returned.get("iss") != Some(&self.description().issuer) {
            return Err(malformed("the login page returned another issuer"));
        }
        if let Some(error) = returned.get("error") {
            return Err(OidcProviderError::Refused {
                request: LOGIN,
                status: reqwest::StatusCode::SEE_OTHER,
                error: error.clone(),
                description: returned.get("error_description").cloned(),
            });
        }
        let code = returned.get("code").ok_or_else(|| malformed("the login page returned no code"))?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", &verifier),
        ];
        self.ask("code grant", self.post("token", client, &fields)?).await
    }

    /// Goes from page to page until the login page returns, and returns the parameters of the redirect.
    async fn follow(&self, start: Url, user: &str, password: &Secret) -> Result<BTreeMap<String, String>, OidcProviderError> {
        let mut cookies = Cookies::default();
        let mut address = start;
        let mut form = None;
        for _ in 0..STEPS {
            let request = match form.take() {
                None => self.http.get(address.clone()),
                Some(fields) => self.http.post(address.clone()).form(&fields),
            };
            let response = self.send(LOGIN, cookies.add_to(request)).await?;
            cookies.keep(&response.headers);
            let location = response.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            if let Some(location) = location {
                let next = address.join(location).map_err(|error| malformed(error.to_string()))?;
                if next.as_str().starts_with(REDIRECT) {
                    return Ok(next.query_pairs().into_owned().collect());
                }
                address = next;
                continue;
            }
            if let Some(refused) = refused_by(&response) {
                return Err(refused);
            }
            form = Some([("username", user.to_owned()), ("password", password.expose().to_owned())]);
        }
        Err(malformed(format!("the login page did not return within {STEPS} requests")))
    }
}

/// Returns the refusal that a page shows; `None` for the form of the login page.
fn refused_by(response: &Response) -> Option<OidcProviderError> {
    if response.status.is_success() {
        return None;
    }
    let page = String::from_utf8_lossy(&response.body);
    let alert = page.split_once(r#"<p role="alert">"#).and_then(|(_, rest)| rest.split_once("</p>"));
    Some(match alert {
        Some((said, _)) => OidcProviderError::Refused {
            request: LOGIN,
            status: response.status,
            error: "access_denied".to_owned(),
            description: Some(said.to_owned()),
        },
        None => OidcProviderError::Unexpected {
            request: LOGIN,
            status: response.status,
            body: crate::secret::redact(&page).chars().take(400).collect(),
        },
    })
}

/// The cookies of one login. All are the provider's, and each name occurs once.
#[derive(Default)]
struct Cookies(BTreeMap<String, String>);

impl Cookies {
    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                match value {
                    "" => drop(self.0.remove(name)),
                    _ => drop(self.0.insert(name.to_owned(), value.to_owned())),
                }
            }
        }
    }

    fn add_to(&self, request: RequestBuilder) -> RequestBuilder {
        if self.0.is_empty() {
            return request;
        }
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header(COOKIE, pairs.join("; "))
    }
}

fn malformed(why: impl Into<String>) -> OidcProviderError {
    OidcProviderError::Malformed {
        request: LOGIN,
        why: why.into(),
    }
}

fn random() -> String {
    let mut bytes = [0_u8; 32];
    rand::thread_rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn cookies_are_kept_until_they_are_taken_back() {
        let mut cookies = Cookies::default();
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("_interaction=abc; path=/login; httponly"));
        headers.append(SET_COOKIE, HeaderValue::from_static("_session=xyz; path=/"));
        cookies.keep(&headers);
        assert_eq!(cookies.0.len(), 2);
        let mut headers = HeaderMap::new();
        headers.append(
            SET_COOKIE,
            HeaderValue::from_static("_interaction=; path=/login; expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        );
        cookies.keep(&headers);
        assert_eq!(
            cookies.0.into_iter().collect::<Vec<_>>(),
            [("_session".to_owned(), "xyz".to_owned())]
        );
    }

    #[test]
    fn what_a_page_says_is_a_refusal() {
        let response = |status, body: &str| Response {
            status,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        assert!(refused_by(&response(StatusCode::OK, "<form>")).is_none());
        let refused = refused_by(&response(StatusCode::UNAUTHORIZED, r#"<p role="alert">Account disabled</p>"#));
        assert_eq!(
            refused.map(|refused| refused.to_string()).as_deref(),
            Some("node-oidc-provider refused the login with 401 Unauthorized: access_denied (Account disabled)")
        );
        let broken = refused_by(&response(StatusCode::INTERNAL_SERVER_ERROR, "")).map(|error| error.to_string());
        assert_eq!(
            broken.as_deref(),
            Some("node-oidc-provider answered the login with 500 Internal Server Error: ")
        );
    }
}
