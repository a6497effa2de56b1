//! What somebody may do: RBAC by user and by group, in the scenario's own namespace.

use std::time::Duration;

use cucumber::{given, then};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::{Person, Step, asking};
use crate::probe::Verdict;
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;

#[given(expr = "the user {string} may list {word}")]
async fn user_may_list(world: &mut World, user: String, resource: String) -> Step {
    grant(world, "User", &user, "list", &resource).await
}

#[given(expr = "the user {string} may watch {word}")]
async fn user_may_watch(world: &mut World, user: String, resource: String) -> Step {
    grant(world, "User", &user, "watch", &resource).await
}

#[given(expr = "the group {string} may list {word}")]
async fn group_may_list(world: &mut World, group: String, resource: String) -> Step {
    grant(world, "Group", &group, "list", &resource).await
}

#[then(expr = "{person} may not list {word}")]
async fn may_not_list(world: &mut World, person: Person, resource: String) -> Step {
    let question = asking::list(world, &resource).await?;
    let answer = world.ask(&person.0, &question).await?;
    ensure!(answer.verdict == Verdict::Forbidden, "expected: forbidden to list {resource}; seen: {answer}");
    Ok(())
}

#[derive(Default)]
struct Granted(usize);

/// Binds a role that may `verb` `resource` to the subject, and waits until the API server knows.
async fn grant(world: &mut World, kind: &str, subject: &str, verb: &str, resource: &str) -> Step {
    let namespace = world.namespace().await?;
    let subject = &world.filled(subject);
    let granted = world.notes::<Granted>();
    granted.0 += 1;
    let name = format!("granted-{}", granted.0);
    let client = world.lab().administrator().client();
    let group = "rbac.authorization.k8s.io";
    let role: Role = serde_json::from_value(json!({
        "metadata": { "name": name },
        "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": [verb] }],
    }))?;
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": { "name": name },
        "subjects": [{ "kind": kind, "apiGroup": group, "name": subject }],
        "roleRef": { "apiGroup": group, "kind": "Role", "name": name },
    }))?;
    let (roles, bindings): (Api<Role>, Api<RoleBinding>) =
        (Api::namespaced(client.clone(), &namespace), Api::namespaced(client.clone(), &namespace));
    let parameters = PostParams::default();
    futures::try_join!(roles.create(&parameters, &role), bindings.create(&parameters, &binding))?;

    let (user, groups) = if kind == "User" { (Some(subject.clone()), None) } else { (None, Some(vec![subject.clone()])) };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user,
            groups,
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace),
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client);
    until("the new right", Duration::from_secs(10), || async {
        let answer = reviews.create(&parameters, &review).await?;
        let known = answer.status.is_some_and(|status| status.allowed);
        Ok::<_, kube::Error>(if known { Condition::Met(()) } else { Condition::NotYet("the API server does not know it".to_owned()) })
    })
    .await?;
    Ok(())
}
