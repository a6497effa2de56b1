//! kubectl's way to a server, on servers of the test's own.

mod proxies;

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::dial::dial;
use super::failure::{Progress, Stage};
use super::*;
use crate::credential::Credential;
use crate::kubeconfig::ClusterConfig;
use crate::listener::{Listener, Listening};
use crate::pki::{Authority, Flaw as ClientFlaw, Leaf, Purpose, Request};
use crate::secret::Secret;
use crate::tls::{self, Flaw, IdentityError};

/// The paths and hosts of the requests that came.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// A server that takes everybody for "alice", with the credential as UID, and keeps what it was asked.
async fn server(interface: impl Into<std::net::IpAddr>, tls: Option<ServerConfig>) -> std::io::Result<(Listening, Requests)> {
    tls::choose_provider();
    let asked = Requests::default();
    let seen = Arc::clone(&asked);
    let listening = Listener::bind(interface).await?.serve(tls, move |request, _| {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        seen.lock()
            .unwrap()
            .push((request.uri().path().to_owned(), header("host").unwrap_or_default()));
        let said = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
            "status": { "userInfo": { "username": "alice", "uid": header("authorization").unwrap_or_default() } },
        });
        let body = Full::new(Bytes::from(said.to_string()));
        async move { Ok::<_, Infallible>(hyper::Response::builder().status(201).body(body).unwrap()) }
    });
    Ok((listening, asked))
}

async fn sound(leaf: &Leaf) -> (Listening, Requests) {
    server(Ipv4Addr::LOCALHOST, Some(tls::server(leaf).unwrap())).await.unwrap()
}

/// An authority, with a certificate for 127.0.0.1 and `kubernetes`.
fn pair() -> (Authority, Leaf) {
    let authority = Authority::root("servers").unwrap();
    let leaf = authority.issue(&Request::server("server", &["kubernetes"])).unwrap();
    (authority, leaf)
}

fn cluster(authority: &str, server: String) -> ClusterConfig {
    ClusterConfig {
        server,
        authority: Some(authority.to_owned()),
        ..ClusterConfig::default()
    }
}

fn endpoint(cluster: &ClusterConfig, environment: &[(&str, &str)]) -> Endpoint {
    let find = |name: &str| {
        environment
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let mut route = Route::of(cluster, &find).unwrap();
    route.limit = Duration::from_secs(10);
    Endpoint {
        route: Some(route),
        ..Endpoint::kubectl(&ClusterConfig {
            server: "https://127.0.0.1".to_owned(),
            ..ClusterConfig::default()
        })
        .unwrap()
    }
}

async fn answered(cluster: &ClusterConfig) -> Answer {
    ask(
        &endpoint(cluster, &[]),
        "you",
        &Credential::Token(Secret::new("token")),
        &Question::who_am_i(),
    )
    .await
}

async fn failed(cluster: &ClusterConfig) -> Failure {
    let answer = answered(cluster).await;
    assert!(answer.verdict.is_refusal(), "{answer}");
    answer.failure.unwrap()
}

async fn flaws(cluster: &ClusterConfig) -> Vec<Flaw> {
    match failed(cluster).await {
        Failure::Certificate(refusal) => refusal.flaws,
        other => panic!("{other:?}"),
    }
}

fn accepted(answer: &Answer) {
    assert!(answer.failure.is_none(), "{:?}", answer.failure);
    assert_eq!(
        answer.identity.as_ref().map(|identity| identity.user.as_str()),
        Some("alice"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_request_goes_below_the_path_of_the_address() {
    let (authority, leaf) = pair();
    let (listening, asked) = sound(&leaf).await;
    let port = listening.address().port();
    for path in ["/k8s/clusters/c-m-1", "/k8s/clusters/c-m-1/", "/k8s/clusters/c-m-1?a=b", ""] {
        let answer = answered(&cluster(authority.certificate(), format!("https://127.0.0.1:{port}{path}"))).await;
        accepted(&answer);
        assert!(answer.server_certificate.is_some_and(|one| one.names == ["kubernetes"]));
        assert_eq!(answer.identity.unwrap().uid, "Bearer token");
    }
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let host = format!("127.0.0.1:{port}");
    let below = (format!("/k8s/clusters/c-m-1{review}"), host.clone());
    assert_eq!(
        *asked.lock().unwrap(),
        [below.clone(), below.clone(), below, (review.to_owned(), host)]
    );
}

#[tokio::test]
async fn an_address_may_be_of_ipv6() {
    let authority = Authority::root("servers").unwrap();
    let leaf = authority
        .issue(&Request::server("server", &[]).addresses([Ipv6Addr::LOCALHOST.into()]))
        .unwrap();
    let Ok((listening, asked)) = server(Ipv6Addr::LOCALHOST, Some(tls::server(&leaf).unwrap())).await else {
        return; // This machine has no IPv6.
    };
    let host = format!("[::1]:{}", listening.address().port());
    accepted(&answered(&cluster(authority.certificate(), format!("https://{host}"))).await);
    assert_eq!(asked.lock().unwrap()[0].1, host);
}

/// Presents one certificate, and keeps the names that callers sent.
#[derive(Debug)]
struct Named(Arc<CertifiedKey>, Mutex<Vec<Option<String>>>);

impl ResolvesServerCert for Named {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.1.lock().unwrap().push(hello.server_name().map(str::to_owned));
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn tls_server_name_is_sent_and_expected() {
    let authority = Authority::root("servers").unwrap();
    tls::choose_provider();
    let leaf = authority.issue(&Request::server("server", &["kubernetes.default.svc"])).unwrap();
    let (chain, key) = tls::identity(&leaf).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let named = Arc::new(Named(Arc::new(CertifiedKey::new(chain, key)), Mutex::default()));
    let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(named.clone());
    let (listening, _) = server(Ipv4Addr::LOCALHOST, Some(config)).await.unwrap();
    let mut to = cluster(authority.certificate(), format!("https://localhost:{}", listening.address().port()));
    assert_eq!(flaws(&to).await, [Flaw::OtherNames]);
    for name in ["kubernetes.default.svc", "127.0.0.1", "kubernetes.default.svc."] {
        to.tls_server_name = Some(name.to_owned());
        accepted(&answered(&to).await);
    }
    to.tls_server_name = Some("other".to_owned());
    let Failure::Certificate(refusal) = failed(&to).await else {
        panic!("a certificate")
    };
    assert_eq!(
        (refusal.expected.as_str(), refusal.flaws.as_slice()),
        ("other", [Flaw::OtherNames].as_slice())
    );
    assert_eq!(refusal.certificate.unwrap().all_names(), ["kubernetes.default.svc", "127.0.0.1"]);
    let sent = named.1.lock().unwrap().clone();
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(
        sent,
        [
            name("localhost"),
            name("kubernetes.default.svc"),
            None,
            name("kubernetes.default.svc"),
            name("other")
        ]
    );
}

#[tokio::test]
async fn every_flaw_of_a_certificate_has_its_type() {
    let authority = Authority::root("servers").unwrap();
    let flawed = |flaw| {
        Request::flawed("server", &[], flaw)
            .purpose(Purpose::Server)
            .addresses([Ipv4Addr::LOCALHOST.into()])
    };
    let named = Request::server("server", &[]);
    let expired = authority.expired_intermediate("expired").unwrap();
    let bare = Request::client("127.0.0.1", &[]).purpose(Purpose::Server);
    for (leaf, trusted, expected) in [
        (
            authority.issue(&flawed(ClientFlaw::Expired)).unwrap(),
            authority.certificate(),
            vec![Flaw::Expired],
        ),
        (
            authority.issue(&flawed(ClientFlaw::NotYetValid)).unwrap(),
            authority.certificate(),
            vec![Flaw::NotYetValid],
        ),
        (authority.issue(&bare).unwrap(), authority.certificate(), vec![Flaw::OtherNames]),
        (
            authority.issue(&named.clone().purpose(Purpose::Client)).unwrap(),
            authority.certificate(),
            vec![Flaw::WrongUsage],
        ),
        (
            authority.issue(&flawed(ClientFlaw::Expired)).unwrap(),
            Authority::root("others").unwrap().certificate(),
            vec![Flaw::Expired, Flaw::UnknownIssuer { same_name: false }],
        ),
        (
            authority.impostor().unwrap().issue(&named).unwrap(),
            authority.certificate(),
            vec![Flaw::UnknownIssuer { same_name: true }],
        ),
        (
            expired.issue(&named).unwrap(),
            authority.certificate(),
            vec![Flaw::IntermediateDates],
        ),
    ] {
        let (listening, asked) = sound(&leaf).await;
        let to = cluster(trusted, format!("https://127.0.0.1:{}", listening.address().port()));
        assert_eq!(flaws(&to).await, expected);
        let mut unverified = to.clone();
        (unverified.authority, unverified.insecure_skip_tls_verify) = (None, true);
        assert!(asked.lock().unwrap().is_empty());
        accepted(&answered(&unverified).await);
        let mut system = to.clone();
        system.authority = None;
        assert!(!flaws(&system).await.is_empty());
    }
    let (listening, _) = sound(&authority.issue(&named).unwrap()).await;
    let mut system = cluster("", format!("https://127.0.0.1:{}", listening.address().port()));
    system.authority = None;
    assert_eq!(flaws(&system).await, [Flaw::UnknownIssuer { same_name: false }]);
    let (listening, _) = sound(&expired.issue(&named).unwrap()).await;
    let to = cluster(expired.certificate(), format!("https://127.0.0.1:{}", listening.address().port()));
    assert!(matches!(flaws(&to).await.as_slice(), [Flaw::AuthorityDates { .. }]));
    let own = Authority::self_signed(&named).unwrap();
    let (listening, _) = sound(&own).await;
    accepted(
        &answered(&cluster(
            &own.certificate,
            format!("https://127.0.0.1:{}", listening.address().port()),
        ))
        .await,
    );
}

#[tokio::test]
async fn the_networks_failures_have_their_types() {
    tls::choose_provider();
    let (authority, leaf) = pair();
    let to = |server: String| cluster(authority.certificate(), server);
    // Where no name server answers, nobody says that there is no such host.
    let unknown = failed(&to("https://nowhere.invalid:6443".to_owned())).await;
    assert!(
        matches!(&unknown, Failure::Lookup { host } | Failure::Resolver { host, .. } if host == "nowhere.invalid"),
        "{unknown:?}"
    );
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(
        failed(&to(format!("https://{gone}"))).await,
        Failure::Refused { address: gone.to_string() }
    );
    // A server that reads the beginning of the handshake, and says nothing: a time-out has that stage.
    let (begun, mut hello) = tokio::sync::mpsc::channel(2);
    let silent = Listener::bind(Ipv4Addr::LOCALHOST).await.unwrap().accept(move |mut accepted| {
        let begun = begun.clone();
        async move {
            let _nobody_listens = begun.send(accepted.stream.read_u8().await.ok()).await;
            std::future::pending::<()>().await;
        }
    });
    let mut late = endpoint(&to(format!("https://{}", silent.address())), &[]);
    let progress = Progress::default();
    let first = tokio::select! {
        connected = dial(&late, None, &progress, |_| {}) => panic!("{:?}", connected.is_ok()),
        first = hello.recv() => first.flatten(),
    };
    assert_eq!(first, Some(22), "a TLS record of a handshake (RFC 8446 §5.1)");
    assert_eq!(progress.stage(), Stage::Handshake);
    let limit = Duration::ZERO;
    late.route.as_mut().unwrap().limit = limit;
    let answer = ask(&late, "you", &Credential::Nothing, &Question::who_am_i()).await;
    assert!(
        matches!(answer.failure, Some(Failure::TimedOut { limit: Duration::ZERO, .. })),
        "{:?}",
        answer.failure
    );
    let says = async |words: &'static [u8]| {
        let listening = Listener::bind(Ipv4Addr::LOCALHOST)
            .await
            .unwrap()
            .accept(move |mut accepted| async move {
                let mut read = [0; 1024];
                let _read = accepted.stream.read(&mut read).await;
                let _written = accepted.stream.write_all(words).await;
                let _rest = accepted.stream.read(&mut read).await;
            });
        failed(&to(format!("https://{}", listening.address()))).await
    };
    assert_eq!(says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, Failure::PlainHttp);
    assert_eq!(
        says(b"SSH-2.0-OpenSSH_9.9\r\n").await,
        Failure::NotTls {
            begins: "SSH-2.0-OpenSSH_9.9..".to_owned()
        }
    );
    // A fatal alert: unrecognized_name (RFC 8446 §6).
    assert_eq!(
        says(&[21, 3, 3, 0, 2, 2, 112]).await,
        Failure::Alert(AlertDescription::UnrecognisedName)
    );
    let closing = Listener::bind(Ipv4Addr::LOCALHOST)
        .await
        .unwrap()
        .accept(|accepted| async move { drop(accepted) });
    let closed = failed(&to(format!("https://{}", closing.address()))).await;
    assert_eq!(closed, Failure::Closed { stage: Stage::Handshake });
    // A server that demands a certificate says so after the handshake (RFC 8446 §4.4.2.4).
    let config = tls::server_for(&leaf, authority.certificate()).unwrap();
    let (listening, _) = server(Ipv4Addr::LOCALHOST, Some(config)).await.unwrap();
    assert_eq!(
        failed(&to(format!("https://127.0.0.1:{}", listening.address().port()))).await,
        Failure::Alert(AlertDescription::CertificateRequired)
    );
}

#[tokio::test]
async fn plain_http_is_asked_as_kubectl_does() {
    let (listening, _) = server(Ipv4Addr::LOCALHOST, None).await.unwrap();
    let mut to = cluster("", format!("http://127.0.0.1:{}", listening.address().port()));
    to.authority = None;
    for server in [to.server.clone(), to.server.replace("http://", "")] {
        to.server = server;
        let answer = answered(&to).await;
        accepted(&answer);
        // kubectl sends no credential without TLS.
        assert_eq!(answer.identity.unwrap().uid, "");
    }
}

#[tokio::test]
async fn with_a_broken_half_of_a_credential_nothing_is_asked() {
    let (authority, leaf) = pair();
    let (listening, asked) = sound(&leaf).await;
    let to = cluster(authority.certificate(), format!("https://127.0.0.1:{}", listening.address().port()));
    let other = authority.issue(&Request::client("alice", &[])).unwrap();
    let broken = Leaf {
        key: leaf.key.clone(),
        ..other.clone()
    };
    let asking = async |leaf: Leaf| ask(&endpoint(&to, &[]), "you", &Credential::Certificate(leaf), &Question::who_am_i()).await;
    let failure = asking(broken).await.failure;
    assert!(
        matches!(failure, Some(Failure::Identity(IdentityError::Mismatch { belongs_to: None, .. }))),
        "{failure:?}"
    );
    assert!(asked.lock().unwrap().is_empty());
    accepted(&asking(other).await);
}

#[tokio::test]
async fn a_header_with_a_line_break_is_not_sent() {
    let (authority, leaf) = pair();
    let (listening, asked) = sound(&leaf).await;
    let to = cluster(authority.certificate(), format!("https://127.0.0.1:{}", listening.address().port()));
    let token = Credential::Token(Secret::new("first\nsecond"));
    let answer = ask(&endpoint(&to, &[]), "you", &token, &Question::who_am_i()).await;
    let expected = Failure::Header {
        name: "Authorization".to_owned(),
        fault: HeaderFault::LineBreak,
    };
    assert_eq!(answer.failure, Some(expected));
    assert!(asked.lock().unwrap().is_empty() && !format!("{answer:?}").contains("second"));
}

#[tokio::test]
async fn the_authorities_of_clients_are_read_on_the_same_way() {
    let (authority, leaf) = pair();
    let config = tls::server_for(&leaf, authority.certificate()).unwrap();
    let (listening, _) = server(Ipv4Addr::LOCALHOST, Some(config)).await.unwrap();
    let mut to = cluster(
        authority.certificate(),
        format!("https://127.0.0.1:{}/path", listening.address().port()),
    );
    to.tls_server_name = Some("kubernetes".to_owned());
    assert_eq!(acceptable_authorities(&endpoint(&to, &[])).await.unwrap().len(), 1);
}

/// The variable that tells the test below where to ask.
const SERVER: &str = "TEST_SERVER";

#[tokio::test]
async fn without_an_authority_the_systems_are_trusted() {
    if let Ok(server) = std::env::var(SERVER) {
        tls::choose_provider();
        let mut to = cluster("", server);
        to.authority = None;
        return accepted(&answered(&to).await);
    }
    if !cfg!(target_os = "linux") {
        return;
    }
    let (authority, leaf) = pair();
    let (listening, _) = sound(&leaf).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.crt");
    std::fs::write(&file, authority.certificate()).unwrap();
    // Both Go and rustls read the variable, which belongs to a whole process: the test runs itself in another one.
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "probe::tests::without_an_authority_the_systems_are_trusted"])
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR")
        .env(SERVER, format!("https://127.0.0.1:{}", listening.address().port()))
        .output();
    let output = child.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
