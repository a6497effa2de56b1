//! A proxy that leads an API server to the stand-in for its issuer, although the issuer's address stays as it is: `--oidc-issuer-url` has no
//! discovery URL beside it.
//!
//! The main type is [`Detour`]. API servers use it because of their variable `HTTPS_PROXY` (kubernetes/apimachinery `pkg/util/net`,
//! `SetTransportDefaults`), whose user name is the issuer's URL: the proxy answers for that host alone, with a certificate that it makes.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::requests::{StandInRequest, StandInRequests};
use super::server::DISCOVERY;
use super::{IssuerError, StandIn};
use crate::identity_provider::Address;
use crate::listener::answer::{json, text};
use crate::listener::{Accepted, Limits, Listener, Listening};
use crate::pki::{Authority, Request as CertificateRequest};

/// The longest head of a CONNECT request.
const LONGEST_HEAD: usize = 8192;

/// A running detour. Dropping it ends it.
#[derive(Debug)]
pub struct Detour {
    address: String,
    requests: StandInRequests,
    _listening: Listening,
}

impl Detour {
    /// Listens on a free port of `address`. Certificates are issued by `authority`; documents refer to the issuer at `base`.
    ///
    /// # Errors
    /// The proxy cannot listen.
    pub async fn listen_at(address: &Address, authority: &Authority, base: &str) -> Result<Self, IssuerError> {
        let wrong = |source| IssuerError::Listen {
            address: address.listen,
            source,
        };
        let listener = Listener::bind(address.listen).await.map_err(wrong)?;
        let proxy = format!("{}:{}", address.host, listener.address().port());
        let requests = StandInRequests::default();
        let shared = Arc::new(Shared {
            authority: authority.clone(),
            base: base.to_owned(),
            requests: requests.clone(),
        });
        let listening = listener.accept(move |accepted| {
            let shared = Arc::clone(&shared);
            // A caller that disconnects is not an error.
            async move { drop(lead(accepted, &shared, Limits::default()).await) }
        });
        Ok(Self {
            address: proxy,
            requests,
            _listening: listening,
        })
    }

    /// Returns the address of the proxy, `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the requests that it led to stand-ins since `begin`, of the latest ones.
    pub fn stand_in_requests(&self, begin: SystemTime) -> Vec<StandInRequest> {
        self.requests.since(begin)
    }

    /// Returns the URL of the proxy at `address` for a server that trusts `issuer`.
    pub fn url(address: &str, issuer: &StandIn) -> String {
        format!("http://{}@{address}", URL_SAFE_NO_PAD.encode(issuer.url()))
    }
}

/// The parts of a detour that all of its connections use.
#[derive(Debug)]
struct Shared {
    authority: Authority,
    base: String,
    requests: StandInRequests,
}

async fn lead(mut accepted: Accepted, shared: &Arc<Shared>, limits: Limits) -> std::io::Result<()> {
    let head = timeout(limits.head, head(&mut accepted.stream)).await??;
    let Some((host, issuer)) = target(&head) else {
        return accepted.stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    };
    accepted.stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let request = match host.parse::<IpAddr>() {
        Ok(address) => CertificateRequest::server(&host, &[]).addresses([address]),
        Err(_) => CertificateRequest::server(&host, &[&host]),
    };
    let certificate = shared.authority.issue(&request).map_err(std::io::Error::other)?;
    let tls = crate::tls::server(&certificate).map_err(std::io::Error::other)?;
    let shared = Arc::clone(shared);
    let service = move |request: Request<Incoming>, _| {
        let answer = answer(&request, &issuer, &shared.base);
        shared.requests.add(issuer.url(), request.uri().path(), answer.status().as_u16());
        async move { Ok::<_, Infallible>(answer) }
    };
    accepted.serve(Some(tls), service).await;
    Ok(())
}

fn answer(request: &Request<Incoming>, issuer: &StandIn, base: &str) -> Response<Full<Bytes>> {
    let discovery = Url::parse(&format!("{}{DISCOVERY}", issuer.url().trim_end_matches('/')));
    if discovery.is_ok_and(|discovery| discovery.path() == request.uri().path()) {
        return json(StatusCode::OK, &issuer.discovery(base));
    }
    text(StatusCode::NOT_FOUND, "the stand-in for the issuer has only its discovery document")
}

async fn head(caller: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(caller.read_u8().await?);
    }
    Ok(head)
}

/// Returns the host that the CONNECT request in `head` asks for, and the issuer of the server that sent it, if that is the issuer's host.
fn target(head: &[u8]) -> Option<(String, StandIn)> {
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let asked = lines.next()?.strip_prefix("CONNECT ")?.strip_suffix(" HTTP/1.1")?;
    let header = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Proxy-Authorization").then_some(value.trim())
    })?;
    let user = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let coded = user.strip_suffix(':').unwrap_or(&user);
    let issuer = String::from_utf8(URL_SAFE_NO_PAD.decode(coded).ok()?).ok()?;
    let at = Url::parse(&issuer).ok()?;
    let (host, port) = (at.host_str()?, at.port_or_known_default()?);
    let is_issuers = at.scheme() == "https" && asked.eq_ignore_ascii_case(&format!("{host}:{port}"));
    is_issuers.then(|| (host.trim_matches(['[', ']']).to_owned(), StandIn::new(issuer)))
}

/// Returns whether no proxy is used for the issuer at `url`, so that nothing can lead away from it: it is at the machine itself (Go
/// `golang.org/x/net/http/httpproxy`, `useProxy`).
pub fn is_inescapable(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let Some(host) = url.as_ref().and_then(Url::host_str) else {
        return false;
    };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_a_server_to_its_own_issuer_alone() {
        let connect = |to: &str, issuer: &str| {
            let url = Detour::url("127.0.0.1:1", &StandIn::new(issuer));
            let user = url.strip_prefix("http://").and_then(|rest| rest.split_once('@')).unwrap().0;
            let header = STANDARD.encode(format!("{user}:"));
            target(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nProxy-Authorization: Basic {header}\r\n\r\n").as_bytes())
        };
        let issuer = "https://login.example.com/T/";
        assert_eq!(
            connect("login.example.com:443", issuer),
            Some(("login.example.com".to_owned(), StandIn::new(issuer)))
        );
        for (at, issuer, name) in [
            ("10.0.0.5:8443", "https://10.0.0.5:8443/dex", "10.0.0.5"),
            ("[fd00::5]:443", "https://[fd00::5]/dex", "fd00::5"),
            ("xn--mnchen-3ya.example:443", "https://münchen.example", "xn--mnchen-3ya.example"),
            ("LOGIN.example.com:443", "https://LOGIN.example.com", "login.example.com"),
        ] {
            assert_eq!(connect(at, issuer), Some((name.to_owned(), StandIn::new(issuer))), "{issuer}");
        }
        assert_eq!(connect("other.example.com:443", issuer), None);
        assert_eq!(connect("login.example.com:8443", issuer), None);
        assert_eq!(target(b"CONNECT login.example.com:443 HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn no_proxy_leads_away_from_the_machine_itself() {
        for url in [
            "https://localhost:8443",
            "https://127.0.0.1/dex",
            "https://127.8.0.1",
            "https://[::1]:5556",
        ] {
            assert!(is_inescapable(url), "{url}");
        }
        for url in [
            "https://login.example.com",
            "https://10.0.0.5",
            "https://localhost.example.com",
            "nothing",
        ] {
            assert!(!is_inescapable(url), "{url}");
        }
    }
}
