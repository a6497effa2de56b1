//! Objects in the cluster: those that lessons consist of, and those that learners leave behind.
//!
//! The main type is [`Cluster`].

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::LessonError;
use crate::lab::{AccessReview, Lab};

/// The field manager of the objects.
const MANAGER: &str = "authlab";

/// The label of objects that belong to a learner, apart from those that the learner creates.
const OWN: &str = "authlab/learner";

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// The kinds of objects that learners create in their namespace. Controllers create one object of some kinds, which stays.
const NAMESPACED: &[(&str, &str, Option<&str>)] = &[
    (RBAC, "RoleBinding", None),
    (RBAC, "Role", None),
    ("v1", "Secret", None),
    ("v1", "ServiceAccount", Some("default")),
    ("v1", "ConfigMap", Some("kube-root-ca.crt")),
    ("v1", "Pod", None),
];

/// The kinds of objects that learners create outside of their namespace, with names that begin with the learner's.
const CLUSTER_WIDE: &[(&str, &str)] = &[
    (RBAC, "ClusterRoleBinding"),
    (RBAC, "ClusterRole"),
    ("certificates.k8s.io/v1", "CertificateSigningRequest"),
];

/// Reads the objects in `text`, a list in JSON.
pub(super) fn read(text: &str) -> Result<Vec<Value>, LessonError> {
    let objects: Vec<Value> = serde_json::from_str(text)?;
    for object in &objects {
        serde_json::from_value::<DynamicObject>(object.clone())?;
    }
    Ok(objects)
}

/// The lab's cluster, with its administrator's rights.
pub(super) struct Cluster {
    client: Client,
}

impl Cluster {
    pub(super) fn of(lab: &Lab) -> Self {
        Self {
            client: lab.administrator().client(),
        }
    }

    fn api(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Creates or updates `objects`, namespaces first.
    pub(super) async fn apply(&self, objects: &[Value]) -> Result<(), LessonError> {
        let (first, rest): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object["kind"] == "Namespace");
        for some in [first, rest] {
            try_join_all(some.into_iter().map(|object| self.apply_one(object))).await?;
        }
        Ok(())
    }

    async fn apply_one(&self, object: &Value) -> Result<(), LessonError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (kind, name) = (text("/kind").unwrap_or_default(), text("/metadata/name").unwrap_or_default());
        let api = self.api(text("/apiVersion").unwrap_or_default(), kind, text("/metadata/namespace"));
        let parameters = PatchParams::apply(MANAGER).force();
        let applied = api.patch(name, &parameters, &Patch::Apply(object)).await;
        applied.map(drop).map_err(|source| wrong(format!("the {kind} {name}"), source))
    }

    /// Returns the object at `path`, or `None` if there is none.
    pub(super) async fn at(&self, path: &str) -> Result<Option<Value>, LessonError> {
        let request = hyper::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| wrong(path.to_owned(), kube::Error::HttpError(error)))?;
        match self.client.request::<Value>(request).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(source) => Err(wrong(path.to_owned(), source)),
        }
    }

    /// Deletes the objects that the learner `name` created, and those that lessons created for them.
    pub(super) async fn clear(&self, name: &str) -> Result<(), LessonError> {
        let namespaced = NAMESPACED.iter().map(|(version, kind, stays)| async move {
            let mut which = ListParams::default().labels(&format!("!{OWN}"));
            if let Some(stays) = stays {
                which = which.fields(&format!("metadata.name!={stays}"));
            }
            let now = DeleteParams::default().grace_period(0);
            let deleted = self.api(version, kind, Some(name)).delete_collection(&now, &which).await;
            deleted
                .map(drop)
                .map_err(|source| wrong(format!("the end of every {kind}"), source))
        });
        let wide = CLUSTER_WIDE.iter().map(|(version, kind)| async move {
            let api = self.api(version, kind, None);
            let which = ListParams::default().labels(&format!("!{OWN}"));
            let all = api
                .list(&which)
                .await
                .map_err(|source| wrong(format!("a list of every {kind}"), source))?;
            let prefix = format!("{name}-");
            for object in all.iter().map(ResourceExt::name_any).filter(|object| object.starts_with(&prefix)) {
                match api.delete(&object, &DeleteParams::default()).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    deleted => drop(deleted.map_err(|source| wrong(format!("the end of the {kind} {object}"), source))?),
                }
            }
            Ok::<_, LessonError>(())
        });
        try_join_all(namespaced).await?;
        try_join_all(wide).await?;
        Ok(())
    }

    /// Waits until the API server's authorizer has seen all RBAC objects that were created so far: it sees the objects of each kind
    /// in order, so one object of each kind that is created now is seen last.
    pub(super) async fn settle(&self, namespace: &str) -> Result<(), LessonError> {
        let own = format!("{namespace}-seen-{:016x}", rand::random::<u64>());
        let wide = format!("{own}-everywhere");
        let objects = [right("Role", &own, Some(namespace)), right("ClusterRole", &wide, None)].concat();
        self.apply(&objects).await?;
        let seen = futures::future::try_join(self.until_allowed(&own, Some(namespace)), self.until_allowed(&wide, None)).await;
        for object in &objects {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            let (kind, name) = (text("/kind").unwrap_or_default(), text("/metadata/name").unwrap_or_default());
            let deleted = self
                .api(RBAC, kind, text("/metadata/namespace"))
                .delete(name, &DeleteParams::default())
                .await;
            deleted.map_err(|source| wrong(format!("the end of the {kind} {name}"), source))?;
        }
        seen.map(drop)
    }

    async fn until_allowed(&self, name: &str, namespace: Option<&str>) -> Result<(), LessonError> {
        let attributes = ResourceAttributes {
            verb: Some("see".to_owned()),
            group: Some("authlab".to_owned()),
            resource: Some(name.to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let seen = AccessReview::user(name, attributes).until_allowed(&self.client).await;
        seen.map_err(|error| LessonError::NotSeen(Box::new(error)))
    }
}

/// Returns a role and its binding that give the user `name` a right that no other user has.
fn right(kind: &str, name: &str, namespace: Option<&str>) -> [Value; 2] {
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    let group = "rbac.authorization.k8s.io";
    let rules = json!([{ "apiGroups": ["authlab"], "resources": [name], "verbs": ["see"] }]);
    let subjects = json!([{ "kind": "User", "apiGroup": group, "name": name }]);
    let reference = json!({ "apiGroup": group, "kind": kind, "name": name });
    [
        json!({ "apiVersion": RBAC, "kind": kind, "metadata": metadata, "rules": rules }),
        json!({ "apiVersion": RBAC, "kind": format!("{kind}Binding"), "metadata": metadata, "subjects": subjects, "roleRef": reference }),
    ]
}

fn wrong(what: String, source: kube::Error) -> LessonError {
    LessonError::Objects {
        what,
        source: Box::new(source),
    }
}
