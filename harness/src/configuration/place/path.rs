//! Paths of fields, with and without indexes. The main functions are [`nearest`] and [`typed`].

use super::is_collection;
use crate::yaml::Node;

/// Returns the value at a path such as `jwt[0].issuer.url`, or the nearest one above it that exists.
///
/// A key may contain dots and brackets itself; that counts only where nothing else fits.
pub(super) fn nearest<'a>(root: &'a Node, path: &str) -> &'a Node {
    let mut node = root;
    let mut rest = path;
    while !rest.is_empty() {
        let step = if let Some(index) = rest.strip_prefix('[') {
            let Some((index, after)) = index.split_once(']') else { break };
            let item = index.parse::<usize>().ok().and_then(|index| node.items().get(index));
            item.or_else(|| node.entry(index)).map(|node| (node, after))
        } else {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let whole = node.entry(rest).map(|node| (node, ""));
            node.entry(&rest[..end]).map(|node| (node, &rest[end..])).or(whole)
        };
        let Some((next, after)) = step else { break };
        (node, rest) = (next, after);
    }
    node
}

/// Returns the values of the JSON type `kind` at a path without indexes (`jwt.claimValidationRules.requiredValue`), each with its path.
///
/// Go's decoder tells of the first one only; the others are as wrong. A value below the path counts if there is none at it: an item of a
/// list that should be another type.
pub(super) fn typed<'a>(root: &'a Node, path: &str, kind: &str) -> Vec<(&'a Node, String)> {
    let mut found = vec![(root, String::new())];
    for key in path.split('.').filter(|key| !key.is_empty()) {
        found = found
            .into_iter()
            .flat_map(items)
            .filter_map(|(node, path)| {
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                Some((node.entry(key)?, path))
            })
            .collect();
    }
    let of_kind = |all: Vec<(&'a Node, String)>| -> Vec<_> { all.into_iter().filter(|(node, _)| node.kind() == kind).collect() };
    let exact = of_kind(found.clone());
    if exact.is_empty() {
        of_kind(found.into_iter().filter(|(node, _)| is_collection(node)).flat_map(items).collect())
    } else {
        exact
    }
}

/// Returns the items of a list, or the value if it is not one.
fn items((node, path): (&Node, String)) -> Vec<(&Node, String)> {
    if node.kind() != "array" {
        return vec![(node, path)];
    }
    let numbered = node.items().iter().enumerate();
    numbered.map(|(index, item)| (item, format!("{path}[{index}]"))).collect()
}
