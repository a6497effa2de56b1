//! Hints: each checks the current state, and applies while its check fails.
//!
//! The main type is [`Hint`]; [`next`] finds the first one that applies.

use serde::Deserialize;
use serde_json::Value;

use super::LessonError;
use super::objects::Cluster;
use super::workspace::Workspace;

/// A check of the current state, with the texts to show while it fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hint {
    /// The check that has to pass.
    pub(super) look: Look,
    /// The texts of the hint; each one says more than the one before.
    pub(super) says: Vec<String>,
}

/// A check of a file or an object. Texts have `{learner}` in place of the learner's name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// A file in the learner's directory, which has to exist; with `at`, it is read as YAML or JSON (a kubeconfig, for example).
    file: Option<String>,
    /// An object in the cluster, by its path at the API server, which has to exist; of a list, any item may match.
    object: Option<String>,
    /// The path in it: like a JSON pointer (RFC 6901), with `*` for any item of an array.
    at: Option<String>,
    /// The expected value. Without it, any value will do.
    is: Option<Value>,
    /// `true` if the check has to fail instead.
    #[serde(default)]
    never: bool,
}

impl Look {
    /// Returns whether it checks exactly one thing: a check of nothing would always pass.
    #[cfg(test)]
    pub(super) fn looks_at_one_thing(&self) -> bool {
        self.file.is_some() != self.object.is_some()
    }
}

/// Returns the index of the first hint whose check fails, or `None` when all checks pass.
pub(super) async fn next(hints: &[Hint], workspace: &Workspace<'_>) -> Result<Option<usize>, LessonError> {
    for (index, hint) in hints.iter().enumerate() {
        if hint.look.is_so(workspace).await? == hint.look.never {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

impl Look {
    async fn is_so(&self, workspace: &Workspace<'_>) -> Result<bool, LessonError> {
        let at = self.at.as_deref().map(|at| workspace.fill(at)).transpose()?;
        let is = self.is.as_ref().map(|is| workspace.fill_json(is)).transpose()?;
        if let Some(file) = &self.file {
            let path = workspace.directory.join(workspace.fill(file)?);
            let Some(at) = at else { return Ok(path.exists()) };
            let Ok(text) = std::fs::read_to_string(&path) else {
                return Ok(false);
            };
            // JSON is YAML. A file that is neither fails the check.
            let read: Result<Value, _> = serde_saphyr::from_str(&text);
            return Ok(read.is_ok_and(|value| has(&value, &at, is.as_ref())));
        }
        let path = self.object.as_deref().unwrap_or_default();
        let Some(found) = Cluster::of(workspace.lab).at(&workspace.fill(path)?).await? else {
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

/// Returns whether `value` has `wanted` (or any value, without it) at `pointer`. An array also matches if it contains `wanted`.
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
