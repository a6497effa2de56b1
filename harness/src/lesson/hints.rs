//! Hints: each looks at what is there, and speaks when that is not so yet.
//!
//! The main type is [`Hint`]; [`next`] is the first that has something to say.

use serde::Deserialize;
use serde_json::Value;

use super::LessonError;
use super::bench::Bench;
use super::objects::Cluster;

/// What to look at, and what to say while it is not so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hint {
    /// What shall be so.
    pub(super) look: Look,
    /// What to say, more each time.
    pub(super) says: Vec<String>,
}

/// What is looked at. Texts have `{learner}` for the learner's name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// A file of the learner's directory: it has to be there; a kubeconfig or another file in YAML or JSON, where `at` is given.
    file: Option<String>,
    /// Something in the cluster, by its path at the API server: it has to be there; of a list, one of its items is meant.
    object: Option<String>,
    /// Where in it: like a JSON pointer (RFC 6901), with `*` for any item of an array.
    at: Option<String>,
    /// What has to be there. Without it, anything.
    is: Option<Value>,
    /// Whether it must not be so.
    #[serde(default)]
    never: bool,
}

impl Look {
    /// Whether it looks at one thing: at nothing, everything would be as it should be.
    #[cfg(test)]
    pub(super) fn looks_at_one_thing(&self) -> bool {
        self.file.is_some() != self.object.is_some()
    }
}

/// The first hint whose look fails: its number. Nothing when all is as it should be.
pub(super) async fn next(hints: &[Hint], bench: &Bench<'_>) -> Result<Option<usize>, LessonError> {
    for (index, hint) in hints.iter().enumerate() {
        if hint.look.is_so(bench).await? == hint.look.never {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

impl Look {
    async fn is_so(&self, bench: &Bench<'_>) -> Result<bool, LessonError> {
        let at = self.at.as_deref().map(|at| bench.fill(at));
        let is = self.is.as_ref().map(|is| bench.fill_value(is));
        if let Some(file) = &self.file {
            let path = bench.directory.join(bench.fill(file));
            let Some(at) = at else { return Ok(path.exists()) };
            let Ok(text) = std::fs::read_to_string(&path) else {
                return Ok(false);
            };
            // JSON is YAML. What is neither is not as it should be.
            let read: Result<Value, _> = serde_saphyr::from_str(&text);
            return Ok(read.is_ok_and(|value| has(&value, &at, is.as_ref())));
        }
        let path = self.object.as_deref().unwrap_or_default();
        let Some(found) = Cluster::of(bench.lab).at(&bench.fill(path)).await? else {
            return Ok(false);
        };
        let at = at.unwrap_or_default();
        let items = found.get("items").and_then(Value::as_array);
        Ok(items.map_or_else(
            || has(&found, &at, is.as_ref()),
            |items| items.iter().any(|item| has(item, &at, is.as_ref())),
        ))
    }
}

/// Whether there is `wanted` (anything, when not given) at `pointer` in `value`. An array has what it contains.
fn has(value: &Value, pointer: &str, wanted: Option<&Value>) -> bool {
    let Some(rest) = pointer.strip_prefix('/') else {
        return wanted.is_none_or(|wanted| value == wanted || value.as_array().is_some_and(|items| items.contains(wanted)));
    };
    let (name, rest) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(name, rest)| (name, format!("/{rest}")));
    match value {
        Value::Array(items) if name == "*" => items.iter().any(|item| has(item, &rest, wanted)),
        Value::Array(items) => name
            .parse()
            .ok()
            .and_then(|index: usize| items.get(index))
            .is_some_and(|item| has(item, &rest, wanted)),
        Value::Object(fields) => fields
            .get(&name.replace("~1", "/").replace("~0", "~"))
            .is_some_and(|field| has(field, &rest, wanted)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_look_finds_what_is_there() {
        let binding = json!({ "subjects": [{ "name": "a" }, { "name": "b" }], "aud": ["x", "y"], "empty": null });
        assert!(has(&binding, "/subjects/*/name", Some(&json!("b"))));
        assert!(!has(&binding, "/subjects/*/name", Some(&json!("c"))));
        assert!(has(&binding, "/subjects/1/name", Some(&json!("b"))));
        assert!(has(&binding, "/aud", Some(&json!("y"))));
        assert!(has(&binding, "/aud", None));
        assert!(!has(&binding, "/nothing", None));
        assert!(has(&binding, "", None));
    }
}
