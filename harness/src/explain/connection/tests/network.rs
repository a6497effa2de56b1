//! Failures of a connection before TLS, and of its proxy.

use std::time::Duration;

use rustls::AlertDescription;

use super::*;
use crate::credential::Credential;
use crate::explain::answer::tests::answer;
use crate::secret::Secret;
use crate::tls::IdentityError;

fn failing(cluster: &ClusterConfig, failure: &Failure) -> Finding {
    let mut found = findings(&Endpoint::kubectl(cluster).expect("an endpoint"), failure, now());
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_proxys_failure_is_the_proxys() {
    let mut cluster = cluster();
    cluster.proxy_url = Some("http://user:secret@proxy.test:3128".to_owned());
    let proxy = "http://proxy.test:3128".to_owned();
    let found = |failure| {
        failing(
            &cluster,
            &Failure::Proxy {
                proxy: proxy.clone(),
                failure,
            },
        )
    };
    let refused = |address: &str| {
        ProxyFailure::Unreachable(Box::new(Failure::Refused {
            address: address.to_owned(),
        }))
    };
    let status = |status, reason: &str| ProxyFailure::Status {
        status,
        reason: reason.to_owned(),
        server: Some("squid/6".to_owned()),
    };
    for (failure, words, remedy) in [
        (
            refused("proxy.test:3128"),
            "nothing listens at the proxy proxy.test:3128; the API server was not asked",
            "`proxy-url: http://proxy.test:3128`",
        ),
        (
            ProxyFailure::Unreachable(Box::new(Failure::Lookup {
                host: "proxy.test".to_owned(),
            })),
            "cannot be reached",
            "remove proxy-url",
        ),
        (
            status(407, "Proxy Authentication Required"),
            "wants another user name or password (407;",
            "percent-encoded",
        ),
        (
            status(403, "Forbidden"),
            "(it calls itself \"squid/6\") does not connect to 203.0.113.7:6443: 403 Forbidden",
            "have 203.0.113.7:6443 allowed",
        ),
        (
            status(503, "Service Unavailable"),
            "503 Service Unavailable",
            "can reach 203.0.113.7:6443",
        ),
        (ProxyFailure::Credentials, "refuses its user name and password", "correct both"),
        (ProxyFailure::NoMethod, "wants credentials that were not given", "USER:PASSWORD"),
        (ProxyFailure::Reply(4), "unknown error host unreachable", "can reach"),
        (
            ProxyFailure::Protocol,
            "does not answer as a proxy of that kind",
            "different protocols",
        ),
    ] {
        let found = found(failure);
        assert!(found.seen.contains(words), "{words}: {found:?}");
        assert!(
            found.change.as_ref().is_some_and(|change| change.contains(remedy)),
            "{remedy}: {found:?}"
        );
        assert!(
            !format!("{found:?}").contains("secret") && !found.seen.contains("certificate"),
            "{found:?}"
        );
    }
}

#[test]
fn the_networks_failures_have_kubectls_words() {
    let address = "203.0.113.7:6443".to_owned();
    let limit = Duration::from_secs(30);
    for (failure, words) in [
        (
            Failure::Lookup {
                host: "api.test".to_owned(),
            },
            "lookup api.test: no such host",
        ),
        (
            Failure::Refused { address: address.clone() },
            "The connection to the server 203.0.113.7:6443 was refused",
        ),
        (
            Failure::Resolver {
                host: "api.test".to_owned(),
                why: "Temporary failure in name resolution".to_owned(),
            },
            "name server says nothing about the host \"api.test\"",
        ),
        (Failure::TooLarge { limit: 64 << 20 }, "the answer is larger than 64 MiB"),
        (Failure::NoRoute { address }, "no route to host"),
        (
            Failure::TimedOut {
                stage: RequestStage::Connecting,
                limit,
            },
            "packets are probably dropped",
        ),
        (
            Failure::TimedOut {
                stage: RequestStage::Handshake,
                limit,
            },
            "TLS handshake timeout",
        ),
        (
            Failure::Closed {
                stage: RequestStage::Handshake,
            },
            "during the TLS handshake",
        ),
        (Failure::PlainHttp, "http: server gave HTTP response to HTTPS client"),
        (
            Failure::NotTls {
                begins: "SSH-2.0".to_owned(),
            },
            "begins with \"SSH-2.0\"",
        ),
        (
            Failure::NotTls {
                begins: "<!DOCTYPE".to_owned(),
            },
            "with a page",
        ),
        (Failure::NotHttp, "is not HTTP"),
        (
            Failure::Alert(AlertDescription::UnrecognisedName),
            "no server of the name in its address",
        ),
        (Failure::Alert(AlertDescription::BadCertificate), "An API server does not do this"),
        (Failure::Alert(AlertDescription::ProtocolVersion), "TLS 1.1 or older"),
        (
            Failure::Alert(AlertDescription::HandshakeFailure),
            "remote error: tls: handshake failure",
        ),
        (Failure::Incompatible("x".to_owned()), "in common"),
        (
            Failure::KeyDeclined {
                kind: "P-521 key".to_owned(),
            },
            "takes no signature of a P-521 key",
        ),
        (Failure::Identity(IdentityError::Encrypted), "tls: failed to parse private key"),
        (Failure::Other("x".to_owned()), "was not asked: x"),
    ] {
        let found = failing(&cluster(), &failure);
        assert!(found.seen.contains(words), "{words}: {found:?}");
        assert!(found.change.is_some() || found.settle.is_some(), "{found:?}");
    }
    let mut named = cluster();
    named.tls_server_name = Some("kubernets".to_owned());
    let found = failing(&named, &Failure::Alert(AlertDescription::UnrecognisedName));
    assert_eq!(found.change.as_deref(), Some("correct or remove `tls-server-name: kubernets`"));
}

#[test]
fn what_kubectl_does_not_connect_to_is_said_so() {
    let of = |change: &dyn Fn(&mut ClusterConfig)| {
        let mut cluster = cluster();
        change(&mut cluster);
        of_route(&cluster, &Endpoint::kubectl(&cluster).expect_err("no endpoint"))
    };
    let found = of(&|cluster| cluster.proxy_url = Some("proxy.test:3128".to_owned()));
    assert!(found.seen.contains("invalid 'proxy-url'"), "{found:?}");
    assert!(found.change.expect("a change").contains("`proxy-url: http://proxy.test:3128`"));
    let found = of(&|cluster| cluster.insecure_skip_tls_verify = true);
    assert!(
        found
            .seen
            .contains("specifying a root certificates file with the insecure flag is not allowed"),
        "{found:?}"
    );
    assert!(
        of(&|cluster| cluster.server.clear())
            .seen
            .contains("no server found for cluster \"prod\"")
    );
    assert_eq!(of(&|cluster| cluster.server = "https://u:p@x".to_owned()).effect, Effect::Unjudged);
}

#[test]
fn what_was_checked_is_told() {
    let answer = |certificate| Answer {
        server_certificate: certificate,
        ..answer(201, &[], "")
    };
    let seen =
        |cluster: &ClusterConfig, certificate| checked(&Endpoint::kubectl(cluster).expect("an endpoint"), &answer(certificate), now());
    let mut soon = certificate(&["kubernetes"], &[]);
    soon.not_before = "2025-12-09T12:00:00Z".parse().expect("a time");
    soon.not_after = "2026-12-09T12:00:00Z".parse().expect("a time");
    let found = seen(&cluster(), Some(soon.clone()));
    assert_eq!(
        found.iter().map(|finding| finding.effect).collect::<Vec<_>>(),
        [Effect::Right, Effect::Note]
    );
    assert!(found[1].seen.contains("expires in 10 days"), "{found:?}");
    let mut other = cluster();
    (other.authority, other.insecure_skip_tls_verify) = (None, true);
    other.proxy_url = Some("socks5://u:secret@proxy.test".to_owned());
    let found = seen(&other, Some(soon));
    assert!(found[0].seen.contains("is not verified") && found[1].seen.contains("through the proxy socks5://proxy.test:1080 (proxy-url)"));
    let mut plain = cluster();
    (plain.server, plain.authority, plain.place) = ("api.test:6443".to_owned(), None, None);
    let found = seen(&plain, None);
    assert!(
        found[0]
            .seen
            .contains("has no scheme, so kubectl asks http://api.test:6443, and sends no credential"),
        "{found:?}"
    );
    assert_eq!(found[0].effect, Effect::Note);
}

#[test]
fn a_header_that_is_not_sent_is_told_by_its_field_alone() {
    let extra = vec![("Impersonate-Extra-reason".to_owned(), "secret\nsecret".to_owned())];
    let acting = Credential::of(vec![Credential::Token(Secret::new("t"))], extra);
    let token = Credential::Token(Secret::new("secret\nsecret"));
    for (credential, field, header) in [
        (acting, "the entry \"reason\" of `as-user-extra`", "Impersonate-Extra-reason"),
        (token, "the token", "Authorization"),
    ] {
        let found = unsendable(&credential.presentation()).expect("a finding");
        assert!(
            found.seen.starts_with(&format!("kubectl does not send this request: {field}")),
            "{found:?}"
        );
        let says = format!("has a line break in it (kubectl says: net/http: invalid header field value for {header:?})");
        assert!(found.seen.ends_with(&says) && !format!("{found:?}").contains("secret"), "{found:?}");
    }
    assert!(unsendable(&Credential::Token(Secret::new("t")).presentation()).is_none());
}
