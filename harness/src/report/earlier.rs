//! Migration of records with earlier schemas to the current one. The main item is [`upgrade`].
//!
//! Schema 1 has sentences where schema 2 has values that can be compared: the reason for skipping a scenario, whether a failure
//! compared something, and that a reason could not be observed.

use serde_json::{Map, Value};

/// The oldest schema that can be read.
pub(super) const OLDEST: u64 = 1;

/// Upgrades `record`, JSON of `schema`, step by step to the current schema.
pub(super) fn upgrade(record: &mut Value, schema: u64) {
    if schema == 1 {
        from_1(record);
    }
    record["schema"] = super::record::SCHEMA.into();
}

fn from_1(record: &mut Value) {
    let absent: Vec<String> = texts(&record["absent_features"]).map(|name| format!("requires:{name}")).collect();
    for scenario in values(record, "scenarios") {
        skipped(scenario, &absent);
        for field in ["failure", "inversion"] {
            if let Some(Value::Object(failure)) = scenario.get_mut(field) {
                caused(failure);
            }
        }
        for answer in values(scenario, "answers") {
            not_observable(answer, "none");
        }
        for exchange in values(scenario, "exchanges") {
            if let Some(record) = exchange.get_mut("record") {
                not_observable(record, NOT_OBSERVABLE);
                // A record of counters alone had no source.
                if record["reason_source"] == "" {
                    record["reason_source"] = "none".into();
                }
            }
        }
    }
}

/// Adds the kind of the reason for which `scenario` was skipped.
fn skipped(scenario: &mut Value, absent: &[String]) {
    let Some(because) = scenario["skipped_because"].as_str() else {
        return;
    };
    let kind = if because == "tagged @ignore" {
        "ignored"
    } else if because.starts_with("not inverted: ") {
        "not_inverted"
    } else if texts(&scenario["tags"]).any(|tag| absent.iter().any(|absent| absent == tag)) {
        "version"
    } else {
        "capability"
    };
    scenario["skip"] = kind.into();
}

/// The text in place of a reason that could not be read; exchanges had it as the reason's source, too.
const NOT_OBSERVABLE: &str = "not observable here";

/// Replaces that text, found in `answer` with `source`, with a source of its own.
fn not_observable(answer: &mut Value, source: &str) {
    if answer["reason"] == NOT_OBSERVABLE && answer["reason_source"] == source {
        answer["reason"] = Value::Null;
        answer["reason_source"] = "not_observable".into();
    }
}

/// Adds the kind to a step's failure message, with the parts of a comparison.
fn caused(failure: &mut Map<String, Value>) {
    let parts = failure.get("message").and_then(Value::as_str).and_then(compared);
    let kind = if parts.is_some() { "differs" } else { "failed" };
    failure.insert("kind".to_owned(), kind.into());
    if let Some((expected, seen)) = parts {
        failure.insert("expected".to_owned(), expected.into());
        failure.insert("seen".to_owned(), seen.into());
    }
}

/// Returns the parts of a comparison in the form of earlier steps: `expected …; seen …`. Any other failure compared nothing.
fn compared(message: &str) -> Option<(String, String)> {
    let message = message.trim();
    let negated = message.strip_prefix("did not expect ").map(|rest| ("not ", rest));
    let (not, rest) = negated.or_else(|| message.strip_prefix("expected").map(|rest| ("", rest)))?;
    let (expected, seen) = match (rest.split_once("; "), rest.split_once(", seen")) {
        (Some(parts), _) | (None, Some(parts)) => parts,
        (None, None) => return None,
    };
    let expected = expected.trim_start_matches([':', ' ']);
    let seen = ["seen were ", "seen was ", "seen: ", "seen "]
        .iter()
        .find_map(|words| seen.strip_prefix(words))
        .unwrap_or(seen);
    Some((format!("{not}{expected}"), seen.trim().to_owned()))
}

fn values<'a>(of: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    of.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Cause, ReasonSource, ScenarioReport, SkipKind};

    /// Returns a scenario of schema 1 with `fields`, read as the current type.
    fn upgraded(fields: &Value) -> ScenarioReport {
        let mut scenario = json!({
            "id": "a::b", "flow": "a", "feature": "A", "rule": null, "name": "b", "place": "a.feature:1", "tags": [], "behaviours": [],
            "outcome": "passed", "skipped_because": null, "failure": null, "ms": 1, "answers": []
        });
        for (name, value) in fields.as_object().expect("an object") {
            scenario[name] = value.clone();
        }
        let mut record = json!({ "schema": 1, "absent_features": ["bound_tokens"], "scenarios": [scenario] });
        upgrade(&mut record, 1);
        assert_eq!(record["schema"], crate::report::record::SCHEMA);
        serde_json::from_value(record["scenarios"][0].take()).expect("a scenario of today's")
    }

    #[test]
    fn a_skipped_scenario_gets_the_kind_of_its_reason() {
        for (because, tag, kind) in [
            ("tagged @ignore", "requires:bound_tokens", SkipKind::Ignored),
            (
                "not inverted: nobody is refused for a credential that has a sound twin",
                "X",
                SkipKind::NotInverted,
            ),
            ("Kubernetes 1.30 has no `bound_tokens`", "requires:bound_tokens", SkipKind::Version),
            (
                "the cluster driver 'existing' lacks 'server_log'",
                "requires:server_log",
                SkipKind::Capability,
            ),
        ] {
            let scenario = upgraded(&json!({ "outcome": "skipped", "skipped_because": because, "tags": [tag] }));
            let skip = scenario.skipped.expect("it was skipped");
            assert_eq!((skip.kind, skip.because.as_str()), (kind, because));
        }
        assert_eq!(upgraded(&json!({})).skipped, None);
    }

    #[test]
    fn what_a_step_expected_and_saw_is_told_apart_from_other_failures() {
        let cause = |message: &str| {
            let failure = json!({ "step": "Then", "place": "a:2", "definition": null, "message": message, "log": [], "evidence": null });
            let scenario = upgraded(&json!({ "outcome": "failed", "failure": failure }));
            match scenario.failure.expect("it failed").cause {
                Cause::Differs { expected, seen } => format!("{expected} | {seen}"),
                Cause::Failed { message } => message,
            }
        };
        for (message, expected) in [
            ("expected the UID \"7\"; seen was \"\"", "the UID \"7\" | \"\""),
            ("expected: accepted as \"x\"; seen: 401", "accepted as \"x\" | 401"),
            ("did not expect the group \"g\"; seen were {\"g\"}", "not the group \"g\" | {\"g\"}"),
            ("expected `right`, seen `wrong`", "`right` | `wrong`"),
            ("expected a watch that goes on; it has ended", "a watch that goes on | it has ended"),
            ("the server went away", "the server went away"),
            ("expected a token in their hands", "expected a token in their hands"),
        ] {
            assert_eq!(cause(message), expected, "{message}");
        }
    }

    #[test]
    fn a_reason_that_could_not_be_observed_is_no_reason() {
        let answer = json!({
            "request": "alice → main: GET /", "verdict": "unauthenticated", "status": 401, "reason": "not observable here",
            "reason_source": "none", "audit_id": null, "user": null
        });
        let exchange = json!({
            "from": "alice", "to": "main", "request": "GET /", "verdict": "unauthenticated",
            "record": { "reason": "not observable here", "reason_source": "not observable here" }
        });
        let counted = json!({
            "from": "alice", "to": "main", "request": "GET /", "verdict": "accepted",
            "record": { "reason_source": "", "metrics": { "attempts": [1.0, 2.0] } }
        });
        let scenario = upgraded(&json!({ "answers": [answer], "exchanges": [exchange, counted] }));
        let counted = scenario.exchanges[1].record.as_ref().expect("the server's own record");
        assert_eq!(counted.reason_source, ReasonSource::None);
        let (answer, exchange) = (&scenario.answers[0], &scenario.exchanges[0]);
        assert_eq!((&answer.reason, answer.reason_source), (&None, ReasonSource::NotObservable));
        let record = exchange.record.as_ref().expect("the server's own record");
        assert_eq!((&record.reason, record.reason_source), (&None, ReasonSource::NotObservable));
    }
}
