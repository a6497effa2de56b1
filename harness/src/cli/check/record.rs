//! The record of a check, for programs. The main type is [`Record`].

use std::collections::BTreeSet;

use serde::Serialize;

use super::Report;
use crate::trial::check::{Proof, Request, Severity, Wording};

/// The record of a check.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    schema: u32,
    file: Option<&'a str>,
    findings: Vec<FindingRecord<'a>>,
    /// The number of findings that are switched off.
    off: usize,
    issuers: usize,
    /// The URLs of the issuers for which nothing is judged on some version.
    unjudged: &'a BTreeSet<String>,
    versions: &'a [String],
    requests: Vec<RequestsRecord<'a>>,
}

#[derive(Serialize)]
struct FindingRecord<'a> {
    name: &'static str,
    severity: Severity,
    behaviour: Option<&'static str>,
    issuer: Option<&'a str>,
    field: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    message: &'a str,
    #[serde(flatten)]
    proof: Option<&'a Proof>,
    change: Option<&'a str>,
    versions: &'a [String],
    /// The words on each of several versions, if they differ.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    wordings: &'a [Wording],
}

#[derive(Serialize)]
struct RequestsRecord<'a> {
    kubernetes: &'a str,
    requests: &'a [Request],
}

impl<'a> Record<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let findings = report.findings.iter().map(|finding| FindingRecord {
            name: finding.rule.name,
            severity: finding.severity(),
            behaviour: finding.rule.behaviour,
            issuer: finding.issuer.as_deref(),
            field: &finding.field,
            file: report.file_of(finding),
            line: finding.line,
            message: &finding.message,
            proof: finding.proof.as_ref(),
            change: finding.change.as_deref(),
            versions: &finding.versions,
            wordings: &finding.wordings,
        });
        let requests = report
            .requests
            .iter()
            .map(|(kubernetes, requests)| RequestsRecord { kubernetes, requests });
        Self {
            schema: 1,
            file: report.file.as_deref(),
            findings: findings.collect(),
            off: report.off,
            issuers: report.issuers,
            unjudged: &report.unjudged,
            versions: &report.versions,
            requests: requests.collect(),
        }
    }
}
