//! Several YAML documents in one file, and documents inside of texts, each value with its place in the file.
//!
//! The main functions are [`split`] and [`embedded`].

use std::sync::LazyLock;

use regex::Regex;

use crate::yaml::{self, Content, Node, NotYaml};

/// The end of the line above a block.
static HEADER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|\s)([|>])[-+0-9]*(?:\s+#.*|\s*)$").expect("covered by a test"));

/// A document in a file.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The number of lines before it.
    pub(super) before: usize,
    pub(super) text: String,
}

/// Splits a file at lines that begin with `---`. Parts without content are left out, so that a mark at the beginning or the end counts
/// for nothing; a directive stays with its document.
pub(super) fn split(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open = Part {
        before: 0,
        text: String::new(),
    };
    let mut has_content = false;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let rest = line
            .strip_prefix("---")
            .filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if rest.is_some() {
            let next = Part {
                before: number,
                text: String::new(),
            };
            // A directive belongs to the document whose mark follows.
            let is_begun = has_content || !open.text.lines().any(|line| line.starts_with('%'));
            if is_begun {
                let done = std::mem::replace(&mut open, next);
                parts.extend(has_content.then_some(done));
                has_content = false;
            }
        }
        let content = rest.unwrap_or(line).trim();
        has_content |= !content.is_empty() && !content.starts_with(['#', '%']) && content != "...";
        open.text.push_str(line);
    }
    parts.extend(has_content.then_some(open));
    parts
}

/// Parses a document; its values have the places of the file.
pub(super) fn parsed(part: &Part) -> Result<Node, NotYaml> {
    let mut root = yaml::parse(&part.text).map_err(|error| NotYaml {
        line: error.line + part.before,
        ..error
    })?;
    shift(&mut root, part.before, 0);
    Ok(root)
}

/// Parses the documents inside of the text `node` of the file `text`.
///
/// The values of a literal block (`|`) have their own places, others that of `node`.
pub(super) fn embedded(text: &str, node: &Node) -> Result<Vec<Node>, NotYaml> {
    let Some(inner) = node.text() else {
        return Ok(Vec::new());
    };
    let block = literal(text, node);
    split(inner)
        .iter()
        .map(|part| {
            let root = parsed(part);
            match block {
                Some((before, indent)) => root
                    .map(|mut root| {
                        shift(&mut root, before, indent);
                        root
                    })
                    .map_err(|error| NotYaml {
                        line: error.line + before,
                        ..error
                    }),
                None => root
                    .map(|mut root| {
                        pin(&mut root, node);
                        root
                    })
                    .map_err(|error| NotYaml { line: node.line, ..error }),
            }
        })
        .collect()
}

/// Returns the number of lines before the content of a literal block, and its indentation; `None` for any other text.
pub(super) fn literal(text: &str, node: &Node) -> Option<(usize, usize)> {
    let block = block(text, node)?;
    block.is_literal.then_some((block.before, block.indent))
}

/// A text in a block (`|` or `>`).
pub(super) struct Block {
    pub(super) is_literal: bool,
    /// The number of lines before its first one.
    pub(super) before: usize,
    indent: usize,
}

/// Returns the block that a text is written as. Its value begins at its first line that is not blank; the sign is above.
pub(super) fn block(text: &str, node: &Node) -> Option<Block> {
    let (line, column) = node.begins;
    let lines: Vec<&str> = text.lines().take(line).collect();
    let (first, above) = lines.split_last()?;
    if node.text().is_none() || !first.chars().take(column - 1).all(|c| c == ' ') {
        return None;
    }
    let header = above.iter().rposition(|line| !line.trim().is_empty())?;
    let sign = HEADER.captures(above[header])?;
    Some(Block {
        is_literal: &sign[1] == "|",
        before: header + 1,
        indent: column - 1,
    })
}

fn shift(node: &mut Node, lines: usize, columns: usize) {
    node.line += lines;
    node.column += columns;
    node.begins = (node.begins.0 + lines, node.begins.1 + columns);
    children(node, &mut |child| shift(child, lines, columns));
}

fn pin(node: &mut Node, to: &Node) {
    (node.line, node.column, node.begins) = (to.line, to.column, to.begins);
    children(node, &mut |child| pin(child, to));
}

fn children(node: &mut Node, each: &mut dyn FnMut(&mut Node)) {
    match &mut node.content {
        Content::List(items) => items.iter_mut().for_each(each),
        Content::Map { entries, .. } => entries.iter_mut().for_each(|(_, value)| each(value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_at_its_marks() {
        for (text, expected) in [
            ("a: 1\n", vec![0]),
            ("---\na: 1\n---\n", vec![0]),
            ("# c\n---\na: 1\n--- # d\nb: 2\n...\n---\n# none\n", vec![1, 3]),
            ("%YAML 1.1\n---\na: 1\n---\nb: |\n  ---\n  x\n", vec![0, 3]),
            ("a: |\n  x\n----\n", vec![0]),
            ("--- {a: 1}\n---\tb\n", vec![0, 1]),
            ("\n# nothing\n", vec![]),
        ] {
            let parts = split(text);
            assert_eq!(parts.iter().map(|part| part.before).collect::<Vec<_>>(), expected, "{text:?}");
        }
        let root = parsed(&split("a: 1\n---\nb:\n  c: 2\n")[1]).unwrap();
        assert_eq!(
            root.entry("b")
                .unwrap()
                .entry("c")
                .map(|node| (node.line, node.column, node.begins)),
            Some((4, 3, (4, 6)))
        );
        assert!(parsed(&split("a: 1\n---\nb: [\n")[1]).unwrap_err().line >= 3);
    }

    #[test]
    fn documents_in_a_literal_block_have_their_own_places() {
        let text = "patches:\n- |\n  kind: A\n  x:\n    y: 1\n- \"kind: B\\nx: {y: 1}\"\n- |2-\n    kind: C\n  # c\n- >\n  kind: D\n";
        let root = yaml::parse(text).unwrap();
        let places = root.entry("patches").unwrap().items().iter().map(|item| {
            let found = embedded(text, item).unwrap();
            let kind = found[0].entry("kind").unwrap();
            (kind.text().unwrap().to_owned(), kind.line, kind.column)
        });
        let places: Vec<_> = places.collect();
        assert_eq!(
            places,
            [
                ("A".to_owned(), 3, 3),
                ("B".to_owned(), 6, 3),
                ("C".to_owned(), 8, 5),
                ("D".to_owned(), 11, 3)
            ]
        );
    }
}
