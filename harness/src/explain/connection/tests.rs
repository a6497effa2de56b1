//! Refused certificates, and the findings about them.

mod network;

use std::net::{IpAddr, Ipv4Addr};

use super::server_certificate::hostname_error;
use super::*;
use crate::explain::{Basis, Effect};
use crate::kubeconfig::Place;
use crate::pki::Authority;
use crate::probe::Refusal;
use crate::tls::{Flaw, ServerCertificate};

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
fn a_strangers_names_are_not_to_be_expected() {
    let stranger = certificate(&["www.example.test"], &[]);
    let mut without = cluster();
    without.authority = None;
    let unknown = Flaw::UnknownIssuer { same_name: false };
    let unjudged = Flaw::Unjudged { why: "x".to_owned() };
    for (cluster, flaws) in [
        (&without, vec![Flaw::OtherNames]),
        (&without, vec![Flaw::OtherNames, unknown.clone()]),
        (&cluster(), vec![Flaw::OtherNames, unknown]),
        (&cluster(), vec![Flaw::OtherNames, unjudged]),
    ] {
        for name in [None, Some("kubernets".to_owned())] {
            let mut cluster = cluster.clone();
            cluster.tls_server_name = name;
            let change = refusing(&cluster, stranger.clone(), &flaws)[0].change.clone().expect("a change");
            assert!(!change.contains("tls-server-name: www.example.test"), "{change}");
        }
    }
    let change = refusing(&without, stranger.clone(), &[Flaw::OtherNames])[0]
        .change
        .clone()
        .expect("a change");
    assert!(
        change.starts_with("check that https://203.0.113.7:6443 is the API server's address"),
        "{change}"
    );
    let change = refusing(&cluster(), stranger, &[Flaw::OtherNames, Flaw::Expired])[0].change.clone();
    assert!(change.expect("a change").contains("tls-server-name: www.example.test"));
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
