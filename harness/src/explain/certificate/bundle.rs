//! A file with the certificates of authorities, as Go trusts it.
//!
//! The main function is [`check`]: no input, no output. Go reads each block `CERTIFICATE` without headers, and skips the others without a
//! word (`crypto/x509`, `AppendCertsFromPEM`); only if nothing is left, client-go refuses the file (`transport/transport.go`,
//! `createErrorParsingCAData`).

use jiff::Timestamp;
use x509_parser::x509::X509Version;

use super::{Finding, time};
use crate::pem;

/// Checks the certificates in `text`, which `source` names: what Go skips, and what no certificate can be signed by.
#[must_use]
pub fn check(text: &str, source: &str, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut trusted = 0;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, block) in pem::blocks(text).iter().enumerate() {
        let number = index + 1;
        let skipped = |why: String, change: &str| Finding {
            change: Some(change.to_owned()),
            ..Finding::remark(format!("block {number} of {source} is skipped without a word: {why}"))
        };
        if block.label != pem::CERTIFICATE {
            let change = match block.label.as_str() {
                "TRUSTED CERTIFICATE" => "write it as a plain one: `openssl x509 -in FILE -out ca.crt`",
                "X509 CERTIFICATE" => "write it as `CERTIFICATE`: `openssl x509 -in FILE -out ca.crt`",
                label if label.ends_with("PRIVATE KEY") => "take the key out of this file: authorities need none here",
                _ => "give certificates, with `-----BEGIN CERTIFICATE-----`",
            };
            findings.push(skipped(format!("it is called {:?}", block.label), change));
            continue;
        }
        let Ok(certificate) = block.parse_x509() else {
            findings.push(skipped(
                "it is not a certificate".to_owned(),
                "take it out, or give the whole certificate",
            ));
            continue;
        };
        trusted += 1;
        let subject = certificate.subject().to_string();
        let constraints = certificate.basic_constraints().ok().flatten().map(|found| found.value.ca);
        let end = certificate.validity().not_after.timestamp();
        if !constraints.unwrap_or(certificate.version() != X509Version::V3) {
            findings.push(Finding::remark(format!(
                "{subject:?} in {source} is not an authority's (no basicConstraints CA:TRUE): only this very certificate is trusted, none that it signed"
            )));
        } else if end < now.as_second() {
            findings.push(Finding::remark(format!(
                "{subject:?} in {source} expired at {}: nothing that it signed is trusted",
                time(end)
            )));
        }
    }
    if trusted == 0 {
        let change = if text.contains("-----BEGIN") {
            "give the authority's certificate, with its BEGIN and END lines"
        } else {
            "give the authority's certificate as PEM text (from DER: `openssl x509 -inform DER -in FILE -out ca.crt`)"
        };
        findings.push(Finding::of_file(
            format!("{source} has no certificate that Go reads (kubectl: \"unable to load root certificates\")"),
            change,
        ));
    }
    findings
}
