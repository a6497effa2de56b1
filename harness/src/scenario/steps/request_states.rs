//! The states of a signing request: its conditions in a word ([`RequestState`]), and accessors for its status.

use std::str::FromStr;

use anyhow::Result;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};

/// A decision on a request.
#[derive(Clone, Copy)]
pub(super) enum Decision {
    Approved,
    Denied,
}

/// The conditions of a request, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "request_state", regex = "pending|approved|denied|failed")]
pub(super) struct RequestState(pub(super) &'static [&'static str]);

impl FromStr for RequestState {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(Self(match said {
            "pending" => &[],
            "approved" => &["Approved"],
            "denied" => &["Denied"],
            "failed" => &["Approved", "Failed"],
            other => anyhow::bail!("no request is {other}"),
        }))
    }
}

/// Accessors that the API's own type lacks.
pub(super) trait Status {
    fn name(&self) -> String;
    fn condition(&self, kind: &str) -> Option<CertificateSigningRequestCondition>;
    fn certificate(&self) -> Option<String>;
    fn kinds(&self) -> Vec<String>;
    fn state(&self) -> String;
}

impl Status for CertificateSigningRequest {
    fn name(&self) -> String {
        self.metadata.name.clone().unwrap_or_default()
    }

    fn condition(&self, kind: &str) -> Option<CertificateSigningRequestCondition> {
        self.status
            .as_ref()?
            .conditions
            .as_ref()?
            .iter()
            .find(|condition| condition.type_ == kind)
            .cloned()
    }

    fn certificate(&self) -> Option<String> {
        let certificate = self.status.as_ref()?.certificate.as_ref()?;
        (!certificate.0.is_empty()).then(|| String::from_utf8_lossy(&certificate.0).into_owned())
    }

    fn kinds(&self) -> Vec<String> {
        let conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.map(|condition| condition.type_.clone()).collect()
    }

    fn state(&self) -> String {
        let certificate = if self.certificate().is_some() {
            "a certificate"
        } else {
            "no certificate"
        };
        format!(
            "the request {} has {certificate} and the conditions {:?}",
            self.name(),
            self.kinds()
        )
    }
}

/// Returns `request` with the decision among its conditions.
pub(super) fn with_decision(mut request: CertificateSigningRequest, decision: Decision) -> CertificateSigningRequest {
    let kind = match decision {
        Decision::Approved => "Approved",
        Decision::Denied => "Denied",
    };
    let condition = CertificateSigningRequestCondition {
        type_: kind.to_owned(),
        status: "True".to_owned(),
        reason: Some("Decided".to_owned()),
        message: Some("decided by a scenario".to_owned()),
        ..CertificateSigningRequestCondition::default()
    };
    request
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default()
        .push(condition);
    request
}
