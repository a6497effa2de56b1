//! The objects that tokens of service accounts are bound to, so that they end with them.

use std::str::FromStr;

use anyhow::Result;
use cucumber::{given, then, when};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::service_accounts::{account, has_extra, hold, put_spares_by, spoil};
use super::{Person, Step};
use crate::scenario::world::World;

/// The kind of object that a token can be bound to (KEP-1205), so that it ends with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "bound_object", regex = "pod|Secret")]
pub(super) enum BoundObject {
    Pod,
    Secret,
}

impl FromStr for BoundObject {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(match said {
            "pod" => Self::Pod,
            "Secret" => Self::Secret,
            other => bail!("no token is bound to a {other}"),
        })
    }
}

/// The object that the deployer's token is bound to.
#[derive(Default)]
struct Bound(Option<BoundObjectReference>);

requires!(administrator);
#[given(expr = "{person} holds a service account token bound to its {bound_object}")]
async fn holds_bound_token(world: &mut World, person: Person, object: BoundObject) -> Step {
    let reference = make(world, object).await?;
    world.notes::<Bound>().0 = Some(reference.clone());
    hold(
        world,
        &person,
        TokenRequestSpec {
            bound_object_ref: Some(reference),
            ..TokenRequestSpec::default()
        },
        None,
    )
    .await
}

#[when(expr = "its {bound_object} is deleted")]
async fn object_is_deleted(world: &mut World, object: BoundObject) -> Step {
    put_spares_by(world).await?;
    delete(world, object).await?;
    spoil(world).await
}

#[when(expr = "its {bound_object} is deleted and made anew")]
async fn object_is_made_anew(world: &mut World, object: BoundObject) -> Step {
    put_spares_by(world).await?;
    delete(world, object).await?;
    make(world, object).await?;
    spoil(world).await
}

#[then(expr = "{person} is known to run in its pod")]
fn runs_in_pod(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let Some(pod) = world
        .notes::<Bound>()
        .0
        .clone()
        .filter(|bound| bound.kind.as_deref() == Some("Pod"))
    else {
        bail!("the token is not bound to a pod")
    };
    ensure!(pod.uid.is_some(), "the pod has no UID");
    has_extra(world, "authentication.kubernetes.io/pod-name", pod.name)?;
    has_extra(world, "authentication.kubernetes.io/pod-uid", pod.uid)
}

#[then(expr = "{person} is not known to run in any pod")]
fn runs_in_no_pod(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    has_extra(world, "authentication.kubernetes.io/pod-name", None)?;
    has_extra(world, "authentication.kubernetes.io/pod-uid", None)
}

/// Creates an object that tokens can be bound to, and returns a reference to it.
pub(super) async fn make(world: &mut World, object: BoundObject) -> Step<BoundObjectReference> {
    let account = account(world).await?;
    make_for(world, object, &account.name).await
}

/// Does the same for another service account.
pub(super) async fn make_for(world: &mut World, object: BoundObject, account: &str) -> Step<BoundObjectReference> {
    let namespace = world.namespace().await?;
    let client = world.administrator()?;
    let parameters = PostParams::default();
    let (kind, uid) = match object {
        BoundObject::Pod => {
            // No scheduler has this name: the pod never runs in any cluster. Stricter clusters require the rest.
            let pod = serde_json::from_value(json!({ "metadata": world.metadata(account), "spec": {
                "schedulerName": "authlab-never-schedules",
                "serviceAccountName": account,
                "automountServiceAccountToken": false,
                "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{ "name": "main", "image": "nothing-runs-in-a-lab", "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }],
            } }))?;
            (
                "Pod",
                Api::<Pod>::namespaced(client, &namespace).create(&parameters, &pod).await?.uid(),
            )
        }
        BoundObject::Secret => {
            let secret = serde_json::from_value(json!({ "metadata": world.metadata(account) }))?;
            (
                "Secret",
                Api::<Secret>::namespaced(client, &namespace)
                    .create(&parameters, &secret)
                    .await?
                    .uid(),
            )
        }
    };
    Ok(BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some(kind.to_owned()),
        name: Some(account.to_owned()),
        uid,
    })
}

async fn delete(world: &mut World, object: BoundObject) -> Step {
    let account = account(world).await?;
    let client = world.administrator()?;
    match object {
        BoundObject::Pod => drop(
            Api::<Pod>::namespaced(client, &account.namespace)
                .delete(&account.name, &DeleteParams::default())
                .await?,
        ),
        BoundObject::Secret => drop(
            Api::<Secret>::namespaced(client, &account.namespace)
                .delete(&account.name, &DeleteParams::default())
                .await?,
        ),
    }
    Ok(())
}
