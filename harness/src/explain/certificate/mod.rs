//! Checks of a client certificate without the server's help: its signer, its validity, its usages, and the identity in its
//! subject.
//!
//! The main function is [`check`]: no input, no output. Certificates are read and verified as kube-apiserver does
//! (kubernetes/apiserver `pkg/authentication/request/x509/x509.go`; Go `crypto/x509`), with the authorities in hand.

mod authority;
pub mod bundle;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::{PublicKey, RSAPublicKey};

use super::{Effect, Finding, Known};
use crate::pem;
use crate::pki::chain::critical;
use crate::pki::signature::insecure;
use crate::pki::{Holder, address};

/// The knowledge about the authorities that a server accepts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Authorities<'a> {
    /// The names that the server advertises in its handshake, DER (RFC 8446 §4.2.4). They say nothing about keys.
    pub advertised: &'a [Vec<u8>],
    /// The authorities of client certificates (--client-ca-file), PEM; `None` if unknown.
    pub clients: Option<&'a str>,
    /// The authority of the server's own certificate, PEM; in many clusters the same one. `None` if unknown.
    pub serving: Option<&'a str>,
}

/// Checks the certificates of `chain`, PEM, the leaf first.
#[must_use]
pub fn check(chain: &str, authorities: &Authorities<'_>, known: &Known, now: Timestamp) -> Vec<Finding> {
    let blocks = pem::blocks(chain);
    let certificates: Vec<X509Certificate<'_>> = blocks.iter().filter_map(|block| block.parse_x509().ok()).collect();
    let Some(leaf) = certificates.first() else {
        return vec![Finding::of_file(
            "the client certificate is not PEM text with a certificate in it",
            "give the certificate itself, with its BEGIN and END lines",
        )];
    };
    if let Some(finding) = order(&certificates) {
        return vec![finding];
    }
    let mut findings = Vec::new();
    let signer = authority::judge(&certificates, authorities, known, now);
    let judged: Vec<Option<&str>> = signer.iter().map(|finding| finding.behaviour).collect();
    // The way to a trusted authority was found: only the leaf's own dates are left.
    let trusted = authorities.clients.is_some() && signer.as_ref().is_some_and(|finding| finding.effect == Effect::Right);
    for (index, certificate) in path(&certificates).into_iter().enumerate() {
        let root = certificate.subject().as_raw() == certificate.issuer().as_raw();
        if index > 0 && (trusted || root) {
            break;
        }
        findings.extend(dates(certificate, index, now).filter(|finding| !judged.contains(&finding.behaviour)));
        if !trusted && !judged.contains(&Some(WEAK)) {
            findings.extend(weak(certificate, index));
        }
    }
    findings.extend(signer);
    findings.extend(key(leaf));
    if let Some(extension) = critical(leaf) {
        findings.push(Finding::of_file(
            format!("the certificate has the critical extension {extension}, which Go does not know, so that API servers refuse it"),
            "have it signed without this extension, or with one that is not critical",
        ));
    }
    findings.extend(usages(leaf));
    findings.push(identity(leaf));
    findings
}

/// The behaviour of a certificate whose signature's algorithm is broken.
pub(super) const WEAK: &str = "X21";

/// Returns the certificates from the leaf up that the file has, by their names.
fn path<'a>(certificates: &'a [X509Certificate<'a>]) -> Vec<&'a X509Certificate<'a>> {
    let mut path: Vec<&X509Certificate<'_>> = certificates.first().into_iter().collect();
    while let Some(last) = path.last() {
        let issuer = |one: &&X509Certificate<'_>| one.subject().as_raw() == last.issuer().as_raw();
        let next = certificates
            .iter()
            .filter(issuer)
            .find(|one| !path.iter().any(|other| other.as_raw() == one.as_raw()));
        match next {
            Some(next) => path.push(next),
            None => break,
        }
    }
    path
}

/// Returns the finding about a file whose first certificate is that of an authority, and a later one that of its client. A client presents
/// the first one as its own (Go `crypto/tls`, `X509KeyPair`).
fn order(certificates: &[X509Certificate<'_>]) -> Option<Finding> {
    let (first, rest) = certificates.split_first()?;
    let own = rest
        .iter()
        .find(|one| !one.is_ca() && one.issuer().as_raw() == first.subject().as_raw())?;
    first.is_ca().then(|| {
        let (first, own) = (first.subject(), own.subject());
        Finding::likely(
            format!("the first certificate is that of the authority {:?}, and that of {:?} comes later: the first one counts", first.to_string(), own.to_string()),
            format!("put the certificate of {:?} first, and then those of the authorities, each followed by its issuer's", own.to_string()),
            "the key is the first certificate's if `openssl x509 -noout -pubkey -in FILE` and `openssl pkey -pubout -in KEY` print the same; kubectl \
            says \"private key does not match public key\" otherwise",
        )
    })
}

fn dates(certificate: &X509Certificate<'_>, index: usize, now: Timestamp) -> impl Iterator<Item = Finding> {
    let (begin, end) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    let (which, expired) = if index == 0 {
        ("certificate", "X4")
    } else {
        ("intermediate certificate", "X8")
    };
    let over = (end < now.as_second()).then(|| {
        Finding::cause(
            expired,
            format!(
                "the {which} expired at {}, {} s ago by the server's clock",
                time(end),
                now.as_second() - end
            ),
            "have a new one signed",
        )
    });
    let early = (begin > now.as_second()).then(|| {
        Finding::cause(
            "X5",
            format!(
                "the {which} is not valid before {}, in {} s by the server's clock",
                time(begin),
                begin - now.as_second()
            ),
            "wait, or correct the clocks of the signer and of the API server (NTP)",
        )
    });
    over.into_iter().chain(early)
}

/// Returns the finding about a signature whose algorithm Go refuses (`crypto/x509`, `checkSignature`), except for an authority's own.
fn weak(certificate: &X509Certificate<'_>, index: usize) -> Option<Finding> {
    let algorithm = insecure(&certificate.signature_algorithm)?;
    let which = if index == 0 { "certificate" } else { "intermediate certificate" };
    (certificate.issuer().as_raw() != certificate.subject().as_raw()).then(|| {
        Finding::cause(
            WEAK,
            format!(
                "the {which} {:?} is signed with {algorithm}, which API servers refuse (since 1.24)",
                certificate.subject().to_string()
            ),
            "have it signed again with SHA-256 (`openssl x509 -req -sha256 …`, `openssl ca -md sha256 …`)",
        )
    })
}

/// Returns the size of an RSA key in bits.
fn rsa_bits(key: &RSAPublicKey<'_>) -> Option<usize> {
    let leading: usize = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = key.modulus.get(leading..)?;
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}

/// Returns the finding about an RSA key of a size that TLS does not take in Go (`crypto/rsa`, `checkKeySize`; `crypto/tls`, `checkKeySize`).
fn key(leaf: &X509Certificate<'_>) -> Option<Finding> {
    let Ok(PublicKey::RSA(key)) = leaf.public_key().parsed() else {
        return None;
    };
    let bits = rsa_bits(&key)?;
    let why = match bits {
        ..1024 => "takes no RSA key of less than 1024 bits (since 1.24; before, of less than 528 in TLS)",
        8193.. => "takes no RSA key of more than 8192 bits in TLS",
        _ => return None,
    };
    Some(Finding::of_file(
        format!("the certificate has an RSA key of {bits} bits: Go, and so kubectl and the API server, {why}"),
        "make a key of 2048 bits or more (`openssl genrsa 2048`, or `openssl ecparam -name prime256v1 -genkey -noout`), and have a certificate signed for it",
    ))
}

fn usages(leaf: &X509Certificate<'_>) -> Option<Finding> {
    let usage = leaf.extended_key_usage().ok().flatten()?;
    (!usage.value.client_auth && !usage.value.any).then(|| {
        Finding::cause(
            "X6",
            "the certificate is not for clients: its extended key usages lack `client auth`",
            "have it signed for clients (extendedKeyUsage=clientAuth; in a signing request: the usage `client auth`)",
        )
    })
}

/// Returns the expiry of the first certificate of `chain`, PEM, and its user.
pub(super) fn end(chain: &str) -> Option<(Timestamp, String)> {
    let block = pem::first(chain).ok()?;
    let leaf = block.parse_x509().ok()?;
    let end = Timestamp::from_second(leaf.validity().not_after.timestamp()).ok()?;
    Some((end, user(&leaf)))
}

/// Returns the findings about the dates and the purposes of an issued certificate, PEM, whoever it is for; the causes among them say that
/// it cannot be used now.
pub(super) fn issued(chain: &str, now: Timestamp) -> Vec<Finding> {
    let blocks = pem::blocks(chain);
    let Some(leaf) = blocks.first().and_then(|block| block.parse_x509().ok()) else {
        return vec![Finding::of_file(
            "the issued certificate is not PEM text with a certificate in it",
            "read the log of the signer, and make the request again",
        )];
    };
    let mut findings: Vec<Finding> = dates(&leaf, 0, now).collect();
    let usage = leaf.extended_key_usage().ok().flatten().map(|usage| usage.value.clone());
    if usage.as_ref().is_none_or(|usage| usage.client_auth || usage.any) {
        // A certificate that names nobody may still be good for something else.
        let identity = identity(&leaf);
        findings.extend((identity.effect != Effect::Cause).then_some(identity));
    }
    if usage.as_ref().is_none_or(|usage| usage.server_auth || usage.any) {
        let names = names(&leaf);
        if !names.is_empty() {
            findings.push(Finding::remark(format!("it is for a server with the names {}", names.join(", "))));
        } else if usage.is_some_and(|usage| usage.server_auth) {
            findings.push(Finding::remark(
                "it is for a server, and has no alternative name: no client accepts it for an address",
            ));
        }
    }
    findings
}

/// Returns the alternative names that TLS clients look at.
fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter().filter_map(shown).collect::<Vec<_>>());
    names.unwrap_or_default()
}

/// Returns an alternative name of one of the kinds that Go reads (`crypto/x509`, `parseSANExtension`).
pub(super) fn shown(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

/// Returns a second as a date and time.
pub(crate) fn time(second: i64) -> String {
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
    let Holder {
        user: name,
        earlier,
        groups,
        ..
    } = match Holder::read(leaf.subject()) {
        Ok(holder) => holder,
        Err(error) => {
            return unnamed(&format!(
                "Go, and so kubectl and the API server, cannot read the certificate: {error}"
            ));
        }
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
    let which = if earlier.is_empty() {
        "common name".to_owned()
    } else {
        format!("the last common name; {earlier:?} does not count")
    };
    Finding::note(
        "X2",
        format!("the user is {name:?} ({which}), the groups are {groups:?} (organizations)"),
    )
}
