//! The lines of fields in the user's file. The main function is [`line_of`].

use crate::yaml::Node;

/// Returns the line of `field` (`jwt[0].claimMappings.username`) below `root`; of the nearest field around it, if it is missing.
pub(super) fn line_of(root: &Node, field: &str) -> Option<usize> {
    let (mut node, mut line) = (root, None);
    for part in field.split('.') {
        let (name, indexes) = part.split_once('[').unwrap_or((part, ""));
        let Some(entry) = node.entry(name) else { break };
        (node, line) = (entry, Some(entry.line));
        for index in indexes
            .split('[')
            .filter_map(|index| index.trim_end_matches(']').parse::<usize>().ok())
        {
            let Some(item) = node.items().get(index) else { return line };
            (node, line) = (item, Some(item.line));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn the_line_of_a_field_is_found_or_that_of_the_nearest_one() {
        let root =
            yaml::parse("kind: x\njwt:\n- issuer:\n    url: a\n- issuer:\n    url: b\n  claimMappings:\n    username: {claim: sub}\n")
                .unwrap();
        for (field, line) in [
            ("jwt[0].issuer.url", Some(4)),
            ("jwt[1].claimMappings.username.prefix", Some(8)),
            ("jwt[1].claimMappings.groups", Some(7)),
            ("jwt[7].issuer", Some(2)),
            ("anonymous", None),
        ] {
            assert_eq!(line_of(&root, field), line, "{field}");
        }
    }
}
