//! A connection to an endpoint, as far as HTTP: TCP, perhaps a proxy, TLS. The main function is [`dial`].

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

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
        None => tcp(&route.host, route.port, route.limit, progress).await?,
        Some(proxy) => {
            let refused = |failure| Failure::Proxy {
                proxy: proxy.to_string(),
                failure,
            };
            let unreachable = |failure| refused(ProxyFailure::Unreachable(Box::new(failure)));
            let mut socket = tcp(&proxy.host, proxy.port, route.limit, progress).await.map_err(unreachable)?;
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

/// The time after which addresses of the other family are tried, too (`net.Dialer`, `FallbackDelay`).
const FALLBACK: Duration = Duration::from_millis(300);

/// Looks the host up, and connects to the first of its addresses that takes the connection.
async fn tcp(host: &str, port: u16, limit: Duration, progress: &Progress) -> Result<Box<dyn Duplex>, Failure> {
    progress.at(Stage::Lookup);
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(|error| Failure::of_lookup(&error, host))?.collect();
    progress.at(Stage::Connecting);
    let socket = race(&addresses, limit, TcpStream::connect).await.map_err(|error| match error {
        Some(error) => Failure::of_connecting(&error, authority(host, port)),
        None => Failure::Lookup { host: host.to_owned() },
    })?;
    // Without it, the connection is only slower.
    let _slower = socket.set_nodelay(true);
    Ok(Box::new(socket))
}

/// Connects to one of `addresses` within `limit`: those of the first one's family, and a moment later the others, too (`net`,
/// `dialParallel`). Of several errors, the first address's counts; there is none without an address.
async fn race<F>(addresses: &[SocketAddr], limit: Duration, connect: impl Fn(SocketAddr) -> F) -> Result<TcpStream, Option<io::Error>>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    let first = addresses.first().map(SocketAddr::is_ipv4);
    let (near, other): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses.iter().partition(|address| Some(address.is_ipv4()) == first);
    let until = Instant::now() + limit;
    let near = in_turn(&near, until, &connect);
    if other.is_empty() {
        return near.await;
    }
    let mut near = pin!(near);
    let failed = match tokio::time::timeout(FALLBACK, &mut near).await {
        Ok(Ok(socket)) => return Ok(socket),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let mut other = pin!(in_turn(&other, until, &connect));
    if let Some(error) = failed {
        return other.await.map_err(|_| error);
    }
    tokio::select! {
        connected = &mut near => match connected {
            Ok(socket) => Ok(socket),
            Err(error) => other.await.map_err(|_| error),
        },
        connected = &mut other => match connected {
            Ok(socket) => Ok(socket),
            Err(_) => near.await,
        },
    }
}

/// Connects to the first of `addresses` that takes the connection, each in its share of the time (`net`, `dialSerial`).
async fn in_turn<F>(addresses: &[SocketAddr], until: Instant, connect: &impl Fn(SocketAddr) -> F) -> Result<TcpStream, Option<io::Error>>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    const LEAST: Duration = Duration::from_secs(2);
    let mut failed = None;
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let connecting = connect(*address);
        let rest = until.saturating_duration_since(Instant::now());
        let share = (rest / u32::try_from(left).unwrap_or(u32::MAX)).max(LEAST.min(rest));
        // The last one has the rest, which the whole request's limit ends.
        let connected = match left {
            1 => connecting.await,
            _ => tokio::time::timeout(share, connecting)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        };
        match connected {
            Ok(socket) => return Ok(socket),
            Err(error) => _ = failed.get_or_insert(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_family_is_tried_while_the_first_one_is_silent() {
        let limit = Duration::from_secs(3600);
        let listening = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listening.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        // An address that drops packets never answers (one of RFC 3849, for documentation).
        let far: SocketAddr = "[2001:db8::1]:6443".parse().unwrap();
        let connect = |address: SocketAddr| async move {
            match address == far {
                true => std::future::pending().await,
                false => TcpStream::connect(address).await,
            }
        };
        for addresses in [&[open][..], &[closed, open], &[far, open], &[far, closed, open], &[open, far]] {
            let connected = race(addresses, limit, connect).await.unwrap();
            assert_eq!(connected.peer_addr().unwrap(), open, "{addresses:?}");
        }
        let refused = race(&[closed], limit, connect).await.unwrap_err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(race(&[], limit, connect).await.unwrap_err().is_none());
    }
}
