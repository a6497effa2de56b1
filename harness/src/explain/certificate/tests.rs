//! Tests of the whole check of a certificate, with fixtures that openssl has made.

use super::*;
use crate::explain::Basis;
use crate::pki::{Authority, Flaw, Leaf, Request};

fn names(authority: &Authority) -> Vec<Vec<u8>> {
    let block = pem::first(authority.certificate()).expect("PEM");
    vec![block.parse_x509().expect("a certificate").subject().as_raw().to_vec()]
}

fn causes_of(chain: &str, authorities: &Authorities<'_>, known: &Known, now: Timestamp) -> Vec<&'static str> {
    let found = check(chain, authorities, known, now);
    let causes = found.into_iter().filter(|finding| finding.effect == Effect::Cause);
    causes.map(|finding| finding.behaviour.unwrap_or_default()).collect()
}

fn causes(leaf: &Leaf, advertised: &[Vec<u8>], known: &Known) -> Vec<&'static str> {
    let authorities = Authorities {
        advertised,
        ..Authorities::default()
    };
    causes_of(&leaf.full_chain(), &authorities, known, Timestamp::now())
}

/// A fixture (fixtures/explain/README.md).
fn fixture(name: &str) -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/explain/certificates");
    std::fs::read_to_string(format!("{directory}/{name}.crt")).expect("a fixture")
}

/// A time within the validity of all fixtures.
fn later() -> Timestamp {
    "2049-12-31T00:00:00Z".parse().expect("a time")
}

fn with_authority(name: &str, authority: &str) -> Vec<Finding> {
    let authority = fixture(authority);
    let authorities = Authorities {
        clients: Some(&authority),
        ..Authorities::default()
    };
    check(&fixture(name), &authorities, &Known::default(), later())
}

/// The only cause of a fixture, with the authority in hand.
fn cause(name: &str, authority: &str) -> Finding {
    let mut found = with_authority(name, authority);
    found.retain(|finding| finding.effect == Effect::Cause);
    assert_eq!(found.len(), 1, "{name}: {found:#?}");
    found.remove(0)
}

#[test]
fn each_flaw_is_the_only_cause() {
    let authority = Authority::root("clients").expect("an authority");
    let advertised = names(&authority);
    let issue = |request: &Request| authority.issue(request).expect("a certificate");
    assert!(causes(&issue(&Request::client("alice", &["dev"])), &advertised, &Known::default()).is_empty());
    for (flaw, cause) in [
        (Flaw::Expired, "X4"),
        (Flaw::NotYetValid, "X5"),
        (Flaw::ServerOnly, "X6"),
        (Flaw::NoCommonName, "X9"),
    ] {
        let leaf = issue(&Request::flawed("alice", &[], flaw));
        assert_eq!(causes(&leaf, &advertised, &Known::default()), [cause]);
        let in_hand = Authorities {
            clients: Some(authority.certificate()),
            ..Authorities::default()
        };
        assert_eq!(
            causes_of(&leaf.full_chain(), &in_hand, &Known::default(), Timestamp::now()),
            [cause]
        );
    }
    let stranger = Authority::root("stranger").expect("an authority");
    let leaf = stranger.issue(&Request::client("alice", &[])).expect("a certificate");
    assert_eq!(causes(&leaf, &advertised, &Known::default()), ["X3"]);
    let leaf = Authority::self_signed(&Request::client("alice", &[])).expect("a certificate");
    assert_eq!(causes(&leaf, &advertised, &Known::default()), ["X3"]);
    // A server that advertises nothing gives no information.
    assert!(causes(&leaf, &[], &Known::default()).is_empty());
}

#[test]
fn a_proxy_is_believed_by_its_name() {
    let authority = Authority::root("proxies").expect("an authority");
    let known = Known {
        proxy_authorities: Some(authority.certificate().to_owned()),
        proxy_names: Some(vec!["front-proxy-client".to_owned()]),
        ..Known::default()
    };
    let of = |name| authority.issue(&Request::client(name, &[])).expect("a certificate");
    assert_eq!(causes(&of("nginx"), &names(&authority), &known), ["P6"]);
    assert!(causes(&of("front-proxy-client"), &names(&authority), &known).is_empty());
    // Another authority of the same name is not the front proxies'.
    let other = Authority::root("proxies").expect("an authority");
    let stranger = other.issue(&Request::client("nginx", &[])).expect("a certificate");
    assert!(causes(&stranger, &names(&authority), &known).is_empty());
}

#[test]
fn what_is_no_certificate_is_said_to_be_none() {
    let found = check("hello", &Authorities::default(), &Known::default(), Timestamp::now());
    assert!(found[0].seen.contains("not PEM text"), "{found:?}");
}

#[test]
fn subjects_are_read_as_go_reads_them() {
    for (name, seen) in [
        (
            "two-cns",
            "the user is \"alice\" (the last common name; [\"Users\"] does not count), the groups are [\"dev\"]",
        ),
        (
            "multi-valued",
            "the user is \"alice\" (common name), the groups are [\"dev\", \"ops\"]",
        ),
        (
            "bmp",
            "the user is \"svc_alice@example.test\" (common name), the groups are [\"dev@ops\"]",
        ),
        (
            "t61",
            "the user is \"svc_alice@example.test\" (common name), the groups are [\"dev@ops\"]",
        ),
        ("any", "the user is \"alice\""),
        ("chain", "the user is \"alice\""),
    ] {
        let found = with_authority(name, "ca");
        assert!(found.iter().all(|finding| finding.effect > Effect::Unjudged), "{name}: {found:?}");
        assert!(found.iter().any(|finding| finding.seen.starts_with(seen)), "{name}: {found:?}");
        // The bindings to remove are those of the same user.
        let (_, user) = end(&fixture(name)).expect("an end");
        assert!(seen.starts_with(&format!("the user is {user:?}")), "{user}");
    }
    assert_eq!(cause("no-cn", "ca").behaviour, Some("X9"));
}

#[test]
fn a_signature_with_a_broken_hash_is_the_cause_with_and_without_the_authority() {
    for (name, authority, algorithm) in [
        ("sha1", "ca", "ECDSA-SHA1"),
        ("rsa-sha1", "rsa-ca", "SHA1-RSA"),
        ("rsa-md5", "rsa-ca", "MD5-RSA"),
    ] {
        let found = cause(name, authority);
        assert_eq!((found.behaviour, found.basis), (Some("X21"), Basis::Compared));
        assert!(found.seen.contains(algorithm), "{found:?}");
        assert_eq!(
            causes_of(&fixture(name), &Authorities::default(), &Known::default(), later()),
            ["X21"]
        );
    }
    // An authority's own signature is not verified.
    let own = fixture("self-signed");
    let authorities = Authorities {
        clients: Some(&own),
        ..Authorities::default()
    };
    assert!(causes_of(&own, &authorities, &Known::default(), later()).is_empty());
}

#[test]
fn the_authority_in_hand_is_compared_by_its_key() {
    let found = cause("other-key", "ca");
    assert_eq!((found.behaviour, found.basis), (Some("X3"), Basis::Compared));
    assert!(
        found.seen.contains("another authority of the name \"CN=authlab fixtures\"") && found.seen.contains("authority key identifier"),
        "{found:?}"
    );
    for (name, authority, part) in [
        ("sound", "rsa-ca", "neither in the file nor in --client-ca-file"),
        ("of-i", "ca", "add its certificate after the client's own"),
        ("too-long", "ca", "pathlen"),
        ("not-a-ca", "ca", "basicConstraints CA:TRUE"),
        ("self-signed", "ca", "signed by itself"),
        ("other-encoding", "ca", "in another encoding"),
        ("server", "ca", "lack `client auth`"),
        ("critical", "ca", "the critical extension 1.2.3.4"),
    ] {
        let found = cause(name, authority);
        let text = format!("{} {}", found.seen, found.change.clone().unwrap_or_default());
        assert!(text.contains(part), "{name}: {found:?}");
    }
}

#[test]
fn with_names_alone_the_signer_is_a_guess() {
    let block = pem::first(&fixture("ca")).expect("PEM");
    let advertised = vec![block.parse_x509().expect("ours").subject().as_raw().to_vec()];
    let found = |name: &str, serving: Option<&str>| {
        let serving = serving.map(fixture);
        let authorities = Authorities {
            advertised: &advertised,
            serving: serving.as_deref(),
            ..Authorities::default()
        };
        let found = check(&fixture(name), &authorities, &Known::default(), later());
        let signer = found.into_iter().find(|finding| finding.behaviour != Some("X2"));
        signer.map(|finding| (finding.effect, finding.basis, finding.seen))
    };
    let (effect, basis, seen) = found("rsa-sha256", None).expect("a guess");
    assert_eq!((effect, basis), (Effect::Cause, Basis::Likely));
    assert!(seen.contains("the server accepts those of [\"CN=authlab fixtures\"]"), "{seen}");
    let (effect, _, seen) = found("sound", None).expect("it cannot be judged");
    assert_eq!(effect, Effect::Unjudged, "{seen}");
    // The authority of the server's certificate has the same name: the same key, or that of another cluster.
    let (effect, ..) = found("sound", Some("ca")).expect("right");
    assert_eq!(effect, Effect::Right);
    let (effect, basis, seen) = found("other-key", Some("ca")).expect("a guess");
    assert_eq!((effect, basis), (Effect::Cause, Basis::Likely));
    assert!(seen.contains("the authority of the server's own certificate is"), "{seen}");
    assert_eq!(found("sound", Some("rsa-ca")).expect("unknown").0, Effect::Unjudged);
}

#[test]
fn an_authority_before_the_clients_own_certificate_is_noticed() {
    let file = format!("{}{}", fixture("ca"), fixture("sound"));
    let found = check(&file, &Authorities::default(), &Known::default(), later());
    assert_eq!((found.len(), found[0].basis), (1, Basis::Likely));
    assert!(
        found[0]
            .seen
            .contains("the first certificate is that of the authority \"CN=authlab fixtures\""),
        "{found:?}"
    );
}

#[test]
fn what_was_issued_is_judged_by_its_own_purpose() {
    let server = issued(&fixture("server"), later());
    assert!(server.iter().all(|finding| finding.effect == Effect::Note), "{server:?}");
    let expired = issued(&fixture("server"), "2200-01-01T00:00:00Z".parse().expect("a time"));
    assert_eq!(expired[0].behaviour, Some("X4"));
    assert_eq!(issued(&fixture("two-cns"), later())[0].behaviour, Some("X2"));
}

#[test]
fn a_bundle_is_read_as_go_reads_it() {
    let said = |text: &str, now: Timestamp| {
        let found = bundle::check(text, "ca.crt", now);
        found.into_iter().map(|finding| (finding.effect, finding.seen)).collect::<Vec<_>>()
    };
    let (ca, other) = (fixture("ca"), fixture("rsa-ca"));
    assert_eq!(said(&format!("\u{feff}# both\n{ca}text\n{other}"), later()), []);
    let trusted = ca.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    let found = said(&format!("{trusted}{other}"), later());
    assert!(
        found.len() == 1 && found[0].0 == Effect::Note && found[0].1.contains("block 1 of ca.crt is skipped"),
        "{found:?}"
    );
    let found = said(&trusted, later());
    assert_eq!(found.last().map(|(effect, _)| *effect), Some(Effect::Cause), "{found:?}");
    assert!(said("\u{30}\u{82}", later())[0].1.contains("unable to load root certificates"));
    assert!(
        said(&fixture("sound"), later())[0]
            .1
            .contains("only this very certificate is trusted")
    );
    assert!(
        said(&ca, "2200-01-01T00:00:00Z".parse().expect("a time"))[0]
            .1
            .contains("expired at")
    );
}
