//! A connection to an endpoint, as far as HTTP: TCP, perhaps a proxy, TLS. The main function is [`dial`].

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Endpoint;
use super::failure::{Failure, Progress, ProxyFailure, Refusal, Stage};
use super::proxy::{Proxy, ProxyScheme};
use super::route::{Route, authority, server_name};
use super::tunnel;
use crate::pki::Leaf;
use crate::tls::{ClientIdentity, ServerCertificate, client_identity, kubectl};

/// A stream of bytes both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The reason for a missing connection.
pub(super) type Unconnected = Box<dyn std::error::Error + Send + Sync>;

/// A connection to an endpoint.
pub(super) struct Dialled {
    /// The connection.
    pub(super) stream: Box<dyn Duplex>,
    /// The server's certificate, if it was looked at.
    pub(super) certificate: Option<ServerCertificate>,
}

/// Connects to `endpoint`, presenting `leaf`; `adjust` changes the TLS configuration before it is used.
pub(super) async fn dial(
    endpoint: &Endpoint,
    leaf: Option<&Leaf>,
    progress: &Progress,
    adjust: impl Fn(&mut ClientConfig) + Send,
) -> Result<Dialled, Unconnected> {
    if let Some(route) = &endpoint.route {
        let identity = leaf.map(|leaf| client_identity(&leaf.full_chain(), &leaf.key)).transpose();
        let identity = identity.map_err(Failure::Identity)?;
        return Ok(along(route, identity.as_ref(), progress, &adjust).await?);
    }
    let uri: hyper::Uri = endpoint.url.parse()?;
    let host = uri.host().ok_or("the address has no host")?.trim_matches(['[', ']']);
    progress.at(Stage::Connecting);
    let socket = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned())?;
    let mut tls = crate::tls::client(&endpoint.authority, leaf)?;
    // A resumed session would carry the identity of an earlier certificate.
    tls.resumption = rustls::client::Resumption::disabled();
    adjust(&mut tls);
    progress.at(Stage::Handshake);
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, socket).await?;
    Ok(Dialled {
        stream: Box::new(stream),
        certificate: None,
    })
}

/// Connects as kubectl does (client-go `transport`, Go's `net/http` `Transport.dialConn`).
async fn along(
    route: &Route,
    identity: Option<&ClientIdentity>,
    progress: &Progress,
    adjust: &(impl Fn(&mut ClientConfig) + Send),
) -> Result<Dialled, Failure> {
    let secure = async |socket, name: &str, of_proxy| secure(route, identity, socket, name, of_proxy, progress, adjust).await;
    let socket = match &route.proxy {
        None => tcp(&route.host, route.port, progress).await?,
        Some(proxy) => {
            let refused = |failure| Failure::Proxy {
                proxy: proxy.to_string(),
                failure,
            };
            let unreachable = |failure| refused(ProxyFailure::Unreachable(Box::new(failure)));
            let mut socket = tcp(&proxy.host, proxy.port, progress).await.map_err(unreachable)?;
            if proxy.scheme == ProxyScheme::Https {
                // Go uses the settings of the server for the proxy, too: its CA, its expected name, the client's certificate.
                let name = route.tls_server_name.as_deref().unwrap_or(&proxy.host);
                socket = secure(socket, name, true).await.map_err(unreachable)?.stream;
            }
            progress.at(Stage::Proxy);
            through(proxy, socket, route).await.map_err(refused)?
        }
    };
    if route.plain {
        return Ok(Dialled {
            stream: socket,
            certificate: None,
        });
    }
    secure(socket, route.expected_name(), false).await
}

async fn through(proxy: &Proxy, socket: Box<dyn Duplex>, route: &Route) -> Result<Box<dyn Duplex>, ProxyFailure> {
    match proxy.scheme {
        ProxyScheme::Socks5 => tunnel::socks5(proxy, socket, &route.host, route.port).await,
        ProxyScheme::Http | ProxyScheme::Https => tunnel::connect(proxy, socket, &route.host, route.port).await,
    }
}

/// Looks the host up, and connects to the first of its addresses that takes the connection.
async fn tcp(host: &str, port: u16, progress: &Progress) -> Result<Box<dyn Duplex>, Failure> {
    progress.at(Stage::Lookup);
    let lookup = || Failure::Lookup { host: host.to_owned() };
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|_| lookup())?;
    progress.at(Stage::Connecting);
    let mut failed = lookup();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                // Without it, the connection is only slower.
                let _slower = socket.set_nodelay(true);
                return Ok(Box::new(socket));
            }
            Err(error) => failed = Failure::of_connecting(&error, authority(host, port)),
        }
    }
    Err(failed)
}

/// Negotiates TLS with a server that has to be `name`.
async fn secure(
    route: &Route,
    identity: Option<&ClientIdentity>,
    socket: Box<dyn Duplex>,
    name: &str,
    of_proxy: bool,
    progress: &Progress,
    adjust: &(impl Fn(&mut ClientConfig) + Send),
) -> Result<Dialled, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let mut client = kubectl::client(&route.trust, identity).map_err(|error| wrong(&error))?;
    adjust(&mut client.config);
    let seen = client.seen();
    let server = server_name(name).ok_or_else(|| wrong(&format!("{name:?} is not a host name")))?;
    progress.at(Stage::Handshake);
    let first = First::default();
    let watched = Watched {
        inner: socket,
        first: first.clone(),
    };
    let connected = TlsConnector::from(Arc::new(client.config)).connect(server, watched).await;
    let stream = connected.map_err(|error| match seen.judged() {
        Some(judged) if !judged.flaws.is_empty() => Failure::Certificate(Box::new(Refusal {
            expected: name.to_owned(),
            of_proxy,
            certificate: judged.certificate,
            flaws: judged.flaws,
        })),
        _ => first.unlike_tls().unwrap_or_else(|| Failure::of(&error, Stage::Handshake)),
    })?;
    if let Some(identity) = identity.filter(|_| seen.declined()) {
        return Err(Failure::KeyDeclined {
            kind: identity.kind().to_owned(),
        });
    }
    Ok(Dialled {
        stream: Box::new(stream),
        certificate: seen.judged().and_then(|judged| judged.certificate),
    })
}

/// The first bytes that were read.
#[derive(Clone, Default)]
struct First(Arc<Mutex<Vec<u8>>>);

impl First {
    const SIZE: usize = 24;

    /// Returns the failure if these are not the beginning of a TLS record (RFC 8446 §5.1), as Go's `tls.RecordHeaderError` tells.
    fn unlike_tls(&self) -> Option<Failure> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = |prefix: &[u8]| bytes.starts_with(prefix);
        if bytes.is_empty() || (begins(&[22, 3]) || begins(&[21, 3])) {
            return None;
        }
        if begins(b"HTTP/") {
            return Some(Failure::PlainHttp);
        }
        let text = String::from_utf8_lossy(&bytes);
        Some(Failure::NotTls {
            begins: text.chars().map(|c| if c.is_control() { '.' } else { c }).collect(),
        })
    }
}

/// A stream whose first bytes are kept.
struct Watched {
    inner: Box<dyn Duplex>,
    first: First,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let mut first = self.first.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = First::SIZE.saturating_sub(first.len());
        first.extend(buffer.filled()[before..].iter().take(left));
        drop(first);
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
