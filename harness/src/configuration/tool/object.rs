//! ConfigMaps and Secrets that contain a configuration. The main function is [`read`].

use super::Tool;
use super::reading::{Reading, entries, text_at};
use super::recognized::recognized;
use crate::configuration::documents::{embedded, parsed, split};
use crate::yaml::{Node, base64};

/// A key whose value is a configuration.
pub(super) struct Configuration<'a> {
    pub(super) key: &'a str,
    node: &'a Node,
    text: String,
    kind: Tool,
}

/// Returns the keys of a ConfigMap or Secret whose values are configurations. kubeadm's own ConfigMap has one as well.
pub(super) fn configurations(root: &Node) -> Vec<Configuration<'_>> {
    let is_wanted = |kind: &Tool| {
        matches!(
            kind,
            Tool::AuthenticationConfiguration | Tool::AuthorizationConfiguration | Tool::Kubeadm
        )
    };
    values(root)
        .filter_map(|(key, node, text)| {
            let document = parsed(split(&text).first()?).ok()?;
            let kind = recognized(&document).filter(is_wanted)?;
            Some(Configuration { key, node, text, kind })
        })
        .collect()
}

/// Returns the content of a key.
pub(super) fn value<'a>(root: &'a Node, key: &str) -> Option<(&'a Node, String)> {
    values(root).find(|(name, ..)| *name == key).map(|(_, node, text)| (node, text))
}

fn values(root: &Node) -> impl Iterator<Item = (&str, &Node, String)> {
    let is_secret = text_at(root, "kind") == Some("Secret");
    ["data", "stringData"].into_iter().flat_map(move |field| {
        let is_base64 = is_secret && field == "data";
        let all = root.entry(field).map(entries).unwrap_or_default();
        all.iter().filter_map(move |(key, node)| {
            let text = node.text()?;
            let text = if is_base64 {
                String::from_utf8(base64(text.trim()).ok()?).ok()?
            } else {
                text.to_owned()
            };
            Some((key.as_str(), node, text))
        })
    })
}

/// Reads the configurations in a ConfigMap or Secret: each is the file of its flag, with the key as its name.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node) {
    for found in configurations(root) {
        let flag = match found.kind {
            Tool::AuthenticationConfiguration => "authentication-config",
            Tool::AuthorizationConfiguration => "authorization-config",
            _ => {
                // The same documents, with their places.
                let documents = embedded(reading.text, found.node).unwrap_or_default();
                if let Some(root) = documents.iter().find(|root| recognized(root) == Some(Tool::Kubeadm)) {
                    super::kubeadm::read(reading, root, &documents);
                }
                continue;
            }
        };
        reading.flag(flag, found.key.to_owned(), found.node);
        reading.file_with(found.key, found.text, found.node);
    }
}
