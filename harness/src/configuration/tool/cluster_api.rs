//! Cluster API's `KubeadmControlPlane` and `KubeadmConfig`, v1beta1 and v1beta2: kubeadm's fields, and files with their content
//! (cluster-api.sigs.k8s.io, "Kubeadm based control plane management"). The main function is [`read`].

use super::kubeadm;
use super::object;
use super::reading::{Reading, at, text_at};
use crate::yaml::{Node, base64};

/// The places of kubeadm's configuration in the objects of the provider.
const PLACES: &[&str] = &[
    "spec.kubeadmConfigSpec",
    "spec.template.spec.kubeadmConfigSpec",
    "spec.template.spec",
    "spec",
];

/// Reads a KubeadmControlPlane; `roots` are all documents of the file, among them Secrets that have the content of files.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node, roots: &[Node]) {
    let mut specs = PLACES.iter().filter_map(|place| at(root, place));
    let Some(spec) = specs.find(|spec| spec.entry("clusterConfiguration").is_some() || spec.entry("files").is_some()) else {
        reading.note(root, "has no clusterConfiguration and no files", None);
        return;
    };
    // The list came with v1beta2, and a mapping is refused there.
    let version = match text_at(root, "apiVersion").and_then(|version| version.rsplit('/').next()) {
        Some("v1beta1" | "v1alpha4" | "v1alpha3") => Some("v1beta3"),
        Some(_) => Some("v1beta4"),
        None => None,
    };
    if let Some(server) = at(spec, "clusterConfiguration.apiServer") {
        kubeadm::api_server(reading, server, version);
    }
    for file in spec.entry("files").map(Node::items).unwrap_or_default() {
        let Some(path) = text_at(file, "path") else { continue };
        if let Some(content) = file.entry("content") {
            content_of(reading, path, content, text_at(file, "encoding"));
        } else if let Some(secret) = at(file, "contentFrom.secret") {
            from_secret(reading, path, secret, roots);
        }
    }
    if let Some(patches) = at(spec, "initConfiguration.patches.directory") {
        reading.note(patches, "patches of manifests cannot be judged", None);
    }
}

fn content_of(reading: &mut Reading<'_>, path: &str, content: &Node, encoding: Option<&str>) {
    match encoding {
        None | Some("") => reading.file(path, content),
        Some("base64") => {
            let decoded = content.text().and_then(|text| base64(text.trim()).ok());
            match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => reading.file_with(path, text, content),
                None => reading.note(content, &format!("the content of {path} is no text in base64"), None),
            }
        }
        Some(encoding) => reading.note(
            content,
            &format!("the content of {path} is encoded as {encoding}, which is not read"),
            None,
        ),
    }
}

fn from_secret(reading: &mut Reading<'_>, path: &str, secret: &Node, roots: &[Node]) {
    let (name, key) = (text_at(secret, "name"), text_at(secret, "key"));
    let found = roots
        .iter()
        .filter(|root| text_at(root, "kind") == Some("Secret") && text_at(root, "metadata.name") == name)
        .find_map(|root| object::value(root, key?));
    match found {
        Some((node, text)) => reading.file_with(path, text, node),
        None => reading.note(
            secret,
            &format!(
                "the content of {path} is in the Secret {}, which is not in this file",
                name.unwrap_or("(no name)")
            ),
            Some("put the file beside this one, under its own name"),
        ),
    }
}
