//! The state of reading one file: [`Reading`] collects flags, files and mounts.

use std::path::{Path, PathBuf};

use super::{Flag, Found, Tool};
use crate::configuration::document::{in_words, place, shown};
use crate::configuration::documents::literal;
use crate::configuration::files::{Files, Inside, Located, Mount, NamedFile};
use crate::configuration::flags::{self, normalized};
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::yaml::{Content, Node};

/// The state of reading a file.
pub(super) struct Reading<'a> {
    path: &'a Path,
    pub(super) text: &'a str,
    source: Source<'a>,
    tool: Tool,
    flags: Vec<Flag>,
    notes: Vec<Diagnostic>,
    files: Files,
    itself: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str, tool: Tool) -> Self {
        Self {
            path,
            text,
            source: Source::new("", text),
            tool,
            flags: Vec::new(),
            notes: Vec::new(),
            files: Files::beside(path),
            itself: false,
        }
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    pub(super) fn place(&self, node: &Node) -> Place {
        place(&self.source, node)
    }

    /// Adds a flag that `node` has.
    pub(super) fn flag(&mut self, name: &str, value: String, node: &Node) {
        let place = self.place(node);
        self.flag_of(name, value, self.path.to_owned(), place);
    }

    pub(super) fn flag_of(&mut self, name: &str, value: String, file: PathBuf, place: Place) {
        let name = normalized(name);
        self.flags.push(Flag { name, value, file, place });
    }

    /// Adds a flag with the value `node`: each item of a list, and `name=value` for each entry of a mapping.
    pub(super) fn flag_with(&mut self, name: &str, node: &Node) {
        match &node.content {
            Content::List(items) => items.iter().for_each(|item| self.flag_with(name, item)),
            Content::Map { entries, .. } => {
                let pairs: Vec<String> = entries
                    .iter()
                    .filter_map(|(key, value)| Some(format!("{key}={}", scalar(value)?)))
                    .collect();
                self.flag(name, pairs.join(","), node);
            }
            _ => self.flag(name, scalar(node).unwrap_or_default(), node),
        }
    }

    /// Removes a flag that a later part of the file sets again.
    pub(super) fn forget(&mut self, name: &str) {
        let name = normalized(name);
        self.flags.retain(|flag| flag.name != name);
    }

    /// Removes the flags for which `is_old` is true.
    pub(super) fn forget_if(&mut self, is_old: impl Fn(&Flag) -> bool) {
        self.flags.retain(|flag| !is_old(flag));
    }

    /// Adds the content of a file on a node.
    pub(super) fn file(&mut self, path: &str, content: &Node) {
        let Some(text) = content.text() else {
            self.note(
                content,
                &format!("the content of {path} is {}, expected a text", in_words(content)),
                None,
            );
            return;
        };
        self.file_with(path, text.to_owned(), content);
    }

    /// Adds the content `text` of a file on a node; `node` is where it stands.
    pub(super) fn file_with(&mut self, path: &str, text: String, node: &Node) {
        let starts = literal(self.text, node).filter(|_| node.text() == Some(text.as_str()));
        let inside = Inside {
            text,
            place: self.place(node),
            starts,
        };
        self.files.inside.insert(path.to_owned(), inside);
    }

    /// Adds a path of a node that the API server's container sees as `container`.
    pub(super) fn pod_mount(&mut self, container: &str, host: &str) {
        let (container, host) = (container.to_owned(), host.to_owned());
        self.files.of_pod.push(Mount { container, host });
    }

    /// Adds a path of this machine that a node sees as `container`.
    pub(super) fn node_mount(&mut self, container: &str, host: &str) {
        let (container, host) = (container.to_owned(), host.to_owned());
        self.files.of_node.push(Mount { container, host });
    }

    /// Adds a part that cannot be judged, or a mistake that the tool would refuse.
    pub(super) fn note(&mut self, node: &Node, message: &str, hint: Option<&str>) {
        let note = Diagnostic::at(shown(self.path), self.place(node), message);
        self.notes.push(note.hinted(hint));
    }

    /// The file is the one that the flag `name` names.
    pub(super) fn itself(&mut self, name: &str, root: &Node) {
        self.itself = true;
        let node = root.entry("kind").unwrap_or(root);
        self.flag(name, shown(self.path), node);
    }

    /// Finds the files that flags name.
    pub(super) fn finish(self) -> Found {
        let files = self
            .flags
            .iter()
            .filter_map(|flag| {
                let reads = flags::known(&flag.name)?.reads.filter(|_| !flag.value.is_empty())?;
                Some(NamedFile {
                    flag: flag.name.clone(),
                    reads,
                    path: flag.value.clone(),
                    file: flag.file.clone(),
                    place: flag.place.clone(),
                    content: if self.itself {
                        Located::Itself(self.path.to_owned())
                    } else {
                        self.files.locate(&flag.value)
                    },
                })
            })
            .collect();
        Found {
            tool: self.tool,
            files,
            flags: self.flags,
            notes: self.notes,
        }
    }
}

/// Returns the value below `node` at a path of keys, separated by dots.
pub(super) fn at<'a>(node: &'a Node, path: &str) -> Option<&'a Node> {
    path.split('.').try_fold(node, |node, key| node.entry(key))
}

/// Returns the text at a path of keys.
pub(super) fn text_at<'a>(node: &'a Node, path: &str) -> Option<&'a str> {
    at(node, path).and_then(Node::text)
}

/// Returns a text, number or boolean as it stands on a command line.
pub(super) fn scalar(node: &Node) -> Option<String> {
    match &node.content {
        Content::Text { text, .. } => Some(text.clone()),
        Content::Bool(value) => Some(value.to_string()),
        Content::Number(value) => Some(value.to_string()),
        Content::Null => Some(String::new()),
        Content::List(_) | Content::Map { .. } => None,
    }
}

/// Returns the entries of a mapping.
pub(super) fn entries(node: &Node) -> &[(String, Node)] {
    match &node.content {
        Content::Map { entries, .. } => entries,
        _ => &[],
    }
}
