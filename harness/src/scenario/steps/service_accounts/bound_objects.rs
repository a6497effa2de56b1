//! The objects that tokens are bound to, so that they end with them (KEP-1205). The main type is [`Binding`].

use std::collections::BTreeMap;

use anyhow::Context;
use cucumber::then;
use k8s_openapi::api::authentication::v1::BoundObjectReference;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::super::{Person, Step};
use super::nodes::{self, on_node};
use super::{account, create_account, has_extra};
use crate::scenario::world::World;

/// The object that a token is bound to, or is requested for; not every one of them exists or fits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binding {
    Nothing,
    Own(Kind),
    PodOnNode,
    PodOnMissingNode,
    PodElsewhere,
    Node,
    MissingPod,
    PodOfOtherUid,
    PodOfOtherAccount,
}

phrases! {
    Binding as "binding" {
        "" => Self::Nothing,
        " bound to its pod" => Self::Own(Kind::Pod),
        " bound to its Secret" => Self::Own(Kind::Secret),
        " bound to its pod on a node" => Self::PodOnNode,
        " bound to its pod on a node that does not exist" => Self::PodOnMissingNode,
        " bound to its pod on another node" => Self::PodElsewhere,
        " bound to a node" => Self::Node,
        " bound to a pod that does not exist" => Self::MissingPod,
        " bound to its pod under another UID" => Self::PodOfOtherUid,
        " bound to the pod of another service account" => Self::PodOfOtherAccount,
    }
}

/// The kind of an object that the deployer has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Pod,
    Secret,
}

phrases! {
    /// The place where the holder of a token runs.
    enum Place as "place" {
        Pod = "in its pod",
        NoPod = "in no pod",
        Node = "on the node",
    }
}

/// The deployer's own pod and Secret.
#[derive(Default)]
struct Own(BTreeMap<Kind, BoundObjectReference>);

/// The keys under which the API server says where the holder of a token runs (kubernetes/apiserver
/// `pkg/authentication/serviceaccount/util.go`).
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_UID: &str = "authentication.kubernetes.io/node-uid";

#[then(expr = "{person} is known to run {place}")]
fn runs(world: &mut World, person: Person, place: Place) -> Step {
    world.person(&person)?;
    match place {
        Place::Pod => {
            let pod = world.notes::<Own>().0.get(&Kind::Pod).cloned().context("the deployer has no pod")?;
            ensure!(pod.uid.is_some(), "the pod has no UID");
            has_extra(world, POD_NAME, pod.name)?;
            has_extra(world, POD_UID, pod.uid)
        }
        Place::NoPod => {
            has_extra(world, POD_NAME, None)?;
            has_extra(world, POD_UID, None)
        }
        Place::Node => {
            let made = nodes::made(world)?;
            has_extra(world, NODE_NAME, Some(made.node))?;
            has_extra(world, NODE_UID, Some(made.node_uid).filter(|uid| !uid.is_empty()))
        }
    }
}

impl Binding {
    /// Returns the reference that a request for such a token has; what it refers to is created on first use.
    pub(super) async fn reference(self, world: &mut World) -> Step<Option<BoundObjectReference>> {
        Ok(Some(match self {
            Self::Nothing => return Ok(None),
            Self::Own(kind) => own(world, kind).await?,
            Self::PodOnNode => on_node(world).await?.pod_reference(),
            Self::PodOnMissingNode => nodes::on_missing_node(world).await?.pod_reference(),
            Self::PodElsewhere => nodes::elsewhere(world)?.pod_reference(),
            Self::Node => on_node(world).await?.node_reference(),
            Self::MissingPod => reference("Pod", "missing", None),
            Self::PodOfOtherUid => BoundObjectReference {
                uid: Some("00000000-0000-4000-8000-000000000000".to_owned()),
                ..own(world, Kind::Pod).await?
            },
            Self::PodOfOtherAccount => {
                let other = create_account(world, "other").await?;
                create(world, Kind::Pod, &other.name).await?
            }
        }))
    }
}

/// Returns a reference to an object of the core API.
pub(super) fn reference(kind: &str, name: &str, uid: Option<String>) -> BoundObjectReference {
    BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        uid,
    }
}

/// Returns the deployer's own object of the kind, created on first use.
pub(super) async fn own(world: &mut World, kind: Kind) -> Step<BoundObjectReference> {
    if let Some(made) = world.notes::<Own>().0.get(&kind) {
        return Ok(made.clone());
    }
    let name = account(world).await?.name;
    let made = create(world, kind, &name).await?;
    world.notes::<Own>().0.insert(kind, made.clone());
    Ok(made)
}

/// Deletes the deployer's own object of the kind.
pub(super) async fn delete_own(world: &mut World, kind: Kind) -> Step {
    let name = account(world).await?.name;
    objects(world, kind).await?.delete(&name, &DeleteParams::default()).await?;
    world.notes::<Own>().0.remove(&kind);
    Ok(())
}

/// Creates an object for the service account called `account`, under its name.
async fn create(world: &mut World, kind: Kind, account: &str) -> Step<BoundObjectReference> {
    let name = match kind {
        Kind::Pod => "Pod",
        Kind::Secret => "Secret",
    };
    let mut object = json!({ "apiVersion": "v1", "kind": name, "metadata": world.metadata(account) });
    if kind == Kind::Pod {
        // No scheduler has this name: the pod never runs in any cluster. Stricter clusters require the rest.
        object["spec"] = json!({
            "schedulerName": "authlab-never-schedules",
            "serviceAccountName": account,
            "automountServiceAccountToken": false,
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{ "name": "main", "image": "nothing-runs-in-a-lab", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }],
        });
    }
    let object = serde_json::from_value(object)?;
    let made = objects(world, kind).await?.create(&PostParams::default(), &object).await?;
    Ok(reference(name, account, made.uid()))
}

/// Returns the objects of the kind in the scenario's namespace.
async fn objects(world: &mut World, kind: Kind) -> Step<Api<DynamicObject>> {
    let namespace = world.namespace().await?;
    let resource = match kind {
        Kind::Pod => ApiResource::erase::<Pod>(&()),
        Kind::Secret => ApiResource::erase::<Secret>(&()),
    };
    Ok(Api::namespaced_with(world.administrator()?, &namespace, &resource))
}
