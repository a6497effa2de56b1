//! The manifest of a Pod that runs kube-apiserver: its command line, and the paths of its node that it sees. The main function is
//! [`read`].

use std::collections::BTreeMap;

use super::reading::{Reading, at, scalar, text_at};
use crate::yaml::Node;

const NAME: &str = "kube-apiserver";

/// Returns the container that runs kube-apiserver.
pub(super) fn api_server(root: &Node) -> Option<&Node> {
    let containers = at(root, "spec.containers")?.items();
    let runs = |container: &&Node| words(container).iter().any(|(word, _)| word.rsplit('/').next() == Some(NAME));
    let is_named = |container: &&Node| text_at(container, "name") == Some(NAME) && !words(container).is_empty();
    containers.iter().find(runs).or_else(|| containers.iter().find(is_named))
}

/// Returns the words of a container's command line. A line for a shell is split at blanks.
fn words(container: &Node) -> Vec<(String, &Node)> {
    let items = ["command", "args"]
        .into_iter()
        .filter_map(|field| container.entry(field))
        .flat_map(Node::items);
    items
        .flat_map(|item| {
            let text = scalar(item).unwrap_or_default();
            let is_line = text.contains(NAME) && text.contains(" --");
            let words: Vec<String> = if is_line {
                text.split_whitespace().map(str::to_owned).collect()
            } else {
                vec![text]
            };
            words.into_iter().map(move |word| (word, item))
        })
        .collect()
}

/// Reads a Pod.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node) {
    let Some(container) = api_server(root) else { return };
    let words = words(container);
    let mut words = words.iter().peekable();
    while let Some((word, node)) = words.next() {
        let Some(flag) = word.strip_prefix("--") else { continue };
        match flag.split_once('=') {
            Some((name, value)) => reading.flag(name, value.to_owned(), node),
            None => {
                // pflag: a boolean never takes the next word, and other flags always do.
                let value = words
                    .next_if(|(next, _)| !next.starts_with("--"))
                    .map_or("true", |(next, _)| next.as_str());
                reading.flag(flag, value.to_owned(), node);
            }
        }
    }
    let volumes = at(root, "spec.volumes").map(Node::items).unwrap_or_default();
    let hosts: BTreeMap<&str, &str> = volumes
        .iter()
        .filter_map(|volume| Some((text_at(volume, "name")?, text_at(volume, "hostPath.path")?)))
        .collect();
    for mount in container.entry("volumeMounts").map(Node::items).unwrap_or_default() {
        let host = text_at(mount, "name").and_then(|name| hosts.get(name));
        if let (Some(host), Some(path)) = (host, text_at(mount, "mountPath")) {
            let host = match text_at(mount, "subPath") {
                Some(below) => format!("{}/{below}", host.trim_end_matches('/')),
                None => (*host).to_owned(),
            };
            reading.pod_mount(path, &host);
        }
    }
}
