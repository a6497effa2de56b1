//! Requests to the API server and its responses, streamed.
//!
//! The main types are [`Backend`] and [`Forwarder`]. Each request has a connection of its own: no two callers ever
//! share one, a stale connection cannot fail a request, and the API server notices when the caller
//! disconnects. The task that serves a request is owned by its response's body or its tunnel, so that nothing
//! outlives the caller's connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, EXPECT, HOST, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection_headers::strip_hop_by_hop;
use super::status::Refusal;
use super::{AuthProxyError, PassOn, Patience, ProxyCredential, Settings};
use crate::cause::with_causes;
use crate::listener::answer::Holding;

/// The API server behind the proxy.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The API server's URL, `https://HOST:PORT`.
    pub url: String,
    /// The authorities of its certificate, PEM.
    pub authority: String,
}

impl Backend {
    /// Returns host and port of its address, or `None` unless that is `https://HOST[:PORT]`. IPv6 addresses have brackets only in a URL.
    pub(super) fn host_and_port(&self) -> Option<(String, u16)> {
        let uri: Uri = self.url.parse().ok()?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Some((host, authority.port_u16().unwrap_or(443)))
    }
}

/// The body of a response.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// Forwards requests to the backend.
pub(super) struct Forwarder {
    host: String,
    port: u16,
    host_header: HeaderValue,
    name: ServerName<'static>,
    connector: TlsConnector,
    patience: Patience,
}

impl Forwarder {
    pub(super) fn new(settings: &Settings) -> Result<Self, AuthProxyError> {
        let no_address = || AuthProxyError::Backend {
            url: settings.backend.url.clone(),
        };
        let (host, port) = settings.backend.host_and_port().ok_or_else(no_address)?;
        let uri: Uri = settings.backend.url.parse().map_err(|_| no_address())?;
        let authority = uri.authority().ok_or_else(no_address)?;
        let leaf = match &settings.pass_on {
            PassOn::Headers { certificate, .. }
            | PassOn::Impersonation {
                credential: ProxyCredential::Certificate(certificate),
            } => Some(certificate),
            PassOn::Impersonation {
                credential: ProxyCredential::Token(_),
            } => None,
        };
        let tls = crate::tls::client(&settings.backend.authority, leaf).map_err(|source| AuthProxyError::Certificate {
            what: "certificate for the API server, or the API server's authority",
            source,
        })?;
        Ok(Self {
            name: ServerName::try_from(host.clone()).map_err(|_| no_address())?,
            port,
            host_header: HeaderValue::try_from(authority.as_str()).map_err(|_| no_address())?,
            host,
            connector: TlsConnector::from(Arc::new(tls)),
            patience: settings.patience,
        })
    }

    /// Sends `request`, whose headers are complete except for `upgrade`, and returns the response as soon as
    /// its headers have arrived. If the backend agrees to an upgrade, the tunnel to run is returned too.
    pub(super) async fn forward(
        &self,
        mut request: Request<Incoming>,
        upgrade: Option<HeaderValue>,
    ) -> Result<(Response<AnswerBody>, Option<Tunnel>), Refusal> {
        let wanted = upgrade.clone().map(|protocol| (protocol, hyper::upgrade::on(&mut request)));
        let (mut parts, body) = request.into_parts();
        parts.extensions.clear();
        parts.version = Version::HTTP_11;
        parts.uri = parts.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        parts.headers.insert(HOST, self.host_header.clone());
        // The proxy answers this header itself, when the body is first read.
        parts.headers.remove(EXPECT);
        if let Some(protocol) = upgrade {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            parts.headers.insert(UPGRADE, protocol);
        }

        let (turn, turns) = watch::channel(Turn::Backends(Instant::now()));
        let request = Request::from_parts(parts, Asking { body, turn });
        let stream = self.connect().await?;
        let broken = |error: hyper::Error| Refusal::BadBackend(with_causes(&error));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driving = Driving(tokio::spawn(async move {
            // The response or its body reports how the connection ends.
            drop(connection.with_upgrades().await);
        }));
        let limit = self.patience.headers;
        let Some(answer) = within(limit, turns, sender.send_request(request)).await else {
            return Err(Refusal::SlowBackend(format!("no answer within {limit:?}")));
        };
        let mut answer = answer.map_err(broken)?;

        let protocol = answer.headers().get(UPGRADE).cloned();
        strip_hop_by_hop(answer.headers_mut());
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok((answer.map(|body| Holding::new(body, driving).boxed_unsync()), None));
        }
        let agreed = |other: &HeaderValue| {
            protocol
                .as_ref()
                .is_some_and(|got| got.as_bytes().eq_ignore_ascii_case(other.as_bytes()))
        };
        let Some((protocol, caller)) = wanted.filter(|(wanted, _)| agreed(wanted)) else {
            return Err(Refusal::BadBackend("it switched to a protocol that was not requested".to_owned()));
        };
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        answer.headers_mut().insert(UPGRADE, protocol);
        let backend = hyper::upgrade::on(&mut answer);
        let nothing = Empty::new().map_err(|never| match never {}).boxed_unsync();
        Ok((answer.map(|_| nothing), Some(Tunnel { caller, backend, driving })))
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, Refusal> {
        let limit = self.patience.connect;
        let connecting = connect(self.host.clone(), self.port, self.name.clone(), self.connector.clone());
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Refusal::SlowBackend(format!("no connection within {limit:?}"))),
        }
    }
}

async fn connect(host: String, port: u16, name: ServerName<'static>, connector: TlsConnector) -> Result<TlsStream<TcpStream>, Refusal> {
    let connected = TcpStream::connect((host, port)).await;
    let stream = connected.map_err(|error| Refusal::BadBackend(format!("no connection: {error}")))?;
    // Frames of exec sessions are small, and each is waited for. Without this option, they are only slower.
    let _slower = stream.set_nodelay(true);
    let connected = connector.connect(name, stream).await;
    connected.map_err(|error| Refusal::BadBackend(format!("TLS failed: {error}")))
}

/// A connection that has switched protocols: it copies bytes from each side to the other.
pub(super) struct Tunnel {
    caller: OnUpgrade,
    backend: OnUpgrade,
    driving: Driving,
}

impl Tunnel {
    /// Copies until both sides have closed, or one has failed.
    pub(super) async fn run(self) {
        let Ok((caller, backend)) = futures::future::try_join(self.caller, self.backend).await else {
            return;
        };
        // Either side may disconnect at any time; the other notices.
        let _ended = tokio::io::copy_bidirectional(&mut TokioIo::new(caller), &mut TokioIo::new(backend)).await;
        drop(self.driving);
    }
}

/// The task that drives a connection; dropping its owner ends it.
struct Driving(JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The side that must act next while a response is pending.
#[derive(Clone, Copy)]
enum Turn {
    /// The caller has not sent the rest of the body.
    Callers,
    /// The backend has received everything sent so far, since this time.
    Backends(Instant),
}

/// A request's body in transit, which reports whose turn it is.
struct Asking {
    body: Incoming,
    turn: watch::Sender<Turn>,
}

impl Body for Asking {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.turn.send_replace(if polled.is_pending() {
            Turn::Callers
        } else {
            Turn::Backends(Instant::now())
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.turn.send_replace(Turn::Backends(Instant::now()));
    }
}

/// Returns the output of `answer`, or `None` if the backend has kept everybody waiting for `limit` at a stretch.
async fn within<T>(limit: Duration, mut turns: watch::Receiver<Turn>, answer: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(answer);
    let mut more = true;
    loop {
        let turn = *turns.borrow_and_update();
        let next = async {
            tokio::select! {
                biased;
                answered = &mut answer => Some(answered),
                changed = turns.changed(), if more => {
                    more = changed.is_ok();
                    None
                }
            }
        };
        let next = match turn {
            Turn::Callers => next.await,
            Turn::Backends(since) => tokio::time::timeout_at(since + limit, next).await.ok()?,
        };
        if next.is_some() {
            return next;
        }
    }
}
