//! From an API server's words about a configuration to the line of the file.
//!
//! The main function is [`places`].

mod expression;
mod path;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use regex::Regex;

use super::document::Document;
use super::words::plain;
use crate::yaml::{Content, Node};
use path::{nearest, typed};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// The field in the server's words: `jwt[0].issuer.url`. If the file does not have it, the place is that of the nearest field above.
    /// Empty if the words name a line only.
    pub(crate) field: String,
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("covered by a test")
}

/// A text in double quotes, as Go quotes it.
static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r#""(?:[^"\\\n]|\\.)*""#));

/// The path of a field before the type of its error (`k8s.io/apimachinery/pkg/util/validation/field`).
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)(?:^|[\s\[,:(]) ([A-Za-z]\w*(?:\[\d+\]|\.[A-Za-z]\w*)*) :\s
        (?:Required\ value|Invalid\ value|Duplicate\ value|Unsupported\ value|Forbidden|Too\ many|Too\ long|Too\ few|Not\ found|Internal\ error)",
    )
});

/// A field that strict decoding refuses (`sigs.k8s.io/json`).
static STRICT: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?:unknown|duplicate) field "([^"\n]+)""#));

/// A value of a wrong type (`encoding/json`); the path has neither indexes nor the names of types but the first.
static TYPE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"cannot unmarshal (bool|number|string|array|object)(?: \S+)? into Go (?:struct field \w+\.([\w.]+)|value) of type")
});

/// A line that go-yaml names.
static LINE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bline (\d+): (did not find expected)?"));

/// A place in an expression (cel-go).
static IN_EXPRESSION: LazyLock<Regex> = LazyLock::new(|| pattern(r"<input>:(\d+):(\d+):"));

static KIND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"no kind "([^"]*)" is registered for version "([^"]*)"|no version "([^"]*)" has been registered|Object '(Kind|apiVersion)' is missing"#,
    )
});

/// Returns the places that an API server's words are about, in their order: the words when it starts, or refuses a changed file.
pub(crate) fn places(document: &Document, words: &str) -> Vec<Place> {
    let words = &*plain(words);
    let root = &document.root;
    let mut places = Vec::new();
    let mut add = |place: Place| {
        if !places.contains(&place) {
            places.push(place);
        }
    };
    for found in KIND.captures_iter(words) {
        kind(document, &found).into_iter().for_each(&mut add);
    }
    for found in STRICT.captures_iter(words) {
        // A field of another kind: the kind is wrong rather than the field.
        let is_top = !found[1].contains(['.', '[']);
        if let Some(node) = root.entry("kind").filter(|_| is_top && is_other_kind(document, &found[1])) {
            add(of(node, "kind"));
        }
        add(of(nearest(root, &found[1]), &found[1]));
    }
    for found in TYPE.captures_iter(words) {
        let field = found.get(2).map_or("", |field| field.as_str());
        for (node, field) in typed(root, field, &found[1]) {
            // The value is wrong, not its key.
            let (line, column) = node.begins;
            add(Place { line, column, field });
        }
    }
    fields(document, words).into_iter().for_each(&mut add);
    for found in LINE.captures_iter(words) {
        if let Ok(line) = found[1].parse::<usize>() {
            // The parser counts from 0 and the scanner from 1 (go-yaml v2 `yaml.go`, `fail`).
            add(first_of(document, line + usize::from(found.get(2).is_some())));
        }
    }
    places
}

/// Returns the places of field errors. An error's own places in an expression are more exact than the field.
fn fields(document: &Document, words: &str) -> Vec<Place> {
    // An expression is shown again below its error, and its quotes may be odd.
    let lines: Vec<&str> = words.lines().filter(|line| !line.trim_start().starts_with('|')).collect();
    let words = lines.join("\n");
    // Values are the user's, and may look like anything.
    let masked = QUOTED.replace_all(&words, |found: &regex::Captures<'_>| "\"".repeat(found[0].len()));
    let found: Vec<regex::Captures<'_>> = FIELD.captures_iter(&masked).collect();
    let mut places = Vec::new();
    for (index, field) in found.iter().enumerate() {
        let (start, path) = (field.get(0).map_or(0, |all| all.end()), &field[1]);
        let end = found
            .get(index + 1)
            .and_then(|next| next.get(0))
            .map_or(masked.len(), |next| next.start());
        let path = whole_path(&document.root, path);
        let node = nearest(&document.root, &path);
        let marks: Vec<(usize, usize)> = IN_EXPRESSION
            .captures_iter(&masked[start..end])
            .filter_map(|mark| Some((mark[1].parse().ok()?, mark[2].parse().ok()?)))
            .collect();
        if marks.is_empty() {
            places.push(of(node, &path));
        }
        for (line, column) in marks {
            let (line, column) = expression::position(&document.text, node, line, column).unwrap_or(node.begins);
            places.push(Place {
                line,
                column,
                field: path.clone(),
            });
        }
    }
    places
}

/// Returns a path from the root. The parts of an entry that is compiled for itself have shorter ones.
fn whole_path(root: &Node, path: &str) -> String {
    let of_entry = ["issuer", "claimMappings", "claimValidationRules", "userValidationRules"];
    let is_of_entry = of_entry.iter().any(|part| {
        path.strip_prefix(part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    let is_only_one = root.entry("jwt").is_some_and(|jwt| jwt.items().len() == 1);
    if is_of_entry && is_only_one {
        format!("jwt[0].{path}")
    } else {
        path.to_owned()
    }
}

/// Returns the place of a kind or version that the server does not know.
fn kind(document: &Document, found: &regex::Captures<'_>) -> Option<Place> {
    let at = |key: &str| match document.root.entry(key) {
        Some(node) => of(node, key),
        None => of(&document.root, key),
    };
    if let Some(missing) = found.get(4) {
        return Some(at(if missing.as_str() == "Kind" { "kind" } else { "apiVersion" }));
    }
    let is_known = found
        .get(1)
        .is_none_or(|kind| matches!(kind.as_str(), "AuthenticationConfiguration" | "AuthorizationConfiguration"));
    Some(at(if is_known { "apiVersion" } else { "kind" }))
}

/// Returns whether the file is of a kind that does not have the field, and another has.
fn is_other_kind(document: &Document, field: &str) -> bool {
    match document.kind() {
        Some("AuthenticationConfiguration") => field == "authorizers",
        _ => matches!(field, "jwt" | "anonymous"),
    }
}

/// Returns the place of a value: that of its key, if it has one.
fn of(node: &Node, field: &str) -> Place {
    Place {
        line: node.line,
        column: node.column,
        field: field.to_owned(),
    }
}

/// Returns the place of the first character of a line that is not blank, or of a tab in its indentation.
fn first_of(document: &Document, line: usize) -> Place {
    let text = document.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let blanks = text.chars().take_while(|c| *c == ' ').count();
    let column = if text.trim().is_empty() { 1 } else { blanks + 1 };
    Place {
        line,
        column,
        field: String::new(),
    }
}

/// Returns whether a value is a mapping or a list.
fn is_collection(node: &Node) -> bool {
    matches!(node.content, Content::List(_) | Content::Map { .. })
}
