//! Changes of a YAML text that leave the rest of it as it is. The main function is [`set`].

use crate::yaml::{Content, Node};

/// A change of a text: the bytes that are replaced, and the replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) bytes: (usize, usize),
    pub(super) to: String,
}

/// Returns the change that sets the entry `name` of `mapping` in `text` to the quoted text `value`; `None` if it has no place there, as in an
/// empty mapping.
pub(super) fn set(text: &str, mapping: &Node, name: &str, value: &str) -> Option<Edit> {
    let Content::Map { entries, .. } = &mapping.content else {
        return None;
    };
    // A double-quoted scalar of YAML has the escapes of JSON, and more.
    let quoted = serde_json::to_string(value).ok()?;
    if let Some((_, node)) = entries.iter().find(|(key, _)| key == name) {
        let colon = node.key_at + text.get(node.key_at..)?.find(':')?;
        let is_block = text.get(colon + 1..)?.trim_start_matches(' ').starts_with(['|', '>']);
        let (end, line_end) = if is_block {
            (end_of_block(text, node.key_at)?, "\n")
        } else {
            (node.bytes.1, "")
        };
        return (end > colon).then(|| Edit {
            bytes: (colon + 1, end),
            to: format!(" {quoted}{line_end}"),
        });
    }
    let begin = behind_properties(text, mapping.bytes.0);
    if text.get(begin..)?.starts_with('{') {
        return Some(Edit {
            bytes: (begin + 1, begin + 1),
            to: format!("\"{name}\": {quoted}, "),
        });
    }
    let (_, first) = entries.first()?;
    let line_begins = text.get(..first.key_at)?.rfind('\n').map_or(0, |at| at + 1);
    // The dash of a list may stand before the first key.
    let indent = " ".repeat(text.get(line_begins..first.key_at)?.chars().count());
    Some(Edit {
        bytes: (first.key_at, first.key_at),
        to: format!("{name}: {quoted}\n{indent}"),
    })
}

/// Returns the beginning of a value whose anchor and tag may begin at `at` (YAML 1.1 §8.2).
fn behind_properties(text: &str, mut at: usize) -> usize {
    while let Some(rest) = text.get(at..).filter(|rest| rest.starts_with(['&', '!'])) {
        let property = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let blank = rest[property..].find(|c: char| !c.is_whitespace()).unwrap_or(rest.len() - property);
        at += property + blank;
    }
    at
}

/// Returns the end of the block scalar whose key is at `key_at`: the beginning of the next line that is not indented further than the key
/// (YAML 1.1 §9.2).
fn end_of_block(text: &str, key_at: usize) -> Option<usize> {
    let line_begins = text.get(..key_at)?.rfind('\n').map_or(0, |at| at + 1);
    let indent = text.get(line_begins..key_at)?.chars().count();
    let mut at = line_begins;
    for (index, line) in text.get(line_begins..)?.split_inclusive('\n').enumerate() {
        let inside = line.trim().is_empty() || line.chars().take_while(|c| *c == ' ').count() > indent;
        if index > 0 && !inside {
            return Some(at);
        }
        at += line.len();
    }
    Some(at)
}

/// Returns `text` with `edits`, none of which overlap.
pub(super) fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    // Of two at one place, the first stays first.
    edits.sort_by_key(|edit| edit.bytes);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for Edit { bytes: (begin, end), to } in edits {
        out.push_str(text.get(at..begin).unwrap_or_default());
        out.push_str(&to);
        at = end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
