//! The test setup: authorities, an issuer, a stand-in for the API server and clients, all over real TLS.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONNECTION, UPGRADE};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::prelude::FromDer;

use crate::auth_proxy::{AuthProxy, Backend, Handled, HeaderNames, PassOn, Patience, ProxyCredential, Settings, TokenIssuer};
use crate::identity_provider::issuer::{Algorithm, Issuer, IssuerPath};
use crate::pki::{Authority, Leaf, Request as Wanted};
use crate::secret::Secret;

pub(super) struct Stage {
    pub(super) servers: Authority,
    pub(super) callers: Authority,
    pub(super) fronts: Authority,
    pub(super) issuer: Issuer,
    pub(super) backend: StandIn,
    /// The directory of the proxies' records.
    records: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let servers = Authority::root("servers").unwrap();
        let fronts = Authority::root("front proxies").unwrap();
        let leaf = servers.issue(&Wanted::server("server", &["localhost"])).unwrap();
        let issuer = Issuer::start(&leaf, vec![IssuerPath::new("people", &[Algorithm::Es256])])
            .await
            .unwrap();
        let backend = StandIn::start(&leaf).await;
        Self {
            callers: Authority::root("callers").unwrap(),
            servers,
            fronts,
            issuer,
            backend,
            records: tempfile::tempdir().unwrap(),
        }
    }

    /// Returns settings with front-proxy headers, for a test to change. Each has a record of its own.
    pub(super) fn settings(&self) -> Settings {
        let url = self.issuer.signer().url("people").unwrap();
        let issuer = TokenIssuer {
            username_claim: "sub".to_owned(),
            ..TokenIssuer::new(url, self.servers.certificate(), "kubernetes")
        };
        Settings {
            certificate: self.servers.issue(&Wanted::server("proxy", &[])).unwrap(),
            caller_authority: Some(self.callers.certificate().to_owned()),
            token_issuer: Some(issuer),
            backend: Backend {
                url: format!("https://{}", self.backend.address),
                authority: self.servers.certificate().to_owned(),
            },
            pass_on: PassOn::Headers {
                certificate: self.fronts.issue(&Wanted::client("front-proxy", &[])).unwrap(),
                names: HeaderNames::default(),
            },
            extra: BTreeMap::new(),
            patience: Patience::default(),
            record: Some(self.records.path().join(format!("{:x}.jsonl", rand::random::<u64>()))),
        }
    }

    pub(super) async fn proxy(&self) -> AuthProxy {
        AuthProxy::start(self.settings()).await.unwrap()
    }

    pub(super) async fn impersonating(&self) -> AuthProxy {
        let credential = ProxyCredential::Token(Secret::new("the-proxys-own-token"));
        AuthProxy::start(Settings {
            pass_on: PassOn::Impersonation { credential },
            ..self.settings()
        })
        .await
        .unwrap()
    }

    pub(super) fn certificate(&self, user: &str, groups: &[&str]) -> Leaf {
        self.callers.issue(&Wanted::client(user, groups)).unwrap()
    }

    /// Returns a client that trusts the servers here and presents `leaf`.
    pub(super) fn client(&self, leaf: Option<&Leaf>) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.servers.certificate().as_bytes()).unwrap();
        let mut builder = reqwest::Client::builder().tls_certs_only([root]).no_proxy();
        if let Some(leaf) = leaf {
            let pem = format!("{}{}", leaf.full_chain(), leaf.key.expose());
            builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }

    /// Opens a connection for HTTP byte by byte.
    pub(super) async fn raw(&self, proxy: &AuthProxy, leaf: Option<&Leaf>) -> TlsStream<TcpStream> {
        let connector = TlsConnector::from(Arc::new(crate::tls::client(self.servers.certificate(), leaf).unwrap()));
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap()
    }

    /// Sends `request`, given as lines, and returns the response's headers.
    pub(super) async fn head(stream: &mut TlsStream<TcpStream>, request: &[&str]) -> String {
        stream
            .write_all(format!("{}\r\n\r\n", request.join("\r\n")).as_bytes())
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }
}

impl AuthProxy {
    /// Returns all requests so far, oldest first.
    pub(super) fn handled(&self) -> Vec<Handled> {
        Handled::all(&std::fs::read_to_string(self.record().unwrap()).unwrap())
    }
}

/// Waits for `what`; fails instead of hanging.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it comes about")
}

/// A request as the stand-in saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// The common name of the client certificate.
    pub(super) certificate: Option<String>,
}

impl Seen {
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Feed = mpsc::Sender<Result<Frame<Bytes>, Infallible>>;

/// A test's control over a response in transit: each chunk is sent when the test says so.
pub(super) struct Feeder(Feed);

impl Feeder {
    pub(super) async fn send(&self, chunk: &'static str) {
        self.0.send(Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))).await.unwrap();
    }

    /// Waits until nobody reads the response any more.
    pub(super) async fn abandoned(&self) {
        soon(self.0.closed()).await;
    }
}

/// A stand-in for the API server: it records requests and answers by path.
pub(super) struct StandIn {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    feeds: tokio::sync::Mutex<mpsc::UnboundedReceiver<Feed>>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    accepting: JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
        self.break_connections();
    }
}

impl StandIn {
    async fn start(leaf: &Leaf) -> Self {
        let (chain, key) = crate::tls::identity(leaf).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(crate::auth_proxy::caller::AskForCertificate(provider));
        let config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (feed, feeds) = mpsc::unbounded_channel();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (into, all) = (connections.clone(), seen.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, feed) = (acceptor.clone(), all.clone(), feed.clone());
                let serving = tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let certificate = stream.get_ref().1.peer_certificates().map(|chain| {
                        let (_, parsed) = x509_parser::prelude::X509Certificate::from_der(&chain[0]).unwrap();
                        crate::pki::Holder::read(parsed.subject()).unwrap().user
                    });
                    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                        seen.lock().unwrap().push(Seen {
                            path: request.uri().to_string(),
                            headers: request.headers().clone(),
                            certificate: certificate.clone(),
                        });
                        let feed = feed.clone();
                        async move { Ok::<_, Infallible>(answer(request, feed).await) }
                    });
                    let io = TokioIo::new(stream);
                    drop(
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(io, service)
                            .with_upgrades()
                            .await,
                    );
                });
                into.lock().unwrap().push(serving);
            }
        });
        Self {
            address,
            seen,
            feeds: tokio::sync::Mutex::new(feeds),
            connections,
            accepting,
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the only request so far.
    pub(super) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }

    /// Returns the control over the next response in transit.
    pub(super) async fn feeder(&self) -> Feeder {
        Feeder(soon(async { self.feeds.lock().await.recv().await }).await.unwrap())
    }

    /// Breaks all its connections.
    pub(super) fn break_connections(&self) {
        self.connections.lock().unwrap().drain(..).for_each(|connection| connection.abort());
    }
}

async fn answer(mut request: Request<Incoming>, feed: mpsc::UnboundedSender<Feed>) -> Response<Body> {
    let text = |text: &'static str| Full::from(text).boxed_unsync();
    let path = request.uri().path().to_owned();
    let mut response = match path.as_str() {
        "/watch" => {
            let (sender, receiver) = mpsc::channel(1);
            feed.send(sender).unwrap();
            let chunks = futures::stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|chunk| (chunk, receiver))
            });
            Response::new(StreamBody::new(chunks).boxed_unsync())
        }
        // Each chunk is sent back as soon as it arrives.
        "/upload" => Response::new(
            StreamBody::new(request.into_body().into_data_stream().map(|chunk| Ok(Frame::data(chunk.unwrap())))).boxed_unsync(),
        ),
        "/never" => std::future::pending().await,
        "/collect" => {
            // A body may break off: then nobody waits for the answer.
            let body = request
                .into_body()
                .collect()
                .await
                .map_or_else(|_| Bytes::new(), |body| body.to_bytes());
            Response::new(Full::from(body).boxed_unsync())
        }
        "/exec" => {
            let protocol = request.headers().get(UPGRADE).cloned();
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let (mut read, mut write) = tokio::io::split(&mut stream);
                drop(tokio::io::copy(&mut read, &mut write).await);
                drop(write.shutdown().await);
            });
            let mut response = Response::new(text(""));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert(CONNECTION, "Upgrade".parse().unwrap());
            response.headers_mut().insert(UPGRADE, protocol.unwrap());
            response
        }
        "/forbidden" => {
            let mut response = Response::new(text("no"));
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        }
        _ => Response::new(text("hello")),
    };
    response.headers_mut().insert("audit-id", "audit-1".parse().unwrap());
    response
}
