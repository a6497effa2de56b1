//! Findings for people. The main function is [`text`].
//!
//! The styles are its own; all texts are made printable here, since they come from servers and users' files.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::Report;
use crate::printable::printable;
use crate::trial::check::{Finding, Severity};

const BAD: Style = AnsiColor::Red.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const TITLE: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Writes the findings, and what was checked; notes and each request only if `verbose`.
pub(super) fn text(report: &Report, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    for finding in report
        .findings
        .iter()
        .filter(|finding| verbose || finding.severity() != Severity::Note)
    {
        one(report, finding, out)?;
    }
    if verbose {
        for (kubernetes, requests) in &report.requests {
            writeln!(out, "{TITLE}requests on Kubernetes {kubernetes}{TITLE:#}")?;
            for request in requests {
                let issuer = if request.issuer.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", request.issuer)
                };
                let line = format!("{issuer}{} → {}", request.proof.asked, request.proof.answered);
                writeln!(out, "  {}", indented(&line))?;
            }
            writeln!(out)?;
        }
    }
    last_line(report, verbose, out)
}

fn one(report: &Report, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let style = match finding.severity() {
        Severity::Error => BAD,
        Severity::Warning => OPEN,
        Severity::Note => DIM,
    };
    let place = place(report, finding)
        .map(|place| format!("{}: ", printable(&place)))
        .unwrap_or_default();
    let (name, message) = (finding.rule.name, indented(&finding.message));
    writeln!(
        out,
        "{style}{}:{style:#} {place}{message} {DIM}[{name}]{DIM:#}",
        finding.severity().name()
    )?;
    let of = match (finding.field.as_str(), &finding.issuer) {
        ("", None) => None,
        ("", Some(issuer)) => Some(issuer.clone()),
        (field, None) => Some(field.to_owned()),
        (field, Some(issuer)) => Some(format!("{field} of {issuer}")),
    };
    let proof = finding.proof.as_ref();
    let words = finding
        .wordings
        .iter()
        .map(|wording| format!("{}: {}", wording.versions.join(", "), wording.message));
    let words: Vec<String> = words.collect();
    for (label, value) in [
        ("field", of),
        ("asked", proof.map(|proof| proof.asked.clone())),
        ("answer", proof.map(|proof| proof.answered.clone())),
        ("change", finding.change.clone()),
        ("only on", report.only_on(finding)),
        ("words", (!words.is_empty()).then(|| words.join("\n"))),
        ("see", finding.rule.behaviour.map(|id| format!("{id} in BEHAVIOURS.md"))),
    ] {
        if let Some(value) = value {
            writeln!(out, "  {DIM}{label}:{DIM:#} {}", indented(&value))?;
        }
    }
    writeln!(out)
}

/// Returns the place of `finding`: file and line, as editors read it.
fn place(report: &Report, finding: &Finding) -> Option<String> {
    let file = report.file_of(finding)?;
    Some(match finding.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    })
}

fn last_line(report: &Report, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut counts: Vec<String> = Vec::new();
    for (severity, style) in [(Severity::Error, BAD), (Severity::Warning, OPEN)] {
        if let count @ 1.. = report.count(severity) {
            counts.push(format!("{style}{}{style:#}", counted(count, severity.name())));
        }
    }
    if counts.is_empty() {
        counts.push(format!("{GOOD}nothing found{GOOD:#}"));
    }
    match report.count(Severity::Note) {
        0 => {}
        count if verbose => counts.push(counted(count, "note")),
        count => counts.push(format!("{} (--verbose)", counted(count, "note"))),
    }
    if report.off > 0 {
        counts.push(format!("{} switched off", report.off));
    }
    let found = counts.join(", ");
    if report.versions.is_empty() {
        return writeln!(out, "{found}: no API server was asked");
    }
    let unjudged = match report.unjudged.len() {
        0 => String::new(),
        count => format!("; {OPEN}nothing is judged for {count} of them{OPEN:#}"),
    };
    writeln!(
        out,
        "{found}: checked {} with {} on Kubernetes {} in {:.1} s{unjudged}",
        counted(report.issuers, "issuer"),
        counted(report.asked(), "request"),
        listed(&report.versions),
        report.took.as_secs_f64()
    )
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn listed(versions: &[String]) -> String {
    match versions {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

fn indented(text: &str) -> String {
    printable(text.trim_end()).replace('\n', "\n    ")
}
