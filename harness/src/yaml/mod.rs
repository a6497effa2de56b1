//! YAML as Kubernetes reads it: the syntax of granit, the scalars of YAML 1.1 (go-yaml v2 `resolve.go` and `decode.go`), each with its line.
//!
//! The main function is [`parse`]. As for kubectl and API servers (sigs.k8s.io/yaml), the last of two equal keys counts, and further
//! documents are not read. [`decoded`] makes text of bytes before that.

mod older;
mod scalar;
mod text;

use std::collections::{BTreeMap, HashMap};

use granit_parser::{Event, Options, Parser, ScalarStyle, StructureStyle};
use serde_json::{Number, Value};

use older::Lines;
use scalar::{NAMESPACE, scalar};
pub(crate) use text::{base64, decoded};

/// The maximum number of values after aliases are resolved (go-yaml refuses "excessive aliasing", too).
const MOST: usize = 500_000;

/// A value with its line.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    /// The line of the key, or of the value if it has none; from 1.
    pub(crate) line: usize,
    /// The column of the same, in characters; from 1.
    pub(crate) column: usize,
    /// The line and the column at which the value itself begins.
    pub(crate) begins: (usize, usize),
    /// The same places in bytes: of the key, or of the value if it has none, and of a scalar's beginning and end. Those of an alias are its own.
    pub(crate) key_at: usize,
    pub(crate) bytes: (usize, usize),
    /// `true` for a mapping with the entries of another (`<<`).
    pub(crate) is_merged: bool,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text {
        text: String,
        /// `true` if line ends became blanks (`>`, or a plain text over several lines).
        is_folded: bool,
    },
    List(Vec<Node>),
    Map {
        entries: Vec<(String, Node)>,
        /// The keys that occur more than once.
        repeated: Vec<String>,
    },
}

/// A text that kubectl does not read as YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotYaml {
    pub(crate) why: String,
    pub(crate) line: usize,
}

/// A place in a text: line and column, from 1, and the bytes of the scalar there.
#[derive(Clone, Copy)]
struct At(usize, usize, (usize, usize));

impl Node {
    /// Returns the value of a file without any.
    pub(crate) fn none() -> Self {
        Self::at(Content::Null, At(1, 1, (0, 0)))
    }

    fn at(content: Content, At(line, column, bytes): At) -> Self {
        Self {
            content,
            line,
            column,
            begins: (line, column),
            key_at: bytes.0,
            bytes,
            is_merged: false,
        }
    }

    /// Returns the value of the entry `name`, if this is a mapping that has it.
    pub(crate) fn entry(&self, name: &str) -> Option<&Self> {
        match &self.content {
            Content::Map { entries, .. } => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the items, if this is a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the text, if this is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the JSON type in the words of Go's decoder.
    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "null",
            Content::Bool(_) => "bool",
            Content::Number(_) => "number",
            Content::Text { .. } => "string",
            Content::List(_) => "array",
            Content::Map { .. } => "object",
        }
    }

    /// Returns the same as JSON.
    pub(crate) fn json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::Text { text, .. } => Value::String(text.clone()),
            Content::List(items) => items.iter().map(Self::json).collect(),
            Content::Map { entries, .. } => entries.iter().map(|(key, value)| (key.clone(), value.json())).collect(),
        }
    }

    fn size(&self) -> usize {
        1 + match &self.content {
            Content::List(items) => items.iter().map(Self::size).sum(),
            Content::Map { entries, .. } => entries.iter().map(|(_, value)| value.size()).sum(),
            _ => 0,
        }
    }
}

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<Key>,
    /// The places of a mapping's keys among its entries.
    places: HashMap<String, usize>,
    is_flow: bool,
}

enum Key {
    Named(String, At),
    Merge(At),
}

/// Parses the first document of `text`; [`Node::none`] if there is none.
pub(crate) fn parse(text: &str) -> Result<Node, NotYaml> {
    Ok(documents(text, true)?.into_iter().next().unwrap_or_else(Node::none))
}

/// Parses every document of `text`, empty ones included.
pub(crate) fn parse_all(text: &str) -> Result<Vec<Node>, NotYaml> {
    documents(text, false)
}

/// Parses the documents of `text`, or only the first.
fn documents(text: &str, only_first: bool) -> Result<Vec<Node>, NotYaml> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    older::directives(text)?;
    let (mut document, mut all) = (Document::default(), Vec::new());
    let mut lines = Lines::new(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| NotYaml {
            why: error.info(),
            line: error.marker().line(),
        })?;
        let (line, end) = (span.start.line(), span.end.line());
        if let Event::Scalar(value, style, ..) = &event {
            let in_flow = document.open.iter().any(|open| open.is_flow);
            older::scalar(value, *style, in_flow, span.slice(text).unwrap_or_default()).map_err(|why| NotYaml { why, line })?;
            if !matches!(style, ScalarStyle::Plain) || in_flow {
                lines.covers(line, end);
            }
        }
        let begun = document.open.last().filter(|open| open.is_flow).map(|open| open.node.line);
        let is_end = matches!(event, Event::SequenceEnd | Event::MappingEnd);
        if let Some(begun) = begun.filter(|_| is_end) {
            lines.covers(begun, end);
        }
        match event {
            Event::DocumentStart(..) => document = Document::default(),
            // Its root was there already.
            Event::DocumentEnd if document.is_complete => continue,
            _ => {}
        }
        let bytes = span.byte_range().unwrap_or_default();
        let at = At(line, span.start.col() + 1, (bytes.start, bytes.end));
        if let Some(root) = document.take(event, at, end > line)? {
            document.is_complete = true;
            lines.check(end)?;
            all.push(root);
            if only_first {
                break;
            }
        }
    }
    Ok(all)
}

#[derive(Default)]
struct Document {
    /// `true` once its root is known.
    is_complete: bool,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    size: usize,
}

impl Document {
    /// Takes the next event, and returns the root when it is complete.
    fn take(&mut self, event: Event<'_>, at: At, is_long: bool) -> Result<Option<Node>, NotYaml> {
        let line = at.0;
        let refused = |why: String| NotYaml { why, line };
        match event {
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) != (1, 1) => {
                Err(refused("found incompatible YAML document".to_owned()))
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.complete(Node::at(node.content, at), 0, false),
                None => Err(refused("anchor value contains itself".to_owned())),
            },
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = matches!(style, ScalarStyle::Plain);
                let is_merge = text == "<<"
                    && (is_plain && tag.is_none()
                        || tag.as_deref().and_then(|tag| tag.suffix_in_namespace(NAMESPACE)).as_deref() == Some("merge"));
                let is_folded = matches!(style, ScalarStyle::Folded) || (is_plain && is_long);
                let content = scalar(&text, is_plain, tag.as_deref(), is_folded).map_err(refused)?;
                self.complete(Node::at(content, at), anchor, is_merge)
            }
            Event::SequenceStart(style, anchor, _) => Ok(self.begin(Content::List(Vec::new()), at, anchor, style)),
            Event::MappingStart(style, anchor, _) => {
                let (entries, repeated) = (Vec::new(), Vec::new());
                Ok(self.begin(Content::Map { entries, repeated }, at, anchor, style))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.complete(open.node, open.anchor, false),
                None => Ok(None),
            },
            Event::DocumentEnd => Ok(Some(Node::at(Content::Null, at))),
            _ => Ok(None),
        }
    }

    fn begin(&mut self, content: Content, at: At, anchor: usize, style: StructureStyle) -> Option<Node> {
        self.open.push(Open {
            node: Node::at(content, at),
            anchor,
            key: None,
            places: HashMap::new(),
            is_flow: matches!(style, StructureStyle::Flow),
        });
        None
    }

    /// Puts a complete value where it belongs.
    fn complete(&mut self, node: Node, anchor: usize, is_merge: bool) -> Result<Option<Node>, NotYaml> {
        let (line, own) = (node.line, At(node.line, node.column, node.bytes));
        let refused = |why: &str| NotYaml { why: why.to_owned(), line };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.size += node.size();
        if self.size > MOST {
            return Err(refused("document contains excessive aliasing"));
        }
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(node));
        };
        match &mut open.node.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, repeated } => match open.key.take() {
                None if is_merge => open.key = Some(Key::Merge(own)),
                None => open.key = Some(Key::Named(key(node)?, own)),
                Some(Key::Named(name, At(line, column, (key_at, _)))) => {
                    let node = Node {
                        line,
                        column,
                        key_at,
                        ..node
                    };
                    if put(entries, &mut open.places, &name, node) {
                        repeated.push(name);
                    }
                }
                Some(Key::Merge(At(line, ..))) => {
                    open.node.is_merged = true;
                    merge(entries, &mut open.places, node).map_err(|why| NotYaml { why, line })?;
                }
            },
            _ => {}
        }
        Ok(None)
    }
}

/// Puts an entry in the place of the one with that name, or behind all others. Returns `true` if there was one.
fn put(entries: &mut Vec<(String, Node)>, places: &mut HashMap<String, usize>, name: &str, node: Node) -> bool {
    if let Some(before) = places.get(name).and_then(|place| entries.get_mut(*place)) {
        before.1 = node;
        return true;
    }
    places.insert(name.to_owned(), entries.len());
    entries.push((name.to_owned(), node));
    false
}

/// Adds the entries of `<<` (go-yaml's `merge`): of a list, the first one takes precedence.
fn merge(entries: &mut Vec<(String, Node)>, places: &mut HashMap<String, usize>, node: Node) -> Result<(), String> {
    let all = match node.content {
        Content::List(items) => items,
        content => vec![Node { content, ..node }],
    };
    for one in all.into_iter().rev() {
        let Content::Map { entries: more, .. } = one.content else {
            return Err("map merge requires map or sequence of maps as the value".to_owned());
        };
        for (key, value) in more {
            put(entries, places, &key, value);
        }
    }
    Ok(())
}

/// Returns a key as text (sigs.k8s.io/yaml `convertToJSONableObject`).
fn key(node: Node) -> Result<String, NotYaml> {
    match node.content {
        Content::Text { text, .. } => Ok(text),
        Content::Bool(value) => Ok(value.to_string()),
        Content::Number(number) => Ok(number.to_string()),
        Content::Null => Err("unsupported map key of type: %!s(<nil>)".to_owned()),
        Content::List(_) | Content::Map { .. } => Err("invalid map key".to_owned()),
    }
    .map_err(|why| NotYaml { why, line: node.line })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        parse(text).map_err(|error| error.why).unwrap().json()
    }

    #[test]
    fn plain_scalars_are_those_of_yaml_1_1() {
        let text = "[yes, 'yes', No, on, ~, 012, 0o12, 0x1F, 0b11, 1_000, -7, +7, 1.5, 1e3, .5, 08, 2001-01-01, 12:30:45, abc, 1.2.3, y, -, =, !!str 5]";
        let text = text.replace(" -,", " '-',");
        let expected = json!([
            true,
            "yes",
            false,
            true,
            null,
            10,
            10,
            31,
            3,
            1000,
            -7,
            7,
            1.5,
            1000.0,
            0.5,
            8.0,
            "2001-01-01",
            "12:30:45",
            "abc",
            "1.2.3",
            true,
            "-",
            "=",
            "5"
        ]);
        assert_eq!(value(&text), expected);
        assert_eq!(value("{1: a, yes: b, x: c}"), json!({ "1": "a", "true": "b", "x": "c" }));
    }

    #[test]
    fn the_last_of_two_keys_counts_and_the_first_document() {
        assert_eq!(value("a: 1\nb: 2\na: 3\n---\nx: [\n"), json!({ "a": 3, "b": 2 }));
        let Content::Map { repeated, .. } = parse("a: 1\na: 2\n").unwrap().content else {
            panic!()
        };
        assert_eq!(repeated, ["a"]);
        assert_eq!(value(""), Value::Null);
        assert_eq!(value("# only this\n"), Value::Null);
        assert_eq!(value("---\n"), Value::Null);
    }

    #[test]
    fn as_many_keys_and_blank_lines_as_anybody_has_are_read() {
        let text: String = (0..60_000).map(|n| format!("k{n}: 'v'\n")).collect();
        let Content::Map { entries, .. } = parse(&text).unwrap().content else {
            panic!()
        };
        assert_eq!(entries.len(), 60_000);
        let text: String = (0..60_000).map(|n| format!("- 'v{n}\n\t\n  '\n")).collect();
        assert!(parse(&text).is_ok());
    }

    #[test]
    fn documents_are_told_apart() {
        let all = |text: &str| -> Vec<Value> { parse_all(text).unwrap().iter().map(Node::json).collect() };
        assert_eq!(
            all("a: &x 1\n---\nb: 2\n---\n---\n- c\n"),
            [json!({ "a": 1 }), json!({ "b": 2 }), Value::Null, json!(["c"])]
        );
        assert_eq!(all("# nothing\n"), [] as [Value; 0]);
        assert_eq!(parse_all("a: 1\n---\nb: [\n").unwrap_err().line, 3);
        // An anchor ends with its document.
        assert!(parse_all("a: &x 1\n---\nb: *x\n").is_err());
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        assert_eq!(
            value("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [{p: 5}, *x]}\n"),
            json!({ "a": { "p": 1, "q": 2 }, "b": { "p": 1, "q": 2 }, "c": { "p": 1, "q": 3 }, "d": { "p": 5, "q": 2 } })
        );
        let bomb = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, n| {
            let of = format!("*a{}", n - 1);
            format!("{text}a{n}: &a{n} [{}]\n", [of.as_str(); 10].join(","))
        });
        assert_eq!(parse(&bomb).unwrap_err().why, "document contains excessive aliasing");
        assert!(parse("a: &x [*x]\n").is_err());
    }

    #[test]
    fn values_have_their_own_places_and_those_of_their_keys() {
        let root = parse("a:\n  - x: 'one'\n    z: |\n      two\n").unwrap();
        let item = &root.entry("a").unwrap().items()[0];
        let places = |name: &str| item.entry(name).map(|node| ((node.line, node.column), node.begins));
        assert_eq!((item.line, item.column), (2, 5));
        assert_eq!(places("x"), Some(((2, 5), (2, 8))));
        // A block begins at its first line.
        assert_eq!(places("z").map(|(key, _)| key), Some((3, 5)));
    }

    #[test]
    fn values_have_the_lines_of_their_keys() {
        let root = parse("a: 1\nb:\n  c: |\n    x\n    y\n  d: >-\n    x\n    y\n  e:\n    x\n    y\n").unwrap();
        let Content::Map { entries, .. } = root.content else { panic!() };
        assert_eq!((entries[0].1.line, entries[1].1.line), (1, 2));
        let Content::Map { entries, .. } = &entries[1].1.content else {
            panic!()
        };
        let told: Vec<_> = entries.iter().map(|(name, node)| (name.as_str(), node.line, node.json())).collect();
        assert_eq!(told, [("c", 3, json!("x\ny\n")), ("d", 6, json!("x y")), ("e", 9, json!("x y"))]);
        let folded = |index: usize| matches!(entries[index].1.content, Content::Text { is_folded: true, .. });
        assert!(!folded(0) && folded(1) && folded(2));
    }
}
