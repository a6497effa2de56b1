//! RBAC permissions by user and by group, in the scenario's own namespace, or everywhere for subjects that are
//! the scenario's own.

use std::convert::Infallible;

use cucumber::{given, then};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::{Person, Step, requests};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::lab::AccessReview;
use crate::probe::{Question, ask};
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;

phrases! {
    /// The kind of a subject that a role is bound to.
    enum SubjectKind as "subject_kind" {
        User = "user",
        Group = "group",
    }
}

requires!(administrator);
#[given(expr = "the {subject_kind} {string} may {word} {word}")]
async fn subject_may(world: &mut World, kind: SubjectKind, subject: String, verb: String, resource: String) -> Step {
    let kind = match kind {
        SubjectKind::User => "User",
        SubjectKind::Group => "Group",
    };
    let subject = world.filled(&subject)?;
    grant(world, kind, &subject, &verb, &resource).await
}

/// The binding through which everybody may ask whether an API server is ready (kubernetes
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`).
const READERS_OF_READINESS: &str = "system:public-info-viewer";

requires!(administrator, anonymous_requests, further_api_servers);
/// An API server creates its role bindings once it has started, one after the other. This one does so in a store of its own, where
/// nobody else misses what is deleted.
#[given("the API server has not created the role binding for requests without a credential yet")]
async fn has_no_binding(world: &mut World) -> Step {
    let endpoint = world.endpoint();
    ensure!(
        endpoint.server.name == "own_store",
        "the role bindings of an API server that others use stay as they are"
    );
    let bindings: Api<ClusterRoleBinding> = Api::all(world.administrator_at(&endpoint.server)?);
    match bindings.delete(READERS_OF_READINESS, &DeleteParams::default()).await {
        // An earlier scenario may have deleted it.
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        deleted => drop(deleted?),
    }
    let question = Question::get("/readyz");
    let known = until("the API server to know that a binding is missing", requests::HEARD, || async {
        let answer = ask(&endpoint, "nobody", &Credential::Nothing, &question).await;
        Ok::<_, Infallible>(if answer.verdict == Verdict::Forbidden {
            Condition::Met(())
        } else {
            Condition::NotYet(answer.to_string())
        })
    });
    Ok(known.await?)
}

/// The verdict on a request that somebody may send, or may not.
struct Permitted(Verdict);

phrases! {
    Permitted as "permitted" {
        "may" => Self(Verdict::Accepted),
        "may not" => Self(Verdict::Forbidden),
    }
}

requires!(administrator);
#[then(expr = "{person} {permitted} list {word}")]
async fn may_list(world: &mut World, person: Person, permitted: Permitted, resource: String) -> Step {
    let question = requests::list(world, &resource).await?;
    let answer = world.ask(&person, &question).await?;
    let (expected, words) = (permitted.0, permitted.0.words());
    expect!(answer.verdict == expected, "{words}, asking to list {resource}", "{answer}");
    Ok(())
}

/// The number of grants that the scenario has made.
#[derive(Default)]
struct Granted(usize);

/// One permission at the cluster scope.
#[derive(Clone, Debug)]
pub(super) struct Right {
    verb: String,
    group: String,
    resource: String,
    names: Vec<String>,
}

impl Right {
    /// Returns the right to `verb` every `resource` (`pods`, `pods/log`) of the API group `group`.
    pub(super) fn new(verb: impl Into<String>, group: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            names: Vec::new(),
        }
    }

    /// Restricts the right to the objects called `names`.
    #[must_use]
    pub(super) fn named(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    fn rule(&self) -> serde_json::Value {
        let mut rule = json!({ "apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb] });
        if !self.names.is_empty() {
            rule["resourceNames"] = json!(self.names);
        }
        rule
    }

    fn attributes(&self) -> ResourceAttributes {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
            None => (self.resource.clone(), None),
        };
        ResourceAttributes {
            verb: Some(self.verb.clone()),
            group: Some(self.group.clone()),
            resource: Some(resource),
            subresource,
            name: self.names.first().cloned(),
            ..ResourceAttributes::default()
        }
    }
}

/// Grants the subject (`User` or `Group`) `rights` in the whole cluster, and waits until the API server knows.
/// The subject's name must be the scenario's own: other scenarios run in the same cluster.
pub(super) async fn grant_everywhere(world: &mut World, kind: &str, subject: &str, rights: &[Right]) -> Step {
    let name = granted(world, "authlab");
    let client = world.administrator()?;
    let role: ClusterRole = serde_json::from_value(json!({
        "metadata": world.metadata(&name),
        "rules": rights.iter().map(Right::rule).collect::<Vec<_>>(),
    }))?;
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": world.metadata(&name),
        "subjects": [{ "kind": kind, "apiGroup": RBAC, "name": subject }],
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": name },
    }))?;
    let (roles, bindings): (Api<ClusterRole>, Api<ClusterRoleBinding>) = (Api::all(client.clone()), Api::all(client));
    let parameters = PostParams::default();
    futures::try_join!(roles.create(&parameters, &role), bindings.create(&parameters, &binding))?;
    for right in rights {
        until_known(world, kind, subject, right.attributes()).await?;
    }
    Ok(())
}

/// Binds a role that may `verb` `resource` to the subject, and waits until the API server knows.
pub(super) async fn grant(world: &mut World, kind: &str, subject: &str, verb: &str, resource: &str) -> Step {
    let namespace = world.namespace().await?;
    let subject = &world.filled(subject)?;
    let name = granted(world, "granted");
    let client = world.administrator()?;
    let role: Role = serde_json::from_value(json!({
        "metadata": world.metadata(&name),
        "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": [verb] }],
    }))?;
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": world.metadata(&name),
        "subjects": [{ "kind": kind, "apiGroup": RBAC, "name": subject }],
        "roleRef": { "apiGroup": RBAC, "kind": "Role", "name": name },
    }))?;
    let (roles, bindings): (Api<Role>, Api<RoleBinding>) =
        (Api::namespaced(client.clone(), &namespace), Api::namespaced(client, &namespace));
    let parameters = PostParams::default();
    futures::try_join!(roles.create(&parameters, &role), bindings.create(&parameters, &binding))?;
    let right = ResourceAttributes {
        namespace: Some(namespace),
        verb: Some(verb.to_owned()),
        resource: Some(resource.to_owned()),
        ..ResourceAttributes::default()
    };
    until_known(world, kind, subject, right).await
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Returns a name for the scenario's next grant.
fn granted(world: &mut World, base: &str) -> String {
    let granted = world.notes::<Granted>();
    granted.0 += 1;
    let count = granted.0;
    world.unique(&format!("{base}-{count}"))
}

/// Notes a grant, and waits until the current endpoint's API server knows it.
async fn until_known(world: &mut World, kind: &str, subject: &str, attributes: ResourceAttributes) -> Step {
    let review = if kind == "User" {
        AccessReview::user(subject, attributes)
    } else {
        AccessReview::group(subject, attributes)
    };
    Ok(world.granted(review).await?)
}
