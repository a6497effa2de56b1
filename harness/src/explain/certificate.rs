//! Checks of a client certificate without the server's help: its signer, its validity, its usages, and the identity in its
//! subject.
//!
//! The main function is [`check`]: no input, no output. No signature is verified: only the server detects a forged one of the same name.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;

use super::{Finding, Known};
use crate::pem;
use crate::pki::Holder;

/// Checks the certificates of `chain`, PEM, the leaf first, against the names of the CAs that the server advertises in its
/// handshake, DER (RFC 8446 §4.2.4).
#[must_use]
pub fn check(chain: &str, advertised: &[Vec<u8>], known: &Known, now: Timestamp) -> Vec<Finding> {
    let blocks = pem::blocks(chain);
    let certificates: Vec<X509Certificate<'_>> = blocks.iter().filter_map(|block| block.parse_x509().ok()).collect();
    let Some(leaf) = certificates.first() else {
        return vec![Finding::of_file(
            "the client certificate is not PEM text with a certificate in it",
            "give the certificate itself, with its BEGIN and END lines",
        )];
    };
    let mut findings = Vec::new();
    match front_proxy(leaf, known) {
        Some(finding) => findings.push(finding),
        None => findings.extend(authority(&certificates, advertised)),
    }
    for (index, certificate) in certificates.iter().enumerate() {
        findings.extend(dates(certificate, index, now));
    }
    if let Ok(Some(usage)) = leaf.extended_key_usage()
        && !usage.value.client_auth
        && !usage.value.any
    {
        findings.push(Finding::cause(
            "X6",
            "the certificate is not for clients: its extended key usages lack `client auth`",
            "have it signed for clients (extendedKeyUsage=clientAuth; in a signing request: the usage `client auth`)",
        ));
    }
    findings.push(identity(leaf));
    findings
}

fn authority(chain: &[X509Certificate<'_>], advertised: &[Vec<u8>]) -> Option<Finding> {
    // A server that advertises no CA says nothing about which ones it accepts.
    if advertised.is_empty() || chain.iter().any(|one| advertised.iter().any(|name| name == one.issuer().as_raw())) {
        return None;
    }
    let leaf = chain.first()?;
    let names: Vec<String> = advertised.iter().map(|name| readable(name)).collect();
    let signer = if leaf.issuer().as_raw() == leaf.subject().as_raw() {
        "by itself".to_owned()
    } else {
        format!("by {:?}", leaf.issuer().to_string())
    };
    Some(Finding::cause(
        "X3",
        format!("the certificate is signed {signer}, and the server accepts those of {names:?}"),
        "have it signed by an authority of --client-ca-file, or also present the intermediate certificates",
    ))
}

fn readable(name: &[u8]) -> String {
    use x509_parser::prelude::FromDer;
    x509_parser::x509::X509Name::from_der(name).map_or_else(|_| hex::encode(name), |(_, name)| name.to_string())
}

/// Checks the name in a certificate of the front-proxy CA, which is accepted only for front proxies with an allowed name.
fn front_proxy(leaf: &X509Certificate<'_>, known: &Known) -> Option<Finding> {
    let (authorities, names) = (known.proxy_authorities.as_deref()?, known.proxy_names.as_ref()?);
    let theirs = pem::blocks(authorities)
        .iter()
        .filter_map(|block| block.parse_x509().ok())
        .any(|one| one.subject().as_raw() == leaf.issuer().as_raw());
    let name = user(leaf);
    (theirs && !names.is_empty() && !names.contains(&name)).then(|| {
        Finding::cause(
            "P6",
            format!("the certificate is of the front proxies' authority, and its common name {name:?} is not among {names:?}: its identity headers are ignored"),
            "give the proxy a certificate with one of these names, or add its name to --requestheader-allowed-names",
        )
    })
}

fn dates(certificate: &X509Certificate<'_>, index: usize, now: Timestamp) -> Option<Finding> {
    let (begin, end) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    let (which, expired) = if index == 0 {
        ("certificate", "X4")
    } else {
        ("intermediate certificate", "X8")
    };
    if end < now.as_second() {
        return Some(Finding::cause(
            expired,
            format!(
                "the {which} expired at {}, {} s ago by the server's clock",
                time(end),
                now.as_second() - end
            ),
            "have a new one signed",
        ));
    }
    (begin > now.as_second()).then(|| {
        Finding::cause(
            "X5",
            format!(
                "the {which} is not valid before {}, in {} s by the server's clock",
                time(begin),
                begin - now.as_second()
            ),
            "wait, or correct the clocks of the signer and of the API server (NTP)",
        )
    })
}

/// Returns the expiry of the first certificate of `chain`, PEM, and its common name.
pub(super) fn end(chain: &str) -> Option<(Timestamp, String)> {
    let block = pem::first(chain).ok()?;
    let leaf = block.parse_x509().ok()?;
    let end = Timestamp::from_second(leaf.validity().not_after.timestamp()).ok()?;
    Some((end, user(&leaf)))
}

fn time(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

/// Returns the user that the certificate names, or the empty string if it cannot be read.
fn user(certificate: &X509Certificate<'_>) -> String {
    Holder::read(certificate.subject()).unwrap_or_default().user
}

fn identity(leaf: &X509Certificate<'_>) -> Finding {
    let unnamed = |why: &dyn std::fmt::Display| {
        let subject = leaf.subject().to_string();
        Finding::cause(
            "X9",
            format!("{why}; its subject is {subject:?}"),
            "have one signed with a common name",
        )
    };
    let Holder { user: name, groups, .. } = match Holder::read(leaf.subject()) {
        Ok(holder) => holder,
        Err(error) => return unnamed(&format!("cannot read the certificate: {error}")),
    };
    if name.is_empty() {
        return unnamed(&"the certificate has no common name, which is the user");
    }
    if groups.iter().any(|group| group == "system:masters") {
        return Finding::note(
            "X18",
            format!("the user is {name:?} in {groups:?}: system:masters may do everything, and no binding can limit that"),
        );
    }
    Finding::note(
        "X2",
        format!("the user is {name:?} (common name), the groups are {groups:?} (organizations)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Effect;
    use crate::pki::{Authority, Flaw, Leaf, Request};

    fn names(authority: &Authority) -> Vec<Vec<u8>> {
        let block = pem::first(authority.certificate()).expect("PEM");
        vec![block.parse_x509().expect("a certificate").subject().as_raw().to_vec()]
    }

    fn causes(leaf: &Leaf, advertised: &[Vec<u8>], known: &Known) -> Vec<&'static str> {
        let found = check(&leaf.full_chain(), advertised, known, Timestamp::now());
        let causes = found.into_iter().filter(|finding| finding.effect == Effect::Cause);
        causes.filter_map(|finding| finding.behaviour).collect()
    }

    #[test]
    fn each_flaw_is_the_only_cause() {
        let authority = Authority::root("clients").expect("an authority");
        let advertised = names(&authority);
        let issue = |request: &Request| authority.issue(request).expect("a certificate");
        assert!(causes(&issue(&Request::client("alice", &["dev"])), &advertised, &Known::default()).is_empty());
        for (flaw, cause) in [(Flaw::Expired, "X4"), (Flaw::NotYetValid, "X5"), (Flaw::ServerOnly, "X6")] {
            let leaf = issue(&Request::flawed("alice", &[], flaw));
            assert_eq!(causes(&leaf, &advertised, &Known::default()), [cause]);
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
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        let found = check("hello", &[], &Known::default(), Timestamp::now());
        assert!(found[0].seen.contains("not PEM text"), "{found:?}");
    }
}
