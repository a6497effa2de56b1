//! Waiting until an API server's RBAC authorizer knows the roles and bindings that were just created. The function is [`wait`].
//!
//! RBAC reads four kinds of objects from watches (kubernetes `plugin/pkg/auth/authorizer/rbac`, its informers), each of which is in order:
//! once it grants what the last changes of all four say, it knows the earlier ones, deletions included. Each wait names another user and other
//! rights, since those of an earlier one would be granted at once.
//!
//! RBAC need not be the only authorizer, and another one may refuse that user, or answer late. So the user is of `system:masters`, whom an
//! API server lets do everything before it asks anybody (kubernetes `pkg/kubeapiserver/authorizer`), and asks for its rules, which RBAC alone
//! knows (SelfSubjectRulesReview: webhooks have none to tell).

use std::time::Duration;

use serde_json::{Value, json};

use super::manifest::{self, Manifest};
use super::{Person, Presented, Trial, TrialError};
use crate::cluster::Given;
use crate::event::Verdict;
use crate::probe::{Answer, Question};
use crate::process::wait::{Condition, WaitError, until};
use crate::yaml;

/// The time in which a watch brings a new object, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// The name of the objects, and the beginning of the user's.
const NAME: &str = "authlab:settled";

/// The namespace of the role.
const NAMESPACE: &str = "default";

/// Returns `true` if an API server with `given` asks RBAC for rights, alone or among other authorizers.
pub(super) fn has_rbac(given: &Given) -> bool {
    if let Some((_, file)) = given.files.iter().find(|(name, _)| name == "authorization-config") {
        let root = yaml::parse(file.expose()).ok();
        let authorizers = root.as_ref().and_then(|root| root.entry("authorizers")).map(yaml::Node::items);
        let is_rbac = |authorizer: &yaml::Node| authorizer.entry("type").and_then(yaml::Node::text) == Some("RBAC");
        return authorizers.unwrap_or_default().iter().any(is_rbac);
    }
    let modes: Vec<&str> = given
        .flags
        .iter()
        .filter(|(name, _)| name == "authorization-mode")
        .flat_map(|(_, modes)| modes.split(','))
        .collect();
    // Without the flag, it is the lab's.
    modes.is_empty() || modes.contains(&"RBAC")
}

/// Waits until RBAC at the API server of `trial` knows all roles and bindings.
pub(super) async fn wait(trial: &Trial) -> Result<(), TrialError> {
    let word = format!("{:016x}", rand::random::<u64>());
    let (name, path, resource) = (format!("{NAME}:{word}"), format!("/authlab/{word}"), format!("settled-{word}"));
    manifest::apply(&trial.lab().administrator().client(), &last(&name, &path, &resource)).await?;
    let user = Person {
        name: name.clone(),
        presents: Presented::Certificate {
            common_name: name.clone(),
            organizations: vec!["system:masters".to_owned()],
        },
    };
    let credential = trial.credential(&user).await?;
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": NAMESPACE },
    });
    let question = Question::post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review);
    until("the roles and bindings to count", LIMIT, async || {
        let answer = trial.question(&name, &credential, &question).await;
        Ok(match missing(&answer, &path, &resource) {
            None => Condition::Met(()),
            Some(why) => Condition::NotYet(why),
        })
    })
    .await
    .map_err(|error: WaitError<std::convert::Infallible>| TrialError::NotSettled(error.to_string()))
}

/// Returns what the rules in `answer` lack: `path`, which a ClusterRole gives, or `resource`, which a Role gives.
fn missing(answer: &Answer, path: &str, resource: &str) -> Option<String> {
    if answer.verdict != Verdict::Accepted {
        return Some(answer.to_string());
    }
    let has = |rules: &str, field: &str, value: &str| {
        let rules = answer.body.pointer(&format!("/status/{rules}")).and_then(Value::as_array);
        let values = rules.into_iter().flatten().filter_map(|rule| rule.get(field)?.as_array()).flatten();
        values.into_iter().any(|known| known == value)
    };
    if !has("nonResourceRules", "nonResourceURLs", path) {
        return Some("RBAC does not know the last ClusterRole and ClusterRoleBinding".to_owned());
    }
    (!has("resourceRules", "resources", resource)).then(|| "RBAC does not know the last Role and RoleBinding".to_owned())
}

/// Returns an object of each kind, changed after all others: `user` may get `path` and `resource`.
fn last(user: &str, path: &str, resource: &str) -> Vec<Manifest> {
    let rbac = "rbac.authorization.k8s.io";
    let subjects = json!([{ "kind": "User", "name": user, "apiGroup": rbac }]);
    let object = |kind: &str, namespace: Option<&str>, rest: Value| {
        let mut object = json!({ "apiVersion": format!("{rbac}/v1"), "kind": kind, "metadata": { "name": NAME } });
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = namespace.into();
        }
        Manifest {
            file: NAME.to_owned(),
            line: 1,
            object,
        }
    };
    let role = |kind: &str| json!({ "subjects": subjects, "roleRef": { "apiGroup": rbac, "kind": kind, "name": NAME } });
    vec![
        object(
            "ClusterRole",
            None,
            json!({ "rules": [{ "nonResourceURLs": [path], "verbs": ["get"] }] }),
        ),
        object(
            "Role",
            Some(NAMESPACE),
            json!({ "rules": [{ "apiGroups": ["authlab.invalid"], "resources": [resource], "verbs": ["get"] }] }),
        ),
        object("ClusterRoleBinding", None, role("ClusterRole")),
        object("RoleBinding", Some(NAMESPACE), role("Role")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn rbac_is_looked_for_among_the_authorizers() {
        let flag = |modes: &[&str]| Given {
            flags: modes
                .iter()
                .map(|mode| ("authorization-mode".to_owned(), (*mode).to_owned()))
                .collect(),
            ..Given::default()
        };
        let file = |text: &str| Given {
            files: vec![("authorization-config".to_owned(), Secret::new(text))],
            ..Given::default()
        };
        for (given, expected) in [
            (flag(&[]), true),
            (flag(&["Node,RBAC"]), true),
            (flag(&["Node", "RBAC"]), true),
            (flag(&["Webhook"]), false),
            (flag(&["AlwaysAllow"]), false),
            (file("authorizers:\n- {type: Webhook, name: a}\n- {type: RBAC, name: b}\n"), true),
            (file("authorizers: [{type: Webhook, name: a}]\n"), false),
            (file("\t"), false),
        ] {
            assert_eq!(has_rbac(&given), expected, "{given:?}");
        }
    }
}
