//! The reports of the same run in all formats: libtest's output, the record, JUnit, the terminal.

use authlab::report::record::RunRecord;
use authlab::report::terminal::{Detail, Summary};
use authlab::report::{cucumber, failure, github, html, junit, teamcity};
use authlab::scenario::Selection;
use serde_json::{Value, json};

use crate::story;
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
        scenario.steps.iter_mut().for_each(|step| step.ms = 3);
    }
    let json: Value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
    assert_eq!(json["schema"], 2);
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
    assert_eq!(scenarios[1]["skip"], "capability");
    assert_eq!(scenarios[1]["skipped_because"], "this lab has no audit-log");
    let failure = &scenarios[0]["failure"];
    assert_eq!(
        (&failure["kind"], &failure["expected"], &failure["seen"]),
        (&json!("differs"), &json!("`right`"), &json!("`<wrong>`"))
    );
    assert_eq!(
        scenarios[2],
        json!({
            "id": "external/trust::Mallory's is refused", "flow": "external", "feature": "Trust", "rule": null, "name": "Mallory's is refused",
            "place": "features/external/trust.feature:3", "tags": ["X4"], "behaviours": ["X4"], "outcome": "passed",
            "failure": null, "ms": 7,
            "answers": [{
                "request": "mallory → main: GET /api", "verdict": "unauthenticated", "status": 401,
                "reason": "x509: certificate has expired or is not yet valid", "reason_source": "log", "audit_id": "a-1", "user": null
            }],
            "steps": [{"text": "When she asks", "outcome": "passed", "ms": 3}]
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
        r#"<failure message="expected `right`; seen `&lt;wrong&gt;`" type="step">step      Then the answer is &lt;wrong&gt;"#,
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
        "  expected `right`\n  seen     `<wrong>`\n",
        "\nfailures:\n    external/trust::It fails (always)\n",
        "\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 1 filtered out; finished in ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn the_terminal_shows_reasons_then_the_table_then_failures() {
    let record = ran().await.record;
    let draw = |detail| {
        let mut out = anstream::StripStream::new(Vec::new());
        Summary::new(&record, detail).write(&mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    };
    // So few scenarios are shown in full.
    let text = draw(Detail::fit_for(&record));
    let parts = [
        "Why: external\n  Mallory's is refused\n    unauthenticated 401: x509: certificate has expired or is not yet valid (log)\n",
        "Skipped\n  external/trust::It is skipped: this lab has no audit-log\n",
        "external        1        1         1",
        "Failed external/trust::It fails (always)\n  step      Then the answer is <wrong>\n  at        features/external/trust.feature:7\n",
        "    expected `right`\n    seen     `<wrong>`\n",
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
    let table = draw(Detail::Table);
    let parts = [
        "Skipped\n    1  this lab has no audit-log\n",
        "external        1        1         1",
        "`--why` shows the reason",
    ];
    assert!(parts.iter().all(|part| table.contains(part)) && !table.contains("Why: "), "{table}");
    let quiet = draw(Detail::Totals);
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

#[test]
fn cucumber_s_form_has_every_step_and_says_by_them_how_a_scenario_ended() {
    let json: Value = serde_json::from_str(&cucumber::draw(&[story::run()]).unwrap()).unwrap();
    let features = json.as_array().unwrap();
    let uris: Vec<&str> = features.iter().map(|feature| feature["uri"].as_str().unwrap()).collect();
    assert_eq!(
        uris,
        [
            "features/anonymous/nobody.feature",
            "features/auth_proxy/impersonating.feature",
            "features/external_certificates/trust.feature",
            "features/impersonation/constrained.feature",
            "features/oidc/login.feature"
        ]
    );
    let steps = |feature: usize, element: usize| -> Vec<(String, String)> {
        let steps = features[feature]["elements"][element]["steps"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let told = |step: &Value| (text(&step["keyword"]) + &text(&step["name"]), text(&step["result"]["status"]));
        steps.iter().map(told).collect()
    };
    let step = |text: &str, status: &str| (text.to_owned(), status.to_owned());
    assert_eq!(
        steps(2, 0),
        [
            step("Given Mallory holds a client certificate that expired an hour ago", "passed"),
            step("When she asks the API server who she is", "passed"),
            step(
                "Then she is refused as unauthenticated, because \"x509: certificate has expired or is not yet valid\"",
                "failed"
            ),
            step("But Alice, with a valid certificate, is still accepted", "skipped"),
        ]
    );
    let failed = &features[2]["elements"][0]["steps"][2];
    assert_eq!(failed["match"]["location"], "harness/src/scenario/steps/answers/refusals.rs:26");
    let message = failed["result"]["error_message"].as_str().unwrap();
    assert!(message.contains("expected a reason with"), "{message}");
    assert_eq!(features[2]["elements"][1]["steps"][0]["result"]["duration"], 4_000_000);
    assert_eq!(features[2]["elements"][1]["tags"][0]["name"], "@X4");
    // Skipped scenarios, and records without steps, have a single step that says so.
    assert_eq!(
        steps(3, 0),
        [step(
            "* Kubernetes 1.30 has no `constrained_impersonation` (from 1.36 on)",
            "skipped"
        )]
    );
    assert_eq!(steps(0, 0), [step("* carried out; the record has no steps", "passed")]);
}

#[test]
fn a_summary_for_github_has_a_table_and_failures_and_keeps_to_its_limit() {
    let text = github::summary(&[story::run()], github::MOST);
    for part in [
        "| external\\_certificates | 1 | 1 | 0 | 286 ms |\n",
        "\n### ❌ external\\_certificates/trust\\:\\:Mallory's certificate of another authority is refused\n\n```text\n",
        "  expected a reason with `certificate signed by unknown authority`\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    // The fence is longer than any fence within.
    let fenced = github::summary(&[story::hostile("\n`````\n# x")], github::MOST);
    assert!(fenced.contains("\n``````text\n"), "{fenced}");
    let mut many = story::run();
    let failed = many.scenarios.iter().find(|scenario| scenario.failure.is_some()).unwrap().clone();
    many.scenarios.extend(std::iter::repeat_n(failed, 3_000));
    let long = github::summary(&[many.clone()], github::MOST);
    assert!(long.len() <= github::MOST && long.len() > github::MOST / 2, "{}", long.len());
    assert!(
        long.ends_with("more failures; the report has them all.\n"),
        "{}",
        &long[long.len() - 200..]
    );
    assert!(github::summary(&[many], 100).len() <= 100);
}

#[test]
fn a_page_that_would_be_large_says_that_details_are_left_out_and_keeps_failures_whole() {
    let whole = html::draw(&[story::run()]);
    assert!(!whole.contains("scenarios are shortened"));
    let mut many = story::large(3_000);
    many.scenarios.extend(story::run().scenarios);
    let page = html::draw(&[many]);
    assert!(page.contains("scenarios are shortened"));
    assert_eq!(page.matches("<details class=\"s\"").count(), 3_006);
    assert!(
        page.contains("E1126 21:47:17.000007"),
        "the failed scenario's request has lost its log"
    );
}

#[test]
fn several_runs_have_names_of_their_own_in_every_form() {
    let records = [story::run(), story::on("1.30.14")];
    let json: Value = serde_json::from_str(&cucumber::draw(&records).unwrap()).unwrap();
    let features = json.as_array().unwrap();
    let ids: std::collections::BTreeSet<&str> = features.iter().map(|feature| feature["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), features.len(), "two features have one identity");
    assert!(ids.contains("process-1.30;features/oidc/login.feature"), "{ids:?}");
    let xml = junit::draw(&records).unwrap();
    assert!(
        xml.contains(r#"<testsuite name="process-1.37: oidc""#) && xml.contains(r#"<testsuite name="process-1.30: oidc""#),
        "{xml}"
    );
    let told = github::annotations(&records);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains(" is refused (process-1.30)::"), "{told}");
}

#[tokio::test]
async fn teamcity_reads_a_suite_per_flow_with_comparisons_and_reasons() {
    let mut record = ran().await.record;
    record.scenarios.iter_mut().for_each(|scenario| scenario.ms = 7);
    let told = teamcity::messages(std::slice::from_ref(&record));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "##teamcity[testSuiteStarted name='external']",
            "##teamcity[testStarted name='external/trust::It fails (always)']",
        ]
    );
    let failed = lines[2];
    assert!(
        failed.starts_with(
            "##teamcity[testFailed name='external/trust::It fails (always)' message='expected `right`; seen `<wrong>`' details='step      "
        ),
        "{failed}"
    );
    assert!(
        failed.contains("|n") && failed.ends_with(" type='comparisonFailure' expected='`right`' actual='`<wrong>`']"),
        "{failed}"
    );
    assert_eq!(
        lines[3..],
        [
            "##teamcity[testFinished name='external/trust::It fails (always)' duration='7']",
            "##teamcity[testStarted name='external/trust::It is skipped']",
            "##teamcity[testIgnored name='external/trust::It is skipped' message='this lab has no audit-log']",
            "##teamcity[testFinished name='external/trust::It is skipped' duration='7']",
            "##teamcity[testStarted name='external/trust::Mallory|'s is refused']",
            "##teamcity[testFinished name='external/trust::Mallory|'s is refused' duration='7']",
            "##teamcity[testSuiteFinished name='external']",
        ]
    );
    record.error = Some("cannot start etcd\nits log".to_owned());
    record.scenarios.clear();
    assert_eq!(
        teamcity::messages(&[record]),
        "##teamcity[buildProblem description='The lab could not be started: cannot start etcd|nits log' identity='authlab-lab-0']\n"
    );
}

#[test]
fn teamcity_is_told_on_standard_output_unless_that_is_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    story::run().write(&folder.path().join("run.json")).unwrap();
    let merge = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_authlab"));
        for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "NEXTEST", "TEAMCITY_VERSION"] {
            command.env_remove(name);
        }
        let said = command
            .args(["report", "merge"])
            .arg(folder.path())
            .args(arguments)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    let teamcity = ("TEAMCITY_VERSION", "2025.07");
    assert!(merge(&[], &[teamcity]).starts_with("##teamcity[testSuiteStarted "));
    for (arguments, variables) in [(&[][..], &[][..]), (&["--json"], &[teamcity]), (&[], &[teamcity, ("NEXTEST", "1")])] {
        let told = merge(arguments, variables);
        assert!(!told.contains("##teamcity"), "{arguments:?} {variables:?}: {told}");
    }
}
