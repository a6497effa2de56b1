//! Talos' machine configuration: `cluster.apiServer`, `machine.files`, and the documents of their own that newer versions have
//! (docs.siderolabs.com, "Configuration reference"). The main function is [`read`].

use serde_json::{Value, json};

use super::reading::{Reading, at, entries, text_at};
use crate::yaml::Node;

/// The paths of the files that Talos writes by itself.
const AUTHENTICATION: &str = "/system/config/kubernetes/kube-apiserver/authentication-config.yaml";
const AUTHORIZATION: &str = "/system/config/kubernetes/kube-apiserver/authorization-config.yaml";
const WEBHOOK: &str = "/system/config/kubernetes/kube-apiserver/authentication-webhook.yaml";

/// Returns whether a kind is one of Talos' documents about API servers.
pub(super) fn is_document(kind: &str) -> bool {
    matches!(
        kind,
        "KubeAPIServerConfig" | "KubeAuthenticationConfig" | "KubeAuthorizerConfig" | "KubeAuthenticationWebhookConfig"
    )
}

/// Reads one document of a machine configuration, or of a patch of one.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node) {
    match text_at(root, "kind") {
        Some("KubeAPIServerConfig") => arguments(reading, root.entry("extraArgs")),
        Some("KubeAuthenticationConfig") => {
            if let Some(node) = root.entry("configuration") {
                written(
                    reading,
                    "authentication-config",
                    AUTHENTICATION,
                    with_kind(node.json(), "AuthenticationConfiguration"),
                    node,
                );
            }
        }
        Some("KubeAuthenticationWebhookConfig") => {
            if let Some(node) = root.entry("kubeconfig") {
                reading.flag("authentication-token-webhook-config-file", WEBHOOK.to_owned(), node);
                reading.file(WEBHOOK, node);
            }
        }
        Some("KubeAuthorizerConfig") => {
            reading.note(
                root,
                "authorizers in documents of their own are not read",
                Some("give the AuthorizationConfiguration itself"),
            );
        }
        _ => machine(reading, root),
    }
}

fn machine(reading: &mut Reading<'_>, root: &Node) {
    arguments(reading, at(root, "cluster.apiServer.extraArgs"));
    for volume in at(root, "cluster.apiServer.extraVolumes").map(Node::items).unwrap_or_default() {
        if let (Some(host), Some(mount)) = (text_at(volume, "hostPath"), text_at(volume, "mountPath")) {
            reading.pod_mount(mount, host);
        }
    }
    for file in at(root, "machine.files").map(Node::items).unwrap_or_default() {
        if let (Some(path), Some(content)) = (text_at(file, "path"), file.entry("content")) {
            reading.file(path, content);
        }
    }
    if let Some(node) = at(root, "cluster.apiServer.authorizationConfig").filter(|node| !node.items().is_empty()) {
        let configuration = with_kind(json!({ "authorizers": node.json() }), "AuthorizationConfiguration");
        written(reading, "authorization-config", AUTHORIZATION, configuration, node);
    }
}

/// Adds the arguments; a value may be a list in newer versions.
fn arguments(reading: &mut Reading<'_>, arguments: Option<&Node>) {
    for (name, value) in arguments.map(entries).unwrap_or_default() {
        reading.forget(name);
        reading.flag_with(name, value);
    }
}

/// Adds a file that Talos makes of the value `node`.
fn written(reading: &mut Reading<'_>, flag: &str, path: &str, content: Value, node: &Node) {
    reading.flag(flag, path.to_owned(), node);
    reading.file_with(path, format!("{content:#}\n"), node);
}

/// Adds the fields that Talos adds. Every version that has the kind reads v1beta1.
fn with_kind(mut value: Value, kind: &str) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields
            .entry("apiVersion")
            .or_insert_with(|| json!("apiserver.config.k8s.io/v1beta1"));
        fields.entry("kind").or_insert_with(|| json!(kind));
    }
    value
}
