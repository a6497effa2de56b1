//! Failures of a connection, and the findings about them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustls::AlertDescription;

use super::server_certificate::hostname_error;
use super::*;
use crate::explain::{Basis, Effect};
use crate::kubeconfig::Place;
use crate::pki::Authority;
use crate::probe::Refusal;
use crate::tls::{Flaw, IdentityError, ServerCertificate};

fn now() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().expect("a time")
}

fn cluster() -> ClusterConfig {
    ClusterConfig {
        name: "prod".to_owned(),
        server: "https://203.0.113.7:6443".to_owned(),
        authority: Some(Authority::root("kubernetes").expect("an authority").certificate().to_owned()),
        place: Some(Place {
            file: "config".into(),
            line: Some(3),
        }),
        ..ClusterConfig::default()
    }
}

fn certificate(names: &[&str], addresses: &[Ipv4Addr]) -> ServerCertificate {
    ServerCertificate {
        subject: "CN=kube-apiserver".to_owned(),
        common_name: Some("kube-apiserver".to_owned()),
        issuer: "CN=other".to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        addresses: addresses.iter().copied().map(IpAddr::from).collect(),
        has_alternative_names: !names.is_empty() || !addresses.is_empty(),
        usages: vec!["clientAuth".to_owned()],
        not_before: "2027-11-29T12:00:00Z".parse().expect("a time"),
        not_after: "2026-11-19T12:00:00Z".parse().expect("a time"),
        weak_algorithm: None,
        is_authority: false,
    }
}

fn refusing(cluster: &ClusterConfig, certificate: ServerCertificate, flaws: &[Flaw]) -> Vec<Finding> {
    let endpoint = Endpoint::kubectl(cluster).expect("an endpoint");
    let refusal = Refusal {
        expected: endpoint.route.as_ref().expect("a route").expected_name().to_owned(),
        of_proxy: false,
        certificate: Some(certificate),
        flaws: flaws.to_vec(),
    };
    findings(&endpoint, &Failure::Certificate(Box::new(refusal)), now())
}

fn failing(cluster: &ClusterConfig, failure: &Failure) -> Finding {
    let mut found = findings(&Endpoint::kubectl(cluster).expect("an endpoint"), failure, now());
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn other_names_are_listed_with_the_line_that_helps() {
    let found = refusing(
        &cluster(),
        certificate(&["other", "kubernetes.default.svc"], &[Ipv4Addr::new(10, 96, 0, 1)]),
        &[Flaw::OtherNames],
    );
    assert_eq!(
        found[0].seen,
        "the certificate of https://203.0.113.7:6443 is for other, kubernetes.default.svc, 10.96.0.1, and it is asked as 203.0.113.7 \
         (kubectl says: x509: certificate is valid for 10.96.0.1, not 203.0.113.7)"
    );
    let change = found[0].change.as_deref().expect("a change");
    assert!(
        change.contains("    server: https://203.0.113.7:6443\n    tls-server-name: kubernetes.default.svc\n"),
        "{change}"
    );
    assert!(change.contains("--apiserver-cert-extra-sans=203.0.113.7"), "{change}");
    assert_eq!(
        (found[0].effect, found[0].basis, found[0].place.clone()),
        (Effect::Cause, Basis::Compared, cluster().place)
    );
    // No address among the names, only wildcards.
    let found = refusing(&cluster(), certificate(&["*.test"], &[]), &[Flaw::OtherNames]);
    assert!(
        found[0]
            .seen
            .ends_with("x509: cannot validate certificate for 203.0.113.7 because it doesn't contain any IP SANs)"),
        "{found:?}"
    );
    assert!(
        !found[0].change.as_ref().expect("a change").contains("tls-server-name"),
        "{found:?}"
    );
}

#[test]
fn a_wrong_tls_server_name_is_not_blamed_on_the_certificate() {
    let mut cluster = cluster();
    cluster.tls_server_name = Some("kubernets".to_owned());
    let found = refusing(&cluster, certificate(&["kubernetes"], &[]), &[Flaw::OtherNames]);
    assert!(
        found[0]
            .seen
            .starts_with("tls-server-name is \"kubernets\", and the certificate of"),
        "{found:?}"
    );
    assert_eq!(found[0].change.as_deref(), Some("correct the line: `tls-server-name: kubernetes`"));
    let found = refusing(
        &cluster,
        certificate(&["kubernetes"], &[Ipv4Addr::new(203, 0, 113, 7)]),
        &[Flaw::OtherNames],
    );
    assert_eq!(
        found[0].change.as_deref(),
        Some("remove the line `tls-server-name: kubernets`: the certificate is for 203.0.113.7")
    );
}

#[test]
fn a_certificate_without_names_relies_on_its_common_name() {
    let mut one = certificate(&[], &[]);
    one.common_name = Some("203.0.113.7".to_owned());
    let found = refusing(&cluster(), one.clone(), &[Flaw::OtherNames]);
    assert!(
        found[0]
            .seen
            .contains("no subject alternative names, only the common name \"203.0.113.7\""),
        "{found:?}"
    );
    assert!(
        found[0]
            .seen
            .contains("x509: certificate relies on legacy Common Name field, use SANs instead"),
        "{found:?}"
    );
    assert!(
        found[0]
            .change
            .as_ref()
            .expect("a change")
            .contains("subjectAltName=IP:203.0.113.7"),
        "{found:?}"
    );
    one.common_name = Some("x".to_owned());
    assert_eq!(
        hostname_error("api.test", &one),
        "x509: certificate is not valid for any names, but wanted to match api.test"
    );
    let many: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        hostname_error("api.test", &certificate(&many, &[])),
        "x509: certificate is valid for 100 names, but none matched api.test"
    );
}

#[test]
fn dates_are_shown_with_what_renews_them() {
    let one = certificate(&["kubernetes"], &[]);
    let found = refusing(&cluster(), one.clone(), &[Flaw::Expired]);
    assert!(found[0].seen.contains("expired at 2026-11-19T12:00:00Z, 10 days ago"), "{found:?}");
    assert!(
        found[0]
            .change
            .as_ref()
            .expect("a change")
            .contains("kubeadm certs renew apiserver"),
        "{found:?}"
    );
    let found = refusing(&cluster(), one.clone(), &[Flaw::NotYetValid]);
    assert!(
        found[0].seen.contains("valid only from 2027-11-29T12:00:00Z, in 365 days"),
        "{found:?}"
    );
    assert!(found[0].change.as_ref().expect("a change").contains("clock"), "{found:?}");
    // Each of several flaws is told, in Go's order.
    assert_eq!(
        refusing(
            &cluster(),
            one,
            &[Flaw::Expired, Flaw::OtherNames, Flaw::UnknownIssuer { same_name: false }]
        )
        .len(),
        3
    );
}

#[test]
fn an_unknown_signer_is_compared_with_what_is_trusted() {
    let one = certificate(&["kubernetes"], &[]);
    let seen = |cluster: &ClusterConfig, same_name| refusing(cluster, one.clone(), &[Flaw::UnknownIssuer { same_name }]).remove(0);
    let found = seen(&cluster(), false);
    assert!(
        found
            .seen
            .contains("signed by \"CN=other\", and the kubeconfig's certificate-authority is \"CN=kubernetes\""),
        "{found:?}"
    );
    let found = seen(&cluster(), true);
    assert!(found.seen.contains("has another key") && found.change.expect("a change").contains("take the kubeconfig anew"));
    let mut without = cluster();
    without.authority = None;
    let found = seen(&without, false);
    assert!(
        found
            .seen
            .contains("names no certificate-authority, and this system does not trust that signer"),
        "{found:?}"
    );
    let mut proxied = cluster();
    proxied.proxy_url = Some("http://u:secret@proxy.test:3128".to_owned());
    let found = refusing(&proxied, one.clone(), &[Flaw::UnknownIssuer { same_name: false }]);
    assert_eq!(found[1].basis, Basis::Likely);
    assert!(
        found[1].seen.contains("TLS inspection") && !format!("{found:?}").contains("secret"),
        "{found:?}"
    );
    let mut fake = one.clone();
    fake.common_name = Some("Kubernetes Ingress Controller Fake Certificate".to_owned());
    let found = refusing(&cluster(), fake, &[Flaw::OtherNames]);
    assert!(found[1].seen.contains("an ingress controller answers"), "{found:?}");
}

#[test]
fn every_other_flaw_of_a_certificate_has_a_remedy() {
    let (not_before, not_after) = (now(), now());
    for (flaw, words) in [
        (
            Flaw::AuthorityDates {
                authority: "CN=kubernetes".to_owned(),
                not_before,
                not_after,
            },
            "is valid from",
        ),
        (
            Flaw::NoAuthority {
                authority: "CN=kubernetes".to_owned(),
            },
            "may not sign certificates",
        ),
        (Flaw::IntermediateDates, "an intermediate certificate"),
        (
            Flaw::WrongUsage,
            "usages are clientAuth (kubectl says: x509: certificate specifies an incompatible key usage)",
        ),
        (
            Flaw::WeakSignature {
                algorithm: "SHA1-RSA".to_owned(),
            },
            "insecure algorithm SHA1-RSA",
        ),
    ] {
        let found = refusing(&cluster(), certificate(&["kubernetes"], &[]), &[flaw]);
        assert!(found[0].seen.contains(words) && found[0].change.is_some(), "{found:?}");
    }
    let found = refusing(
        &cluster(),
        certificate(&["kubernetes"], &[]),
        &[Flaw::Unjudged { why: "x".to_owned() }],
    );
    assert_eq!(found[0].effect, Effect::Unjudged);
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
        request: String::new(),
        verdict: crate::event::Verdict::Accepted,
        status: Some(201),
        headers: Vec::new(),
        body: serde_json::Value::Null,
        text: String::new(),
        identity: None,
        record: crate::probe::Record {
            reason: None,
            source: crate::event::ReasonSource::None,
            audit_id: None,
            event: None,
            log: Vec::new(),
        },
        failure: None,
        server_certificate: certificate,
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
    (plain.server, plain.authority) = ("api.test:6443".to_owned(), None);
    let found = seen(&plain, None);
    assert!(
        found[0]
            .seen
            .contains("has no scheme, so kubectl asks http://api.test:6443, and sends no credential"),
        "{found:?}"
    );
    assert_eq!(found[0].effect, Effect::Note);
}
