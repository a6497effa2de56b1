//! Objects that scenarios created in a lab's own cluster, deleted in bulk by their labels.
//!
//! The main type is [`ScenarioObjects`]. An existing cluster is cleared in another way ([`super::existing`]): there only objects that authlab may
//! list are deleted, and the cluster's own controllers do the rest.

use std::time::Duration;

use futures::future::try_join_all;
use futures::{TryStreamExt, stream};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::LabError;
use crate::process::wait::{Condition, WaitError, until};

/// The label for the run in which an object was created.
pub const RUN: &str = "authlab/run";

/// The label for the run's scenario that created it.
pub const SCENARIO: &str = "authlab/scenario";

/// The time that deleted objects may take to be gone.
const LIMIT: Duration = Duration::from_secs(60);

/// The number of namespaces that are deleted at a time.
const AT_ONCE: usize = 8;

const CORE: &str = "";
const RBAC: &str = "rbac.authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// The kinds of objects that scenarios create outside their own namespaces, each with its namespace. Versions of Kubernetes without one of
/// them have none of its objects either.
const ELSEWHERE: &[(&str, &str, Option<&str>)] = &[
    (RBAC, "ClusterRoleBinding", None),
    (RBAC, "ClusterRole", None),
    (CERTIFICATES, "CertificateSigningRequest", None),
    (CERTIFICATES, "ClusterTrustBundle", None),
    (ADMISSION, "ValidatingWebhookConfiguration", None),
    (STORAGE, "CSIDriver", None),
    (CORE, "Node", None),
    (CORE, "Secret", Some("kube-system")),
];

/// The kinds of objects in scenarios' namespaces. Versions of Kubernetes without one of them have none of its objects either.
const WITHIN: &[(&str, &str)] = &[
    (RBAC, "RoleBinding"),
    (RBAC, "Role"),
    (CERTIFICATES, "PodCertificateRequest"),
    (CORE, "Pod"),
    (CORE, "Secret"),
    (CORE, "ConfigMap"),
    (CORE, "ServiceAccount"),
];

/// Objects that the scenarios of one run created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioObjects {
    selector: String,
}

impl ScenarioObjects {
    /// Selects the objects of every scenario of the run.
    pub fn in_run(run: &str) -> Self {
        Self {
            selector: format!("{RUN}={run}"),
        }
    }

    /// Selects the objects of some of its scenarios.
    pub fn by_scenarios<'a>(run: &str, scenarios: impl IntoIterator<Item = &'a str>) -> Self {
        let scenarios: Vec<&str> = scenarios.into_iter().collect();
        Self {
            selector: format!("{RUN}={run},{SCENARIO} in ({})", scenarios.join(",")),
        }
    }

    /// Deletes them, and waits until they are gone.
    ///
    /// # Errors
    /// The API server refuses, or an object is still there after a minute.
    pub async fn delete(&self, client: &Client) -> Result<(), LabError> {
        let elsewhere = ELSEWHERE.iter().map(|(group, kind, namespace)| async move {
            let api = api(client, group, kind, *namespace);
            let deleted = api.delete_collection(&now(), &self.params()).await;
            absent_is_fine(deleted.map(drop)).map_err(|source| wrong(format!("the deletion of every {kind}"), source))
        });
        futures::try_join!(try_join_all(elsewhere), self.namespaces(client))?;
        self.until_gone(client).await
    }

    fn params(&self) -> ListParams {
        ListParams::default().labels(&self.selector)
    }

    async fn namespaces(&self, client: &Client) -> Result<(), LabError> {
        let namespaces = api(client, CORE, "Namespace", None);
        let listed = namespaces.list_metadata(&self.params()).await;
        let listed = listed.map_err(|source| wrong("a list of namespaces".to_owned(), source))?;
        stream::iter(listed.items.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |namespace| delete_namespace(client, namespace.name_any()))
            .await
    }

    async fn until_gone(&self, client: &Client) -> Result<(), LabError> {
        let kinds = || ELSEWHERE.iter().copied().chain([(CORE, "Namespace", None)]);
        let gone = until("the end of what scenarios made", LIMIT, || async {
            let mut left = Vec::new();
            for (group, kind, namespace) in kinds() {
                let api = api(client, group, kind, namespace);
                let listed = match api.list_metadata(&self.params()).await {
                    // This version does not have the kind.
                    Err(kube::Error::Api(status)) if status.code == 404 => continue,
                    listed => listed?,
                };
                for object in listed {
                    left.push(format!("{kind} {}", object.name_any()));
                    // A scenario set the finalizer to keep the object until the scenario ends.
                    if !object.finalizers().is_empty() {
                        let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
                        let patched = api.patch_metadata(&object.name_any(), &PatchParams::default(), &patch).await;
                        absent_is_fine(patched.map(drop))?;
                    }
                }
            }
            Ok::<_, kube::Error>(if left.is_empty() {
                Condition::Met(())
            } else {
                Condition::NotYet(format!("{} objects are left: {}", left.len(), left.join(", ")))
            })
        });
        gone.await.map_err(|error| match error {
            WaitError::Failed(source) => wrong("a list of what scenarios made".to_owned(), source),
            late => LabError::Left(late.to_string()),
        })
    }
}

/// Deletes a namespace without waiting for its controller, which lists every kind of object: the kinds that scenarios create in one are
/// known.
async fn delete_namespace(client: &Client, name: String) -> Result<(), LabError> {
    let failed = |source| wrong(format!("the deletion of the namespace {name}"), source);
    // From here on no object can be created in it.
    let deleted = api(client, CORE, "Namespace", None).delete(&name, &DeleteParams::default()).await;
    absent_is_fine(deleted.map(drop)).map_err(failed)?;
    try_join_all(WITHIN.iter().map(|(group, kind)| {
        let api = api(client, group, kind, Some(&name));
        async move { absent_is_fine(api.delete_collection(&now(), &ListParams::default()).await.map(drop)) }
    }))
    .await
    .map_err(failed)?;
    let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name }, "spec": { "finalizers": [] } });
    let request = hyper::Request::put(format!("/api/v1/namespaces/{name}/finalize"))
        .header("Content-Type", "application/json")
        .body(body.to_string().into_bytes())
        .map_err(|error| failed(kube::Error::HttpError(error)))?;
    absent_is_fine(client.request::<serde_json::Value>(request).await.map(drop)).map_err(failed)
}

/// Returns parameters without a grace period: a lab runs nothing that needs time to end.
fn now() -> DeleteParams {
    DeleteParams::default().grace_period(0)
}

fn api(client: &Client, group: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Treats an object that is already gone, and a kind that this version does not have, as deleted. A namespace whose controller was faster
/// is being finalized by it (409).
fn absent_is_fine(done: kube::Result<()>) -> kube::Result<()> {
    match done {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        done => done,
    }
}

fn wrong(what: String, source: kube::Error) -> LabError {
    LabError::Objects {
        what,
        source: Box::new(source),
    }
}
