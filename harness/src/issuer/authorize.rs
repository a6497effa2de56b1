//! The authorization endpoint: a login without a question, or with a page. The main type is [`Code`].

use std::time::{Duration, Instant};

use hyper::header::{CACHE_CONTROL, HeaderValue, LOCATION, REFERRER_POLICY};
use hyper::{Method, StatusCode};
use reqwest::Url;

use super::error::Refused;
use super::grant::Grant;
use super::http::Reply;
use super::mint::TokenRequest;
use super::page;
use super::parameters::Parameters;
use super::recent::unguessable;
use super::state::State;
use crate::listener::answer;

/// A code that was handed out.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<Challenge>,
    /// The time at which it ends.
    pub(super) ends: Instant,
}

/// How long a code can be used (at most ten minutes: RFC 6749 §4.1.2).
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

/// The proof that a client demands of itself (RFC 7636 §4.2).
#[derive(Debug)]
pub(super) enum Challenge {
    Plain(String),
    S256(String),
}

/// The schemes to which no browser is sent.
const NOT_OPENED: [&str; 4] = ["javascript", "data", "vbscript", "file"];

impl State {
    /// Answers a login request (RFC 6749 §4.1.1).
    pub(super) fn authorize(&self, name: &str, method: &Method, parameters: &Parameters) -> Result<Reply, Refused> {
        // Without these two, no program can be told of an error (RFC 6749 §4.1.2.1).
        let client = parameters.needed("client_id")?;
        let redirect_uri = parameters.needed("redirect_uri")?;
        let back = Url::parse(&redirect_uri).ok();
        let back = back.filter(|url| !NOT_OPENED.contains(&url.scheme()) && url.fragment().is_none());
        let wrong = || {
            Refused::request(format!(
                "redirect_uri is {redirect_uri:?} (expected an absolute URL without a fragment)"
            ))
        };
        let back = back.ok_or_else(wrong)?;
        let state = parameters.text("state")?;
        let answered = self.login(name, method, parameters, client, &redirect_uri);
        match answered {
            Ok(Login::Page(reply)) => Ok(reply),
            Ok(Login::Code(code)) => Ok(redirect(
                back,
                &[("code", Some(code)), ("state", state), ("iss", self.signer.url(name).ok())],
            )),
            Err(refused) => Ok(redirect(
                back,
                &[
                    ("error", Some(refused.error.to_owned())),
                    ("error_description", Some(refused.description)),
                    ("state", state),
                ],
            )),
        }
    }

    fn login(&self, name: &str, method: &Method, parameters: &Parameters, client: String, redirect_uri: &str) -> Result<Login, Refused> {
        let response_type = parameters.needed("response_type")?;
        if response_type != "code" {
            let why = format!("response_type is {response_type:?} (expected \"code\")");
            return Err(Refused::new("unsupported_response_type", why));
        }
        if let Some(mode) = parameters.text("response_mode")?.filter(|mode| mode != "query") {
            return Err(Refused::request(format!("response_mode is {mode:?} (expected \"query\")")));
        }
        let challenge = challenge(parameters)?;
        let asks = self.settings.login_page && method == Method::GET;
        if asks && parameters.text("prompt")?.as_deref() == Some("none") {
            return Err(Refused::new(
                "login_required",
                "prompt is none, and the issuer asks for the user on a page",
            ));
        }
        if asks {
            return Ok(Login::Page(page::login(&self.people(), name, parameters)));
        }
        let grant = Grant {
            issuer: name.to_owned(),
            client: Some(client),
            scope: parameters.text("scope")?,
            user: Some(self.user(parameters)?),
            nonce: parameters.text("nonce")?,
            wanted: TokenRequest::read(parameters)?,
        };
        let code = Code {
            grant,
            redirect_uri: redirect_uri.to_owned(),
            challenge,
            ends: Instant::now() + LIFETIME,
        };
        let secret = unguessable();
        self.locked().codes.add(secret.clone(), code);
        Ok(Login::Code(secret))
    }

    /// Returns the user of a login: the one that was entered or hinted at, or else the first person, or alice.
    pub(super) fn user(&self, parameters: &Parameters) -> Result<String, Refused> {
        for name in ["username", "login_hint"] {
            if let Some(user) = parameters.text(name)? {
                return Ok(user);
            }
        }
        Ok(self.people().into_iter().next().unwrap_or_else(|| "alice".to_owned()))
    }

    pub(super) fn people(&self) -> Vec<String> {
        self.locked().people.keys().cloned().collect()
    }

    /// Ends a login (OpenID Connect RP-Initiated Logout 1.0 §3). There is no session, so nothing else happens.
    pub(super) fn end_session(&self, parameters: &Parameters) -> Result<Reply, Refused> {
        let Some(uri) = parameters.text("post_logout_redirect_uri")? else {
            return Ok(page::message(StatusCode::OK, "You are logged out", "You can close this window."));
        };
        let back = Url::parse(&uri).ok().filter(|url| !NOT_OPENED.contains(&url.scheme()));
        let wrong = || Refused::request(format!("post_logout_redirect_uri is {uri:?} (expected an absolute URL)"));
        Ok(redirect(back.ok_or_else(wrong)?, &[("state", parameters.text("state")?)]))
    }
}

enum Login {
    Page(Reply),
    Code(String),
}

fn challenge(parameters: &Parameters) -> Result<Option<Challenge>, Refused> {
    let Some(challenge) = parameters.text("code_challenge")? else {
        return Ok(None);
    };
    match parameters.text("code_challenge_method")?.as_deref() {
        Some("S256") => Ok(Some(Challenge::S256(challenge))),
        None | Some("plain") => Ok(Some(Challenge::Plain(challenge))),
        Some(other) => Err(Refused::request(format!(
            "code_challenge_method is {other:?} (expected \"S256\" or \"plain\")"
        ))),
    }
}

/// Sends the browser to `back`, with `parameters` in the query.
fn redirect(mut back: Url, parameters: &[(&str, Option<String>)]) -> Reply {
    let given: Vec<(&str, &String)> = parameters
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_ref()?)))
        .collect();
    if !given.is_empty() {
        back.query_pairs_mut().extend_pairs(given);
    }
    let mut reply = answer::text(StatusCode::FOUND, "");
    if let Ok(location) = HeaderValue::from_str(back.as_str()) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}
