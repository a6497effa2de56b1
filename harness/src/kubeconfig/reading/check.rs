//! The types of a kubeconfig's values, checked as Go's JSON decoder checks them (sigs.k8s.io/json): every fault is told, not only the first.
//!
//! The main function is [`check`].

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::Told;
use super::fields::{CONFIG, Fields, Shape};
use crate::kubeconfig::{Place, Trouble};
use crate::yaml::{Content, Node, base64};

/// The values of a file, without those of a wrong type and without nulls; base64 is decoded.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) value: Value,
    /// The lines of the fields by their path, such as `users.0.user.token`.
    pub(super) lines: BTreeMap<String, usize>,
    /// The things that kubectl ignores, with the path of the entry that it is in.
    pub(super) remarks: Vec<(String, Trouble)>,
}

/// Checks the values of the file `path`.
pub(super) fn check(root: &Node, path: &Path, told: &mut Told) -> Checked {
    let mut walk = Walk {
        file: path,
        told,
        lines: BTreeMap::new(),
        remarks: Vec::new(),
    };
    let value = match &root.content {
        Content::Null => None,
        Content::Map { .. } => walk.object(root, &CONFIG, "", ""),
        _ => {
            let seen = format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct",
                root.kind()
            );
            walk.told.refuse(
                Some(walk.place(root)),
                seen,
                "give a kubeconfig: a mapping with clusters, users, contexts and current-context",
            );
            None
        }
    };
    Checked {
        value: value.unwrap_or_else(|| Value::Object(Map::new())),
        lines: walk.lines,
        remarks: walk.remarks,
    }
}

struct Walk<'a> {
    file: &'a Path,
    told: &'a mut Told,
    lines: BTreeMap<String, usize>,
    remarks: Vec<(String, Trouble)>,
}

/// The field that a value is in: the type that has it, and its path in Go's words.
#[derive(Clone, Copy)]
struct Field<'a> {
    of: &'static Fields,
    go: &'a str,
}

impl Walk<'_> {
    fn place(&self, node: &Node) -> Place {
        Place {
            file: self.file.to_owned(),
            line: Some(node.line),
        }
    }

    /// Returns the object's fields; `go` and `path` are its path with Go's words, and with indices.
    fn object(&mut self, node: &Node, fields: &'static Fields, go: &str, path: &str) -> Option<Value> {
        let Content::Map { entries, repeated } = &node.content else {
            return None;
        };
        let below = |path: &str, name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        let mut object = Map::new();
        for (name, value) in entries {
            let Some(shape) = fields.shape(name) else {
                self.unknown(fields, name, value, path);
                continue;
            };
            if repeated.contains(name) {
                self.remark(
                    path,
                    value,
                    format!("{name} is given more than once, and kubectl takes the last one"),
                    format!("remove the other {name}"),
                );
            }
            let (go, path) = (below(go, name), below(path, name));
            let field = Field { of: fields, go: &go };
            if let Some(checked) = self.value(value, shape, field, &path) {
                self.lines.insert(path, value.line);
                object.insert(name.clone(), checked);
            }
        }
        Some(Value::Object(object))
    }

    fn remark(&mut self, path: &str, node: &Node, seen: String, change: String) {
        let place = Some(self.place(node));
        self.remarks.push((path.to_owned(), super::remark(place, seen, change)));
    }

    fn unknown(&mut self, fields: &Fields, name: &str, node: &Node, path: &str) {
        if let Some((known, inside)) = fields.meant(name) {
            let change = match inside {
                Some(inside) => format!("write it below `{inside}:`"),
                None => format!("write `{known}:`"),
            };
            let seen = format!("kubectl does not know the field {name:?} here, and ignores it");
            self.remark(path, node, seen, change);
        }
    }

    fn value(&mut self, node: &Node, shape: Shape, field: Field<'_>, path: &str) -> Option<Value> {
        match (shape, &node.content) {
            (_, Content::Null) => None,
            (Shape::Any, _) | (Shape::Text(_), Content::Text { .. }) | (Shape::Flag, Content::Bool(_)) => Some(node.json()),
            (Shape::Bytes, Content::Text { text, is_folded }) => self.bytes(node, text, *is_folded, path),
            (Shape::One(fields), Content::Map { .. }) => self.object(node, fields, field.go, path),
            (Shape::Many(fields), Content::List(items)) => {
                let checked: Vec<Value> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        let path = format!("{path}.{index}");
                        self.lines.insert(path.clone(), item.line);
                        let checked = self.value(item, Shape::One(fields), field, &path);
                        checked.unwrap_or_else(|| Value::Object(Map::new()))
                    })
                    .collect();
                if let Some(map) = fields.go_map() {
                    self.duplicates(items, &checked, fields, map);
                }
                Some(Value::Array(checked))
            }
            (Shape::Texts, Content::List(items)) => {
                let texts = items.iter().map(|item| self.value(item, Shape::Text("string"), field, path));
                Some(texts.map(|text| text.unwrap_or_else(|| "".into())).collect())
            }
            (Shape::TextMap | Shape::TextsMap, Content::Map { entries, .. }) => {
                let inner = if matches!(shape, Shape::TextMap) {
                    Shape::Text("string")
                } else {
                    Shape::Texts
                };
                let mut object = Map::new();
                for (name, value) in entries {
                    if let Some(checked) = self.value(value, inner, field, path) {
                        object.insert(name.clone(), checked);
                    }
                }
                Some(Value::Object(object))
            }
            _ => {
                self.wrong_type(node, shape, field);
                None
            }
        }
    }

    fn wrong_type(&mut self, node: &Node, shape: Shape, field: Field<'_>) {
        let seen = format!(
            "json: cannot unmarshal {} into Go struct field {}.{} of type {}",
            node.kind(),
            field.of.go,
            field.go,
            shape.go()
        );
        let name = field.go.rsplit('.').next().unwrap_or_default();
        let change = match (shape, &node.content) {
            (Shape::Text(_), Content::Number(_) | Content::Bool(_)) => {
                format!("write quotes around the value of {name}: YAML reads it as a {}", node.kind())
            }
            (Shape::Flag, Content::Text { .. }) => format!("write {name}: true or {name}: false, without quotes"),
            (Shape::Texts, Content::Text { .. }) => format!("give {name} as a list, each value in a line that begins with `- `"),
            (Shape::Many(_), Content::Map { .. }) => format!("give {name} as a list, each entry beginning with `- name: `"),
            _ => format!("give {name} as {}", in_words(shape)),
        };
        self.told.refuse(Some(self.place(node)), seen, change);
    }

    fn bytes(&mut self, node: &Node, text: &str, is_folded: bool, path: &str) -> Option<Value> {
        match base64(text) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned().into()),
            Err(why) => {
                let name = path.rsplit('.').next().unwrap_or_default();
                let change = if text.contains("-----BEGIN ") {
                    format!(
                        "encode the PEM text in base64 (`base64 -w0 FILE`), or name its file with {}",
                        name.trim_end_matches("-data")
                    )
                } else if is_folded && text.trim().contains(' ') {
                    "the lines are folded, so that there is a blank at each end of a line: write `|` after the colon, or one line"
                        .to_owned()
                } else if text.contains([' ', '\t']) {
                    format!("remove the blanks from {name}: base64 may contain line ends, and no blanks")
                } else {
                    format!("encode the PEM text again (`base64 -w0 FILE`), and put the whole of it into {name}")
                };
                self.told.refuse(Some(self.place(node)), format!("{why} ({name})"), change);
                None
            }
        }
    }

    fn duplicates(&mut self, items: &[Node], checked: &[Value], fields: &Fields, map: &str) {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (item, value) in items.iter().zip(checked) {
            let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
            if let Some(line) = known.insert(name, item.line) {
                let seen = format!(
                    "error converting *[]{} into *{map}: duplicate name \"{name}\" in list (the other one is in line {line})",
                    fields.go
                );
                self.told.refuse(
                    Some(self.place(item)),
                    seen,
                    "give each entry a name of its own, and change the contexts that name it",
                );
            }
        }
    }
}

fn in_words(shape: Shape) -> &'static str {
    match shape {
        Shape::Text(_) => "a text",
        Shape::Flag => "true or false",
        Shape::Bytes => "a text in base64",
        Shape::Texts | Shape::Many(_) => "a list",
        Shape::TextMap | Shape::TextsMap | Shape::One(_) => "a mapping (`name: value` in lines of their own)",
        Shape::Any => "any value",
    }
}
