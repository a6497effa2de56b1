//! The resources of an API server, and whether an action is about one of them: a mistyped one would be a right that nobody has, and so a
//! `may not` that always holds.
//!
//! The main type is [`Served`].

use std::collections::BTreeMap;

use futures::StreamExt;
use serde_json::Value;

use super::action::Action;
use super::api_server::TrialError;
use crate::similar::similar;

/// The verbs whose resources are looked up. Others are about names that no API group serves: users to impersonate, signers to approve for.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// The number of lists that are read at a time: a cluster that exists serves others, too.
const AT_ONCE: usize = 8;

/// Parts of nodes that kubelets ask about and no API server serves (kubernetes `pkg/kubelet/server/auth.go`).
const KUBELET: [&str; 7] = ["checkpoint", "configz", "healthz", "log", "metrics", "pods", "stats"];

/// The resources of an API server.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    /// By API group, the core group being empty. A group whose list cannot be read has none.
    groups: BTreeMap<String, Resources>,
}

/// Whether each resource, or part of one (`pods/log`), is in namespaces.
type Resources = BTreeMap<String, bool>;

impl Served {
    /// Reads the lists of all resources, in all versions of each group. `get` returns the response for a path, or null.
    pub(super) async fn read(get: impl AsyncFn(String) -> Value) -> Self {
        let all = get("/apis".to_owned()).await;
        let mut wanted = vec![(String::new(), "/api/v1".to_owned())];
        for group in all.get("groups").and_then(Value::as_array).into_iter().flatten() {
            let name = group.get("name").and_then(Value::as_str).unwrap_or_default();
            let versions = group.get("versions").and_then(Value::as_array).into_iter().flatten();
            let versions = versions.filter_map(|version| version.get("groupVersion").and_then(Value::as_str));
            wanted.extend(versions.map(|version| (name.to_owned(), format!("/apis/{version}"))));
        }
        let lists = wanted.into_iter().map(async |(group, path)| (group, get(path).await));
        let mut groups: BTreeMap<String, Option<Resources>> = BTreeMap::new();
        let mut lists = futures::stream::iter(lists).buffered(AT_ONCE);
        while let Some((group, list)) = lists.next().await {
            let known = groups.entry(group).or_insert_with(|| Some(Resources::new()));
            match (list.get("resources").and_then(Value::as_array), &mut *known) {
                (Some(resources), Some(known)) => known.extend(resources.iter().filter_map(resource)),
                // One version of the group may have the resource that the others lack.
                (None, _) => *known = None,
                (Some(_), None) => {}
            }
        }
        let groups = groups.into_iter().map(|(group, known)| (group, known.unwrap_or_default()));
        Self { groups: groups.collect() }
    }

    /// Returns whether no list could be read.
    pub(super) fn is_unknown(&self) -> bool {
        self.groups.values().all(BTreeMap::is_empty)
    }

    /// Returns `action` with the API group that has its resource: the core group before others, as for kubectl.
    ///
    /// A resource with its group is looked up if the API server serves that group.
    ///
    /// # Errors
    /// No API group has the resource, or several; the resource has no such part; it is not in namespaces, and the action is.
    pub(super) fn complete(&self, action: &Action) -> Result<Action, TrialError> {
        let Action::Resource { verb, group, resource, .. } = action else {
            return Ok(action.clone());
        };
        // No API group serves users and groups, which are of the core group for this verb (kubernetes/apiserver
        // `pkg/endpoints/filters/impersonation`).
        let is_looked_up = VERBS.contains(&verb.as_str()) && resource != "*" && !action.is_exact();
        match group {
            Some(group) if is_looked_up => self.expect(group, action).map(|()| action.clone()),
            Some(_) => Ok(action.clone()),
            None if resource == "*" || action.is_exact() => Ok(action.clone()),
            None if verb.starts_with("impersonate") && ["users", "groups"].contains(&resource.as_str()) => Ok(action.clone()),
            None => {
                let group = self.group(resource)?;
                if is_looked_up {
                    self.expect(group, action)?;
                }
                Ok(action.clone().in_group(group))
            }
        }
    }

    /// Returns the API group that has `resource`.
    fn group(&self, resource: &str) -> Result<&str, TrialError> {
        let having = self.groups.iter().filter(|(_, resources)| resources.contains_key(resource));
        let having: Vec<&String> = having.map(|(group, _)| group).collect();
        match having.as_slice() {
            [first, ..] if first.is_empty() => Ok(first),
            [only] => Ok(only),
            [] => {
                let names = self.groups.values().flat_map(BTreeMap::keys).map(String::as_str);
                Err(TrialError::NoResource {
                    resource: resource.to_owned(),
                    similar: similar(resource, names.filter(|name| !name.contains('/')), 3),
                })
            }
            several => Err(TrialError::SeveralGroups {
                resource: resource.to_owned(),
                groups: several.iter().map(|&group| group.clone()).collect(),
            }),
        }
    }

    /// Fails unless `group` has the resource of `action`, or is not known.
    fn expect(&self, group: &str, action: &Action) -> Result<(), TrialError> {
        let (
            Action::Resource {
                resource,
                subresource,
                namespace,
                ..
            },
            Some(known),
        ) = (action, self.groups.get(group).filter(|known| !known.is_empty()))
        else {
            return Ok(());
        };
        let Some(&is_namespaced) = known.get(resource) else {
            let elsewhere = self.groups.iter().filter(|(_, resources)| resources.contains_key(resource));
            let elsewhere = elsewhere.map(|(group, _)| dotted(resource, group));
            let near = similar(resource, known.keys().map(String::as_str).filter(|name| !name.contains('/')), 3);
            return Err(TrialError::NoResource {
                resource: dotted(resource, group),
                similar: elsewhere.chain(near.iter().map(|name| dotted(name, group))).take(3).collect(),
            });
        };
        let is_kubelets = resource == "nodes" && KUBELET.contains(&subresource.as_str());
        if !["", "*"].contains(&subresource.as_str()) && !is_kubelets && !known.contains_key(&format!("{resource}/{subresource}")) {
            let parts = known
                .keys()
                .filter_map(|name| name.strip_prefix(resource.as_str())?.strip_prefix('/'));
            let near = similar(subresource, parts, 3);
            return Err(TrialError::NoResource {
                resource: format!("{}/{subresource}", dotted(resource, group)),
                similar: near.iter().map(|part| format!("{}/{part}", dotted(resource, group))).collect(),
            });
        }
        // The API server asks about a namespace in itself.
        if !namespace.is_empty() && !is_namespaced && resource != "namespaces" {
            return Err(TrialError::NoNamespace {
                resource: dotted(resource, group),
                namespace: namespace.clone(),
            });
        }
        Ok(())
    }
}

/// Returns `resource` with its API group, as actions are written.
fn dotted(resource: &str, group: &str) -> String {
    match group {
        "" => resource.to_owned(),
        group => format!("{resource}.{group}"),
    }
}

/// Returns an entry of an `APIResourceList`.
fn resource(entry: &Value) -> Option<(String, bool)> {
    let name = entry.get("name")?.as_str()?;
    Some((
        name.to_owned(),
        entry.get("namespaced").and_then(Value::as_bool).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn served() -> Served {
        let resource = |name: &str, namespaced: bool| json!({ "name": name, "namespaced": namespaced });
        Served::read(async |path: String| match path.as_str() {
            "/apis" => json!({ "groups": [
                { "name": "apps", "versions": [{ "groupVersion": "apps/v1" }] },
                { "name": "batch", "versions": [{ "groupVersion": "batch/v1" }, { "groupVersion": "batch/v1beta1" }] },
                { "name": "events.k8s.io", "versions": [{ "groupVersion": "events.k8s.io/v1" }] },
                { "name": "one.example.com", "versions": [{ "groupVersion": "one.example.com/v1" }] },
                { "name": "two.example.com", "versions": [{ "groupVersion": "two.example.com/v1" }] },
                { "name": "gone.example.com", "versions": [{ "groupVersion": "gone.example.com/v1" }] },
            ] }),
            "/api/v1" => json!({ "resources": [
                resource("pods", true), resource("pods/exec", true), resource("pods/log", true), resource("secrets", true),
                resource("nodes", false), resource("nodes/proxy", false), resource("namespaces", false), resource("events", true),
            ] }),
            "/apis/apps/v1" => json!({ "resources": [resource("deployments", true), resource("deployments/scale", true)] }),
            "/apis/batch/v1" => json!({ "resources": [resource("jobs", true)] }),
            "/apis/batch/v1beta1" => json!({ "resources": [resource("cronjobs", true)] }),
            "/apis/events.k8s.io/v1" => json!({ "resources": [resource("events", true)] }),
            "/apis/one.example.com/v1" | "/apis/two.example.com/v1" => json!({ "resources": [resource("widgets", true)] }),
            _ => Value::Null,
        })
        .await
    }

    #[tokio::test]
    async fn an_action_is_about_something_that_is_served() {
        let served = served().await;
        for (written, completed) in [
            ("list pods", "list pods"),
            ("create pods/exec in a", "create pods/exec in a"),
            ("list events", "list events"),
            ("create deployments in a", "create deployments.apps in a"),
            ("update deployments.apps/scale", "update deployments.apps/scale"),
            ("list cronjobs", "list cronjobs.batch"),
            ("get namespaces named a in a", "get namespaces named a in a"),
            ("get nodes/metrics", "get nodes/metrics"),
            ("get pods/*", "get pods/*"),
            ("* *", "* *"),
            ("impersonate users named alice", "impersonate users named alice"),
            (
                "approve signers.certificates.k8s.io named example.com/x",
                "approve signers.certificates.k8s.io named example.com/x",
            ),
            // Neither group can be looked up.
            ("list things.unknown.example.com", "list things.unknown.example.com"),
            ("list things.gone.example.com", "list things.gone.example.com"),
            ("exactly raed secret.apps/x in a", "exactly raed secret.apps/x in a"),
            ("get /metrics", "get /metrics"),
        ] {
            let action = written.parse().unwrap();
            assert_eq!(
                served.complete(&action).map(|done| done.to_string()).unwrap(),
                completed,
                "{written}"
            );
        }
        for (written, why) in [
            ("list secret", "the API server has no resource 'secret'; did you mean secrets?"),
            (
                "list secret.apps",
                "the API server has no resource 'secret.apps'; resources are named",
            ),
            (
                "list secrets.apps",
                "the API server has no resource 'secrets.apps'; did you mean secrets?",
            ),
            (
                "list deployment.apps",
                "the API server has no resource 'deployment.apps'; did you mean deployments.apps?",
            ),
            (
                "create pods/exce in a",
                "the API server has no resource 'pods/exce'; did you mean pods/exec?",
            ),
            (
                "list nodes in a",
                "'nodes' are not in namespaces, so nobody asks about them in 'a'; leave out `in a`",
            ),
            (
                "list widgets",
                "several API groups have the resource 'widgets': one.example.com, two.example.com; name one",
            ),
        ] {
            let error = served.complete(&written.parse().unwrap()).unwrap_err();
            let told = format!("{error}; {}", crate::hint::Hint::hint(&error).unwrap_or_default());
            assert!(told.starts_with(why), "{written}: {told}");
        }
    }
}
