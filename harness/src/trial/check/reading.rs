//! Judging the user's file by itself. The main function is [`without_server`].

use super::finding::Finding;
use super::place::line_of;
use super::rules;
use crate::configuration::document::Document;
use crate::yaml::{Content, Node};

/// Returns the findings about an AuthenticationConfiguration that need no server.
pub(super) fn without_server(document: &Document) -> Vec<Finding> {
    let root = &document.root;
    let mut findings = Vec::new();
    let version = root.entry("apiVersion").and_then(Node::text).unwrap_or_default();
    let at_version = ("apiVersion".to_owned(), line_of(root, "apiVersion"));
    match version.rsplit('/').next() {
        Some("v1alpha1") => findings.push(
            Finding::new(&rules::ALPHA, "the file is of the version v1alpha1, which is to go")
                .at(at_version)
                .change("write `apiserver.config.k8s.io/v1beta1`, or `…/v1` for API servers since 1.34"),
        ),
        Some("v1") => findings.push(
            Finding::new(
                &rules::NEW_VERSION,
                "the file is of the version v1, which API servers know since 1.34",
            )
            .at(at_version)
            .change("write `apiserver.config.k8s.io/v1beta1` as long as older API servers read it"),
        ),
        _ => {}
    }
    // A second document is all that it warns of.
    findings.extend(document.warnings.iter().map(|warning| {
        let line = warning.place.as_ref().map(|place| place.line);
        Finding::new(&rules::SECOND_DOCUMENT, warning.message.as_str())
            .at((String::new(), line))
            .change("put everything into one document: all issuers into its list `jwt`")
    }));
    repeated(root, &mut findings);
    findings
}

fn repeated(node: &Node, findings: &mut Vec<Finding>) {
    match &node.content {
        Content::Map { entries, repeated: names } => {
            for name in names {
                let line = node.entry(name).map(|entry| entry.line);
                findings.push(
                    Finding::new(&rules::REPEATED_KEY, format!("the key `{name}` occurs twice in one mapping"))
                        .at((name.clone(), line))
                        .change("remove one of them"),
                );
            }
            entries.iter().for_each(|(_, entry)| repeated(entry, findings));
        }
        Content::List(items) => items.iter().for_each(|item| repeated(item, findings)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_text_of_a_file_is_judged_with_lines() {
        const SOUND: &str = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt: []\n";
        for (text, expected) in [
            (SOUND.to_owned(), vec![]),
            (format!("# a comment\n---\n{SOUND}---\n# nothing\n"), vec![]),
            (format!("{SOUND}...\n"), vec![]),
            (format!("{SOUND}---\n{SOUND}"), vec![("second-document-ignored", Some(4))]),
            (SOUND.replace("v1beta1", "v1alpha1"), vec![("alpha-version", Some(1))]),
            (SOUND.replace("v1beta1", "v1"), vec![("version-is-new", Some(1))]),
            (
                format!("{SOUND}jwt:\n- issuer: {{url: a, url: b}}\n"),
                vec![("repeated-key", Some(4)), ("repeated-key", Some(5))],
            ),
        ] {
            let document = Document::of_text(Path::new(""), text.clone(), &["AuthenticationConfiguration"]).unwrap();
            let found: Vec<_> = without_server(&document)
                .iter()
                .map(|finding| (finding.rule.name, finding.line))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
