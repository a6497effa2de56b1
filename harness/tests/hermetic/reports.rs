//! What reports say of one and the same run: libtest's words, the record, JUnit, the terminal.

use authlab::report::record::RunRecord;
use authlab::report::terminal::Summary;
use authlab::report::{failure, junit};
use authlab::scenario::Selection;
use serde_json::{Value, json};

use crate::toy::{Ran, file, run};

const FEATURE: &str = "Feature: Trust\n  @X4\n  Scenario: Mallory's is refused\n    When she asks\n  Scenario: It fails (always)\n    When she asks\n    Then the answer is <wrong>\n  @requires:audit-log\n  Scenario: It is skipped\n    When she asks\n";

async fn ran() -> Ran {
    let selection = Selection {
        filters: vec!["external".to_owned()],
        ..Selection::default()
    };
    let other = "Feature: Other\n  Scenario: not selected\n    When she asks\n";
    run(&[file("external/trust", FEATURE), file("other/one", other)], &selection, 1).await
}

#[tokio::test]
async fn the_record_holds_what_its_schema_promises() {
    let mut record = ran().await.record;
    for scenario in &mut record.scenarios {
        scenario.ms = 7;
    }
    let json: Value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["authlab"], env!("CARGO_PKG_VERSION"));
    assert!(json["started"].as_str().unwrap().ends_with('Z'), "{}", json["started"]);
    assert_eq!(json["phases"][0]["name"], "toy");
    assert_eq!(json["totals"], json!({"passed": 1, "failed": 1, "skipped": 1}));
    let scenarios = json["scenarios"].as_array().unwrap();
    assert_eq!(
        scenarios
            .iter()
            .map(|scenario| scenario["outcome"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["failed", "skipped", "passed"]
    );
    assert_eq!(scenarios[1]["skipped_because"], "this lab has no audit-log");
    assert_eq!(
        scenarios[2],
        json!({
            "id": "external/trust::Mallory's is refused", "flow": "external", "feature": "Trust", "rule": null, "name": "Mallory's is refused",
            "place": "features/external/trust.feature:3", "tags": ["X4"], "behaviours": ["X4"], "outcome": "passed", "skipped_because": null,
            "failure": null, "ms": 7,
            "answers": [{
                "request": "mallory → main: GET /api", "verdict": "unauthenticated", "status": 401,
                "reason": "x509: certificate has expired or is not yet valid", "reason_source": "log", "audit_id": "a-1", "user": null
            }]
        })
    );
    let again: RunRecord = serde_json::from_value(json).unwrap();
    assert_eq!(again.totals, record.totals);
}

#[tokio::test]
async fn junit_has_a_suite_per_flow_with_reasons() {
    let xml = junit::draw(&[ran().await.record]).unwrap();
    for part in [
        r#"<testsuite name="external" tests="3" skipped="1" errors="0" failures="1""#,
        r#"<testcase name="Mallory&apos;s is refused" classname="external.trust""#,
        r#"<skipped message="this lab has no audit-log"/>"#,
        r#"<failure message="expected `right`, seen `&lt;wrong&gt;`" type="step">step      Then the answer is &lt;wrong&gt;"#,
        "E1124 Unable to authenticate the request",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
}

#[tokio::test]
async fn libtest_s_words_are_used_as_libtest_uses_them() {
    let text = ran().await.libtest;
    assert!(text.starts_with("\nrunning 3 tests\n"), "{text}");
    for part in [
        "test external/trust::Mallory's is refused ... ok\n",
        "test external/trust::It fails (always) ... FAILED\n",
        "test external/trust::It is skipped ... ignored, this lab has no audit-log\n",
        "\nfailures:\n\n---- external/trust::It fails (always) ----\n",
        "  expected `right`, seen `<wrong>`\n",
        "\nfailures:\n    external/trust::It fails (always)\n",
        "\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 1 filtered out; finished in ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn the_terminal_shows_reasons_then_the_table_then_failures() {
    let record = ran().await.record;
    let draw = |quiet| {
        let mut out = anstream::StripStream::new(Vec::new());
        Summary::new(&record, quiet).write(&mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    };
    let text = draw(false);
    let parts = [
        "Why: external\n  Mallory's is refused\n    unauthenticated 401: x509: certificate has expired or is not yet valid (log)\n",
        "Skipped\n  external/trust::It is skipped: this lab has no audit-log\n",
        "external        1        1         1",
        "Failed external/trust::It fails (always)\n  step      Then the answer is <wrong>\n  at        features/external/trust.feature:7\n",
        "    expected `right`, seen `<wrong>`\n",
        "mallory → main: GET /api: unauthenticated 401, because \"x509: certificate has expired or is not yet valid\" (log) [a-1]\n",
        "    E1124 Unable to authenticate the request\n  evidence  evidence/of-it\n  alone     authlab run --name '^external/trust::It fails \\(always\\)$'\n",
        "\n1 passed, 1 failed, 1 skipped in ",
    ];
    let mut from = 0;
    for part in parts {
        let at = text[from..]
            .find(part)
            .unwrap_or_else(|| panic!("{part} is not, or not in its place, in\n{text}"));
        from += at + part.len();
    }
    let quiet = draw(true);
    assert!(
        !quiet.contains("Why") && quiet.contains("Failed external/trust") && quiet.contains("1 passed, 1 failed, 1 skipped"),
        "{quiet}"
    );
}

#[tokio::test]
async fn the_command_that_runs_a_scenario_alone_selects_it_alone() {
    let ran = ran().await;
    for scenario in &ran.record.scenarios {
        let command = failure::run_alone(scenario);
        let pattern = command
            .strip_prefix("authlab run --name '")
            .and_then(|rest| rest.strip_suffix('\''))
            .unwrap();
        assert!(!pattern.contains('\''), "{pattern}");
        let name = regex::Regex::new(pattern).unwrap();
        assert_eq!(
            ran.record.scenarios.iter().filter(|other| name.is_match(&other.id)).count(),
            1,
            "{pattern}"
        );
    }
}
