//! Changes of the issuers in AuthenticationConfigurations.

use toml::{Table, Value};

use super::Change;

/// Claims of the lab's tokens: each is replaced by the others.
const CLAIMS: &[&str] = &["sub", "email", "preferred_username", "groups", "name"];

/// Adds the changes of the piece `name`.
pub(super) fn changes(name: &str, piece: &Table, all: &mut Vec<Change>) {
    fields("", piece, &mut |path, value| of_field(name, path, value, all));
}

/// Calls `found` with each field and its path; a list is one field.
fn fields(start: &str, table: &Table, found: &mut dyn FnMut(&str, &Value)) {
    for (name, value) in table {
        let path = format!("{start}{name}");
        match value {
            Value::Table(inner) => fields(&format!("{path}."), inner, found),
            _ => found(&path, value),
        }
    }
}

/// Returns the tables `a.b.c = value`.
fn nested(path: &str, value: Value) -> Table {
    let mut parts = path.rsplit('.');
    let last = Table::from_iter([(parts.next().unwrap_or_default().to_owned(), value)]);
    parts.fold(last, |inner, part| Table::from_iter([(part.to_owned(), inner.into())]))
}

fn of_field(piece: &str, path: &str, value: &Value, all: &mut Vec<Change>) {
    let mut push = |what: String, change: (&str, Value)| {
        let row = Table::from_iter([("piece".to_owned(), piece.into()), (change.0.to_owned(), change.1)]);
        all.push(Change {
            setting: format!("issuers.{path}"),
            place: piece.to_owned(),
            what,
            table: Table::from_iter([("authentication".to_owned(), Value::Array(vec![row.into()]))]),
        });
    };
    let with = |value: Value| ("with", nested(path, value).into());
    push("dropped".to_owned(), ("without", vec![path].into()));
    let last = path.rsplit('.').next().unwrap_or_default();
    match value {
        Value::String(_) if last == "claim" => {
            for claim in CLAIMS.iter().filter(|claim| value.as_str() != Some(**claim)) {
                push((*claim).to_owned(), with((*claim).into()));
            }
        }
        Value::String(text) if last == "prefix" => {
            push("longer".to_owned(), with(format!("{text}mutant:").into()));
            if !text.is_empty() {
                push("empty".to_owned(), with("".into()));
            }
        }
        Value::String(text) if path.ends_with("groups.expression") => {
            push("one more".to_owned(), with(format!(r#"({text}) + ["mutant"]"#).into()));
            push("none".to_owned(), with("[]".into()));
        }
        Value::String(text) if last == "expression" => push("longer".to_owned(), with(format!(r#"({text}) + "-mutant""#).into())),
        Value::String(text) if path == "issuer.url" => push("longer".to_owned(), with(format!("{text}/mutant").into())),
        Value::Array(list) => {
            for index in 0..list.len() {
                let mut left = list.clone();
                left.remove(index);
                push(format!("without {index}"), with(left.into()));
                if let Some(rule) = list[index].as_table().filter(|rule| rule.contains_key("expression")) {
                    let mut rule = rule.clone();
                    let expression = rule["expression"].as_str().unwrap_or_default().to_owned();
                    rule.insert("expression".to_owned(), format!("!({expression})").into());
                    let mut inverted = list.clone();
                    inverted[index] = rule.into();
                    push(format!("inverted {index}"), with(inverted.into()));
                }
            }
            if list.iter().all(Value::is_str) {
                let mut longer = list.clone();
                longer.push("mutant".into());
                push("one more".to_owned(), with(longer.into()));
            }
        }
        _ => {}
    }
}
