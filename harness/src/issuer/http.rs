//! Requests to the issuers: who may ask, which endpoint answers, and with which fault.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::header::{CACHE_CONTROL, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, OF_RFC_8414};
use super::error::Refused;
use super::fault::Fault;
use super::grant::GRANT_TYPES;
use super::parameters::{Parameters, header};
use super::record::RequestRecord;
use super::state::State;
use super::{CONTROL, Callers};
use crate::listener::answer;
use crate::loopback::{is_asked_directly, is_from_this_user};

/// An answer.
pub(super) type Reply = Response<Full<Bytes>>;

impl State {
    /// Answers `request` of `peer`, and records it.
    pub(super) async fn respond<B>(&self, request: Request<B>, peer: SocketAddr) -> Reply
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (path, method) = (request.uri().path().to_owned(), request.method().clone());
        let agent = Some(header(request.headers(), &USER_AGENT)).filter(|agent| !agent.is_empty());
        let agent = agent.as_deref().map(recorded);
        let mut record = RequestRecord {
            time: Timestamp::now(),
            issuer: None,
            asked: recorded(&format!("{method} {path}")),
            status: 0,
            grant_type: None,
            client: None,
            user: None,
            agent,
        };
        let reply = if path == CONTROL || path.strip_prefix(CONTROL).is_some_and(|rest| rest.starts_with('/')) {
            self.control(request).await
        } else {
            match self.found(&path) {
                Some((name, endpoint)) => {
                    record.issuer = Some(name.clone());
                    record.asked = format!("{method} {endpoint}");
                    self.of_endpoint(&name, endpoint, request, peer, &mut record).await
                }
                None if path == "/" => Ok(self.overview()),
                None => {
                    let known = self.settings.names.join(", ");
                    let why = format!("nothing is at {path} (issuers: {known})");
                    Err(Refused::new("not_found", why).with_status(404))
                }
            }
        };
        let reply = reply.unwrap_or_else(|refused| refused.response());
        record.status = reply.status().as_u16();
        record.time = Timestamp::now();
        self.keep(record);
        reply
    }

    /// Returns the issuer and its endpoint at `path`.
    fn found(&self, path: &str) -> Option<(String, Endpoint)> {
        let path = path.strip_prefix('/')?;
        // The metadata of RFC 8414 §3.1 are between the host and the issuer's path.
        let described = path.strip_prefix(OF_RFC_8414).and_then(|name| name.strip_prefix('/'));
        if let Some(name) = described.filter(|name| self.settings.names.iter().any(|known| known == name)) {
            return Some((name.to_owned(), Endpoint::Discovery));
        }
        self.settings.names.iter().find_map(|name| {
            let below = path.strip_prefix(name.as_str())?.strip_prefix('/')?;
            Some((name.clone(), Endpoint::at(below)?))
        })
    }

    async fn of_endpoint<B>(
        &self,
        name: &str,
        endpoint: Endpoint,
        request: Request<B>,
        peer: SocketAddr,
        record: &mut RequestRecord,
    ) -> Result<Reply, Refused>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let method = request.method().clone();
        if !endpoint.takes(&method) {
            let why = format!("{endpoint} does not take {method}");
            return Err(Refused::request(why).with_status(405));
        }
        if endpoint.gives_tokens() {
            self.admit(&request, peer)?;
        }
        let headers = request.headers().clone();
        let parameters = Parameters::read(request).await?;
        if endpoint.gives_tokens() {
            let known = |grant: &String| GRANT_TYPES.contains(&grant.as_str());
            record.grant_type = parameters.text("grant_type").ok().flatten().filter(known);
            record.client = parameters.text("client_id").ok().flatten().as_deref().map(recorded);
            let user = ["person", "username", "login_hint"]
                .into_iter()
                .find_map(|name| parameters.text(name).ok().flatten());
            record.user = user.as_deref().map(recorded);
        }
        let fault = self.fault(name, endpoint);
        if let Some(delay) = fault.delay_ms {
            pause(Duration::from_millis(delay)).await;
        }
        if let Some(status) = fault.status_code() {
            return Ok(dressed(broken(status), &fault));
        }
        let reply = match endpoint {
            Endpoint::Discovery => answer::json(StatusCode::OK, &self.discovery(name, &fault)?),
            Endpoint::Keys => answer::json(StatusCode::OK, &self.change(name, |issuer| issuer.key_set(fault.wrong_keys))??),
            Endpoint::Token => self.token_response(name, &parameters)?,
            Endpoint::Authorize => self.authorize(name, &method, &parameters)?,
            Endpoint::Userinfo => self.userinfo(name, &headers, &parameters)?,
            Endpoint::Introspect => self.introspect(name, &parameters)?,
            Endpoint::Revoke => self.revoke(name, &parameters)?,
            Endpoint::EndSession => self.end_session(&parameters)?,
            Endpoint::DeviceAuthorization => self.device_authorization(name, &parameters)?,
            Endpoint::Device => self.device(name, &method, &parameters)?,
        };
        Ok(dressed(reply, &fault))
    }

    /// Refuses callers that get no tokens: other users of the machine, and without TLS pages of other sites, too.
    pub(super) fn admit<B>(&self, request: &Request<B>, peer: SocketAddr) -> Result<(), Refused> {
        let refuse = |why: &str| Err(Refused::new("access_denied", why).with_status(403));
        // With TLS, no name that leads here is verified.
        if self.settings.plain && !is_asked_directly(request) {
            return refuse("the request was sent by a page of another site, or to a name that is not this machine's");
        }
        if self.settings.callers == Callers::Anybody {
            return Ok(());
        }
        if !is_from_this_user(self.settings.here, peer) {
            return refuse("tokens are for the user who started the issuer; with --listen, they are for everybody");
        }
        Ok(())
    }

    fn overview(&self) -> Reply {
        let issuers = self.settings.names.iter().map(|name| {
            let url = self.signer.url(name).unwrap_or_default();
            (
                name.clone(),
                json!({ "url": url, "discovery": self.endpoint_url(name, Endpoint::Discovery) }),
            )
        });
        answer::json(StatusCode::OK, &json!({ "issuers": issuers.collect::<serde_json::Map<_, _>>() }))
    }

    /// Returns the metadata of OpenID Connect Discovery 1.0 §3 and RFC 8414 §2.
    fn discovery(&self, name: &str, fault: &Fault) -> Result<Value, Refused> {
        let url = |endpoint: Endpoint| self.endpoint_url(name, endpoint);
        let issuer = match &fault.issuer {
            Some(issuer) => issuer.clone(),
            None => self.signer.url(name)?,
        };
        Ok(json!({
            "issuer": issuer,
            "authorization_endpoint": url(Endpoint::Authorize),
            "token_endpoint": url(Endpoint::Token),
            "jwks_uri": url(Endpoint::Keys),
            "userinfo_endpoint": url(Endpoint::Userinfo),
            "introspection_endpoint": url(Endpoint::Introspect),
            "revocation_endpoint": url(Endpoint::Revoke),
            "end_session_endpoint": url(Endpoint::EndSession),
            "device_authorization_endpoint": url(Endpoint::DeviceAuthorization),
            "grant_types_supported": GRANT_TYPES,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.settings.algorithm],
            "code_challenge_methods_supported": ["S256", "plain"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
        }))
    }
}

/// Returns the part of what a caller sent that is kept.
fn recorded(text: &str) -> String {
    text.chars().take(256).collect()
}

/// Returns the error of a fault with a status.
fn broken(status: StatusCode) -> Reply {
    answer::json(
        status,
        &json!({ "error": "server_error", "error_description": "a deliberate fault" }),
    )
}

/// Returns `reply` with the body and the header of `fault`.
fn dressed(mut reply: Reply, fault: &Fault) -> Reply {
    if let Some(value) = fault.header() {
        reply.headers_mut().insert(CACHE_CONTROL, value);
    }
    match &fault.body {
        Some(body) => reply.map(|_| Full::new(Bytes::from(body.clone()))),
        None => reply,
    }
}

/// Waits, since a slow answer is what was asked for.
async fn pause(time: Duration) {
    let _always = tokio::time::timeout(time, std::future::pending::<()>()).await;
}
