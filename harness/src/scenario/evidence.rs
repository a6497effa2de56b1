//! The evidence kept of a failed scenario: its answers, their audit events, the log around them.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::ScenarioContext;
use crate::event::Cause;
use crate::probe::Answer;
use crate::secret::{REDACTED, redact, redact_value};

/// Writes the evidence into a directory of its own below the state directory and returns the path. Everything is redacted.
pub(super) fn keep(run: &str, scenario: &ScenarioContext, why: &Cause, answers: &[Answer]) -> Result<PathBuf> {
    let name: String = scenario
        .id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(100)
        .collect();
    let directory = crate::dirs::state()?.join("evidence").join(run).join(name);
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder
        .create(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;

    let mut text = format!("{}\n{}\n\n{why}\n", scenario.id, scenario.place());
    for answer in answers {
        let _ = write!(text, "\n{}\n  {answer}\n", answer.request);
        answer.record.log.iter().for_each(|line| text.push_str(&format!("  log: {line}\n")));
    }
    crate::pki::write_private(&directory.join("what-happened.txt"), &redact(&text))?;
    let kept = |answer: &Answer| {
        let event = answer.record.event.as_ref().map(|event| without_secrets(&event.0));
        json!({ "answer": answer.report(), "body": without_secrets(&answer.body), "audit_event": event })
    };
    let mut told: Value = answers.iter().map(kept).collect();
    redact_value(&mut told);
    crate::pki::write_private(&directory.join("answers.json"), &serde_json::to_string_pretty(&told)?)?;
    Ok(directory)
}

/// The fields of a Secret that are kept. Its data, and annotations that might repeat it, are not.
const KEPT_OF_A_SECRET: [&str; 4] = ["apiVersion", "kind", "type", "immutable"];
const KEPT_OF_ITS_METADATA: [&str; 5] = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];

/// Returns a body without the contents of Secrets: alone, in lists, in the events of a watch, at any depth.
fn without_secrets(body: &Value) -> Value {
    match body {
        Value::Object(object) => match object.get("kind").and_then(Value::as_str) {
            Some("Secret") => of_a_secret(object),
            kind => {
                let of_secrets = kind == Some("SecretList");
                let kept = object.iter().map(|(name, value)| {
                    let value = match value {
                        // The items of a typed list have no `kind` of their own.
                        Value::Array(items) if of_secrets && name == "items" => items.iter().map(of_an_item).collect(),
                        value => without_secrets(value),
                    };
                    (name.clone(), value)
                });
                Value::Object(kept.collect())
            }
        },
        Value::Array(values) => values.iter().map(without_secrets).collect(),
        Value::String(text) => of_a_text(text),
        other => other.clone(),
    }
}

fn of_an_item(item: &Value) -> Value {
    item.as_object().map_or(Value::Null, of_a_secret)
}

fn of_a_secret(secret: &Map<String, Value>) -> Value {
    let of = |object: &Map<String, Value>, names: &[&str]| -> Map<String, Value> {
        let kept = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), object.get(*name)?.clone())));
        kept.collect()
    };
    let mut kept = of(secret, &KEPT_OF_A_SECRET);
    if let Some(Value::Object(metadata)) = secret.get("metadata") {
        kept.insert("metadata".to_owned(), of(metadata, &KEPT_OF_ITS_METADATA).into());
    }
    for data in ["data", "stringData"] {
        if secret.contains_key(data) {
            kept.insert(data.to_owned(), REDACTED.into());
        }
    }
    kept.into()
}

/// Redacts a text that may itself contain bodies: one object after the other, as a watch sends them, or an annotation with the object as
/// it was applied. A text about a Secret in another format (YAML, protobuf) is not kept.
fn of_a_text(text: &str) -> Value {
    let is_about_one = text.contains("Secret") && text.contains("data");
    if !is_about_one {
        return text.into();
    }
    let parsed: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    match parsed {
        Ok(objects) => {
            let kept: Vec<String> = objects.iter().map(|object| without_secrets(object).to_string()).collect();
            kept.join("\n").into()
        }
        Err(_) => REDACTED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Value {
        json!({
            "kind": "Secret",
            "apiVersion": "v1",
            "type": "bootstrap.kubernetes.io/token",
            "metadata": {
                "name": "bootstrap-token-abcdef",
                "namespace": "kube-system",
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"x\":\"aHVudGVyMjI=\"}}" },
            },
            "data": { "x": "aHVudGVyMjI=" },
        })
    }

    #[test]
    fn of_a_secret_its_name_is_kept_and_nothing_that_is_in_it() {
        let mut item = secret();
        item.as_object_mut().expect("an object").remove("kind");
        let watched = format!(
            "{}\n{}\n",
            json!({ "type": "ADDED", "object": secret() }),
            json!({ "type": "DELETED", "object": secret() })
        );
        for body in [
            secret(),
            json!({ "kind": "SecretList", "items": [item] }),
            json!({ "kind": "List", "items": [{ "kind": "ConfigMap", "data": { "a": "kept" } }, secret()] }),
            json!({ "responseObject": { "kind": "List", "items": [secret()] } }),
            watched.into(),
            json!({ "kind": "ConfigMap", "metadata": { "annotations": { "last": secret().to_string() } } }),
        ] {
            let kept = without_secrets(&body).to_string();
            assert!(kept.contains("bootstrap-token-abcdef") && kept.contains(REDACTED), "{kept}");
            assert!(!kept.contains("aHVudGVyMjI"), "{kept}");
            assert_eq!(body.to_string().contains("kept"), kept.contains("kept"), "{kept}");
        }
        let yaml = "kind: Secret\ndata:\n  x: aHVudGVyMjI=\n";
        assert_eq!(without_secrets(&yaml.into()), REDACTED);
    }

    #[test]
    fn other_bodies_are_kept_as_they_are() {
        for body in [
            json!({ "kind": "Status", "message": "secrets \"x\" is forbidden" }),
            json!({ "kind": "ConfigMap", "data": { "a": "b" } }),
            json!("ok"),
            json!("the Secret was not found"),
            Value::Null,
        ] {
            assert_eq!(without_secrets(&body), body);
        }
    }
}
