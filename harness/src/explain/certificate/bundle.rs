//! A file with the certificates of authorities, as Go trusts it.
//!
//! The main functions are [`blocks`], which reads it, and [`check`], which judges it as a client does: no input, no output. Go reads each
//! block `CERTIFICATE` without headers, and skips the others without a word (`crypto/x509`, `AppendCertsFromPEM`); only if nothing is left,
//! client-go refuses the file (`transport/transport.go`, `createErrorParsingCAData`). Of an authority that is trusted itself, Go verifies
//! no signature.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Version;

use super::{Finding, rsa_bits, time};
use crate::pem;
use crate::pki::chain::critical;

/// A block of a file of authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The number of its first line, from 1.
    pub line: usize,
    /// The content.
    pub content: Content,
}

/// The content of a block, as Go takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Go skips it: this label, or headers.
    Skipped {
        /// The label.
        label: String,
        /// `true` for a block `CERTIFICATE` with header lines.
        has_headers: bool,
    },
    /// It is called a certificate, and cannot be read as one.
    Unreadable,
    /// A certificate.
    Certificate(Box<Authority>),
}

/// A certificate that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// The subject, for output.
    pub subject: String,
    /// The subject and the public key, DER: two certificates with the same ones verify the same signatures.
    pub identity: (Vec<u8>, Vec<u8>),
    /// The second before which it is not valid.
    pub begin: i64,
    /// The second after which it is not valid.
    pub end: i64,
    /// `false` if Go takes no certificate that it signed: it is not an authority's, or its key usages lack `keyCertSign`.
    pub signs: bool,
    /// `false` if its extended key usages forbid client certificates below it.
    pub for_clients: bool,
    /// `false` if its extended key usages forbid server certificates below it.
    pub for_servers: bool,
    /// A critical extension that Go does not know: nothing that it signed is accepted.
    pub critical: Option<String>,
    /// The size of its RSA key in bits.
    pub rsa_bits: Option<usize>,
}

impl Authority {
    fn of(certificate: &X509Certificate<'_>, der: &[u8]) -> Self {
        let constraints = certificate.basic_constraints().ok().flatten().map(|found| found.value.ca);
        // Version 1 has no constraints (Go `CheckSignatureFrom`).
        let is_authority = constraints.unwrap_or(certificate.version() != X509Version::V3);
        let usage = certificate.key_usage().ok().flatten().map(|usage| usage.value);
        let extended = certificate.extended_key_usage().ok().flatten().map(|usage| usage.value);
        Self {
            der: der.to_owned(),
            subject: certificate.subject().to_string(),
            identity: (certificate.subject().as_raw().to_owned(), certificate.public_key().raw.to_owned()),
            begin: certificate.validity().not_before.timestamp(),
            end: certificate.validity().not_after.timestamp(),
            signs: is_authority && usage.is_none_or(|usage| usage.flags == 0 || usage.key_cert_sign()),
            for_clients: extended.is_none_or(|usage| usage.any || usage.client_auth),
            for_servers: extended.is_none_or(|usage| usage.any || usage.server_auth),
            critical: critical(certificate),
            rsa_bits: match certificate.public_key().parsed() {
                Ok(PublicKey::RSA(key)) => rsa_bits(&key),
                _ => None,
            },
        }
    }
}

/// Returns the blocks of `text`, as Go finds them; damaged ones are left out.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let read = |block: pem::Block| {
        let content = if block.label != pem::CERTIFICATE || !block.headers.is_empty() {
            Content::Skipped {
                has_headers: block.label == pem::CERTIFICATE,
                label: block.label,
            }
        } else {
            match X509Certificate::from_der(&block.contents) {
                Ok(([], certificate)) => Content::Certificate(Box::new(Authority::of(&certificate, &block.contents))),
                _ => Content::Unreadable,
            }
        };
        Block { line: block.line, content }
    };
    pem::blocks_of_go(text).into_iter().map(read).collect()
}

/// Returns `true` if an API server takes `text` for a CA file (k8s.io/client-go `util/cert`, `ParseCertsPEM`): it refuses one that has no
/// certificate, and one with a block that is called so and cannot be read as one.
#[must_use]
pub fn is_accepted(text: &str) -> bool {
    let blocks = blocks(text);
    let is_certificate = |block: &Block| matches!(block.content, Content::Certificate(_));
    blocks.iter().any(is_certificate) && blocks.iter().all(|block| block.content != Content::Unreadable)
}

/// Returns the change that makes Go read a block with the label `label`.
#[must_use]
pub fn relabelled(label: &str) -> &'static str {
    match label {
        "TRUSTED CERTIFICATE" => "write it as a plain one: `openssl x509 -in FILE -out ca.crt`",
        "X509 CERTIFICATE" => "write it as `CERTIFICATE`: `openssl x509 -in FILE -out ca.crt`",
        label if label.ends_with("PRIVATE KEY") => "take the key out of this file: authorities need none here",
        pem::CERTIFICATE => "remove the lines between BEGIN and the certificate",
        _ => "give certificates, with `-----BEGIN CERTIFICATE-----`",
    }
}

/// Returns the change that makes a certificate of `text`, in which Go finds none.
#[must_use]
pub fn as_pem(text: &str) -> &'static str {
    if text.contains("-----BEGIN") {
        "give the authority's certificate, with its BEGIN and END lines"
    } else {
        "give the authority's certificate as PEM text (from DER: `openssl x509 -inform DER -in FILE -out ca.crt`)"
    }
}

/// Checks the certificates in `text`, which `source` names: what Go skips, and what no certificate can be signed by.
#[must_use]
pub fn check(text: &str, source: &str, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut trusted = 0;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, block) in blocks(text).into_iter().enumerate() {
        let number = index + 1;
        let skipped = |why: String, change: &str| Finding {
            change: Some(change.to_owned()),
            ..Finding::remark(format!("block {number} of {source} is skipped without a word: {why}"))
        };
        let authority = match block.content {
            Content::Skipped { label, has_headers } => {
                let why = match has_headers {
                    true => "it has header lines".to_owned(),
                    false => format!("it is called {label:?}"),
                };
                findings.push(skipped(why, relabelled(&label)));
                continue;
            }
            Content::Unreadable => {
                findings.push(skipped(
                    "it is not a certificate".to_owned(),
                    "take it out, or give the whole certificate",
                ));
                continue;
            }
            Content::Certificate(authority) => authority,
        };
        trusted += 1;
        let subject = &authority.subject;
        if !authority.signs {
            findings.push(Finding::remark(format!(
                "{subject:?} in {source} is not an authority's (no basicConstraints CA:TRUE): only this very certificate is trusted, none that it signed"
            )));
        } else if authority.end < now.as_second() {
            findings.push(Finding::remark(format!(
                "{subject:?} in {source} expired at {}: nothing that it signed is trusted",
                time(authority.end)
            )));
        }
    }
    if trusted == 0 {
        findings.push(Finding::of_file(
            format!("{source} has no certificate that Go reads (kubectl: \"unable to load root certificates\")"),
            as_pem(text),
        ));
    }
    findings
}
