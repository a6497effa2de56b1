//! The objects that every lab has: a node, so that `get nodes` prints a row, and the right to see
//! it for the members of the cast that have a group.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{AccessReview, LabError, service_account};
use crate::identity_provider::Kind;

/// The node's name.
pub(super) const NODE: &str = "lab-node";

/// The namespace with the lab's own objects.
pub(super) const NAMESPACE: &str = "authlab";

/// The service account that the impersonating auth proxy acts as.
pub(super) const IMPERSONATOR: &str = "auth-proxy";

/// Creates the objects that every lab has.
pub(super) async fn prepare(client: &Client, version: &str, provider: Kind) -> Result<(), LabError> {
    let [platform_team, administrators] = ["platform-team", "da-admins"].map(|group| format!("{}:{group}", provider.name()));
    let group = "rbac.authorization.k8s.io";
    let subjects = |names: &[&str]| -> Vec<_> {
        names
            .iter()
            .map(|name| json!({ "kind": "Group", "apiGroup": group, "name": name }))
            .collect()
    };
    let seers = subjects(&[
        "platform-team",
        &platform_team,
        &administrators,
        "da-admins",
        "group1",
        "system:serviceaccounts",
    ]);
    let impersonator = json!([{ "kind": "ServiceAccount", "name": IMPERSONATOR, "namespace": NAMESPACE }]);
    let role = |name: &str, rules: serde_json::Value| json!({ "metadata": { "name": name }, "rules": rules });
    let binding = |name: &str, subjects: serde_json::Value| json!({ "metadata": { "name": name }, "subjects": subjects, "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": name } });
    let everyone = json!([{ "apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"] },
        { "apiGroups": ["authentication.k8s.io"], "resources": ["*"], "verbs": ["impersonate"] }]);
    futures::try_join!(
        node(client, version),
        create::<ClusterRole>(
            client,
            role(
                "authlab:see-nodes",
                json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"] }])
            )
        ),
        create::<ClusterRoleBinding>(client, binding("authlab:see-nodes", seers.into())),
        create::<ClusterRole>(client, role("authlab:impersonate", everyone)),
        create::<ClusterRoleBinding>(client, binding("authlab:impersonate", impersonator)),
        create::<Namespace>(client, json!({ "metadata": { "name": NAMESPACE } })),
    )?;
    // The objects may be used as soon as the lab is up.
    let right = |verb: &str, resource: &str| ResourceAttributes {
        verb: Some(verb.to_owned()),
        resource: Some(resource.to_owned()),
        ..ResourceAttributes::default()
    };
    let impersonator = format!("system:serviceaccount:{NAMESPACE}:{IMPERSONATOR}");
    let (seen, impersonated) = (
        AccessReview::group("platform-team", right("list", "nodes")),
        AccessReview::user(&impersonator, right("impersonate", "users")),
    );
    futures::try_join!(seen.until_allowed(client), impersonated.until_allowed(client))?;
    Ok(())
}

/// Creates `objects` in addition.
pub(super) async fn add(client: &Client, objects: &[crate::sabotage::Object]) -> Result<(), LabError> {
    for object in objects {
        let wrong = |source| LabError::Objects {
            what: object.content.to_string(),
            source: Box::new(source),
        };
        let request = hyper::Request::post(&object.path)
            .header("Content-Type", "application/json")
            .body(object.content.to_string().into_bytes())
            .map_err(|error| wrong(kube::Error::HttpError(error)))?;
        client.request::<serde_json::Value>(request).await.map_err(wrong)?;
    }
    Ok(())
}

/// Creates a service account for the impersonating auth proxy, and returns a token of it that outlives the lab.
pub(super) async fn impersonator_token(client: &Client) -> Result<crate::secret::Secret, LabError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let week = Duration::from_secs(7 * 24 * 3600);
    service_account::token(&accounts, IMPERSONATOR, week)
        .await
        .map_err(|source| LabError::Objects {
            what: "the auth proxy's service account".to_owned(),
            source: Box::new(source),
        })
}

async fn node(client: &Client, version: &str) -> Result<(), LabError> {
    create::<Node>(
        client,
        json!({ "metadata": { "name": NODE, "labels": { "kubernetes.io/hostname": NODE } } }),
    )
    .await?;
    let status = json!({ "status": {
        "nodeInfo": {
            "kubeletVersion": version, "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "authlab",
            "containerRuntimeVersion": "", "kubeProxyVersion": "", "operatingSystem": std::env::consts::OS, "architecture": std::env::consts::ARCH },
        "conditions": [{ "type": "Ready", "status": "True", "reason": "NoKubelet", "message": "a node for looking at; nothing runs on it" }],
    } });
    let nodes: Api<Node> = Api::all(client.clone());
    let patched = nodes
        .patch_status(NODE, &kube::api::PatchParams::default(), &kube::api::Patch::Merge(status))
        .await;
    patched.map(drop).map_err(|source| LabError::Objects {
        what: "the node's status".to_owned(),
        source: Box::new(source),
    })
}

async fn create<K>(client: &Client, object: serde_json::Value) -> Result<(), LabError>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    let what = format!(
        "the {} {}",
        K::kind(&()),
        object.pointer("/metadata/name").and_then(|name| name.as_str()).unwrap_or_default()
    );
    let object: K = serde_json::from_value(object).expect("the objects of a lab are sound");
    let created = Api::<K>::all(client.clone()).create(&PostParams::default(), &object).await;
    created.map(drop).map_err(|source| LabError::Objects {
        what,
        source: Box::new(source),
    })
}
