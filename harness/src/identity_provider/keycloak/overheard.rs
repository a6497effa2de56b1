//! The requests of API servers on a connection that is relayed, read as they pass: nothing of them is changed.
//!
//! The main types are [`Overhearing`], which ends TLS on both sides to do so, and [`Conversation`], one connection's requests.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::event::{Verdict, milliseconds};
use crate::listener::{Account, Call, Limits, Subject};
use crate::pki::Leaf;
use crate::tls::TlsError;

/// The path of discovery documents, below an issuer's (OpenID Connect Discovery 1.0 §4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The longest head of a request that is read. API servers ask for documents without a body and without a credential.
const LONGEST_HEAD: usize = 8192;

/// The issuers that are known at most: an identity provider of a lab has a few realms.
const ISSUERS: usize = 64;

/// Overhears the requests of API servers to an identity provider, and keeps account of them.
pub(super) struct Overhearing {
    account: Account,
    /// The identity provider's name, and the beginning of the URLs of its issuers.
    called: String,
    base: String,
    /// The paths of the issuers whose discovery documents API servers have asked for.
    issuers: Mutex<Vec<String>>,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl std::fmt::Debug for Overhearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overhearing").field("called", &self.called).finish_non_exhaustive()
    }
}

impl Overhearing {
    /// Keeps `account` of the requests to the identity provider `called` at `base`, which presents `certificate`, signed by `authority` (PEM).
    pub(super) fn new(account: Account, called: &str, base: String, certificate: &Leaf, authority: &str) -> Result<Self, TlsError> {
        Ok(Self {
            account,
            called: called.to_owned(),
            base,
            issuers: Mutex::default(),
            acceptor: TlsAcceptor::from(Arc::new(crate::tls::server(certificate)?)),
            connector: TlsConnector::from(Arc::new(crate::tls::client(authority, None)?)),
        })
    }

    /// Returns the API server at the other end of a connection, if it is one.
    pub(super) async fn caller(&self, peer: SocketAddr, local: SocketAddr) -> Option<String> {
        self.account.caller(peer, local).await
    }

    /// Ends TLS with `caller`, the API server `from`, and begins it anew with `server`; returns both connections, and overhears the requests.
    pub(super) async fn begin(
        self: &Arc<Self>,
        caller: TcpStream,
        server: TcpStream,
        from: String,
        limits: Limits,
    ) -> io::Result<(impl AsyncRead + AsyncWrite + use<>, impl AsyncRead + AsyncWrite + use<>)> {
        let behind = server.peer_addr()?;
        let (accepted, connected) = tokio::join!(
            tokio::time::timeout(limits.handshake, self.acceptor.accept(caller)),
            tokio::time::timeout(limits.handshake, self.connector.connect(ServerName::from(behind.ip()), server)),
        );
        let conversation = Arc::new(Mutex::new(Conversation::default()));
        let (asked, overhearing) = (Arc::clone(&conversation), Arc::clone(self));
        let caller = Overheard::new(accepted??, move |bytes| locked(&asked).asked(bytes));
        let server = Overheard::new(connected??, move |bytes| {
            if let Some(answered) = locked(&conversation).answered(bytes) {
                overhearing.tell(&from, answered);
            }
        });
        Ok((caller, server))
    }

    fn tell(&self, from: &str, Answered { at, path, status }: Answered) {
        self.account.add(Call {
            at,
            ms: milliseconds(at.elapsed().unwrap_or_default()),
            from: Some(from.to_owned()),
            to: self.called.clone(),
            request: format!("GET {path}"),
            status: Some(status),
            verdict: Verdict::of_status(status),
            answer: None,
            subject: match self.subject(&path, status) {
                Some(subject) => subject,
                None => return,
            },
        });
    }

    /// Returns the document at `path`, which was answered with `status`: anything below an issuer that is known is its keys.
    fn subject(&self, path: &str, status: u16) -> Option<Subject> {
        let mut issuers = locked(&self.issuers);
        let url = |issuer: &str| format!("{}{issuer}", self.base);
        if let Some(issuer) = path.strip_suffix(DISCOVERY) {
            if status == 200 && issuers.len() < ISSUERS && !issuers.iter().any(|known| known == issuer) {
                issuers.push(issuer.to_owned());
            }
            return Some(Subject::Discovery(url(issuer)));
        }
        let is_below = |issuer: &&String| path.strip_prefix(issuer.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let issuer = issuers.iter().filter(is_below).max_by_key(|issuer| issuer.len())?;
        Some(Subject::Keys(url(issuer)))
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request with the status of its response.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    at: SystemTime,
    path: String,
    status: u16,
}

/// The requests on a connection (HTTP/1.1, one after the other, without bodies). With anything else, it stops listening.
#[derive(Debug, Default)]
struct Conversation {
    head: Vec<u8>,
    pending: Option<(SystemTime, String)>,
    is_over: bool,
}

impl Conversation {
    /// Reads what the caller sent.
    fn asked(&mut self, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        self.head.extend_from_slice(bytes);
        let is_whole = self.head.ends_with(b"\r\n\r\n");
        if is_whole && self.pending.is_none() {
            self.pending = target(&self.head).map(|path| (SystemTime::now(), path));
            self.head.clear();
            self.is_over = self.pending.is_none();
        } else if self.pending.is_some() || self.head.len() > LONGEST_HEAD {
            self.is_over = true;
            self.pending = None;
        }
    }

    /// Reads what the server sent: the beginning of a response, if a request is pending.
    fn answered(&mut self, bytes: &[u8]) -> Option<Answered> {
        let (at, path) = self.pending.take()?;
        let status = bytes.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        self.is_over = status.is_none();
        Some(Answered { at, path, status: status? })
    }
}

/// Returns the path of a GET request with this head.
fn target(head: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let target = line.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    // A query may have anything in it.
    Some(target.split('?').next()?.to_owned())
}

/// A connection whose reads are shown to a function.
struct Overheard<S, F>(S, F);

impl<S, F: FnMut(&[u8]) + Unpin> Overheard<S, F> {
    fn new(stream: S, show: F) -> Self {
        Self(stream, show)
    }
}

impl<S: AsyncRead + Unpin, F: FnMut(&[u8]) + Unpin> AsyncRead for Overheard<S, F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match Pin::new(&mut self.0).poll_read(cx, buffer) {
            // An end without TLS' own farewell (RFC 8446 §6.1): on a connection that is relayed as it is, an end like any other.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => read,
        };
        let new = &buffer.filled()[before..];
        if read.is_ready() && !new.is_empty() {
            (self.1)(new);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin, F: Unpin> AsyncWrite for Overheard<S, F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use hyper::{Method, StatusCode};

    use super::super::Front;
    use super::*;
    use crate::listener::{Listener, WantedCalls, answer};
    use crate::pki::{Authority, Request};

    #[tokio::test(flavor = "multi_thread")]
    async fn what_an_api_server_reads_is_known_and_nothing_else_is_kept() {
        // Another test may have installed a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Authority::root("servers").unwrap();
        let leaf = authority.issue(&Request::server("keycloak", &[])).unwrap();
        let tls = crate::tls::server(&leaf).unwrap();
        let server = Listener::bind([127, 0, 0, 1])
            .await
            .unwrap()
            .serve(Some(tls), |request, _| async move {
                let status = match (request.method(), request.uri().path()) {
                    (&Method::GET, "/realms/a/missing") => StatusCode::NOT_FOUND,
                    _ => StatusCode::OK,
                };
                Ok::<_, Infallible>(answer::text(status, "the whole body"))
            });
        let front = |name: Option<&'static str>| {
            let account = Account::new(move |_, _| name.map(str::to_owned));
            let (leaf, authority) = (leaf.clone(), authority.certificate().to_owned());
            async move {
                let front = Front::listen().await.unwrap();
                let front = front.accounted(account.clone(), "Keycloak", &leaf, &authority).unwrap();
                (front, account)
            }
        };
        let certificate = reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
        for (name, expected) in [
            (
                Some("main"),
                vec![
                    ("GET /realms/a/.well-known/openid-configuration", 200),
                    ("GET /realms/a/missing", 404),
                ],
            ),
            (None, vec![]),
        ] {
            let (front, account) = front(name).await;
            front.open(server.address().port());
            let client = reqwest::Client::builder().tls_certs_only([certificate.clone()]).no_proxy();
            let client = client.build().unwrap();
            let url = |path: &str| format!("{}{path}", front.url());
            for path in ["/realms/a/.well-known/openid-configuration", "/realms/a/missing", "/elsewhere"] {
                let answer = client.get(url(path)).send().await.unwrap();
                assert_eq!(answer.text().await.unwrap(), "the whole body");
            }
            let posted = client.post(url("/realms/a/token")).body("password=secret").send().await.unwrap();
            assert_eq!(posted.status(), StatusCode::OK);
            let calls = account.about(&WantedCalls {
                since: SystemTime::UNIX_EPOCH,
                tokens: BTreeSet::new(),
                name: String::new(),
                issuers: BTreeSet::from([("main".to_owned(), url("/realms/a"))]),
            });
            let told: Vec<_> = calls.iter().map(|call| (call.request.as_str(), call.status.unwrap())).collect();
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_request_is_known_once_its_response_begins() {
        let mut conversation = Conversation::default();
        conversation.asked(b"GET /realms/a/.well-known/openid-configuration?x=secret HTTP/1.1\r\nHost: x\r\n");
        assert_eq!(conversation.answered(b""), None);
        conversation.asked(b"\r\n");
        let answered = conversation.answered(b"HTTP/1.1 200 OK\r\n").unwrap();
        assert_eq!(
            (answered.path.as_str(), answered.status),
            ("/realms/a/.well-known/openid-configuration", 200)
        );
        assert_eq!(conversation.answered(b"the rest of the body"), None);
        conversation.asked(b"GET /keys HTTP/1.1\r\n\r\n");
        assert_eq!(
            conversation.answered(b"HTTP/1.1 503 \r\n").map(|answered| answered.status),
            Some(503)
        );
    }

    #[test]
    fn of_anything_else_nothing_is_kept() {
        for asked in [
            &[&b"POST /token HTTP/1.1\r\n\r\n"[..], b"password=secret"][..],
            &[b"GET /a HTTP/1.1\r\n\r\n", b"GET /b HTTP/1.1\r\n\r\n"],
            &[b"PRI * HTTP/2.0\r\n\r\n"],
            &[&[b'x'; LONGEST_HEAD + 1]],
        ] {
            let mut conversation = Conversation::default();
            for bytes in asked {
                conversation.asked(bytes);
            }
            assert!(conversation.is_over && conversation.answered(b"HTTP/1.1 200 OK").is_none());
            conversation.asked(b"GET /c HTTP/1.1\r\n\r\n");
            assert_eq!(conversation.answered(b"HTTP/1.1 200 OK"), None);
        }
    }
}
