//! Nodes that exist in name only, the pods on them, and their kubelets.
//!
//! The main type is [`OnNode`]: a node of the scenario's own, with the deployer's pod on it.

use std::str::FromStr;

use anyhow::Context;
use cucumber::given;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::super::requests::{HEARD, until_accepted};
use super::super::rights::{Right, grant_everywhere};
use super::super::{Person, Step};
use super::bound_objects::reference;
use super::requests::question;
use super::{Account, account};
use crate::credential::Credential;
use crate::pki::Request;
use crate::scenario::world::World;

/// The signer of the pod's certificate: the harness itself.
pub(in super::super) const SIGNER: &str = "authlab.example/pods";

/// The signer of another one, which belongs to Kubernetes by its name.
pub(in super::super) const SIGNER_OF_KUBERNETES: &str = "kubernetes.io/kube-apiserver-client-pod";

/// The audience of the token that the deployer's pod mounts.
const MOUNTED: &str = "vault";

/// A node, and the deployer's pod on it.
#[derive(Clone, Debug)]
pub(in super::super) struct OnNode {
    pub(in super::super) account: Account,
    pub(in super::super) node: String,
    pub(in super::super) node_uid: String,
    pub(in super::super) pod: String,
    pub(in super::super) pod_uid: String,
}

impl OnNode {
    pub(super) fn pod_reference(&self) -> BoundObjectReference {
        reference("Pod", &self.pod, Some(self.pod_uid.clone()))
    }

    pub(super) fn node_reference(&self) -> BoundObjectReference {
        reference("Node", &self.node, Some(self.node_uid.clone()))
    }

    /// Returns the user name of its kubelet.
    pub(super) fn user(&self) -> String {
        format!("system:node:{}", self.node)
    }
}

#[derive(Default)]
struct Made(Option<OnNode>);

/// The deployer's pod on another node.
#[derive(Default)]
struct Elsewhere(Option<OnNode>);

/// The CSI driver of a volume in the deployer's pod, and the audience of the tokens that it asks for.
#[derive(Clone, Default)]
struct VolumeDriver(Option<(String, String)>);

requires!(administrator, nodes);
/// Stands before the step about the kubelet, which waits for a later pod: the API server then knows this one, too.
#[given(expr = "the deployer has a pod on another node, too")]
async fn has_pod_elsewhere(world: &mut World) -> Step {
    let node = world.unique("elsewhere");
    let made = pod_on(world, "elsewhere", &node, "").await?;
    world.notes::<Elsewhere>().0 = Some(made);
    Ok(())
}

/// Returns the deployer's pod on another node.
pub(super) fn elsewhere(world: &mut World) -> Step<OnNode> {
    Ok(world.notes::<Elsewhere>().0.clone().context("there is no pod on another node")?)
}

requires!(administrator, nodes);
/// Stands before the step about the kubelet, which makes the pod.
#[given(expr = "the deployer's pod has a volume of a CSI driver that asks for tokens for the audience {string}")]
async fn has_volume_of_driver(world: &mut World, audience: String) -> Step {
    let name = format!("{}.authlab.test", world.unique("csi"));
    let driver: CSIDriver = serde_json::from_value(json!({
        "metadata": world.metadata(&name),
        "spec": { "attachRequired": false, "tokenRequests": [{ "audience": audience }], "volumeLifecycleModes": ["Ephemeral"] },
    }))?;
    Api::all(world.administrator()?).create(&PostParams::default(), &driver).await?;
    world.notes::<VolumeDriver>().0 = Some((name, audience));
    Ok(())
}

/// A request of a kubelet for a service account that RBAC may allow, in addition to those that the volumes of its pods do.
#[derive(Clone, Debug, cucumber::Parameter)]
#[param(
    name = "beside_volumes",
    regex = r#"tokens for the audience "[^"]*"|pod certificates of the signer "[^"]*""#
)]
enum BesideVolumes {
    Audience(String),
    Signer(String),
}

impl FromStr for BesideVolumes {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> anyhow::Result<Self> {
        let name = said.split('"').nth(1).context("there is no name")?.to_owned();
        Ok(match said.starts_with("tokens") {
            true => Self::Audience(name),
            false => Self::Signer(name),
        })
    }
}

requires!(administrator, nodes);
/// kubernetes `plugin/pkg/admission/noderestriction/admission.go` (`validateNodeServiceAccountAudience`,
/// `validateNodePodCertificateSigner`).
#[given(expr = "RBAC lets the kubelet request {beside_volumes}")]
async fn may_request(world: &mut World, wanted: BesideVolumes) -> Step {
    let made = on_node(world).await?;
    let right = match wanted {
        BesideVolumes::Audience(audience) => Right::new("request-serviceaccounts-token-audience", "", audience),
        // No name of a resource contains a slash.
        BesideVolumes::Signer(signer) => Right::new(
            "request-serviceaccounts-podcertificate-signer",
            "certificates.k8s.io",
            signer.replace('/', ":"),
        ),
    };
    grant_everywhere(world, "User", &made.user(), &[right.named([&made.account.name])]).await
}

requires!(administrator, cluster_signing_key, nodes);
#[given(expr = "{person} is the kubelet of the node that the deployer's pod is on")]
async fn is_kubelet(world: &mut World, person: Person) -> Step {
    let made = on_node(world).await?;
    let leaf = world.client_authority()?.issue(&Request::client(&made.user(), &["system:nodes"]))?;
    let credential = Credential::Certificate(leaf);
    world.hold(&person, credential.clone(), None)?;
    // The API server knows a node's permissions for a pod as soon as it knows the pod; it learns of a CSI driver in a time of its own.
    let driver = world.notes::<VolumeDriver>().0.clone().map(|(_, audience)| audience);
    for audience in [MOUNTED.to_owned()].into_iter().chain(driver) {
        let spec = TokenRequestSpec {
            audiences: vec![audience],
            bound_object_ref: Some(made.pod_reference()),
            ..TokenRequestSpec::default()
        };
        let question = question(&made.account.namespace, &made.account.name, &spec)?;
        let (endpoint, what) = (world.endpoint(), "the pod on the node");
        until_accepted(&endpoint, what, "the kubelet", &credential, &question, HEARD).await?;
    }
    Ok(())
}

fn nodes(world: &World) -> Step<Api<Node>> {
    Ok(Api::all(world.administrator()?))
}

/// Returns the scenario's node, or the name of one that does not exist, with the deployer's pod.
pub(super) fn made(world: &mut World) -> Step<OnNode> {
    Ok(world.notes::<Made>().0.clone().context("there is no node")?)
}

/// Deletes the scenario's node.
pub(super) async fn delete(world: &mut World) -> Step {
    let name = made(world)?.node;
    nodes(world)?.delete(&name, &DeleteParams::default()).await?;
    Ok(())
}

/// Returns the deployer's pod on a node that does not exist, created anew.
pub(super) async fn on_missing_node(world: &mut World) -> Step<OnNode> {
    let name = world.unique("missing");
    let made = pod_on(world, "on-a-node", &name, "").await?;
    world.notes::<Made>().0 = Some(made.clone());
    Ok(made)
}

/// Returns the scenario's node with the deployer's pod, created on first use.
pub(in super::super) async fn on_node(world: &mut World) -> Step<OnNode> {
    if let Some(made) = &world.notes::<Made>().0 {
        return Ok(made.clone());
    }
    let name = world.unique("node");
    let node = serde_json::from_value(json!({ "metadata": world.metadata(&name) }))?;
    let uid = nodes(world)?.create(&PostParams::default(), &node).await?.uid().unwrap_or_default();
    let made = pod_on(world, "on-a-node", &name, &uid).await?;
    world.notes::<Made>().0 = Some(made.clone());
    Ok(made)
}

/// Creates the deployer's pod called `name` on the node called `node`.
async fn pod_on(world: &mut World, name: &str, node: &str, node_uid: &str) -> Step<OnNode> {
    let account = account(world).await?;
    // Untyped, since the types of older versions lack fields of pods.
    let resource = ApiResource::erase::<Pod>(&());
    let pods: Api<DynamicObject> = Api::namespaced_with(world.administrator()?, &account.namespace, &resource);
    let mut pod = pod(world, name, &account, node);
    if let (Some((driver, _)), Some(volumes)) = (&world.notes::<VolumeDriver>().0, pod["spec"]["volumes"].as_array_mut()) {
        volumes.push(json!({ "name": "driver", "csi": { "driver": driver } }));
    }
    let pod = serde_json::from_value(pod)?;
    let made = pods.create(&PostParams::default(), &pod).await?;
    Ok(OnNode {
        node: node.to_owned(),
        node_uid: node_uid.to_owned(),
        pod: made.name_any(),
        pod_uid: made.uid().unwrap_or_default(),
        account,
    })
}

fn pod(world: &World, name: &str, account: &Account, node: &str) -> Value {
    let mut metadata = world.metadata(name);
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
