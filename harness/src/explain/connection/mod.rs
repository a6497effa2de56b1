//! A server that could not be asked: what stands in the way, in kubectl's words, and what to change.
//!
//! The main function is [`findings`]. Everything is judged by the types of errors ([`Failure`]) and by the certificate that was presented.

mod server_certificate;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::Finding;
use crate::credential::Presentation;
use crate::kubeconfig::ClusterConfig;
use crate::probe::{Answer, Endpoint, Failure, HeaderFault, Proxy, ProxyFailure, RequestStage, Route, RouteError, alert_name, socks_reply};
use crate::tls::Trust;
use server_certificate::refused;

/// Returns the findings about a server that did not answer a request of kubectl's kind. The first one is what kubectl stops at.
#[must_use]
pub fn findings(endpoint: &Endpoint, failure: &Failure, now: Timestamp) -> Vec<Finding> {
    let place = endpoint.route.as_ref().and_then(|route| route.place.clone());
    let found = match failure {
        Failure::Certificate(refusal) => refused(endpoint, refusal, now),
        // The place is the user's, not the cluster's.
        Failure::Header { name, fault } => return vec![of_header(name, *fault)],
        Failure::Identity(error) => vec![super::client_key::finding(error)],
        Failure::KeyDeclined { kind } => vec![Finding::of_file(
            format!("{} asks for a client certificate, and takes no signature of a {kind}", endpoint.url),
            "present a certificate with an EC key (P-256) or an RSA key of 2048 bits",
        )],
        Failure::Proxy { proxy, failure } => vec![of_proxy(endpoint, proxy, failure, now)],
        failure => vec![of_network(endpoint, failure)],
    };
    found.into_iter().map(|finding| finding.at(place.clone())).collect()
}

/// Returns what was checked of the connection to a server that answered, and what a person may not expect of it.
#[must_use]
pub fn checked(endpoint: &Endpoint, answer: &Answer, now: Timestamp) -> Vec<Finding> {
    let Some(route) = endpoint.route.as_ref().filter(|_| answer.failure.is_none()) else {
        return Vec::new();
    };
    let url = &endpoint.url;
    let mut found = Vec::new();
    // The reading of the kubeconfig says it of the line there.
    if route.plain && route.place.is_none() {
        found.push(plain(endpoint));
    }
    match (&route.trust, &answer.server_certificate) {
        (Trust::Unverified, Some(_)) => found.push(Finding::remark(format!(
            "the certificate of {url} is not verified (insecure-skip-tls-verify): anybody on the way can take the credential"
        ))),
        (_, Some(certificate)) => {
            let by = match route.trust {
                Trust::System => "an authority that this system trusts",
                _ => "the kubeconfig's certificate-authority",
            };
            let until = certificate.not_after;
            found.push(Finding::right(format!(
                "the certificate of {url} is for {}, signed by {by}, and valid until {until}",
                route.expected_name()
            )));
            let days = (until.as_second() - now.as_second()) / 86400;
            // Certificates for days or weeks are renewed by a program.
            let is_renewed = until.as_second() - certificate.not_before.as_second() < 90 * 86400;
            if days < 30 && !is_renewed {
                found.push(Finding::remark(format!(
                    "the certificate of {url} expires in {days} days, at {until}"
                )));
            }
        }
        (_, None) => {}
    }
    if let Some(proxy) = &route.proxy {
        let source = proxy
            .variable
            .map_or("proxy-url".to_owned(), |variable| format!("{variable} of the environment"));
        found.push(Finding::remark(format!(
            "{url} is asked through the proxy {proxy} ({source}), as kubectl does"
        )));
    }
    found.into_iter().map(|finding| finding.at(route.place.clone())).collect()
}

/// Returns the finding for an address without TLS, to which kubectl sends nothing but the request.
fn plain(endpoint: &Endpoint) -> Finding {
    let url = &endpoint.url;
    let seen = match url.contains("://") {
        true => format!("{url} is http: kubectl sends no credential there, and authlab has sent none"),
        false => format!("the address {url} has no scheme, so kubectl asks http://{url}, and sends no credential; authlab has sent none"),
    };
    let bare = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    Finding {
        change: Some(format!(
            "give the API server's TLS address: `server: https://{bare}`; for `kubectl proxy`, http:// is right, and the proxy's own credential counts"
        )),
        ..Finding::remark(seen)
    }
}

/// Returns the finding for a cluster that kubectl does not even connect to.
#[must_use]
pub fn of_route(cluster: &ClusterConfig, error: &RouteError) -> Finding {
    let change = match error {
        RouteError::NoServer(_) => "give the cluster an address: `server: https://HOST:6443`".to_owned(),
        RouteError::Address { .. } => "give an address such as `server: https://HOST:6443`".to_owned(),
        RouteError::Proxy { url, .. } => {
            let bare = url.rsplit_once("://").map_or(url.as_str(), |(_, rest)| rest);
            format!("give the proxy's address with its scheme: `proxy-url: http://{bare}` (or https://, socks5://)")
        }
        RouteError::AuthorityUnused => {
            "remove `insecure-skip-tls-verify: true`: the authority verifies the server; or remove certificate-authority".to_owned()
        }
        RouteError::Authority => "give the authority's certificate as PEM text (-----BEGIN CERTIFICATE-----)".to_owned(),
        RouteError::ServerName(_) => "give one of the names in the server's certificate, without scheme and port".to_owned(),
        RouteError::Unsupported(what) => {
            return Finding::unjudged(
                format!("kubectl may reach this server; authlab does not ask it, because {what}"),
                "ask with `kubectl auth whoami`",
            )
            .at(cluster.place.clone());
        }
    };
    Finding::of_file(format!("kubectl does not connect: {error}"), change).at(cluster.place.clone())
}

/// Returns the finding for a credential that kubectl does not send, since a header of it has a line break or the like; `None` if there is
/// no such header.
#[must_use]
pub fn unsendable(presented: &Presentation) -> Option<Finding> {
    match crate::probe::unsendable(presented)? {
        Failure::Header { name, fault } => Some(of_header(&name, fault)),
        _ => None,
    }
}

/// Returns the finding for a header that kubectl does not send, without its value.
fn of_header(name: &str, fault: HeaderFault) -> Finding {
    let lower = name.to_ascii_lowercase();
    let field = match lower.as_str() {
        "authorization" => "the token, or user name and password, of the user".to_owned(),
        "impersonate-user" => "`as` (--as)".to_owned(),
        "impersonate-group" => "an entry of `as-groups` (--as-group)".to_owned(),
        "impersonate-uid" => "`as-uid` (--as-uid)".to_owned(),
        other => match other.strip_prefix("impersonate-extra-") {
            Some(key) => format!("the entry {key:?} of `as-user-extra` (--as-user-extra)"),
            None => format!("the header {name:?}"),
        },
    };
    let part = if fault == HeaderFault::Name { "name" } else { "value" };
    Finding::of_file(
        format!(
            "kubectl does not send this request: {field} has {fault} (kubectl says: net/http: invalid header field {part} for {name:?})"
        )
        .replace("field name for", "field name"),
        match fault {
            HeaderFault::Name => format!("give {field} a name of letters, digits and hyphens"),
            _ => format!("write {field} on one line, without control characters"),
        },
    )
}

/// Returns whose address did not answer: the server's, or the proxy's.
fn of_network(endpoint: &Endpoint, failure: &Failure) -> Finding {
    let url = &endpoint.url;
    let directly = match endpoint.route.as_ref().and_then(|route| route.proxy.as_ref()) {
        Some(proxy) => format!(" through the proxy {proxy}"),
        None => String::new(),
    };
    let unclear = |seen: String, settle: &str| {
        Finding::likely(
            seen,
            "check the address, and what stands between: VPN, firewall, load balancer",
            settle,
        )
    };
    match failure {
        Failure::Lookup { host } => Finding::of_file(
            format!("this machine knows no address for the host {host:?} of {url} (kubectl says: dial tcp: lookup {host}: no such host)"),
            "correct the host in `server:`, or connect to the network (VPN) whose name server knows it",
        ),
        Failure::Resolver { host, why } => unclear(
            format!(
                "this machine's name server says nothing about the host {host:?} of {url}: {why} (kubectl says: dial tcp: lookup {host}: server misbehaving, or: i/o timeout)"
            ),
            "`getent hosts HOST`: if it finds no other name either, the name server of this machine is not reached (/etc/resolv.conf, VPN)",
        ),
        Failure::TooLarge { .. } => unclear(
            format!("{url} does not answer as an API server does{directly}: {failure}, and the rest was not read"),
            "`curl -vk` the address: its headers and the beginning of its body show what answers there",
        ),
        Failure::Refused { address } => Finding::of_file(
            format!(
                "nothing listens at {address} (kubectl says: The connection to the server {address} was refused - did you specify the right host or port?)"
            ),
            "start the cluster, or correct the host and port in `server:`",
        ),
        Failure::NoRoute { address } => Finding::of_file(
            format!("this machine has no route to {address} (kubectl says: dial tcp {address}: connect: no route to host)"),
            "connect to the network (VPN) of the cluster, or correct the address in `server:`",
        ),
        Failure::TimedOut { stage, limit } => {
            let (what, says) = match stage {
                RequestStage::Lookup => ("the host's address was not found", "i/o timeout"),
                RequestStage::Connecting => (
                    "no connection was made: packets are probably dropped on the way",
                    "dial tcp: i/o timeout",
                ),
                RequestStage::Proxy => ("the proxy did not connect", "context deadline exceeded"),
                RequestStage::Handshake => (
                    "the connection is there, and TLS was not answered",
                    "net/http: TLS handshake timeout",
                ),
                RequestStage::Request => ("the request was sent, and not answered", "it waits, or: context deadline exceeded"),
            };
            unclear(
                format!("no answer from {url}{directly} within {limit:?}: {what} (kubectl says: {says})"),
                "`curl -vk` the address from a machine beside the API server: if it answers there, something between drops it",
            )
        }
        Failure::Closed { stage } => {
            let what = match stage {
                RequestStage::Handshake => "during the TLS handshake (kubectl says: EOF, or: connection reset by peer)",
                _ => "without an answer (kubectl says: EOF)",
            };
            unclear(
                format!("{url} accepts connections{directly}, and closes them {what}"),
                "`openssl s_client -connect HOST:PORT` from a machine beside the API server; a load balancer without a healthy API server behind it does this",
            )
        }
        Failure::PlainHttp => Finding::of_file(
            format!("{url} answers in plain HTTP, not in TLS (kubectl says: http: server gave HTTP response to HTTPS client)"),
            "give the address of the API server's TLS port; for `kubectl proxy` and the like, give http:// in `server:`",
        ),
        Failure::NotTls { begins } if begins.starts_with('<') => Finding::of_file(
            format!(
                "{url} answers without TLS, with a page: {begins:?} (kubectl says: tls: first record does not look like a TLS handshake)"
            ),
            "give the address of the API server's TLS port in `server:`",
        ),
        Failure::NotTls { begins } => Finding::of_file(
            format!(
                "{url} speaks another protocol than TLS: its answer begins with {begins:?} (kubectl says: tls: first record does not look like a TLS handshake)"
            ),
            "correct the host and port in `server:`: another program listens there",
        ),
        Failure::Alert(alert) => of_alert(endpoint, *alert),
        Failure::Incompatible(why) => Finding::unjudged(
            format!(
                "{url} and authlab have no version or algorithm of TLS in common ({why}); kubectl knows TLS 1.2 and 1.3, and a few algorithms more"
            ),
            "ask with `kubectl auth whoami`",
        ),
        Failure::NotHttp => Finding::of_file(
            format!(
                "{url} speaks TLS, and its answer is not HTTP (kubectl says: net/http: HTTP/1.x transport connection broken: malformed HTTP response)"
            ),
            "correct the host and port in `server:`: another program listens there",
        ),
        other => Finding::unjudged(
            format!("{url} was not asked{directly}: {other}"),
            "ask with `kubectl auth whoami -v=8`",
        ),
    }
}

/// Returns the finding for a TLS alert. API servers send none for a client certificate: they ask for one, and check it later
/// (kubernetes/apiserver `pkg/server/secure_serving.go`: `tls.RequestClientCert`).
fn of_alert(endpoint: &Endpoint, alert: rustls::AlertDescription) -> Finding {
    use rustls::AlertDescription as Alert;
    let (url, name) = (&endpoint.url, alert_name(alert));
    let seen = format!("{url} ends the TLS handshake with the alert \"{name}\" (kubectl says: remote error: tls: {name})");
    let expected = endpoint.route.as_ref().and_then(|route| route.tls_server_name.as_deref());
    match alert {
        Alert::UnrecognisedName => match expected {
            Some(expected) => Finding::of_file(
                format!("{seen}: it has no server of the name {expected:?}, which tls-server-name sends"),
                format!("correct or remove `tls-server-name: {expected}`"),
            ),
            None => Finding::of_file(
                format!("{seen}: it has no server of the name in its address"),
                "correct the host in `server:`: a load balancer or ingress chooses the server by this name",
            ),
        },
        Alert::ProtocolVersion => Finding::of_file(
            format!("{seen}: it speaks TLS 1.1 or older only"),
            "allow TLS 1.2 there: clients of Kubernetes take nothing older",
        ),
        Alert::BadCertificate
        | Alert::UnknownCA
        | Alert::CertificateRequired
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnsupportedCertificate
        | Alert::AccessDenied => Finding::likely(
            format!("{seen}: it is about the client certificate. An API server does not do this: it answers 401 instead"),
            "ask the API server without the proxy in front of it, or present the client certificate that the proxy wants",
            "the log of the proxy or load balancer at this address",
        ),
        _ => Finding::likely(
            seen,
            "check that the address is that of an API server, and not of another server that speaks TLS",
            "`openssl s_client -connect HOST:PORT -servername NAME` shows how far the handshake comes",
        ),
    }
}

/// Returns the finding for a proxy that does not connect.
fn of_proxy(endpoint: &Endpoint, proxy: &str, failure: &ProxyFailure, now: Timestamp) -> Finding {
    let route = endpoint.route.as_ref();
    let target = route.map_or_else(|| endpoint.url.clone(), Route::authority);
    let known = route.and_then(|route| route.proxy.as_ref());
    let set = |proxy: &Proxy| match proxy.variable {
        Some(variable) => format!("{variable}={proxy} in the environment"),
        None => format!("`proxy-url: {proxy}`"),
    };
    let setting = known.map_or_else(|| format!("the proxy {proxy}"), set);
    let exclude = match (known.and_then(|proxy| proxy.variable), route) {
        (Some(_), Some(route)) => format!("; to go without it: `NO_PROXY={}`", route.host),
        _ => "; to go without it, remove proxy-url".to_owned(),
    };
    match failure {
        ProxyFailure::Unreachable(inner) => match &**inner {
            Failure::Certificate(refusal) => refused(endpoint, refusal, now)
                .into_iter()
                .next()
                .unwrap_or_else(|| Finding::remark(format!("the proxy {proxy} is refused"))),
            Failure::Refused { address } => Finding::of_file(
                format!(
                    "nothing listens at the proxy {address}; the API server was not asked (kubectl says: The connection to the server {target} was refused, and means the proxy)"
                ),
                format!("start the proxy (a tunnel such as `ssh -D` may have ended), or correct {setting}{exclude}"),
            ),
            inner => Finding::of_file(
                format!("the proxy {proxy} cannot be reached: {inner}; the API server was not asked"),
                format!("correct {setting}{exclude}"),
            ),
        },
        ProxyFailure::Status { status: 407, reason, .. } => Finding::of_file(
            format!(
                "the proxy {proxy} wants {} (407; kubectl says: {reason}); the API server was not asked",
                match known.is_some_and(|proxy| proxy.user.is_some()) {
                    true => "another user name or password",
                    false => "a user name and a password",
                }
            ),
            format!(
                "give them in its address, percent-encoded: `http://USER:PASSWORD@{}`",
                known.map_or_else(|| proxy.to_owned(), Proxy::authority)
            ),
        ),
        ProxyFailure::Status { status, reason, server } => {
            let by = server
                .as_ref()
                .map(|server| format!(" (it calls itself {server:?})"))
                .unwrap_or_default();
            Finding::of_file(
                format!(
                    "the proxy {proxy}{by} does not connect to {target}: {status} {reason} (kubectl says: {reason}); the API server was not asked"
                ),
                match status {
                    403 | 405 => format!("have {target} allowed at the proxy{exclude}"),
                    _ => format!("check that the proxy can reach {target}{exclude}"),
                },
            )
        }
        ProxyFailure::Credentials => Finding::of_file(
            format!(
                "the proxy {proxy} refuses its user name and password; the API server was not asked (kubectl says: socks connect: username/password authentication failed)"
            ),
            format!("correct both in {setting}, percent-encoded"),
        ),
        ProxyFailure::NoMethod => Finding::of_file(
            format!(
                "the proxy {proxy} wants credentials that were not given; the API server was not asked (kubectl says: socks connect: no acceptable authentication methods)"
            ),
            "give a user name and a password in its address: `socks5://USER:PASSWORD@HOST:PORT`",
        ),
        ProxyFailure::Reply(code) => Finding::of_file(
            format!(
                "the proxy {proxy} does not connect to {target}: {} (kubectl says: socks connect: unknown error {0})",
                socks_reply(*code)
            ),
            format!("check that the proxy may and can reach {target}{exclude}"),
        ),
        ProxyFailure::Protocol => Finding::of_file(
            format!("{proxy} does not answer as a proxy of that kind; the API server was not asked"),
            format!("correct the scheme or the port of {setting}: http://, https:// and socks5:// are different protocols{exclude}"),
        ),
    }
}
