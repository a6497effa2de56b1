//! What learners may not do themselves, since it would make them anybody: somebody does it for them while a lesson is checked.
//!
//! The main type is [`Desk`].

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde::Deserialize;
use serde_json::json;

use super::bench::Bench;
use super::{Learner, LessonError};
use crate::lab::put;
use crate::pki::{Requested, requested};
use crate::shell_word::quoted;

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Desk {
    /// The clients' authority signs what lies in the learner's directory as `NAME.csr`, and puts `NAME.crt` beside it.
    Authority,
    /// An administrator approves the CertificateSigningRequests that the learner made.
    Approver,
}

/// How long the certificate of an approved request may take.
const ISSUED: std::time::Duration = std::time::Duration::from_secs(20);

impl Desk {
    /// Does what there is to do: what was done, a line each.
    pub(super) async fn serve(self, bench: &Bench<'_>) -> Result<Vec<String>, LessonError> {
        match self {
            Self::Authority => sign(bench),
            Self::Approver => approve(bench).await,
        }
    }
}

/// Why somebody is not to have those names; nothing when they may.
fn objection(learner: &Learner, asked: &Requested) -> Option<String> {
    let prefix = format!("{}:", learner.name());
    if !asked.user.starts_with(&prefix) {
        return Some(format!("its common name is {:?}, and your people are called {prefix}…", asked.user));
    }
    let foreign = asked.groups.iter().find(|group| !group.starts_with(&prefix))?;
    Some(format!(
        "its organization {foreign:?} is a group, and your groups are called {prefix}…"
    ))
}

fn sign(bench: &Bench<'_>) -> Result<Vec<String>, LessonError> {
    let mut done = Vec::new();
    for name in bench.files_ending("csr")? {
        let request = bench.directory.join(format!("{name}.csr"));
        let certificate = bench.directory.join(format!("{name}.crt"));
        let text = bench.read(&request)?;
        let is_older = || {
            let time = |path: &std::path::Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
            time(&certificate) >= time(&request)
        };
        if certificate.exists() && is_older() {
            continue;
        }
        let asked = match requested(&text) {
            Ok(asked) => asked,
            Err(error) => {
                done.push(format!("the authority does not sign {name}.csr: {error}"));
                continue;
            }
        };
        if let Some(why) = objection(bench.learner, &asked) {
            done.push(format!("the authority does not sign {name}.csr: {why}"));
            continue;
        }
        put(&certificate, &bench.lab.authorities()?.clients.sign(&text)?)?;
        done.push(format!("the authority signed {name}.csr: its certificate is in {name}.crt"));
    }
    Ok(done)
}

async fn approve(bench: &Bench<'_>) -> Result<Vec<String>, LessonError> {
    let requests: Api<CertificateSigningRequest> = Api::all(bench.lab.administrator().client());
    let wrong = |what: String| {
        move |source| LessonError::Objects {
            what,
            source: Box::new(source),
        }
    };
    let all = requests.list(&ListParams::default()).await;
    let all = all.map_err(wrong("a list of the signing requests".to_owned()))?;
    let mut done = Vec::new();
    for request in all.items {
        let name = request.name_any();
        let is_decided = request.status.as_ref().and_then(|status| status.conditions.as_ref()).is_some();
        if request.spec.username.as_deref() != Some(bench.learner.name()) || is_decided {
            continue;
        }
        let pem = String::from_utf8_lossy(&request.spec.request.0).into_owned();
        let objection = match requested(&pem) {
            Ok(asked) => objection(bench.learner, &asked),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = objection {
            done.push(format!("the administrator does not approve {name}: {why}"));
            continue;
        }
        let condition = CertificateSigningRequestCondition {
            type_: "Approved".to_owned(),
            status: "True".to_owned(),
            reason: Some("OneOfTheirs".to_owned()),
            message: Some("the names are the learner's".to_owned()),
            last_update_time: Some(Time(k8s_openapi::jiff::Timestamp::now())),
            last_transition_time: None,
        };
        let patch = json!({ "status": { "conditions": [condition] } });
        let approved = requests.patch_approval(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        approved.map_err(wrong(format!("the approval of {name}")))?;
        done.push(match issued(&requests, &name).await? {
            Some(why) => format!("the administrator approved {name}, and the signer refused it: {why}"),
            None => format!(
                "the administrator approved {name}, and it is signed: `kubectl get csr {}`",
                quoted(&name)
            ),
        });
    }
    Ok(done)
}

/// Waits for the certificate of an approved request: nothing once it is there, else why it will not be.
async fn issued(requests: &Api<CertificateSigningRequest>, name: &str) -> Result<Option<String>, LessonError> {
    use crate::process::wait::{Condition, until};

    let issued = until("the certificate of an approved request", ISSUED, || async {
        let status = requests.get(name).await?.status.unwrap_or_default();
        let failed = status
            .conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "Failed");
        Ok::<_, kube::Error>(match (status.certificate, failed) {
            (Some(_), _) => Condition::Met(None),
            (None, Some(failed)) => Condition::Met(Some(failed.message.unwrap_or_default())),
            (None, None) => Condition::NotYet("nobody signed it".to_owned()),
        })
    });
    issued.await.map_err(|error| LessonError::NotSeen(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_anothers_name() {
        let learner: Learner = "learner-1".parse().expect("there is one");
        let asked = |user: &str, groups: &[&str]| {
            objection(
                &learner,
                &Requested {
                    user: user.to_owned(),
                    groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                },
            )
        };
        assert_eq!(asked("learner-1:alice", &["learner-1:developers"]), None);
        assert!(asked("alice", &[]).expect("refused").contains("learner-1:"));
        assert!(asked("learner-10:alice", &[]).is_some());
        let told = asked("learner-1:alice", &["system:masters"]).expect("refused");
        assert!(told.contains("system:masters"), "{told}");
    }
}
