//! The proxy's listener, and the way of a request through it.
//!
//! The main type is [`AuthProxy`]. All its tasks are owned by the one that accepts: given up, it takes them along.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::caller::{AskForCertificate, Callers};
use super::connection_headers::upgrade;
use super::forward::{AnswerBody, Forwarder, Tunnel};
use super::identity_headers::IdentityHeaders;
use super::record::Record;
use super::status::Refusal;
use super::{AuthProxyError, Caller, Handled, Settings, Verdict};

/// What an API server calls a request (kubernetes/apiserver `pkg/apis/audit/types.go`).
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// Where a request came from, for the API server's audit log.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An auth proxy that runs. Dropped, it ends: its port is free, and every connection through it is closed.
#[derive(Debug)]
pub struct AuthProxy {
    address: SocketAddr,
    record: Arc<Record>,
    accepting: JoinHandle<()>,
}

impl AuthProxy {
    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// It cannot listen, or the settings are unsound.
    pub async fn start(settings: Settings) -> Result<Self, AuthProxyError> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(&settings)?));
        let record = Arc::new(Record::default());
        let way = Way {
            callers: Callers::new(&settings)?,
            headers: IdentityHeaders::new(&settings.pass_on)?,
            forwarder: Forwarder::new(&settings)?,
            record: record.clone(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(AuthProxyError::Listen)?;
        let address = listener.local_addr().map_err(AuthProxyError::Listen)?;
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::new(way)));
        Ok(Self {
            address,
            record,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a client takes it.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What it did, oldest first; of the last thousand requests or so. A request is there when its answer's
    /// headers are.
    pub fn handled(&self) -> Vec<Handled> {
        self.record.all()
    }

    /// Ends it; everything is closed afterwards.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // Given up is how it ends.
        let _given_up = (&mut self.accepting).await;
    }
}

impl Drop for AuthProxy {
    fn drop(&mut self) {
        self.accepting.abort();
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

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, way: Arc<Way>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A connection that cannot be accepted is the caller's loss.
            accepted = listener.accept() => if let Ok((stream, peer)) = accepted {
                connections.spawn(serve(stream, peer, acceptor.clone(), way.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end; one that changed its protocol, as a tunnel.
async fn serve(stream: TcpStream, peer: SocketAddr, acceptor: TlsAcceptor, way: Arc<Way>) {
    // Where it cannot be had, it is only slower.
    let _slower = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let connection = Arc::new(Connection {
        peer,
        certificates: stream
            .get_ref()
            .1
            .peer_certificates()
            .map(|chain| chain.iter().cloned().map(CertificateDer::into_owned).collect()),
        tunnel: Mutex::new(None),
    });
    let service = service_fn(|request| {
        let (way, connection) = (way.clone(), connection.clone());
        async move { Ok::<_, Infallible>(way.handle(request, &connection).await) }
    });
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    let tunnel = connection.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Ok(()), Some(tunnel)) = (served, tunnel) {
        tunnel.run().await;
    }
}

/// A caller's connection.
struct Connection {
    peer: SocketAddr,
    certificates: Option<Vec<CertificateDer<'static>>>,
    tunnel: Mutex<Option<Tunnel>>,
}

/// The way of a request: who is it, strip, say who it is, forward.
struct Way {
    callers: Callers,
    headers: IdentityHeaders,
    forwarder: Forwarder,
    record: Arc<Record>,
}

impl Way {
    async fn handle(&self, request: Request<Incoming>, connection: &Connection) -> Response<AnswerBody> {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
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
        self.record.add(|number| Handled {
            number,
            method,
            path,
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
        let certificates = connection.certificates.as_deref().unwrap_or_default();
        let caller = made_out.insert(self.callers.make_out(certificates, request.headers()).await?);
        let upgrade = upgrade(request.headers());
        self.headers.strip(request.headers_mut());
        self.headers
            .set(request.headers_mut(), caller)
            .map_err(|why| Refusal::Unauthenticated(format!("{:?} cannot be passed on: {why}", caller.user)))?;
        if let Ok(address) = HeaderValue::try_from(connection.peer.ip().to_string()) {
            request.headers_mut().insert(FORWARDED_FOR, address);
        }
        let (answer, tunnel) = self.forwarder.forward(request, upgrade).await?;
        if tunnel.is_some() {
            *connection.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = tunnel;
        }
        Ok(answer)
    }
}
