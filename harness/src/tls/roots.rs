//! The CAs that a kubeconfig names, used as Go uses them. The main type is [`Roots`].

use jiff::Timestamp;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use super::kubectl::{Flaw, VERIFYING};
use crate::pem::{self, CERTIFICATE};
use crate::pki::chain::{Link, Refusal, Unfit, chains, signed_by};

/// The CAs.
#[derive(Debug)]
pub(crate) struct Roots {
    all: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Reads PEM text as Go's `CertPool.AppendCertsFromPEM`: what is no certificate is skipped.
    pub(crate) fn read(text: &str) -> Self {
        let blocks = pem::blocks_of_go(text).into_iter();
        let certificates = blocks.filter(|block| block.label == CERTIFICATE && block.headers.is_empty());
        let readable = certificates.filter(|block| X509Certificate::from_der(&block.contents).is_ok_and(|(rest, _)| rest.is_empty()));
        Self {
            all: readable.map(|block| block.contents.into()).collect(),
        }
    }

    /// Returns `true` if there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns what the chain from `leaf` lacks at `now`.
    pub(super) fn chain(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> Option<Flaw> {
        // Go takes a certificate that is itself among the CAs, whatever signed it (`Certificate.Verify`).
        if self.all.iter().any(|root| root.as_ref() == leaf.as_ref()) {
            return is_for_others(leaf).then_some(Flaw::WrongUsage);
        }
        let usable = |root: &&CertificateDer<'static>| parsed(root).is_some_and(|root| signs(&root) && is_valid(&root, now));
        let error = verify(self.all.iter().filter(usable), leaf, others, now).err()?;
        // Go checks dates and rights of the CA, too; rustls does not.
        let signer = self
            .all
            .iter()
            .find(|root| verify(std::iter::once(*root), leaf, others, now).is_ok());
        let Some(root) = signer.and_then(|root| parsed(root)) else {
            return Some(match flaw(&error, leaf) {
                // ring does not verify all that Go does, and rustls takes no authority for a server.
                refused @ (Flaw::UnknownIssuer { .. } | Flaw::Unjudged { .. }) => self.by_go(leaf, others, now, refused),
                flaw => flaw,
            });
        };
        Some(match signs(&root) {
            true => out_of_date(&root),
            false => Flaw::NoAuthority {
                authority: root.subject().to_string(),
            },
        })
    }

    /// Returns what Go says of a chain that rustls refuses for the flaw `refused`.
    fn by_go(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime, refused: Flaw) -> Flaw {
        let Some(own) = parsed(leaf) else { return refused };
        let presented: Vec<_> = std::iter::once(own).chain(others.iter().filter_map(parsed)).collect();
        let roots: Vec<_> = self.all.iter().filter_map(parsed).collect();
        let (child, parent, why) = match chains(&presented, &roots, seconds(now)) {
            // It would be taken, except that rustls looks at more than signatures, dates and rights.
            Ok(_) => {
                return match refused {
                    Flaw::Unjudged { .. } => refused,
                    _ => unjudged("authlab's TLS library does not take its authority"),
                };
            }
            Err(Refusal::NoIssuer(_)) => return Flaw::UnknownIssuer { same_name: false },
            Err(Refusal::Candidate { child, parent, why }) => (child, parent, why),
        };
        let root = roots.iter().find(|root| Link::of(root) == *parent);
        match why {
            Unfit::OtherKey => Flaw::UnknownIssuer { same_name: root.is_some() },
            Unfit::Insecure(algorithm) => Flaw::WeakSignature {
                algorithm: algorithm.to_owned(),
            },
            Unfit::Expired(_) | Unfit::NotYetValid(_) => root.map_or(Flaw::IntermediateDates, out_of_date),
            Unfit::NoAuthority => {
                let child = presented.iter().find(|one| Link::of(one) == *child);
                match root.zip(child).map(|(root, child)| signed_by(child, root)) {
                    Some(None) => Flaw::NoAuthority { authority: parent.subject },
                    Some(Some(Unfit::OtherKey)) => Flaw::UnknownIssuer { same_name: true },
                    _ => unjudged(format!("{:?}, which comes with it, may not sign certificates", parent.subject)),
                }
            }
            Unfit::Unsupported(what) | Unfit::Unknown(what) => unjudged(format!(
                "the signature by {:?} is of a kind that authlab does not verify ({what})",
                parent.subject
            )),
            Unfit::Critical(extension) => unjudged(format!("{:?} has the critical extension {extension}", parent.subject)),
            Unfit::PathLength(limit) => unjudged(format!(
                "{:?} allows {limit} intermediate certificates below it, and there are more",
                parent.subject
            )),
        }
    }
}

fn out_of_date(root: &X509Certificate<'_>) -> Flaw {
    let at = |time: i64| Timestamp::from_second(time).unwrap_or_default();
    Flaw::AuthorityDates {
        authority: root.subject().to_string(),
        not_before: at(root.validity().not_before.timestamp()),
        not_after: at(root.validity().not_after.timestamp()),
    }
}

fn unjudged(why: impl Into<String>) -> Flaw {
    Flaw::Unjudged { why: why.into() }
}

/// Returns the flaw of a chain for which rustls refuses it.
pub(super) fn flaw(error: &Error, leaf: &CertificateDer<'_>) -> Flaw {
    let Error::InvalidCertificate(error) = error else {
        return unjudged("authlab's TLS library cannot verify it");
    };
    match error {
        CertificateError::UnknownIssuer => Flaw::UnknownIssuer { same_name: false },
        // ring says so of every RSA key below 2048 bits, too.
        CertificateError::BadSignature => unjudged("authlab's TLS library cannot verify a signature in its chain"),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Flaw::OtherNames,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Flaw::WrongUsage,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Flaw::IntermediateDates,
        CertificateError::UnhandledCriticalExtension => unjudged("a critical extension in its chain is unknown to authlab's TLS library"),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            unjudged("a signature in its chain has an algorithm that is unknown to authlab's TLS library")
        }
        _ => unjudged(match parsed(leaf) {
            Some(leaf) if leaf.is_ca() => {
                "it may sign certificates itself (CA:TRUE), and authlab's TLS library takes no such certificate for a server's"
            }
            Some(leaf) if leaf.version() != X509Version::V3 => {
                "it is of an old version of X.509, which authlab's TLS library does not know"
            }
            _ => "authlab's TLS library refuses it, and does not say for what",
        }),
    }
}

/// Returns whether the certificate is for `name`. One without any names is for none, of whatever version it is.
pub(super) fn is_for(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok())
}

fn verify<'a>(
    roots: impl Iterator<Item = &'a CertificateDer<'static>>,
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.cloned());
    verify_server_cert_signed_by_trust_anchor(&ParsedCertificate::try_from(leaf)?, &store, others, now, VERIFYING.all)
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    Some(X509Certificate::from_der(der).ok()?.1)
}

/// Returns whether Go lets it sign others (`crypto/x509` `CheckSignatureFrom`).
fn signs(root: &X509Certificate<'_>) -> bool {
    let constraints = root.basic_constraints().ok().flatten();
    let may = match constraints {
        Some(constraints) => constraints.value.ca,
        None => root.version() != X509Version::V3,
    };
    may && root.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign())
}

fn is_valid(root: &X509Certificate<'_>, now: UnixTime) -> bool {
    (root.validity().not_before.timestamp()..=root.validity().not_after.timestamp()).contains(&seconds(now))
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn is_for_others(leaf: &CertificateDer<'_>) -> bool {
    let leaf = parsed(leaf);
    let usage = leaf.as_ref().and_then(|leaf| leaf.extended_key_usage().ok().flatten());
    usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any)
}
