//! The states of a signing request: its conditions in a word ([`RequestState`]), and accessors for its status.

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};

/// The conditions of a request, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestState(pub(super) &'static [&'static str]);

phrases! {
    RequestState as "request_state" {
        "pending" => Self(&[]),
        "approved" => Self(&["Approved"]),
        "denied" => Self(&["Denied"]),
        "failed" => Self(&["Approved", "Failed"]),
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

/// Returns `request` with the condition `kind` added.
pub(super) fn with_condition(mut request: CertificateSigningRequest, kind: &str) -> CertificateSigningRequest {
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
