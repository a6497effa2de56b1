//! A way to the issuer that only who is told of it can take: a proxy that understands CONNECT (RFC 9110 §9.3.6), as API servers
//! use one for their egress (KEP-1281).
//!
//! The main type is [`Egress`]. It alone knows where the host [`HIDDEN`] is.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::IssuerError;
use crate::identity_provider::Address;
use crate::pki::Leaf;

/// A host that no name server knows (RFC 2606 §2): the issuer, behind the egress.
pub const HIDDEN: &str = "issuer.hidden.example";

/// No head of a CONNECT request is longer.
const LONGEST_HEAD: usize = 4096;

/// The proxy. Dropped, it ends.
#[derive(Debug)]
pub struct Egress {
    url: String,
    accepting: JoinHandle<()>,
}

impl Egress {
    /// Listens on a free port of `address`, shows `leaf`, and leads to `issuer` (`HOST:PORT`), which is also known as [`HIDDEN`].
    ///
    /// # Errors
    /// It cannot listen, or the certificate cannot be used.
    pub async fn listen_at(address: &Address, leaf: &Leaf, issuer: &str) -> Result<Self, IssuerError> {
        let acceptor = TlsAcceptor::from(Arc::new(crate::tls::server(leaf)?));
        let wrong = |source| IssuerError::Listen {
            address: address.listen,
            source,
        };
        let listener = TcpListener::bind((address.listen, 0)).await.map_err(wrong)?;
        let url = format!("https://{}:{}", address.host, listener.local_addr().map_err(wrong)?.port());
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::from(issuer)));
        Ok(Self { url, accepting })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts until it is given up, and its connections with it.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, issuer: Arc<str>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A connection that cannot be accepted is the caller's loss.
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let (acceptor, issuer) = (acceptor.clone(), Arc::clone(&issuer));
                // A caller that went away is no news.
                connections.spawn(async move { lead(stream, &acceptor, &issuer).await.ok() });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn lead(stream: TcpStream, acceptor: &TlsAcceptor, issuer: &str) -> std::io::Result<()> {
    let mut caller = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(caller.read_u8().await?);
    }
    if target(&head, issuer).is_none() {
        return caller.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    }
    let Ok(mut server) = TcpStream::connect(issuer).await else {
        return caller.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    };
    caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut caller, &mut server).await.map(drop)
}

/// Where the request in `head` asks to be led, if that is the issuer under one of its names.
fn target<'a>(head: &'a [u8], issuer: &str) -> Option<&'a str> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let asked = line.strip_prefix("CONNECT ")?.strip_suffix(" HTTP/1.1")?;
    let hidden = asked.split_once(':').is_some_and(|(host, _)| host == HIDDEN);
    (asked == issuer || hidden).then_some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_to_the_issuer_alone() {
        let asked = |to: &str| target(format!("CONNECT {to} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), "127.0.0.1:1").is_some();
        assert!(asked("127.0.0.1:1") && asked("issuer.hidden.example:443"));
        assert!(!asked("127.0.0.1:2") && !asked("example.org:443"));
        assert!(target(b"GET / HTTP/1.1\r\n\r\n", "127.0.0.1:1").is_none());
    }
}
