//! One YAML or JSON file that an API server reads, with the place of each value.
//!
//! The main type is [`Document`]. kube-apiserver reads such files with sigs.k8s.io/yaml: a byte order mark does no harm, of several
//! documents it reads the first one, and it says nothing about the others.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::documents;
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::yaml::{self, Content, Node, NotYaml};

/// The maximum size of a file in bytes. No configuration is that long; a wrong path may be.
pub(crate) const LARGEST: u64 = 1 << 20;

/// A file that an API server reads.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    /// The text without a byte order mark.
    pub(crate) text: String,
    pub(crate) root: Node,
    /// Oddities that the server does not speak of.
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Document {
    /// Reads the text of the file `path`, of one of the kinds `kinds`.
    ///
    /// # Errors
    /// The text is not YAML, or is of another kind.
    pub(crate) fn of_text(path: &Path, text: String, kinds: &[&str]) -> Result<Self, Vec<Diagnostic>> {
        let file = shown(path);
        let parts = documents::split(&text);
        let Some(first) = parts.first() else {
            let what = if text.trim().is_empty() {
                "is empty"
            } else {
                "has no content but comments"
            };
            return Err(vec![Diagnostic::of_file(file, format!("{what}, expected {}", a_kind(kinds)))]);
        };
        let root = documents::parsed(first).map_err(|error| vec![not_yaml(path, &text, &error)])?;
        let mut document = Self {
            path: path.to_owned(),
            text,
            root,
            warnings: Vec::new(),
        };
        document.check_kind(kinds).map_err(|mistake| vec![mistake])?;
        if let Some(second) = parts.get(1) {
            let others = if parts.len() > 2 {
                "these documents are"
            } else {
                "this document is"
            };
            let warning = document
                .source()
                .mistake_at(
                    second.before + 1,
                    1,
                    format!("{others} ignored: an API server reads only the first one"),
                )
                .hint("put everything into one document, or this one into a file of its own");
            document.warnings.push(warning);
        }
        Ok(document)
    }

    /// Returns the kind, if the file says one.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.root.entry("kind").and_then(Node::text)
    }

    /// Returns the file's name as it is shown.
    pub(crate) fn file(&self) -> String {
        shown(&self.path)
    }

    /// Returns the place of a value: that of its key, if it has one.
    pub(crate) fn place(&self, node: &Node) -> Place {
        place(&self.source(), node)
    }

    /// Returns the number of lines before the text `node`, if each of its lines is one of the file.
    pub(crate) fn lines_before(&self, node: &Node) -> Option<usize> {
        documents::literal(&self.text, node).map(|(before, _)| before)
    }

    fn source(&self) -> Source<'_> {
        // The name is only shown by mistakes; a path that is not UTF-8 is not.
        Source::new(self.path.to_str().unwrap_or("the file"), &self.text)
    }

    fn check_kind(&self, kinds: &[&str]) -> Result<(), Diagnostic> {
        if !matches!(self.root.content, Content::Map { .. }) {
            let message = format!("is {}, expected {}", in_words(&self.root), a_kind(kinds));
            return Err(Diagnostic::at(self.file(), self.place(&self.root), message));
        }
        let Some(node) = self.root.entry("kind") else {
            let hint = "the file begins with `apiVersion: apiserver.config.k8s.io/v1beta1` and `kind: …`";
            let message = format!("has no kind, expected {}", a_kind(kinds));
            return Err(Diagnostic::of_file(self.file(), message).hint(hint));
        };
        match node.text() {
            Some(kind) if kinds.contains(&kind) => Ok(()),
            Some(kind) => {
                let message = format!("is of kind {kind}, expected {}", a_kind(kinds));
                Err(Diagnostic::at(self.file(), self.place(node), message))
            }
            None => {
                let message = format!("kind is {}, expected a text", in_words(node));
                Err(Diagnostic::at(self.file(), self.place(node), message))
            }
        }
    }
}

/// Reads a file as text.
///
/// # Errors
/// The file is missing, a directory, larger than 1 MiB, or is no text.
pub(crate) fn load(path: &Path) -> Result<String, Diagnostic> {
    let file = shown(path);
    let refused = |error: &io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "cannot read the file: permission denied".to_owned(),
            _ => format!("cannot read the file: {error}"),
        };
        Diagnostic::of_file(file.clone(), why).unread()
    };
    let metadata = fs_err::metadata(path).map_err(|error| refused(&error))?;
    if metadata.is_dir() {
        return Err(Diagnostic::of_file(file.clone(), "is a directory, expected a file")
            .hint("name one of the files in it")
            .unread());
    }
    let mut bytes = Vec::new();
    let opened = File::open(path).map_err(|error| refused(&error))?;
    opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| refused(&error))?;
    if bytes.len() as u64 > LARGEST {
        let size = match metadata.len() {
            length if length > LARGEST => format!("is {:.1} MiB long", length as f64 / LARGEST as f64),
            _ => "is longer than 1 MiB".to_owned(),
        };
        return Err(Diagnostic::of_file(file.clone(), format!("{size}, expected at most 1 MiB")).hint("is this the right file?"));
    }
    yaml::decoded(&bytes).map_err(|error| {
        let text = String::from_utf8_lossy(&bytes);
        let hint = if error.is_utf16 {
            "save the file as UTF-8, not as UTF-16"
        } else {
            "save the file as UTF-8"
        };
        Source::new(&file, &text)
            .mistake_at(error.line, 1, format!("is no text: {}", error.why))
            .hint(hint)
    })
}

/// Returns the mistake of a text that is not YAML. A tab is named: the parser's words about it are of little help.
pub(super) fn not_yaml(path: &Path, text: &str, error: &NotYaml) -> Diagnostic {
    let file = shown(path);
    let source = Source::new(&file, text);
    let lines: Vec<&str> = text.lines().collect();
    let tab = |line: usize| {
        let line = lines.get(line.checked_sub(1)?)?;
        let indentation = &line[..line.len() - line.trim_start().len()];
        indentation.find('\t').map(|at| at + 1)
    };
    for line in [error.line, error.line + 1, error.line.saturating_sub(1)] {
        if let Some(column) = tab(line) {
            return source
                .mistake_at(line, column, "not YAML: a tab in the indentation")
                .hint("write blanks");
        }
    }
    let column = lines
        .get(error.line.saturating_sub(1))
        .map_or(1, |line| 1 + line.chars().take_while(|c| c.is_whitespace()).count());
    source.mistake_at(error.line, column, format!("not YAML: {}", error.why))
}

/// Returns the place of a value in `source`: that of its key, if it has one.
pub(super) fn place(source: &Source<'_>, node: &Node) -> Place {
    let place = source.place_at(node.line, node.column, 1);
    if place.text().starts_with('…') {
        return place;
    }
    let rest: String = place.text().chars().skip(place.column - 1).collect();
    let width = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest.chars().skip(1).position(|c| c == quote).map_or(1, |at| at + 2),
        _ => rest.find(": ").map_or(rest.trim_end().trim_end_matches(':').chars().count(), |at| {
            rest[..at].chars().count()
        }),
    };
    source.place_at(node.line, node.column, width)
}

/// Returns a path as it is shown.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Returns the type of a value in words.
pub(super) fn in_words(node: &Node) -> &'static str {
    match node.content {
        Content::Null => "empty",
        Content::Bool(_) => "a boolean",
        Content::Number(_) => "a number",
        Content::Text { .. } => "a text",
        Content::List(_) => "a list",
        Content::Map { .. } => "a mapping",
    }
}

fn a_kind(kinds: &[&str]) -> String {
    match kinds {
        [] => "a mapping with apiVersion and kind".to_owned(),
        kinds => format!("an {}", kinds.join(" or an ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &[&str] = &["AuthenticationConfiguration"];
    const SOUND: &str = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt: []\n";

    fn opened(path: &Path) -> Result<Document, Vec<Diagnostic>> {
        Document::of_text(path, load(path).map_err(|mistake| vec![mistake])?, KIND)
    }

    fn read(bytes: &[u8]) -> Result<Document, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("authn.yaml");
        fs_err::write(&path, bytes).unwrap();
        opened(&path).map_err(|mistakes| {
            let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            told.join("\n").replace(&format!("{}/", directory.path().display()), "")
        })
    }

    #[test]
    fn each_bad_file_has_one_clear_error() {
        let long = "# a comment that is long\n".repeat(220_000);
        for (bytes, expected) in [
            (&b""[..], "authn.yaml: is empty, expected an AuthenticationConfiguration"),
            (
                b"# later\n---\n",
                "authn.yaml: has no content but comments, expected an AuthenticationConfiguration",
            ),
            (
                long.as_bytes(),
                "authn.yaml: is 5.2 MiB long, expected at most 1 MiB\n  = is this the right file?",
            ),
            (
                b"kind: AuthenticationConfiguration\njwt:\n- \xff\n",
                "authn.yaml:3:1: is no text: invalid leading UTF-8 octet\n  3 | - \u{fffd}\n    | ^ save the file as UTF-8",
            ),
            (
                b"kind: AuthenticationConfiguration\njwt:\n\t- issuer: {}\n",
                "authn.yaml:3:1: not YAML: a tab in the indentation\n  3 | \t- issuer: {}\n    | ^ write blanks",
            ),
            (
                b"just words\n",
                "authn.yaml:1:1: is a text, expected an AuthenticationConfiguration\n  1 | just words\n    | ^^^^^^^^^^",
            ),
            (
                b"- a\n",
                "authn.yaml:1:1: is a list, expected an AuthenticationConfiguration\n  1 | - a\n    | ^^^",
            ),
            (
                b"apiVersion: v1\nkind: ConfigMap\n",
                "authn.yaml:2:1: is of kind ConfigMap, expected an AuthenticationConfiguration\n  2 | kind: ConfigMap\n    | ^^^^",
            ),
            (
                b"kind: [a]\n",
                "authn.yaml:1:1: kind is a list, expected a text\n  1 | kind: [a]\n    | ^^^^",
            ),
            (
                b"jwt: []\n",
                "authn.yaml: has no kind, expected an AuthenticationConfiguration\n  = the file begins with `apiVersion: apiserver.config.k8s.io/v1beta1` and `kind: …`",
            ),
        ] {
            assert_eq!(read(bytes).map(|_| ()), Err(expected.to_owned()));
        }
        let not_closed = read(b"kind: AuthenticationConfiguration\njwt: [\n").unwrap_err();
        assert!(not_closed.contains(": not YAML: "), "{not_closed}");
    }

    #[test]
    fn a_missing_file_and_a_directory_are_named() {
        let directory = tempfile::tempdir().unwrap();
        for (path, expected) in [
            (directory.path().join("none.yaml"), "no such file"),
            (directory.path().to_owned(), "is a directory, expected a file"),
        ] {
            let mistakes = opened(&path).unwrap_err();
            assert_eq!(mistakes.iter().map(|mistake| &*mistake.message).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn marks_of_other_programs_and_json_are_read() {
        let utf16: Vec<u8> = format!("\u{feff}{SOUND}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let json = br#"{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": []}"#;
        for bytes in [
            SOUND.as_bytes(),
            format!("\u{feff}{SOUND}").as_bytes(),
            &utf16,
            json,
            format!("---\n{SOUND}---\n").as_bytes(),
        ] {
            let document = read(bytes).unwrap();
            assert_eq!(document.kind(), Some("AuthenticationConfiguration"));
            assert_eq!(document.warnings, []);
        }
        let windows = read(SOUND.replace('\n', "\r\n").as_bytes()).unwrap();
        assert_eq!(windows.root.entry("jwt").map(|node| node.line), Some(3));
    }

    #[test]
    fn a_second_document_is_warned_of_at_its_line() {
        let document = read(format!("{SOUND}---\n{SOUND}").as_bytes()).unwrap();
        let warnings: Vec<_> = document
            .warnings
            .iter()
            .map(|warning| (warning.place.as_ref().unwrap().line, &*warning.message))
            .collect();
        assert_eq!(warnings, [(4, "this document is ignored: an API server reads only the first one")]);
    }
}
