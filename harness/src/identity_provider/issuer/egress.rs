//! A proxy through which only clients configured for it can reach the issuer. It understands CONNECT (RFC 9110 §9.3.6), as API servers
//! use it for their egress (KEP-1281).
//!
//! The main type is [`Egress`]. It alone knows the address of the host [`HIDDEN`].

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::IssuerError;
use crate::identity_provider::Address;
use crate::listener::{Accepted, Limits, Listener, Listening, relay};
use crate::pki::Leaf;

/// A host that no name server knows (RFC 2606 §2), for the issuer behind the egress proxy.
pub const HIDDEN: &str = "issuer.hidden.example";

/// The longest head of a CONNECT request.
const LONGEST_HEAD: usize = 4096;

/// A running egress proxy. Dropping it ends it.
#[derive(Debug)]
pub struct Egress {
    url: String,
    _listening: Listening,
}

impl Egress {
    /// Listens on a free port of `address` with the certificate `leaf`, and leads to `issuer` (`HOST:PORT`), also known as [`HIDDEN`].
    ///
    /// # Errors
    /// The proxy cannot listen, or the certificate cannot be used.
    pub async fn listen_at(address: &Address, leaf: &Leaf, issuer: &str) -> Result<Self, IssuerError> {
        let acceptor = TlsAcceptor::from(Arc::new(crate::tls::server(leaf)?));
        let wrong = |source| IssuerError::Listen {
            address: address.listen,
            source,
        };
        let listener = Listener::bind(address.listen).await.map_err(wrong)?;
        let url = format!("https://{}:{}", address.host, listener.address().port());
        let issuer: Arc<str> = Arc::from(issuer);
        let listening = listener.accept(move |accepted| {
            let (acceptor, issuer) = (acceptor.clone(), Arc::clone(&issuer));
            // A caller that disconnects is not an error.
            async move { drop(lead(accepted, &acceptor, &issuer, Limits::default()).await) }
        });
        Ok(Self {
            url,
            _listening: listening,
        })
    }

    /// Returns the proxy's URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

async fn lead(accepted: Accepted, acceptor: &TlsAcceptor, issuer: &str, limits: Limits) -> std::io::Result<()> {
    let mut caller = timeout(limits.handshake, acceptor.accept(accepted.stream)).await??;
    let head = timeout(limits.head, head(&mut caller)).await??;
    if target(&head, issuer).is_none() {
        return caller.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    }
    let Ok(server) = TcpStream::connect(issuer).await else {
        return caller.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    };
    caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    relay(caller, server, &accepted.activity, limits.silence).await
}

async fn head(caller: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(caller.read_u8().await?);
    }
    Ok(head)
}

/// Returns the target of the request in `head`, if it is the issuer under one of its names.
fn target<'a>(head: &'a [u8], issuer: &str) -> Option<&'a str> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let asked = line.strip_prefix("CONNECT ")?.strip_suffix(" HTTP/1.1")?;
    let hidden = asked.split_once(':').is_some_and(|(host, _)| host == HIDDEN);
    (asked == issuer || hidden).then_some(asked)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::listener::strangers;
    use crate::pki::{Authority, Request};

    #[tokio::test]
    async fn callers_that_say_nothing_keep_nobody_from_the_egress() {
        // Another test may have installed a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Authority::root("servers").unwrap();
        let leaf = authority.issue(&Request::server("egress", &[])).unwrap();
        let issuer = Listener::bind([127, 0, 0, 1]).await.unwrap();
        let issuer = issuer.accept(|mut accepted| async move { drop(accepted.stream.write_all(b"the issuer").await) });
        let egress = Egress::listen_at(&Address::loopback(), &leaf, &issuer.address().to_string())
            .await
            .unwrap();
        let address = egress._listening.address();
        let _strangers = strangers::crowd(address).await;
        let connector = TlsConnector::from(Arc::new(crate::tls::client(authority.certificate(), None).unwrap()));
        let stream = TcpStream::connect(address).await.unwrap();
        let mut caller = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
        let request = format!("CONNECT {} HTTP/1.1\r\n\r\n", issuer.address());
        caller.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 29];
        caller.read_exact(&mut answer).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 200 OK\r\n\r\nthe issuer"));
    }

    #[test]
    fn it_leads_to_the_issuer_alone() {
        let asked = |to: &str| target(format!("CONNECT {to} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), "127.0.0.1:1").is_some();
        assert!(asked("127.0.0.1:1") && asked("issuer.hidden.example:443"));
        assert!(!asked("127.0.0.1:2") && !asked("example.org:443"));
        assert!(target(b"GET / HTTP/1.1\r\n\r\n", "127.0.0.1:1").is_none());
    }
}
