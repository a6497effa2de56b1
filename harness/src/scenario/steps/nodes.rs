//! Nodes that exist in name only, the pods on them, and their kubelets.
//!
//! The main type is [`OnNode`]: a node of the scenario's own, with the deployer's pod on it.

use anyhow::Context;
use cucumber::{given, then, when};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::asking::{HEARD, until_accepted};
use super::pod_certificates::{SIGNER, SIGNER_OF_KUBERNETES};
use super::rights::{Right, grant_everywhere};
use super::service_accounts::{self, Account, has_extra, hold, put_spares_by};
use super::token_requests::question;
use super::{Person, Step, answers};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pki::Request;
use crate::scenario::world::World;

/// The audience of the token that the deployer's pod mounts.
const MOUNTED: &str = "vault";

/// A node, and the deployer's pod on it.
#[derive(Clone, Debug)]
pub(super) struct OnNode {
    pub(super) account: Account,
    pub(super) node: String,
    pub(super) node_uid: String,
    pub(super) pod: String,
    pub(super) pod_uid: String,
}

impl OnNode {
    fn reference(&self) -> BoundObjectReference {
        reference("Pod", &self.pod, &self.pod_uid)
    }

    /// Returns the user name of its kubelet.
    fn user(&self) -> String {
        format!("system:node:{}", self.node)
    }
}

#[derive(Default)]
struct Made(Option<OnNode>);

fn reference(kind: &str, name: &str, uid: &str) -> BoundObjectReference {
    BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
    }
}

requires!(administrator, nodes);
#[given(expr = "{person} holds a service account token bound to its pod on a node")]
async fn holds_token_of_pod_on_node(world: &mut World, person: Person) -> Step {
    let bound = on_node(world).await?.reference();
    hold_bound(world, &person, bound).await
}

requires!(administrator, nodes);
#[given(expr = "{person} holds a service account token bound to its pod on a node that is not there")]
async fn holds_token_of_pod_on_no_node(world: &mut World, person: Person) -> Step {
    let node = world.unique("missing");
    let made = pod_on(world, &node, "").await?;
    let bound = made.reference();
    world.notes::<Made>().0 = Some(made);
    hold_bound(world, &person, bound).await
}

requires!(administrator, node_binding, nodes);
#[given(expr = "{person} holds a service account token bound to a node")]
async fn holds_token_of_node(world: &mut World, person: Person) -> Step {
    let made = on_node(world).await?;
    hold_bound(world, &person, reference("Node", &made.node, &made.node_uid)).await
}

#[when(expr = "the node is deleted")]
async fn node_is_deleted(world: &mut World) -> Step {
    put_spares_by(world).await?;
    let made = on_node(world).await?;
    nodes(world)?.delete(&made.node, &DeleteParams::default()).await?;
    service_accounts::spoil(world).await
}

requires!(administrator, nodes);
#[when(expr = "{person} asks for a token of the deployer that is bound to a node")]
async fn asks_for_token_of_node(world: &mut World, person: Person) -> Step {
    let made = on_node(world).await?;
    let spec = json!({ "boundObjectRef": reference("Node", &made.node, &made.node_uid) });
    let question = question(&made.account.namespace, &made.account.name, spec);
    Ok(world.ask(&person, &question).await.map(drop)?)
}

#[then(expr = "{person} is known to run on the node")]
fn runs_on_node(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let made = world.notes::<Made>().0.clone().context("there is no node")?;
    has_extra(world, NODE_NAME, Some(made.node))?;
    has_extra(world, NODE_UID, Some(made.node_uid).filter(|uid| !uid.is_empty()))
}

/// kubernetes/apiserver `pkg/authentication/serviceaccount/util.go`, as the next one.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_UID: &str = "authentication.kubernetes.io/node-uid";

requires!(administrator, cluster_signing_key, nodes);
#[given(expr = "{person} is the kubelet of the node that the deployer's pod is on")]
async fn is_kubelet(world: &mut World, person: Person) -> Step {
    let made = on_node(world).await?;
    let leaf = world.client_authority()?.issue(&Request::client(&made.user(), &["system:nodes"]))?;
    world.hold(&person, Credential::Certificate(leaf), None)?;
    // The API server knows a node's permissions for a pod as soon as it knows the pod.
    let credential = world.holding(&person)?.credential.clone();
    until_accepted(
        &world.endpoint(),
        "the pod on the node",
        "the kubelet",
        &credential,
        &token_for(&made, MOUNTED),
        HEARD,
    )
    .await
    .map(drop)
}

#[when(expr = "{person} asks for a token of the deployer's pod for the audience {string}")]
async fn kubelet_asks_for_token(world: &mut World, person: Person, audience: String) -> Step {
    let made = on_node(world).await?;
    Ok(world.ask(&person, &token_for(&made, &audience)).await.map(drop)?)
}

#[then(expr = "{person} is given one for the audience {string}")]
async fn kubelet_is_given_token(world: &mut World, person: Person, audience: String) -> Step {
    let made = on_node(world).await?;
    let answer = world.ask(&person, &token_for(&made, &audience)).await?;
    expect!(answer.verdict == Verdict::Accepted, "a token is given", "{answer}");
    Ok(())
}

#[given(expr = "its service account may impersonate the node that its pod is on, and list {word} by that")]
async fn may_impersonate_node(world: &mut World, resource: String) -> Step {
    let user = on_node(world).await?.account.user();
    let rights = [
        Right::new("impersonate:associated-node", "authentication.k8s.io", "nodes"),
        Right::new("impersonate-on:associated-node:list", "", resource),
    ];
    grant_everywhere(world, "User", &user, &rights).await
}

#[given(expr = "{person} impersonates the node that its pod is on")]
async fn impersonates_node(world: &mut World, person: Person) -> Step {
    let user = on_node(world).await?.user();
    impersonate(world, &person, user)
}

#[given(expr = "{person} impersonates another node")]
async fn impersonates_another_node(world: &mut World, person: Person) -> Step {
    let user = format!("system:node:{}", world.unique("another"));
    impersonate(world, &person, user)
}

#[then(expr = "{person} is accepted as the node, in exactly its groups")]
fn accepted_as_node(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let user = world.notes::<Made>().0.as_ref().map(OnNode::user).context("there is no node")?;
    let answer = world.answer()?;
    answers::accepted(answer, &user)?;
    let expected = ["system:authenticated", "system:nodes"].map(str::to_owned).into();
    let seen = &answers::identity(answer)?.groups;
    expect!(*seen == expected, "exactly the groups {expected:?}", "{seen:?}");
    Ok(())
}

fn impersonate(world: &mut World, person: &Person, user: String) -> Step {
    let own = Box::new(world.holding(&person)?.credential.clone());
    let headers = vec![("Impersonate-User".to_owned(), user)];
    Ok(world.hold(&person, Credential::Impersonation { own, headers }, None)?)
}

fn token_for(made: &OnNode, audience: &str) -> crate::probe::Question {
    let spec = json!({ "audiences": [audience], "boundObjectRef": made.reference() });
    question(&made.account.namespace, &made.account.name, spec)
}

async fn hold_bound(world: &mut World, person: &Person, bound: BoundObjectReference) -> Step {
    let spec = TokenRequestSpec {
        bound_object_ref: Some(bound),
        ..TokenRequestSpec::default()
    };
    hold(world, person, spec, None).await
}

fn nodes(world: &World) -> Step<Api<Node>> {
    Ok(Api::all(world.administrator()?))
}

/// Returns the scenario's node with the deployer's pod, created on first use.
pub(super) async fn on_node(world: &mut World) -> Step<OnNode> {
    if let Some(made) = &world.notes::<Made>().0 {
        return Ok(made.clone());
    }
    let name = world.unique("node");
    let node = serde_json::from_value(json!({ "metadata": world.metadata(&name) }))?;
    let uid = nodes(world)?.create(&PostParams::default(), &node).await?.uid().unwrap_or_default();
    let made = pod_on(world, &name, &uid).await?;
    world.notes::<Made>().0 = Some(made.clone());
    Ok(made)
}

/// Creates the deployer's pod on the node called `node`.
async fn pod_on(world: &mut World, node: &str, node_uid: &str) -> Step<OnNode> {
    let account = service_accounts::account(world).await?;
    // Untyped, since the types of older versions lack fields of pods.
    let resource = ApiResource::erase::<Pod>(&());
    let pods: Api<DynamicObject> = Api::namespaced_with(world.administrator()?, &account.namespace, &resource);
    let pod = serde_json::from_value(pod(world, &account, node))?;
    let made = pods.create(&PostParams::default(), &pod).await?;
    Ok(OnNode {
        node: node.to_owned(),
        node_uid: node_uid.to_owned(),
        pod: made.name_any(),
        pod_uid: made.uid().unwrap_or_default(),
        account,
    })
}

fn pod(world: &World, account: &Account, node: &str) -> Value {
    let mut metadata = world.metadata("on-a-node");
    metadata["namespace"] = account.namespace.clone().into();
    // A node can request certificates only of signers that one of its pods mounts a certificate of; older versions ignore this.
    let certificate = |signer: &str, file: &str| json!({ "podCertificate": { "signerName": signer, "keyType": "ECDSAP256", "credentialBundlePath": file } });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {
        "nodeName": node,
        "serviceAccountName": account.name,
        "automountServiceAccountToken": false,
        "containers": [{ "name": "main", "image": "nothing-runs-in-a-lab" }],
        "volumes": [{ "name": "token", "projected": { "sources": [
            { "serviceAccountToken": { "path": "token", "audience": MOUNTED } },
            certificate(SIGNER, "own.pem"),
            certificate(SIGNER_OF_KUBERNETES, "kubernetes.pem"),
        ] } }],
    } })
}
