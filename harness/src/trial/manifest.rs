//! Objects that are there before anybody is tried: roles, bindings, admission policies, and whatever else a project has.
//!
//! The main type is [`Manifest`]; [`read`] reads a file, [`apply`] creates all objects in an order in which they can be created.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kube::Client;
use serde_json::Value;

use super::aggregation::aggregate;
use crate::process::wait::{Condition, WaitError, until};
use crate::yaml::{self, Content, Node, NotYaml};

/// The time in which an API server serves a kind of object that was just defined.
const LIMIT: Duration = Duration::from_secs(20);

/// An object to be created, and its place.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The file.
    pub file: String,
    /// The line at which it begins.
    pub line: usize,
    /// The object.
    pub object: Value,
}

impl Manifest {
    /// Returns `true` if API servers would send requests elsewhere because of it: to an admission or conversion webhook, or to the API server
    /// that serves a group in their place.
    pub(crate) fn leads_elsewhere(&self) -> bool {
        match self.text("/kind") {
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => true,
            "APIService" => self.object.pointer("/spec/service").is_some_and(|service| !service.is_null()),
            "CustomResourceDefinition" => self.text("/spec/conversion/strategy") == "Webhook",
            _ => false,
        }
    }
}

/// An object that cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is not YAML, or an object lacks what every object has.
    #[error("{file}:{line}: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The reason.
        why: String,
        /// The change to make, if one is known.
        hint: Option<String>,
    },
    /// The API server has no such kind of object.
    #[error("{file}:{line}: the API server has no kind {kind} in {api_version}")]
    UnknownKind {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The kind.
        kind: String,
        /// Its version.
        api_version: String,
    },
    /// The API server refuses the object.
    #[error("{file}:{line}: the API server refuses {what}: {said}")]
    Refused {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The object.
        what: String,
        /// The server's words.
        said: String,
    },
    /// The API server does not answer.
    #[error("the API server does not answer about the objects of the project")]
    NoAnswer(#[source] Box<kube::Error>),
    /// A kind that was defined does not become usable.
    #[error(transparent)]
    NotEstablished(#[from] WaitError<kube::Error>),
}

/// Reads the objects in `text`, the content of `file`: YAML with several documents, or JSON; a list is each of its items.
///
/// # Errors
/// The text is not YAML, or contains something that is no object of Kubernetes.
pub fn read(file: &str, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let documents = yaml::parse_all(text).map_err(|NotYaml { why, line }| ManifestError::Unreadable {
        file: file.to_owned(),
        line,
        why: match text.contains("{{") {
            true => format!("yaml: {why} (if this is a template, as Helm has them, name what `helm template` makes of it)"),
            false => format!("yaml: {why}"),
        },
        hint: None,
    })?;
    let mut found = Vec::new();
    for document in &documents {
        let is_list = document
            .entry("kind")
            .and_then(Node::text)
            .is_some_and(|kind| kind.ends_with("List"));
        match (&document.content, document.entry("items")) {
            (Content::Null, _) => {}
            (_, Some(items)) if is_list => items
                .items()
                .iter()
                .try_for_each(|item| object(file, item).map(|item| found.push(item)))?,
            _ => found.push(object(file, document)?),
        }
    }
    Ok(found)
}

/// The change for a file that is no manifest, in a folder of manifests.
const LEAVE_OUT: &str = "name only files with objects: in authlab.toml, `manifests` takes patterns, such as \"rbac/*-role.yaml\" or \
                         \"rbac/{roles,bindings}.yaml\"";

/// Returns the kind of file that often lies beside manifests, if `node` in `file` is like one.
fn resembled(file: &str, node: &Node) -> Option<&'static str> {
    let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let text = |field: &str| node.entry(field).and_then(Node::text).unwrap_or_default();
    let has = |field: &str| node.entry(field).is_some();
    let is_json_patch = node
        .items()
        .first()
        .is_some_and(|first| first.entry("op").is_some() && first.entry("path").is_some());
    if is_json_patch {
        Some("a JSON patch, which Kustomize applies")
    } else if text("apiVersion").starts_with("kustomize.config.k8s.io/") {
        Some("a file of Kustomize, which lists manifests")
    } else if text("apiVersion").starts_with("apiserver.config.k8s.io/") {
        Some("a configuration of API servers, which [api-server] names")
    } else if text("kind") == "Config" && has("clusters") {
        Some("a kubeconfig")
    } else if name == "chart" {
        Some("the description of a Helm chart")
    } else if name.starts_with("values") || name.ends_with("values") {
        Some("values of a Helm chart")
    } else {
        (name.contains("patch") || has("$patch")).then_some("a patch, which Kustomize applies")
    }
}

fn object(file: &str, node: &Node) -> Result<Manifest, ManifestError> {
    let lacks = |what: &str| ManifestError::Unreadable {
        file: file.to_owned(),
        line: node.line,
        why: match resembled(file, node) {
            Some(kind) => format!("this is no object of Kubernetes: it has no {what}, and seems to be {kind}"),
            None => format!("this is no object of Kubernetes: it has no {what}"),
        },
        hint: Some(LEAVE_OUT.to_owned()),
    };
    for field in ["apiVersion", "kind"] {
        node.entry(field).and_then(Node::text).ok_or_else(|| lacks(field))?;
    }
    let name = node.entry("metadata").and_then(|metadata| metadata.entry("name"));
    name.and_then(Node::text).ok_or_else(|| lacks("metadata.name"))?;
    Ok(Manifest {
        file: file.to_owned(),
        line: node.line,
        object: node.json(),
    })
}

impl Manifest {
    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns its place in the order of creation: kinds and namespaces first, webhooks last, since nobody may answer them.
    fn turn(&self) -> u8 {
        match self.text("/kind") {
            "CustomResourceDefinition" => 0,
            "Namespace" => 1,
            "ServiceAccount" | "Role" | "ClusterRole" => 2,
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" | "APIService" => 4,
            _ => 3,
        }
    }

    /// Returns the path of the resource: of the kind's plural `resource`, in its namespace if it has one.
    fn path(&self, resource: &Resource) -> String {
        let api_version = self.text("/apiVersion");
        let root = if api_version.contains('/') { "apis" } else { "api" };
        let namespace = match self.text("/metadata/namespace") {
            "" => "default",
            namespace => namespace,
        };
        let scope = if resource.is_namespaced {
            format!("namespaces/{namespace}/")
        } else {
            String::new()
        };
        format!("/{root}/{api_version}/{scope}{}/{}", resource.name, self.text("/metadata/name"))
    }

    fn refused(&self, said: impl Into<String>) -> ManifestError {
        ManifestError::Refused {
            file: self.file.clone(),
            line: self.line,
            what: format!("{} {}", self.text("/kind"), self.text("/metadata/name")),
            said: said.into(),
        }
    }
}

/// A resource of an API server.
#[derive(Clone, Debug)]
struct Resource {
    name: String,
    is_namespaced: bool,
}

/// Creates or changes all of `manifests`, and returns the paths of the objects. Namespaces that they need are created, too, and ClusterRoles that
/// consist of others are filled.
///
/// # Errors
/// The first object that the API server does not know or does not accept.
pub async fn apply(client: &Client, manifests: &[Manifest]) -> Result<Vec<String>, ManifestError> {
    let mut paths = Vec::new();
    let mut namespaces: Vec<&str> = manifests.iter().map(|manifest| manifest.text("/metadata/namespace")).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces.into_iter().filter(|namespace| !namespace.is_empty()) {
        create_namespace(client, namespace).await?;
    }
    let mut known: BTreeMap<String, BTreeMap<String, Resource>> = BTreeMap::new();
    for turn in 0..=4 {
        let now: Vec<&Manifest> = manifests.iter().filter(|manifest| manifest.turn() == turn).collect();
        for manifest in &now {
            let api_version = manifest.text("/apiVersion");
            if !known.contains_key(api_version) {
                known.insert(api_version.to_owned(), resources(client, api_version).await?);
            }
            let resource = known.get(api_version).and_then(|kinds| kinds.get(manifest.text("/kind")));
            let resource = resource.ok_or_else(|| ManifestError::UnknownKind {
                file: manifest.file.clone(),
                line: manifest.line,
                kind: manifest.text("/kind").to_owned(),
                api_version: api_version.to_owned(),
            })?;
            put(client, manifest, resource).await?;
            paths.push(manifest.path(resource));
        }
        if turn == 0 {
            futures::future::try_join_all(now.iter().map(|manifest| established(client, manifest))).await?;
        }
    }
    // Bindings to `view` and others would give nothing without it.
    aggregate(client).await.map_err(no_answer)?;
    Ok(paths)
}

/// Returns `true` if the object at `path` is a namespace.
pub(super) fn is_namespace(path: &str) -> bool {
    path.strip_prefix("/api/v1/namespaces/").is_some_and(|name| !name.contains('/'))
}

/// Deletes the object at `path`, if it exists.
///
/// # Errors
/// The API server does not delete it.
pub(super) async fn delete(client: &Client, path: &str) -> Result<(), ManifestError> {
    let request = hyper::Request::delete(path).body(Vec::new());
    let request = request.map_err(|error| no_answer(kube::Error::HttpError(error)))?;
    match client.request::<Value>(request).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        deleted => deleted.map(drop).map_err(no_answer),
    }
}

async fn create_namespace(client: &Client, name: &str) -> Result<(), ManifestError> {
    use k8s_openapi::api::core::v1::Namespace;
    let space: Namespace = serde_json::from_value(serde_json::json!({ "metadata": { "name": name } })).unwrap_or_default();
    let spaces = kube::Api::<Namespace>::all(client.clone());
    match spaces.create(&kube::api::PostParams::default(), &space).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        made => made.map(drop).map_err(no_answer),
    }
}

fn no_answer(error: kube::Error) -> ManifestError {
    ManifestError::NoAnswer(Box::new(error))
}

/// Returns the resource of each kind in `api_version`; empty if the API server does not have that.
async fn resources(client: &Client, api_version: &str) -> Result<BTreeMap<String, Resource>, ManifestError> {
    let listed = match api_version.contains('/') {
        true => client.list_api_group_resources(api_version).await,
        false => client.list_core_api_resources(api_version).await,
    };
    let listed = match listed {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(BTreeMap::new()),
        listed => listed.map_err(no_answer)?,
    };
    let whole = listed.resources.into_iter().filter(|resource| !resource.name.contains('/'));
    Ok(whole
        .map(|resource| {
            let found = Resource {
                name: resource.name,
                is_namespaced: resource.namespaced,
            };
            (resource.kind, found)
        })
        .collect())
}

/// Applies `manifest` on the server (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>), which is the same the second time.
async fn put(client: &Client, manifest: &Manifest, resource: &Resource) -> Result<(), ManifestError> {
    let path = format!("{}?fieldManager=authlab&force=true&fieldValidation=Strict", manifest.path(resource));
    let request = hyper::Request::patch(path)
        .header("Content-Type", "application/apply-patch+yaml")
        .body(manifest.object.to_string().into_bytes())
        .map_err(|error| no_answer(kube::Error::HttpError(error)))?;
    match client.request::<Value>(request).await {
        Err(kube::Error::Api(status)) => Err(manifest.refused(status.message.clone())),
        applied => applied.map(drop).map_err(no_answer),
    }
}

/// Returns the versions, with the group, in which an API server serves the kind of `definition`, a CustomResourceDefinition.
fn served(definition: &Value) -> Vec<String> {
    let group = definition["spec"]["group"].as_str().unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let served = versions.filter(|version| version["served"] == true);
    served
        .filter_map(|version| Some(format!("{group}/{}", version["name"].as_str()?)))
        .collect()
}

/// Waits until the kind that `manifest` defines is served and listed.
async fn established(client: &Client, manifest: &Manifest) -> Result<(), ManifestError> {
    let path = format!(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}",
        manifest.text("/metadata/name")
    );
    let what = format!("the API server to serve {}", manifest.text("/metadata/name"));
    until(&what, LIMIT, async || {
        let request = hyper::Request::get(&path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let definition: Value = client.request(request).await?;
        let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
        let holds = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
        if !conditions.is_some_and(|all| all.iter().any(holds)) {
            return Ok(Condition::NotYet("it is not established".to_owned()));
        }
        // Another part of the API server lists it, a moment later.
        for api_version in served(&definition) {
            match client.list_api_group_resources(&api_version).await {
                Ok(listed)
                    if listed
                        .resources
                        .iter()
                        .any(|known| definition["spec"]["names"]["plural"] == known.name) => {}
                Ok(_) => return Ok(Condition::NotYet(format!("{api_version} does not list it"))),
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Condition::NotYet(format!("{api_version} is not there"))),
                Err(error) => return Err(error),
            }
        }
        Ok::<_, kube::Error>(Condition::Met(()))
    })
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_many_objects_each_with_its_line() {
        let text = "kind: Namespace\napiVersion: v1\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b, namespace: a}\n";
        let found = read("rbac/all.yaml", text).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|manifest| (manifest.line, manifest.text("/metadata/name"), manifest.turn()))
            .collect();
        assert_eq!(told, [(1, "a", 1), (10, "b", 3)]);
        let resource = Resource {
            name: "configmaps".to_owned(),
            is_namespaced: true,
        };
        assert_eq!(found[1].path(&resource), "/api/v1/namespaces/a/configmaps/b");
        assert!(is_namespace("/api/v1/namespaces/a") && !is_namespace("/api/v1/namespaces/a/configmaps/b"));
        for (text, why) in [
            ("kind: Role\n", "f:1: this is no object of Kubernetes: it has no apiVersion"),
            (
                "apiVersion: v1\nkind: Pod\n",
                "f:1: this is no object of Kubernetes: it has no metadata.name",
            ),
            ("a: [\n", "f:1: yaml: "),
            ("- a\n", "f:1: this is no object of Kubernetes: it has no apiVersion"),
        ] {
            let error = read("f", text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn files_that_lie_beside_manifests_are_recognized() {
        for (file, text, kind) in [
            ("rbac/values-prod.yaml", "replicas: 1\n", Some("values of a Helm chart")),
            ("Chart.yaml", "apiVersion: v2\nname: a\n", Some("the description of a Helm chart")),
            (
                "rbac/role-patch.yaml",
                "spec: {replicas: 1}\n",
                Some("a patch, which Kustomize applies"),
            ),
            (
                "a.yaml",
                "- {op: replace, path: /a, value: 1}\n",
                Some("a JSON patch, which Kustomize applies"),
            ),
            (
                "component.yaml",
                "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
                Some("a file of Kustomize, which lists manifests"),
            ),
            (
                "a.yaml",
                "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n",
                Some("a configuration of API servers, which [api-server] names"),
            ),
            ("a.yaml", "apiVersion: v1\nkind: Config\nclusters: []\n", Some("a kubeconfig")),
            ("a.yaml", "a: b\n", None),
        ] {
            let ManifestError::Unreadable { why, hint, .. } = read(file, text).unwrap_err() else {
                panic!("{file}")
            };
            assert_eq!(why.split_once(", and seems to be ").map(|(_, kind)| kind), kind, "{file}: {why}");
            assert!(hint.is_some_and(|hint| hint.contains("`manifests` takes patterns")), "{file}");
        }
    }
}
