//! Proxies in front of the server.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::super::*;
use super::{accepted, answered, cluster, endpoint, failed, pair, sound};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::listener::{Listener, Listening};
use crate::pki::{Authority, Request};
use crate::tls::{self, Flaw};

/// The protocol of a proxy of the test.
#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Socks,
}

/// A proxy for the user `me` with the password `p@ss`, which connects to 127.0.0.1 whatever host it is asked for. It keeps the hosts.
async fn proxy(kind: Kind, tls: Option<ServerConfig>) -> (Listening, Arc<Mutex<Vec<String>>>) {
    let hosts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&hosts);
    let listening = Listener::bind(Ipv4Addr::LOCALHOST).await.unwrap().accept(move |accepted| {
        let (tls, kept) = (tls.clone(), Arc::clone(&kept));
        async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tokio_rustls::TlsAcceptor::from(Arc::new(tls)).accept(accepted.stream).await {
                        through(kind, stream, &kept).await;
                    }
                }
                None => through(kind, accepted.stream, &kept).await,
            }
        }
    });
    (listening, hosts)
}

async fn through(kind: Kind, mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, hosts: &Mutex<Vec<String>>) {
    let target = match kind {
        Kind::Connect => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let expected = format!("basic {}", STANDARD.encode("me:p@ss")).to_ascii_lowercase();
            let target = head.strip_prefix("connect ").unwrap().split(' ').next().unwrap().to_owned();
            let refusal = match target.as_str() {
                _ if !head.contains(&expected) => Some("407 Who Are You"),
                "forbidden.test:443" => Some("403 Forbidden"),
                _ => None,
            };
            let answer = refusal.unwrap_or("200 OK");
            let length = if refusal.is_some() {
                "Server: squid/6\r\nContent-Length: 0\r\n"
            } else {
                ""
            };
            let _written = stream.write_all(format!("HTTP/1.1 {answer}\r\n{length}\r\n").as_bytes()).await;
            if refusal.is_some() {
                return;
            }
            target
        }
        Kind::Socks => {
            let mut methods = [0; 2];
            stream.read_exact(&mut methods).await.unwrap();
            let mut offered = vec![0; methods[1].into()];
            stream.read_exact(&mut offered).await.unwrap();
            if !offered.contains(&2) {
                let _written = stream.write_all(&[5, 255]).await;
                return;
            }
            stream.write_all(&[5, 2]).await.unwrap();
            let mut said = [0; 9];
            let _read = stream.read_exact(&mut said).await;
            let knows = said == *b"\x01\x02me\x04p@ss";
            stream.write_all(&[1, u8::from(!knows)]).await.unwrap();
            if !knows {
                return;
            }
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(head[..4], [5, 1, 0, 3], "the proxy looks names up");
            let mut host = vec![0; head[4].into()];
            stream.read_exact(&mut host).await.unwrap();
            let port = stream.read_u16().await.unwrap();
            let host = String::from_utf8(host).unwrap();
            if host == "forbidden.test" {
                let _written = stream.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).await;
                return;
            }
            stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await.unwrap();
            format!("{host}:{port}")
        }
    };
    hosts.lock().unwrap().push(target.clone());
    let (_, port) = target.rsplit_once(':').unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
    let _ended = copy_bidirectional(&mut stream, &mut server).await;
}

#[tokio::test]
async fn a_proxy_connects_for_its_user() {
    let authority = Authority::root("servers").unwrap();
    let leaf = authority.issue(&Request::server("server", &["api.test", "localhost"])).unwrap();
    let (listening, _) = sound(&leaf).await;
    let port = listening.address().port();
    let mut to = cluster(authority.certificate(), format!("https://api.test:{port}/path"));
    let secure = Some(tls::server(&leaf).unwrap());
    for (kind, scheme, over) in [
        (Kind::Connect, "http", None),
        (Kind::Connect, "https", secure),
        (Kind::Socks, "socks5", None),
    ] {
        let (listening, hosts) = proxy(kind, over).await;
        let at = listening.address().port();
        let failure = async |user: &str, server: &str| {
            let mut to = to.clone();
            to.server = server.to_owned();
            to.proxy_url = Some(format!("{scheme}://{user}localhost:{at}"));
            match failed(&to).await {
                Failure::Proxy { proxy, failure } => {
                    assert_eq!(proxy, format!("{scheme}://localhost:{at}"));
                    failure
                }
                other => panic!("{other:?}"),
            }
        };
        let status = |status, reason: &str| ProxyFailure::Status {
            status,
            reason: reason.to_owned(),
            server: Some("squid/6".to_owned()),
        };
        let (nobody, wrong, forbidden) = match kind {
            Kind::Connect => (status(407, "Who Are You"), status(407, "Who Are You"), status(403, "Forbidden")),
            Kind::Socks => (ProxyFailure::NoMethod, ProxyFailure::Credentials, ProxyFailure::Reply(2)),
        };
        assert_eq!(failure("", &to.server).await, nobody);
        assert_eq!(failure("me:pass@", &to.server).await, wrong);
        assert_eq!(failure("me:p%40ss@", "https://forbidden.test").await, forbidden);
        to.proxy_url = Some(format!("{scheme}://me:p%40ss@localhost:{at}"));
        accepted(&answered(&to).await);
        assert_eq!(*hosts.lock().unwrap(), [format!("api.test:{port}")]);
        // The environment's counts where the kubeconfig has none.
        let mut without = to.clone();
        without.proxy_url = None;
        let named = format!("{scheme}://me:p%40ss@localhost:{at}");
        let answer = ask(
            &endpoint(&without, &[("https_proxy", &named)]),
            "you",
            &Credential::Nothing,
            &Question::who_am_i(),
        )
        .await;
        accepted(&answer);
    }
}

#[tokio::test]
async fn what_is_no_proxy_is_not_the_servers_fault() {
    let (authority, leaf) = pair();
    let (listening, _) = sound(&leaf).await;
    let mut to = cluster(authority.certificate(), "https://api.test".to_owned());
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, expected) in [
        (
            format!("http://{gone}"),
            ProxyFailure::Unreachable(Box::new(Failure::Refused { address: gone.to_string() })),
        ),
        // TLS is not what a proxy of http:// speaks, nor one of SOCKS5.
        (format!("http://{}", listening.address()), ProxyFailure::Protocol),
        (format!("socks5://{}", listening.address()), ProxyFailure::Protocol),
    ] {
        to.proxy_url = Some(url.clone());
        match failed(&to).await {
            Failure::Proxy { failure, .. } => assert_eq!(failure, expected, "{url}"),
            other => panic!("{other:?}"),
        }
    }
    // The name of the server is expected of a proxy of https://, too.
    to.proxy_url = Some(format!("https://{}", listening.address()));
    to.tls_server_name = Some("other".to_owned());
    match failed(&to).await {
        Failure::Proxy {
            failure: ProxyFailure::Unreachable(inner),
            ..
        } => assert!(matches!(*inner, Failure::Certificate(refusal) if refusal.of_proxy && refusal.flaws == [Flaw::OtherNames])),
        other => panic!("{other:?}"),
    }
    assert_eq!(answered(&to).await.verdict, Verdict::Unreachable);
}
