//! Work that learners may not do themselves, since it would let them become any user: it is done for them while a lesson is checked.
//!
//! The main type is [`RequestSigner`].

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

use super::workspace::Workspace;
use super::{Learner, LessonError};
use crate::lab::put;
use crate::pki::Requested;
use crate::shell_word::quoted;

/// The party that does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RequestSigner {
    /// The client CA signs each `NAME.csr` in the learner's directory, and writes `NAME.crt` beside it.
    Authority,
    /// An administrator approves the CertificateSigningRequests that the learner created.
    Approver,
}

/// The signer of clients' certificates.
const SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// The timeout for issuing the certificate of an approved request.
const ISSUED: std::time::Duration = std::time::Duration::from_secs(20);

impl RequestSigner {
    /// Does the pending work and returns one line for each thing done.
    pub(super) async fn serve(self, workspace: &Workspace<'_>) -> Result<Vec<String>, LessonError> {
        match self {
            Self::Authority => sign(workspace),
            Self::Approver => approve(workspace).await,
        }
    }
}

/// Returns the reason why the learner may not have the requested names; `None` when they may.
fn objection(learner: &Learner, asked: &Requested) -> Option<String> {
    let prefix = format!("{}:", learner.name());
    if !asked.user().starts_with(&prefix) {
        return Some(format!(
            "its common name is {:?} (the names of your people begin with {prefix})",
            asked.user()
        ));
    }
    let foreign = asked.groups().iter().find(|group| !group.starts_with(&prefix))?;
    Some(format!(
        "its organization {foreign:?} is a group (the names of your groups begin with {prefix})"
    ))
}

fn sign(workspace: &Workspace<'_>) -> Result<Vec<String>, LessonError> {
    let mut done = Vec::new();
    for name in workspace.files_ending("csr")? {
        let request = workspace.directory.join(format!("{name}.csr"));
        let certificate = workspace.directory.join(format!("{name}.crt"));
        let text = workspace.read(&request)?;
        let is_older = || {
            let time = |path: &std::path::Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
            time(&certificate) >= time(&request)
        };
        if certificate.exists() && is_older() {
            continue;
        }
        let asked = match Requested::read(&text) {
            Ok(asked) => asked,
            Err(error) => {
                done.push(format!("the authority does not sign {name}.csr: {error}"));
                continue;
            }
        };
        if let Some(why) = objection(workspace.learner, &asked) {
            done.push(format!("the authority does not sign {name}.csr: {why}"));
            continue;
        }
        put(&certificate, &workspace.lab.authorities()?.clients.sign(&text)?)?;
        done.push(format!("the authority signed {name}.csr: its certificate is in {name}.crt"));
    }
    Ok(done)
}

async fn approve(workspace: &Workspace<'_>) -> Result<Vec<String>, LessonError> {
    let requests: Api<CertificateSigningRequest> = Api::all(workspace.lab.administrator().client());
    let all = requests.list(&ListParams::default()).await;
    let all = all.map_err(wrong("a list of the signing requests".to_owned()))?;
    let mut done = Vec::new();
    for request in all.items {
        let is_decided = request.status.as_ref().and_then(|status| status.conditions.as_ref()).is_some();
        if request.spec.username.as_deref() == Some(workspace.learner.name()) && !is_decided {
            done.push(decide(&requests, workspace.learner, &request).await?);
        }
    }
    Ok(done)
}

/// Approves `request` if the learner may have what it requests, and deletes it if something else was issued.
async fn decide(
    requests: &Api<CertificateSigningRequest>,
    learner: &Learner,
    request: &CertificateSigningRequest,
) -> Result<String, LessonError> {
    let name = request.name_any();
    let asked = match acceptable(learner, &request.spec) {
        Ok(asked) => asked,
        Err(why) => return Ok(format!("the administrator does not approve {name}: {why}")),
    };
    let patch = Patch::Merge(approval(request));
    match requests.patch_approval(&name, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
            return Ok(format!(
                "the administrator does not approve {name}: it was changed while it was checked"
            ));
        }
        approved => drop(approved.map_err(wrong(format!("the approval of {name}")))?),
    }
    let certificate = match issued(requests, request).await? {
        Issued::Certificate(certificate) => certificate,
        Issued::Refused(why) => return Ok(format!("the administrator approved {name}, and the signer refused it: {why}")),
        Issued::Gone => return Ok(format!("the administrator approved {name}, and it was deleted")),
    };
    let Some(difference) = asked.difference(&certificate) else {
        return Ok(format!(
            "the administrator approved {name}, and it is signed: `kubectl get csr {}`",
            quoted(&name)
        ));
    };
    let parameters = DeleteParams::default().preconditions(Preconditions {
        uid: request.uid(),
        resource_version: None,
    });
    match requests.delete(&name, &parameters).await {
        // It was already deleted, or it is another one of that name.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        deleted => drop(deleted.map_err(wrong(format!("the end of {name}")))?),
    }
    Ok(format!(
        "the administrator deleted {name}: the issued certificate differs from the approved request: {difference}"
    ))
}

/// Returns what a request asks for if the learner may have it, else the reason for the refusal.
fn acceptable(learner: &Learner, spec: &CertificateSigningRequestSpec) -> Result<Requested, String> {
    if spec.signer_name != SIGNER {
        return Err(format!("its signer is {:?} (expected {SIGNER:?})", spec.signer_name));
    }
    let asked = Requested::read(&String::from_utf8_lossy(&spec.request.0)).map_err(|error| error.to_string())?;
    match objection(learner, &asked) {
        Some(why) => Err(why),
        None => Ok(asked),
    }
}

/// Returns the approval of `request` as it was read, since the learner could meanwhile replace it with another of the same name.
fn approval(request: &CertificateSigningRequest) -> Value {
    let condition = CertificateSigningRequestCondition {
        type_: "Approved".to_owned(),
        status: "True".to_owned(),
        reason: Some("OneOfTheirs".to_owned()),
        message: Some("the names are the learner's".to_owned()),
        last_update_time: Some(Time(k8s_openapi::jiff::Timestamp::now())),
        last_transition_time: None,
    };
    json!({ "metadata": { "resourceVersion": request.resource_version() }, "status": { "conditions": [condition] } })
}

/// The outcome of an approved request.
enum Issued {
    /// The certificate, PEM.
    Certificate(String),
    /// The signer's reason for the refusal.
    Refused(String),
    /// The request was deleted.
    Gone,
}

/// Waits for the outcome of an approved request.
async fn issued(requests: &Api<CertificateSigningRequest>, request: &CertificateSigningRequest) -> Result<Issued, LessonError> {
    use crate::process::wait::{Condition, until};

    let name = request.name_any();
    let issued = until("the certificate of an approved request", ISSUED, || async {
        let now = requests.get_opt(&name).await?.filter(|now| now.uid() == request.uid());
        let Some(now) = now else { return Ok(Condition::Met(Issued::Gone)) };
        let status = now.status.unwrap_or_default();
        let failed = status
            .conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "Failed");
        Ok::<_, kube::Error>(match (status.certificate, failed) {
            (Some(certificate), _) => Condition::Met(Issued::Certificate(String::from_utf8_lossy(&certificate.0).into_owned())),
            (None, Some(failed)) => Condition::Met(Issued::Refused(failed.message.unwrap_or_default())),
            (None, None) => Condition::NotYet("it is not signed yet".to_owned()),
        })
    });
    issued.await.map_err(|error| LessonError::NotSeen(Box::new(error)))
}

fn wrong(what: String) -> impl FnOnce(kube::Error) -> LessonError {
    move |source| LessonError::Objects {
        what,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;
    use crate::pki::signing_request;

    fn learner() -> Learner {
        "learner-1".parse().expect("there is one")
    }

    fn spec(user: &str, groups: &[&str]) -> CertificateSigningRequestSpec {
        let (pem, _) = signing_request(user, groups).expect("a request");
        CertificateSigningRequestSpec {
            request: ByteString(pem.into_bytes()),
            signer_name: SIGNER.to_owned(),
            ..CertificateSigningRequestSpec::default()
        }
    }

    fn refusal(spec: &CertificateSigningRequestSpec) -> String {
        acceptable(&learner(), spec).expect_err("refused")
    }

    #[test]
    fn nobody_is_given_anothers_name() {
        assert!(acceptable(&learner(), &spec("learner-1:alice", &["learner-1:developers"])).is_ok());
        assert!(refusal(&spec("alice", &[])).contains("learner-1:"));
        assert!(refusal(&spec("learner-10:alice", &[])).contains("learner-10:"));
        let told = refusal(&spec("learner-1:alice", &["learner-1:developers", "system:masters"]));
        assert!(told.contains("system:masters"), "{told}");
    }

    #[test]
    fn only_requests_to_the_signer_of_clients_are_approved() {
        let other = CertificateSigningRequestSpec {
            signer_name: "kubernetes.io/kubelet-serving".to_owned(),
            ..spec("learner-1:alice", &[])
        };
        assert!(refusal(&other).contains("its signer is \"kubernetes.io/kubelet-serving\""));
    }

    #[test]
    fn an_approval_is_of_the_request_that_was_read() {
        let request = CertificateSigningRequest {
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                resource_version: Some("4711".to_owned()),
                ..Default::default()
            },
            spec: spec("learner-1:alice", &[]),
            status: None,
        };
        let patch = approval(&request);
        assert_eq!(patch["metadata"]["resourceVersion"], "4711");
        assert_eq!(patch["status"]["conditions"][0]["type"], "Approved");
    }
}
