//! Which tool a document belongs to.
//!
//! The main functions are [`recognized`] and [`refusal`].

use std::path::Path;

use super::Tool;
use super::object::configurations;
use super::reading::{at, entries, text_at};
use super::static_pod::api_server;
use crate::configuration::document::{in_words, place, shown};
use crate::diagnostic::{Diagnostic, Source};
use crate::yaml::{Content, Node};

/// The forms that are understood, for errors.
const UNDERSTOOD: &str = "understood are: an AuthenticationConfiguration or AuthorizationConfiguration itself, also in a ConfigMap or Secret; \
    kubeadm's ClusterConfiguration; kind's Cluster; Cluster API's KubeadmControlPlane; `config.yaml` of k3s and RKE2; Talos' machine \
    configuration; kOps' Cluster; the manifest of a Pod that runs kube-apiserver. Of Helm values and of anything else, give the \
    AuthenticationConfiguration itself";

/// Returns the tool that a document belongs to.
pub(super) fn recognized(root: &Node) -> Option<Tool> {
    let (group, kind) = (group(root), text_at(root, "kind"));
    match (group, kind) {
        (_, Some("AuthenticationConfiguration")) => Some(Tool::AuthenticationConfiguration),
        (_, Some("AuthorizationConfiguration")) => Some(Tool::AuthorizationConfiguration),
        ("kubeadm.k8s.io", Some("ClusterConfiguration")) => Some(Tool::Kubeadm),
        ("kind.x-k8s.io", Some("Cluster")) => Some(Tool::Kind),
        ("kops.k8s.io" | "kops", Some("Cluster")) => Some(Tool::Kops),
        ("controlplane.cluster.x-k8s.io", Some("KubeadmControlPlane" | "KubeadmControlPlaneTemplate"))
        | ("bootstrap.cluster.x-k8s.io", Some("KubeadmConfig" | "KubeadmConfigTemplate")) => Some(Tool::ClusterApi),
        ("v1", Some("Pod")) => api_server(root).map(|_| Tool::StaticPod),
        ("v1", Some("ConfigMap")) => (!configurations(root).is_empty()).then_some(Tool::ConfigMap),
        ("v1", Some("Secret")) => (!configurations(root).is_empty()).then_some(Tool::Secret),
        ("v1alpha1", Some(kind)) => super::talos::is_document(kind).then_some(Tool::Talos),
        (_, Some(_)) => None,
        (_, None) => {
            let is_k3s = |(key, _): &(String, Node)| key.trim_end_matches('+') == "kube-apiserver-arg";
            let is_talos = at(root, "cluster.apiServer").is_some()
                || (text_at(root, "version") == Some("v1alpha1") && root.entry("machine").is_some());
            if entries(root).iter().any(is_k3s) {
                Some(Tool::K3s)
            } else {
                is_talos.then_some(Tool::Talos)
            }
        }
    }
}

/// Returns the error of a file that belongs to no tool: what was found, and what is understood.
pub(super) fn refusal(path: &Path, text: &str, roots: &[Node]) -> Diagnostic {
    let file = shown(path);
    let Some(root) = roots.first() else {
        return Diagnostic::of_file(file, "is empty, expected the configuration of an API server").hint(UNDERSTOOD);
    };
    if let Some((root, what)) = roots.iter().find_map(|root| Some((root, not_upstream(root)?))) {
        let node = root.entry("kind").unwrap_or(root);
        let message = format!("not understood: {what}");
        return Diagnostic::at(file, place(&Source::new("", text), node), message).hint("give the AuthenticationConfiguration itself");
    }
    let seen: Vec<String> = roots.iter().map(seen).collect();
    let node = root.entry("kind").unwrap_or(root);
    Diagnostic::at(
        file,
        place(&Source::new("", text), node),
        format!("is {}, expected the configuration of an API server", seen.join(", ")),
    )
    .hint(UNDERSTOOD)
}

fn seen(root: &Node) -> String {
    match (text_at(root, "kind"), text_at(root, "apiVersion")) {
        (Some("Pod"), _) => "a Pod that does not run kube-apiserver".to_owned(),
        (Some(kind @ ("ConfigMap" | "Secret")), _) => format!("a {kind} without an AuthenticationConfiguration"),
        (Some(kind), Some(version)) => format!("a {kind} ({version})"),
        (Some(kind), None) => format!("a {kind} without an apiVersion"),
        (None, _) => {
            let keys: Vec<&str> = entries(root).iter().map(|(key, _)| key.as_str()).take(6).collect();
            match (&root.content, keys.as_slice()) {
                (Content::Map { .. }, keys) => format!("a mapping with the keys {}", keys.join(", ")),
                _ => in_words(root).to_owned(),
            }
        }
    }
}

/// Returns a form that is known, and is not the upstream one.
fn not_upstream(root: &Node) -> Option<&'static str> {
    let is_key = |beginnings: &[&str]| {
        let mut keys = entries(root).iter();
        keys.any(|(key, _)| beginnings.iter().any(|beginning| key.starts_with(beginning)))
    };
    match (group(root), text_at(root, "kind")) {
        ("core.gardener.cloud", Some("Shoot")) => {
            Some("Gardener's Shoot, which names a ConfigMap (spec.kubernetes.kubeAPIServer.structuredAuthentication.configMapName)")
        }
        ("authentication.gardener.cloud", Some(_)) => Some("Gardener's OpenIDConnect, which a webhook reads"),
        ("config.openshift.io", Some("Authentication")) => Some("OpenShift's Authentication, whose providers are not in the upstream form"),
        ("kubeone.k8c.io", Some(_)) => Some("KubeOne's configuration, which names the file (features.authenticationConfiguration)"),
        (_, None) if is_key(&["kube_oidc_", "kube_apiserver_", "kube_kubeadm_"]) => Some("variables of kubespray"),
        _ => None,
    }
}

/// Returns the group of `apiVersion`, or the version if there is none.
fn group(root: &Node) -> &str {
    let version = text_at(root, "apiVersion").unwrap_or_default();
    version.split_once('/').map_or(version, |(group, _)| group)
}
