//! kind's `Cluster`: kubeadm's documents as patches, for the cluster and for a node, and files that are mounted into nodes
//! (kind.sigs.k8s.io, "Configuration"). The main function is [`read`].

use super::Tool;
use super::kubeadm;
use super::reading::{Reading, text_at};
use super::recognized::recognized;
use crate::configuration::documents::embedded;
use crate::yaml::Node;

/// Reads a Cluster. The patches of a node come after those of the cluster; only a control plane has API servers.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node) {
    kubeadm::switches(reading, "feature-gates", root.entry("featureGates"));
    kubeadm::switches(reading, "runtime-config", root.entry("runtimeConfig"));
    patches(reading, root);
    let nodes = root.entry("nodes").map(Node::items).unwrap_or_default();
    for node in nodes
        .iter()
        .filter(|node| text_at(node, "role").is_none_or(|role| role == "control-plane"))
    {
        patches(reading, node);
        for mount in node.entry("extraMounts").map(Node::items).unwrap_or_default() {
            if let (Some(host), Some(container)) = (text_at(mount, "hostPath"), text_at(mount, "containerPath")) {
                reading.node_mount(container, host);
            }
        }
    }
}

fn patches(reading: &mut Reading<'_>, holder: &Node) {
    if let Some(patches) = holder
        .entry("kubeadmConfigPatchesJSON6902")
        .filter(|patches| !patches.items().is_empty())
    {
        reading.note(
            patches,
            "JSON patches cannot be judged",
            Some("write them as kubeadmConfigPatches, or give the AuthenticationConfiguration itself"),
        );
    }
    for patch in holder.entry("kubeadmConfigPatches").map(Node::items).unwrap_or_default() {
        match embedded(reading.text, patch) {
            Ok(documents) => {
                for root in &documents {
                    match (recognized(root), text_at(root, "kind")) {
                        (Some(Tool::Kubeadm), _) => kubeadm::read(reading, root, &documents),
                        (None, Some("ClusterConfiguration")) => kubeadm::read(reading, root, &documents),
                        _ => {}
                    }
                }
            }
            Err(error) => reading.note(patch, &format!("line {} of the file is not YAML: {}", error.line, error.why), None),
        }
    }
}
