//! kubeadm's `ClusterConfiguration`: `apiServer.extraArgs` as a mapping (v1beta3) or a list (v1beta4), and `extraVolumes`
//! (kubernetes.io, "kubeadm Configuration"). The main function is [`api_server`].

use super::reading::{Reading, at, entries, scalar, text_at};
use crate::configuration::document::in_words;
use crate::yaml::{Content, Node};

/// Reads a ClusterConfiguration; `roots` are all documents of the file.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node, roots: &[Node]) {
    if let Some(server) = root.entry("apiServer") {
        api_server(reading, server, version(root));
    }
    if let Some(directory) = roots.iter().find_map(|root| at(root, "patches.directory")) {
        reading.note(
            directory,
            "patches of manifests cannot be judged",
            Some("give the manifest kube-apiserver.yaml itself"),
        );
    }
}

/// Returns the version of kubeadm's API.
pub(super) fn version(root: &Node) -> Option<&str> {
    text_at(root, "apiVersion").and_then(|version| version.strip_prefix("kubeadm.k8s.io/"))
}

/// Reads the field `apiServer`. The form of the arguments is that of `version`; without one, both are sound.
pub(super) fn api_server(reading: &mut Reading<'_>, server: &Node, version: Option<&str>) {
    if let Some(arguments) = server.entry("extraArgs") {
        extra_args(reading, arguments, version);
    }
    let volumes = server.entry("extraVolumes").map(Node::items).unwrap_or_default();
    for volume in volumes {
        if let (Some(host), Some(mount)) = (text_at(volume, "hostPath"), text_at(volume, "mountPath")) {
            reading.pod_mount(mount, host);
        }
    }
}

fn extra_args(reading: &mut Reading<'_>, arguments: &Node, version: Option<&str>) {
    let is_list_expected = version.map(|version| !matches!(version, "v1beta1" | "v1beta2" | "v1beta3"));
    match &arguments.content {
        Content::Map { entries, .. } => {
            if is_list_expected == Some(true) {
                let hint = "write `extraArgs:` as a list of `name` and `value`, or the apiVersion kubeadm.k8s.io/v1beta3";
                reading.note(
                    arguments,
                    "extraArgs is a mapping, and kubeadm expects a list since v1beta4",
                    Some(hint),
                );
            }
            for (name, value) in entries {
                reading.forget(name);
                argument(reading, name, value);
            }
        }
        Content::List(items) => {
            if is_list_expected == Some(false) {
                let hint = "write `extraArgs:` as a mapping, or the apiVersion kubeadm.k8s.io/v1beta4";
                reading.note(
                    arguments,
                    "extraArgs is a list, and kubeadm expects a mapping before v1beta4",
                    Some(hint),
                );
            }
            // A patch replaces a list as a whole.
            reading.forget_if(|_| true);
            for item in items {
                match (text_at(item, "name"), item.entry("value")) {
                    (Some(name), Some(value)) => argument(reading, name, value),
                    (Some(name), None) => reading.flag(name, String::new(), item),
                    (None, _) => reading.note(item, "expected `name` and `value`", None),
                }
            }
        }
        Content::Null => {}
        _ => reading.note(
            arguments,
            &format!("extraArgs is {}, expected flags with their values", in_words(arguments)),
            None,
        ),
    }
}

fn argument(reading: &mut Reading<'_>, name: &str, value: &Node) {
    let Some(text) = scalar(value) else {
        reading.note(value, &format!("the value of {name} is {}, expected a text", in_words(value)), None);
        return;
    };
    if matches!(value.content, Content::Bool(_) | Content::Number(_)) {
        let message = format!("the value of {name} is {}, and kubeadm takes only texts", in_words(value));
        reading.note(value, &message, Some(&format!("write quotes: \"{text}\"")));
    }
    reading.flag(name, text, value);
}

/// Adds a mapping of names to booleans, such as `featureGates`, as one flag.
pub(super) fn switches(reading: &mut Reading<'_>, flag: &str, node: Option<&Node>) {
    if let Some(node) = node.filter(|node| !entries(node).is_empty()) {
        reading.flag_with(flag, node);
    }
}
