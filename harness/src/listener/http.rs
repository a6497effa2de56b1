//! HTTP/1.1 on a connection, with or without TLS.
//!
//! The main type is [`Connection`], which tells a service about the connection of a request.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::answer::Holding;
use super::{Accepted, Activity, Limits, ended};

/// The connection that a request came on.
pub struct Connection {
    peer: SocketAddr,
    local: SocketAddr,
    certificates: Vec<CertificateDer<'static>>,
    afterwards: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Connection {
    /// Returns the address of the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the address of our end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns the certificates that the caller presented, its own first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Runs `what` after HTTP has ended: the protocol that the connection was upgraded to.
    pub fn afterwards(&self, what: impl Future<Output = ()> + Send + 'static) {
        *self.afterwards.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(what));
    }
}

/// A function that answers requests.
pub trait Service<F>: Fn(Request<Incoming>, Arc<Connection>) -> F + Clone + Send + Sync + 'static {}

impl<F, S: Fn(Request<Incoming>, Arc<Connection>) -> F + Clone + Send + Sync + 'static> Service<F> for S {}

/// The body of a response.
pub trait Answer: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + Send + 'static {}

impl<B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + Send + 'static> Answer for B {}

/// Returns the function that serves a connection with `service`.
pub(super) fn server<S, F, B, E>(tls: Option<ServerConfig>, limits: Limits, service: S) -> impl Fn(Accepted) -> BoxFuture<'static, ()>
where
    S: Service<F>,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Answer,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
    move |accepted| {
        let (tls, service) = (tls.clone(), service.clone());
        Box::pin(async move {
            let Accepted {
                stream,
                peer,
                activity,
                ending,
            } = accepted;
            // Without it, the connection is only slower.
            let _slower = stream.set_nodelay(true);
            // A connection that has ended already has no address, and needs none.
            let Ok(local) = stream.local_addr() else { return };
            let talk = Talk { activity, ending, limits };
            let Some(tls) = tls else {
                return talk.serve(stream, Connection::new([peer, local], None), service).await;
            };
            let Ok(Ok(stream)) = tokio::time::timeout(limits.handshake, tls.accept(stream)).await else {
                return;
            };
            let connection = Connection::new([peer, local], stream.get_ref().1.peer_certificates());
            talk.serve(stream, connection, service).await;
        })
    }
}

impl Connection {
    fn new([peer, local]: [SocketAddr; 2], certificates: Option<&[CertificateDer<'_>]>) -> Self {
        let certificates = certificates.unwrap_or_default();
        Self {
            peer,
            local,
            certificates: certificates.iter().cloned().map(CertificateDer::into_owned).collect(),
            afterwards: Mutex::default(),
        }
    }
}

struct Talk {
    activity: Activity,
    ending: watch::Receiver<bool>,
    limits: Limits,
}

impl Talk {
    /// Serves the connection to its end, including the protocol that it was upgraded to.
    async fn serve<S, F, B, E>(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, connection: Connection, service: S)
    where
        S: Service<F>,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Answer,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let connection = Arc::new(connection);
        let answering = service_fn(|request| {
            let busy = self.activity.busy();
            let answer = service(request, connection.clone());
            async move { Ok::<_, E>(answer.await?.map(|body| Holding::new(body, busy))) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_header_size(self.limits.head_size)
            .serve_connection(TokioIo::new(stream), answering)
            .with_upgrades();
        let mut serving = pin!(serving);
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = ended(&mut self.ending) => {
                serving.as_mut().graceful_shutdown();
                serving.as_mut().await
            }
        };
        let afterwards = connection.afterwards.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A caller that went away, or whose connection we closed, is not an error.
        if let (Ok(()), Some(afterwards)) = (served, afterwards) {
            let _busy = self.activity.busy();
            afterwards.await;
        }
    }
}

/// An error of reading the body of a request.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is too large, or the caller closed the connection.
    #[error("cannot read the body of a request")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The caller took too long.
    #[error("timed out after {0:?} waiting for the body of a request")]
    Slow(std::time::Duration),
}

/// Reads the body of a request, within the limits on time and size.
///
/// # Errors
/// The body is too large or too slow, or the caller closed the connection.
pub async fn read_body(
    body: impl Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    limits: Limits,
) -> Result<Bytes, BodyError> {
    let reading = Limited::new(body, limits.body_size).collect();
    match tokio::time::timeout(limits.body, reading).await {
        Ok(read) => Ok(read.map_err(BodyError::Read)?.to_bytes()),
        Err(_) => Err(BodyError::Slow(limits.body)),
    }
}
