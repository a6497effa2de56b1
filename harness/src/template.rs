//! Texts with placeholders, `{name}`, whose values are known later. The main function is [`fill`].

use serde_json::{Map, Value};

/// A text has a placeholder for which there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown placeholder {{{name}}}")]
pub struct UnknownPlaceholder {
    /// The name in the braces.
    pub name: String,
}

/// Returns `text` with each placeholder replaced by its value. Other braces stay: those of JSON, CEL and shells never enclose a bare
/// lower-case word.
///
/// # Errors
/// `value` returns `None` for a placeholder.
pub fn fill(text: &str, mut value: impl FnMut(&str) -> Option<String>) -> Result<String, UnknownPlaceholder> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        rest = match after.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                let value = value(name).ok_or_else(|| UnknownPlaceholder { name: name.to_owned() })?;
                filled.push_str(&value);
                after
            }
            None => {
                filled.push('{');
                after
            }
        };
    }
    Ok(filled + rest)
}

/// Returns `json` with the placeholders in its strings replaced like those of [`fill`].
///
/// # Errors
/// `value` returns `None` for a placeholder.
pub fn fill_json(json: Value, value: &dyn Fn(&str) -> Option<String>) -> Result<Value, UnknownPlaceholder> {
    Ok(match json {
        Value::String(text) => fill(&text, value)?.into(),
        Value::Array(items) => items.into_iter().map(|item| fill_json(item, value)).collect::<Result<_, _>>()?,
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, field)| Ok((name, fill_json(field, value)?)));
            fields.collect::<Result<Map<_, _>, UnknownPlaceholder>>()?.into()
        }
        other => other,
    })
}

/// Returns whether `text` can be the name of a placeholder: a lower-case word, which may have a second part behind a colon.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-:".contains(c))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(name: &str) -> Option<String> {
        ["lab", "api-server", "secret:b7dana"]
            .contains(&name)
            .then(|| format!("<{name} {{lab}}>"))
    }

    #[test]
    fn placeholders_are_replaced_once_and_other_braces_stay() {
        let filled = |text: &str| fill(text, value).expect("known placeholders");
        assert_eq!(
            filled("a {lab}{api-server} {secret:b7dana}"),
            "a <lab {lab}><api-server {lab}> <secret:b7dana {lab}>"
        );
        for text in [
            "",
            "{",
            "}",
            "{}",
            "{ lab }",
            "${HOME}",
            "{'a': 1}",
            "{\"a\":{}}",
            "x.all(y, {1: y})",
        ] {
            assert_eq!(filled(text), text);
        }
        assert_eq!(filled("{ {lab}"), "{ <lab {lab}>");
        let json = fill_json(json!({ "{lab}": ["{lab}", { "a": "{api-server}" }, 1] }), &value).expect("known placeholders");
        assert_eq!(json, json!({ "{lab}": ["<lab {lab}>", { "a": "<api-server {lab}>" }, 1] }));
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        let error = fill("{lab} {lap}", value).expect_err("an unknown placeholder");
        assert_eq!(error.to_string(), "unknown placeholder {lap}");
        assert!(fill_json(json!([{ "a": "{lap}" }]), &value).is_err());
    }
}
