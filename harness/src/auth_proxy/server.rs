//! The proxy's listener, and the path of a request through it.
//!
//! The main type is [`AuthProxy`].

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use jiff::Timestamp;
use rustls::ServerConfig;

use super::caller::{AskForCertificate, Callers};
use super::connection_headers::upgrade;
use super::forward::{AnswerBody, Forwarder};
use super::identity_headers::IdentityHeaders;
use super::record::Record;
use super::status::Refusal;
use super::{AuthProxyError, Caller, Handled, Settings, Verdict};
use crate::listener::{Connection, Listener, Listening};
use crate::secret::redact;

/// The header with the API server's id of a request (kubernetes/apiserver `pkg/apis/audit/types.go`).
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// The header with the caller's address, for the API server's audit log.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A running auth proxy. Dropping it frees its port and closes every connection through it.
#[derive(Debug)]
pub struct AuthProxy {
    record: Option<PathBuf>,
    listening: Listening,
}

impl AuthProxy {
    /// Starts the proxy on a free loopback port.
    ///
    /// # Errors
    /// The proxy cannot listen, or the settings are invalid.
    pub async fn start(settings: Settings) -> Result<Self, AuthProxyError> {
        let tls = tls(&settings)?;
        let record = Record::open(settings.record.as_deref()).map_err(AuthProxyError::Record)?;
        let way = Arc::new(Way {
            callers: Callers::new(&settings)?,
            headers: IdentityHeaders::new(&settings.pass_on)?,
            forwarder: Forwarder::new(&settings)?,
            record,
        });
        let listener = Listener::bind(Ipv4Addr::LOCALHOST).await.map_err(AuthProxyError::Listen)?;
        let listening = listener.serve(Some(tls), move |request, connection| {
            let way = way.clone();
            async move { Ok::<_, Infallible>(way.handle(request, &connection).await) }
        });
        Ok(Self {
            record: settings.record,
            listening,
        })
    }

    /// Returns the address that the proxy listens on.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Returns the proxy's URL for clients.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// Returns the file with the record of requests ([`Handled`]). A request is in it before its response is sent.
    pub fn record(&self) -> Option<&Path> {
        self.record.as_deref()
    }

    /// Stops the proxy; everything is closed afterwards.
    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

fn tls(settings: &Settings) -> Result<ServerConfig, AuthProxyError> {
    let fault = |source| AuthProxyError::Certificate {
        what: "own certificate",
        source,
    };
    let (chain, key) = crate::tls::identity(&settings.certificate).map_err(fault)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(AskForCertificate(provider)))
        .with_single_cert(chain, key)
        .map_err(|error| fault(error.into()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The path of a request: identify the caller, strip identity headers, set the proxy's own, forward.
struct Way {
    callers: Callers,
    headers: IdentityHeaders,
    forwarder: Forwarder,
    record: Record,
}

impl Way {
    async fn handle(&self, request: Request<Incoming>, connection: &Connection) -> Response<AnswerBody> {
        let (at, began) = (Timestamp::now(), Instant::now());
        let (method, target) = (request.method().to_string(), redact(&request.uri().to_string()).into_owned());
        let mut caller = None;
        let passed = self.pass(request, connection, &mut caller).await;
        let verdict = match &passed {
            Ok(answer) => Verdict::PassedOn {
                status: answer.status().as_u16(),
            },
            Err(refusal) => Verdict::Refused {
                status: refusal.status().as_u16(),
                why: refusal.message(),
            },
        };
        let answer = passed.unwrap_or_else(|refusal| refusal.response().map(|body| body.map_err(|never| match never {}).boxed_unsync()));
        let audit_id = answer.headers().get(AUDIT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        self.record.add(&Handled {
            at,
            ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            method,
            target,
            caller,
            verdict,
            audit_id,
        });
        answer
    }

    async fn pass(
        &self,
        mut request: Request<Incoming>,
        connection: &Connection,
        made_out: &mut Option<Caller>,
    ) -> Result<Response<AnswerBody>, Refusal> {
        if request.method() == Method::CONNECT {
            return Err(Refusal::Method(request.method().to_string()));
        }
        let caller = made_out.insert(self.callers.make_out(connection.certificates(), request.headers()).await?);
        let upgrade = upgrade(request.headers());
        self.headers.strip(request.headers_mut());
        self.headers
            .set(request.headers_mut(), caller)
            .map_err(|why| Refusal::Unauthenticated(format!("{:?} cannot be passed on: {why}", caller.user)))?;
        if let Ok(address) = HeaderValue::try_from(connection.peer().ip().to_string()) {
            request.headers_mut().insert(FORWARDED_FOR, address);
        }
        let (answer, tunnel) = self.forwarder.forward(request, upgrade).await?;
        if let Some(tunnel) = tunnel {
            connection.afterwards(tunnel.run());
        }
        Ok(answer)
    }
}
