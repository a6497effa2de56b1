//! Findings for code scanning: SARIF 2.1.0 (OASIS `sarif-v2.1.0-os`). The main function is [`log`].

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Report;
use crate::trial::check::{Finding, RULES, Severity};

/// Returns the log of a check.
pub(super) fn log(report: &Report) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "shortDescription": { "text": rule.summary },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = report.findings.iter().map(|finding| result(report, finding)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "authlab", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
            // Columns are not given, and lines do not depend on this.
            "columnKind": "unicodeCodePoints",
        }],
    })
}

fn result(report: &Report, finding: &Finding) -> Value {
    let mut text = finding.message.clone();
    let proof = finding
        .proof
        .as_ref()
        .map(|proof| format!("Asked with {}: {}.", proof.asked, proof.answered));
    let change = finding.change.as_ref().map(|change| format!("Change: {change}."));
    let only_on = report.only_on(finding).map(|versions| format!("Only on: {versions}."));
    for more in [proof, change, only_on].into_iter().flatten() {
        let _ = write!(text, "\n{more}");
    }
    let index = RULES.iter().position(|rule| *rule == finding.rule);
    let mut result = json!({
        "ruleId": finding.rule.name,
        "ruleIndex": index,
        "level": level(finding.severity()),
        "message": { "text": text },
    });
    if let Some(file) = report.file_of(finding) {
        result["locations"] = json!([{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": finding.line.unwrap_or(1) },
        } }]);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Returns a path as a URI reference (RFC 3986 §4.2): relative ones stay relative.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') {
        "file://".to_owned()
    } else {
        String::new()
    };
    for byte in path.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri_reference() {
        for (path, expected) in [
            ("authn.yaml", "authn.yaml"),
            ("./a b/ü.yaml", "a%20b/%C3%BC.yaml"),
            ("/etc/authn.yaml", "file:///etc/authn.yaml"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
