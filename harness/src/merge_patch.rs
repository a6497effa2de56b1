//! Changes of JSON documents as merge patches (RFC 7396): a field replaces the one in the document, null removes it. The main functions
//! are [`merge`] and [`removal`].

pub use json_patch::merge;
use serde_json::{Value, json};

/// Returns the patch that removes the field at `path`, such as `claimMappings.groups`.
#[must_use]
pub fn removal(path: &str) -> Value {
    path.rsplit('.').fold(Value::Null, |inner, name| json!({ name: inner }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_replaced_and_removed_by_path() {
        let mut document = json!({ "a": { "b": 1, "c": { "d": 2 } }, "e": [1] });
        for patch in [removal("a.c.d"), removal("a.b"), json!({ "a": { "f": 3 }, "e": { "g": 4 } })] {
            merge(&mut document, &patch);
        }
        assert_eq!(document, json!({ "a": { "c": {}, "f": 3 }, "e": { "g": 4 } }));
        merge(&mut document, &removal("a"));
        assert_eq!(document, json!({ "e": { "g": 4 } }));
    }
}
