//! A run that stops after failures: what is finished, what is not run, and what the reports say about it.

use authlab::event::{Event, Outcome, Skip};
use authlab::report::matrix::compare::Comparison;
use authlab::report::terminal::{Detail, Summary};
use authlab::report::{github, junit};
use authlab::scenario::{RunOptions, Selection, Tally};

use crate::toy::{Ran, file, run, run_with};

const RIGHT: &str = "    When she asks\n    Then the answer is right\n";
const WRONG: &str = "    When she asks\n    Then the answer is wrong\n";

/// Returns a feature with the scenarios a, b, c, …, each with its steps.
fn feature(scenarios: &[&str]) -> String {
    let scenarios = ('a'..).zip(scenarios).map(|(name, steps)| format!("  Scenario: {name}\n{steps}"));
    format!("Feature: Stop\n{}", scenarios.collect::<String>())
}

async fn stopping_after(failures: usize, scenarios: &[&str], concurrency: usize, inverted: bool) -> Ran {
    let options = RunOptions {
        concurrency,
        inverted,
        max_failures: Some(failures),
        ..RunOptions::default()
    };
    run_with(&[file("toys/stop", &feature(scenarios))], &Selection::default(), options).await
}

/// Returns the outcome of each scenario, as a letter: passed, failed, not run.
fn outcomes(ran: &Ran, failures: usize) -> String {
    let letter = |scenario: &authlab::event::ScenarioReport| match scenario.outcome {
        Outcome::Passed => 'p',
        Outcome::Failed => 'f',
        Outcome::Skipped if scenario.skipped == Some(Skip::not_run(failures)) => 'n',
        Outcome::Skipped => 's',
    };
    ran.record.scenarios.iter().map(letter).collect()
}

#[tokio::test]
async fn after_as_many_failures_as_allowed_nothing_begins() {
    for (failures, scenarios, expected) in [
        (1, vec![RIGHT, WRONG, RIGHT, WRONG], "pfnn"),
        (2, vec![WRONG, RIGHT, WRONG, RIGHT, WRONG], "fpfnn"),
        (3, vec![WRONG, RIGHT, WRONG], "fpf"),
        (1, vec![RIGHT, RIGHT, WRONG], "ppf"),
        (1, vec![RIGHT, RIGHT], "pp"),
        // A clean-up that fails is a failure.
        (1, vec!["    Given a mess is left\n", RIGHT], "fn"),
        // An undefined step is one, too.
        (1, vec!["    Given what nobody defined\n", RIGHT], "fn"),
    ] {
        let ran = stopping_after(failures, &scenarios, 1, false).await;
        assert_eq!(outcomes(&ran, failures), expected, "after {failures} of {scenarios:?}");
        let count = |letter| expected.matches(letter).count();
        assert_eq!(ran.record.not_run(), count('n'));
        assert_eq!(
            ran.tally,
            Tally {
                passed: count('p'),
                failed: count('f'),
                skipped: count('n'),
                interrupted: false,
            }
        );
        let begun = ran.events.iter().filter(|event| matches!(event, Event::ScenarioStarted { .. }));
        assert_eq!(begun.count(), count('p') + count('f'), "a scenario that is not run does not begin");
        assert_eq!(ran.left.len(), count('p') + count('f'));
    }
}

#[tokio::test]
async fn scenarios_that_run_are_finished() {
    // The first fails while the two others still have steps before them.
    let asks = "    When she asks\n".repeat(20);
    let first = "    When all meet\n    Then the answer is wrong\n".to_owned();
    let long = format!("    When all meet\n{asks}    Then the answer is right\n");
    let ran = stopping_after(1, &[&first, &long, &long, RIGHT, RIGHT], 3, false).await;
    assert_eq!(outcomes(&ran, 1), "fppnn");
}

#[tokio::test]
async fn in_an_inverted_run_a_scenario_that_does_not_notice_counts() {
    let blind = "    Given a toy twin is presented in place of what is flawed\n    When she asks\n    Then the question is refused\n";
    let ran = stopping_after(1, &[blind, RIGHT], 1, true).await;
    assert_eq!(outcomes(&ran, 1), "fn");
}

#[tokio::test]
async fn every_report_says_what_was_not_run() {
    let ran = stopping_after(1, &[WRONG, RIGHT, RIGHT], 1, false).await;
    let record = &ran.record;
    let because = "not run: the run stopped after 1 failure";
    assert!(
        ran.libtest.contains(&format!("test toys/stop::b ... ignored, {because}\n")),
        "{}",
        ran.libtest
    );
    let json = record.to_json().unwrap();
    assert_eq!(json.matches("\"skip\": \"not_run\"").count(), 2, "{json}");
    let xml = junit::draw(std::slice::from_ref(record)).unwrap();
    assert_eq!(xml.matches(&format!("<skipped message=\"{because}\"/>")).count(), 2, "{xml}");
    let mut out = anstream::StripStream::new(Vec::new());
    Summary::new(record, Detail::Table).write(&mut out).unwrap();
    let text = String::from_utf8(out.into_inner()).unwrap();
    assert!(text.contains(&format!("\nSkipped\n    2  {because}\n")), "{text}");
    assert!(text.contains("\n0 passed, 1 failed, 2 skipped (2 not run) in "), "{text}");
    let summary = github::summary(std::slice::from_ref(record), github::MOST);
    assert!(
        summary.starts_with("## authlab: 0 passed, 1 failed, 2 skipped (2 not run)\n"),
        "{summary}"
    );
}

#[tokio::test]
async fn in_a_comparison_a_scenario_that_was_not_run_is_not_there() {
    let whole = run(&[file("toys/stop", &feature(&[WRONG, RIGHT]))], &Selection::default(), 1).await;
    let stopped = stopping_after(1, &[WRONG, RIGHT], 1, false).await;
    let compared = Comparison::of(&[whole.record], &[stopped.record]);
    let changes = &compared.pairs[0].scenarios;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(
        (changes[0].scenario.as_str(), changes[0].first, changes[0].second),
        ("toys/stop::b", Some(Outcome::Passed), None)
    );
}
