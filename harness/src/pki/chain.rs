//! Chains from a certificate to an authority, built and verified as Go does.
//!
//! The main function is [`chains`] (`crypto/x509`, `Certificate.Verify` and `buildChains`); [`Refusal`] says why there is none. Names are
//! compared byte by byte, and signatures are verified.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::x509::X509Version;

use super::signature::{Signature, Signed, check};

/// The reason that no chain ends at an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No certificate in hand has the name of the issuer of this one.
    NoIssuer(Link),
    /// A certificate has the name of the issuer, and cannot be used as such.
    Candidate {
        /// The certificate that was signed.
        child: Box<Link>,
        /// The candidate for its issuer.
        parent: Box<Link>,
        /// The reason.
        why: Unfit,
    },
}

/// A certificate of a chain, for output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The subject.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// The identifier of its key (RFC 5280 §4.2.1.2).
    pub key: Option<String>,
    /// The identifier of its issuer's key (RFC 5280 §4.2.1.1).
    pub issuer_key: Option<String>,
    /// `true` if it is signed by its own subject.
    pub own: bool,
}

/// The reason that a certificate cannot be the issuer of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The signature was not made with its key.
    OtherKey,
    /// The signature's algorithm is broken.
    Insecure(&'static str),
    /// Go does not verify such a signature.
    Unsupported(String),
    /// This machine cannot verify such a signature.
    Unknown(String),
    /// It is not the certificate of an authority, or its key may not sign certificates.
    NoAuthority,
    /// It expired at this second.
    Expired(i64),
    /// It is not valid before this second.
    NotYetValid(i64),
    /// It has a critical extension that Go does not know.
    Critical(String),
    /// Its path length allows fewer certificates below it.
    PathLength(u32),
}

impl Link {
    /// Describes `certificate`.
    #[must_use]
    pub fn of(certificate: &X509Certificate<'_>) -> Self {
        Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            key: subject_key(certificate).map(hex::encode_upper),
            issuer_key: issuer_key(certificate).map(hex::encode_upper),
            own: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        }
    }
}

fn subject_key<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
            _ => None,
        })
}

fn issuer_key<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref().map(|key| key.0),
            _ => None,
        })
}

/// Returns the name of a critical extension that Go does not handle (`processExtensions`).
#[must_use]
pub fn critical(certificate: &X509Certificate<'_>) -> Option<String> {
    let handled = ["14", "15", "17", "19", "30", "31", "32", "33", "35", "36", "37", "54"].map(|last| format!("2.5.29.{last}"));
    let unknown = |id: &String| id != "1.3.6.1.5.5.7.1.1" && !handled.contains(id);
    let critical = certificate.iter_extensions().filter(|extension| extension.critical);
    critical.map(|extension| extension.oid.to_id_string()).find(unknown)
}

/// Returns all chains from the first of `presented` to one of `roots`, at the second `now`. The other presented certificates can be
/// intermediate ones. The first certificate's own dates and usages are not looked at.
///
/// # Errors
/// There is no chain.
pub fn chains<'a>(
    presented: &'a [X509Certificate<'a>],
    roots: &'a [X509Certificate<'a>],
    now: i64,
) -> Result<Vec<Vec<&'a X509Certificate<'a>>>, Refusal> {
    let Some(leaf) = presented.first() else { return Ok(Vec::new()) };
    if roots.iter().any(|root| root.as_raw() == leaf.as_raw()) {
        return Ok(vec![vec![leaf]]);
    }
    let mut search = Search {
        intermediates: presented.get(1..).unwrap_or_default(),
        roots,
        now,
        checks: 0,
        found: Vec::new(),
        refused: Vec::new(),
    };
    search.extend(&mut vec![leaf]);
    if !search.found.is_empty() {
        return Ok(search.found);
    }
    // A candidate that was rejected says more than a name that nothing has.
    let telling = search
        .refused
        .iter()
        .position(|refusal| matches!(refusal, Refusal::Candidate { .. }));
    Err(search.refused.swap_remove(telling.unwrap_or(0)))
}

/// The number of signatures that are verified at most (`maxChainSignatureChecks`).
const MOST_CHECKS: usize = 100;

struct Search<'a> {
    intermediates: &'a [X509Certificate<'a>],
    roots: &'a [X509Certificate<'a>],
    now: i64,
    checks: usize,
    found: Vec<Vec<&'a X509Certificate<'a>>>,
    /// Never empty after a search without a chain: each search ends at a candidate that is rejected, or without one.
    refused: Vec<Refusal>,
}

impl<'a> Search<'a> {
    fn extend(&mut self, chain: &mut Vec<&'a X509Certificate<'a>>) {
        let Some(child) = chain.last().copied() else { return };
        let named = |parent: &&'a X509Certificate<'a>| parent.subject().as_raw() == child.issuer().as_raw();
        let roots = self.roots.iter().filter(named).map(|root| (root, true));
        let intermediates = self.intermediates.iter().filter(named).map(|one| (one, false));
        let mut candidates = 0;
        for (parent, is_root) in roots.chain(intermediates) {
            if chain.iter().any(|one| same(one, parent)) {
                continue;
            }
            if self.checks == MOST_CHECKS {
                break;
            }
            self.checks += 1;
            candidates += 1;
            if let Some(why) = unfit(child, parent, chain.len() - 1, is_root, self.now) {
                self.refused.push(Refusal::Candidate {
                    child: Box::new(Link::of(child)),
                    parent: Box::new(Link::of(parent)),
                    why,
                });
                continue;
            }
            chain.push(parent);
            if is_root {
                self.found.push(chain.clone());
            } else {
                self.extend(chain);
            }
            chain.pop();
        }
        if candidates == 0 {
            self.refused.push(Refusal::NoIssuer(Link::of(child)));
        }
    }
}

/// Returns `true` if both are the same authority (`alreadyInChain`).
fn same(one: &X509Certificate<'_>, other: &X509Certificate<'_>) -> bool {
    let names = |certificate: &X509Certificate<'_>| {
        let mut extensions = certificate.iter_extensions();
        let names = extensions.find(|extension| matches!(extension.parsed_extension(), ParsedExtension::SubjectAlternativeName(_)));
        names.map(|extension| extension.value.to_vec())
    };
    one.subject().as_raw() == other.subject().as_raw() && one.public_key().raw == other.public_key().raw && names(one) == names(other)
}

/// Returns why `parent` cannot be the issuer of `child`, below which there are `below` intermediates (`CheckSignatureFrom`, `isValid`).
fn unfit(child: &X509Certificate<'_>, parent: &X509Certificate<'_>, below: usize, is_root: bool, now: i64) -> Option<Unfit> {
    let constraints = parent.basic_constraints().ok().flatten().map(|found| found.value);
    let may_sign = !matches!(parent.key_usage(), Ok(Some(usage)) if usage.value.flags != 0 && !usage.value.key_cert_sign());
    // Version 1 has no constraints, and is good for roots only.
    let is_authority = match constraints {
        Some(constraints) => constraints.ca,
        None => parent.version() != X509Version::V3 && is_root,
    };
    if !is_authority || !may_sign {
        return Some(Unfit::NoAuthority);
    }
    if let Some(why) = signed_by(child, parent) {
        return Some(why);
    }
    if let Some(extension) = critical(parent) {
        return Some(Unfit::Critical(extension));
    }
    let validity = parent.validity();
    if now < validity.not_before.timestamp() {
        return Some(Unfit::NotYetValid(validity.not_before.timestamp()));
    }
    if now > validity.not_after.timestamp() {
        return Some(Unfit::Expired(validity.not_after.timestamp()));
    }
    let limit = constraints.and_then(|constraints| constraints.path_len_constraint)?;
    (below > limit as usize).then_some(Unfit::PathLength(limit))
}

/// Returns why the signature of `child` is not one of `parent`'s key.
#[must_use]
pub fn signed_by(child: &X509Certificate<'_>, parent: &X509Certificate<'_>) -> Option<Unfit> {
    let signed = Signed {
        algorithm: &child.signature_algorithm,
        signature: &child.signature_value,
        content: child.tbs_certificate.as_ref(),
    };
    match check(signed, parent.public_key()) {
        Signature::Sound => None,
        Signature::Broken => Some(Unfit::OtherKey),
        Signature::Insecure(name) => Some(Unfit::Insecure(name)),
        Signature::Unsupported(what) => Some(Unfit::Unsupported(what)),
        Signature::Unknown(what) => Some(Unfit::Unknown(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem;

    /// The end of 2049: within the validity of all fixtures.
    const LATER: i64 = 2_524_607_999;

    fn text(name: &str) -> String {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/explain/certificates");
        std::fs::read_to_string(format!("{directory}/{name}.crt")).expect("a fixture")
    }

    fn verified(file: &str, authority: &str) -> Result<usize, Refusal> {
        let (presented, roots) = (pem::blocks(&text(file)), pem::blocks(&text(authority)));
        let [presented, roots] = [&presented, &roots].map(|blocks| {
            let parsed = blocks.iter().map(|block| block.parse_x509().expect("a certificate"));
            parsed.collect::<Vec<_>>()
        });
        chains(&presented, &roots, LATER).map(|chains| chains[0].len())
    }

    fn unfit(file: &str, authority: &str) -> Unfit {
        match verified(file, authority) {
            Err(Refusal::Candidate { why, .. }) => why,
            other => panic!("{file}: {other:?}"),
        }
    }

    #[test]
    fn signatures_of_every_kind_that_go_verifies_are_verified() {
        for (file, authority) in [
            ("sound", "ca"),
            ("sha512", "ca"),
            ("rsa-sha256", "rsa-ca"),
            ("rsa-sha384", "rsa-ca"),
            ("rsa-sha512", "rsa-ca"),
            ("rsa-pss", "rsa-ca"),
            ("p521-sha256", "p521-ca"),
            ("p521-sha512", "p521-ca"),
            ("ed25519", "ed-ca"),
        ] {
            assert_eq!(verified(file, authority), Ok(2), "{file}");
        }
        assert_eq!(verified("chain", "ca"), Ok(3));
        assert_eq!(verified("sound", "sound"), Ok(1), "it is an authority's own");
    }

    // Each is refused by 1.30.14 and by 1.37.2.
    #[test]
    fn whatever_go_refuses_is_refused_for_its_reason() {
        assert_eq!(unfit("sha1", "ca"), Unfit::Insecure("ECDSA-SHA1"));
        assert_eq!(unfit("rsa-sha1", "rsa-ca"), Unfit::Insecure("SHA1-RSA"));
        assert_eq!(unfit("rsa-md5", "rsa-ca"), Unfit::Insecure("MD5-RSA"));
        assert_eq!(unfit("other-key", "ca"), Unfit::OtherKey);
        assert_eq!(unfit("too-long", "ca"), Unfit::PathLength(0));
        assert_eq!(unfit("not-a-ca", "ca"), Unfit::NoAuthority);
        assert_eq!(unfit("sound", "other-ca"), Unfit::OtherKey);
        for (file, authority) in [("of-i", "ca"), ("sound", "rsa-ca"), ("self-signed", "ca"), ("other-encoding", "ca")] {
            assert!(matches!(verified(file, authority), Err(Refusal::NoIssuer(_))), "{file}");
        }
    }

    #[test]
    fn a_changed_certificate_is_not_the_authoritys() {
        let mut blocks = pem::blocks(&text("sound"));
        let at = blocks[0].contents.windows(5).position(|bytes| bytes == b"alice").expect("the user");
        blocks[0].contents[at] = b'A';
        let (roots, changed) = (pem::blocks(&text("ca")), [blocks[0].parse_x509().expect("a certificate")]);
        assert_eq!(signed_by(&changed[0], &roots[0].parse_x509().expect("ours")), Some(Unfit::OtherKey));
    }

    #[test]
    fn a_critical_extension_that_go_does_not_know_is_found() {
        let block = pem::first(&text("critical")).expect("PEM");
        assert_eq!(critical(&block.parse_x509().expect("a certificate")).as_deref(), Some("1.2.3.4"));
        let block = pem::first(&text("sound")).expect("PEM");
        assert_eq!(critical(&block.parse_x509().expect("a certificate")), None);
    }
}
