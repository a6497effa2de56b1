//! Findings as annotations of GitHub Actions. The main function is [`of`].
//!
//! Sources: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>, and for the escapes
//! `packages/core/src/command.ts` in actions/toolkit.

use std::fmt::Write as _;

use super::Report;
use crate::printable::printable;
use crate::trial::check::Severity;

/// Returns a line for each finding but notes.
pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let command = match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => continue,
        };
        let place = report
            .file_of(finding)
            .map(|file| format!("file={},line={},", property(file), finding.line.unwrap_or(1)));
        let mut message = finding.message.clone();
        let proof = finding.proof.as_ref().map(|proof| format!("{}: {}", proof.asked, proof.answered));
        let change = finding.change.as_ref().map(|change| format!("change: {change}"));
        let only_on = report.only_on(finding).map(|versions| format!("only on: {versions}"));
        for more in [proof, change, only_on].into_iter().flatten() {
            let _ = write!(message, "\n{more}");
        }
        let place = place.unwrap_or_default();
        let _ = writeln!(text, "::{command} {place}title={}::{}", property(finding.rule.name), data(&message));
    }
    text
}

/// Escapes a command's message.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::check::{Finding, rule};

    #[test]
    fn a_finding_of_some_versions_names_them_in_every_format() {
        let of = |versions: &[&str]| Report {
            findings: vec![Finding {
                versions: versions.iter().map(|version| (*version).to_owned()).collect(),
                ..Finding::of_field(rule("does-not-start").expect("a rule"), "f")
            }],
            versions: vec!["1.30.14".to_owned(), "1.37.2".to_owned()],
            ..Report::default()
        };
        let (some, all) = (&of(&["1.30.14"]), &of(&["1.30.14", "1.37.2"]));
        assert_eq!(super::of(some), "::error title=does-not-start::m%0Aonly on: 1.30.14\n");
        assert_eq!(super::of(all), "::error title=does-not-start::m\n");
        let sarif = |report: &Report| super::super::sarif::log(report)["runs"][0]["results"][0]["message"]["text"].clone();
        assert_eq!((sarif(some), sarif(all)), ("m\nOnly on: 1.30.14.".into(), "m".into()));
    }
}
