//! The runner: passed, failed and skipped scenarios, kinds of failure, and concurrency.

use authlab::event::{Cause, Event, Outcome};
use authlab::scenario::selection::Ignored;
use authlab::scenario::step_definition::step_definitions;
use authlab::scenario::{Ended, Selection, Tally};

use crate::toy::{Ran, file, run};

async fn run_scenarios(scenarios: &str) -> Ran {
    run(
        &[file("toys/play", &format!("Feature: Play\n{scenarios}"))],
        &Selection::default(),
        8,
    )
    .await
}

#[tokio::test]
async fn answers_and_outcome_reach_the_report_and_the_record() {
    let ran = run_scenarios(
        "  Rule: Time matters\n    @toy @X4\n    Scenario: Mallory's certificate is refused\n      Given Mallory holds a toy certificate\n      When she asks\n      Then the answer is right\n",
    )
    .await;
    assert_eq!(
        ran.tally,
        Tally {
            passed: 1,
            ..Tally::default()
        }
    );
    let scenario = ran.scenario("Mallory's certificate is refused");
    assert_eq!(scenario.id, "toys/play::Mallory's certificate is refused");
    assert_eq!((scenario.flow.as_str(), scenario.rule.as_deref()), ("toys", Some("Time matters")));
    assert_eq!(
        (scenario.tags.as_slice(), scenario.behaviours.as_slice()),
        (["toy".to_owned(), "X4".to_owned()].as_slice(), ["X4".to_owned()].as_slice())
    );
    assert_eq!(scenario.answers.len(), 1);
    assert_eq!(
        scenario.answers[0].reason.as_deref(),
        Some("x509: certificate has expired or is not yet valid")
    );
    assert_eq!(ran.left, [(scenario.id.clone(), Ended::Passed)]);
    assert!(
        ran.events
            .iter()
            .any(|event| matches!(event, Event::ScenarioStarted { id } if *id == scenario.id))
    );
}

#[tokio::test]
async fn a_panic_in_a_step_shows_its_message_its_place_and_what_was_kept() {
    let ran = run_scenarios("  Scenario: It is wrong\n    When she asks\n    Then the answer is wrong\n").await;
    let failure = ran.scenario("It is wrong").failure.clone().unwrap();
    let cause = Cause::Differs {
        expected: "`right`".to_owned(),
        seen: "`wrong`".to_owned(),
    };
    assert_eq!(failure.cause, cause);
    assert_eq!(
        (failure.step.as_str(), failure.place.as_str()),
        ("Then the answer is wrong", "features/toys/play.feature:4")
    );
    assert!(failure.definition.unwrap().contains("toy.rs:"));
    assert_eq!(failure.log, ["E1124 Unable to authenticate the request"]);
    assert_eq!(failure.evidence.as_deref(), Some("evidence/of-it"));
    assert_eq!(ran.scenario("It is wrong").answers.len(), 1);
    assert_eq!(ran.left[0].1, Ended::Failed(cause));
}

#[tokio::test]
async fn an_error_from_a_step_fails_the_scenario() {
    let ran = run_scenarios("  Scenario: It errs\n    Then it errs\n").await;
    assert_eq!(ran.message("It errs"), "the server went away");
}

#[tokio::test]
async fn an_undefined_step_fails_and_names_the_nearest() {
    let ran = run_scenarios("  Scenario: Unheard of\n    Given Alice holds a toy certificat\n  Scenario: As another kind\n    When Alice holds a toy certificate\n").await;
    assert_eq!(ran.tally.failed, 2);
    let message = ran.message("Unheard of");
    assert!(
        message.starts_with(
            "no step is defined for `Alice holds a toy certificat`; the most similar:\n  Given <Alice|Bob|Mallory> holds a toy certificate"
        ),
        "{message}"
    );
    let message = ran.message("As another kind");
    assert!(
        message.contains("; a Given step matches") && message.ends_with("and this is a When"),
        "{message}"
    );
}

#[tokio::test]
async fn a_step_with_two_definitions_fails() {
    let ran = run_scenarios("  Scenario: Which\n    Then it is ambiguous\n").await;
    let message = ran.message("Which");
    assert!(
        message.starts_with("the step has 2 definitions:") && message.matches("toy.rs:").count() == 2,
        "{message}"
    );
}

#[tokio::test]
async fn a_clean_up_that_fails_fails_the_scenario() {
    let ran = run_scenarios("  Scenario: Messy\n    Given a mess is left\n").await;
    assert_eq!(ran.message("Messy"), "the clean-up failed: the namespace is still there");
}

#[tokio::test]
async fn a_step_of_the_background_fails_in_its_own_place() {
    let ran = run_scenarios("  Background:\n    Given what nobody defined\n  Scenario: Never begins\n    Then the answer is right\n").await;
    assert_eq!(
        ran.scenario("Never begins").failure.as_ref().unwrap().place,
        "features/toys/play.feature:3"
    );
}

#[tokio::test]
async fn a_scenario_that_the_lab_is_not_able_to_carry_out_is_skipped_with_its_reason() {
    let ran =
        run_scenarios("  @requires:audit-log\n  Scenario: Needs it\n    When she asks\n  Scenario: Needs nothing\n    When she asks\n")
            .await;
    assert_eq!(
        ran.tally,
        Tally {
            passed: 1,
            skipped: 1,
            ..Tally::default()
        }
    );
    let scenario = ran.scenario("Needs it");
    assert_eq!(
        (scenario.outcome, scenario.skipped.as_ref().map(|skip| skip.because.as_str())),
        (Outcome::Skipped, Some("this lab has no audit-log"))
    );
    assert!(
        ran.libtest
            .contains("test toys/play::Needs it ... ignored, this lab has no audit-log\n"),
        "{}",
        ran.libtest
    );
    assert_eq!(ran.left.len(), 1);
}

#[tokio::test]
async fn a_scenario_requires_what_its_steps_require() {
    let ran = run_scenarios("  Background:\n    Given the toy is wound up\n  Scenario: It ticks\n    When she asks\n").await;
    let scenario = ran.scenario("It ticks");
    assert_eq!(scenario.tags, ["requires:clock"]);
    assert_eq!(
        (scenario.outcome, scenario.skipped.as_ref().map(|skip| skip.because.as_str())),
        (Outcome::Skipped, Some("this lab has no clock"))
    );
}

#[tokio::test]
async fn ignored_scenarios_run_only_when_asked_for() {
    let files = [file(
        "toys/play",
        "Feature: Play\n  @ignore\n  Scenario: Later\n    When she asks\n  Scenario: Now\n    When she asks\n",
    )];
    let tally = async |ignored| {
        run(
            &files,
            &Selection {
                ignored,
                ..Selection::default()
            },
            8,
        )
        .await
        .tally
    };
    assert_eq!(
        tally(Ignored::Skip).await,
        Tally {
            passed: 1,
            skipped: 1,
            ..Tally::default()
        }
    );
    assert_eq!(
        tally(Ignored::Only).await,
        Tally {
            passed: 1,
            ..Tally::default()
        }
    );
    assert_eq!(
        tally(Ignored::Include).await,
        Tally {
            passed: 2,
            ..Tally::default()
        }
    );
}

const MEETING: &str = "Feature: Meet\n  Scenario Outline: <who> comes\n    When all meet\n    Examples:\n      | who   |\n      | Alice |\n      | Bob   |\n      | Carol |\n";

#[tokio::test]
async fn scenarios_run_side_by_side() {
    let ran = run(&[file("toys/meet", MEETING)], &Selection::default(), 3).await;
    assert_eq!(
        ran.tally,
        Tally {
            passed: 3,
            ..Tally::default()
        }
    );
}

#[tokio::test]
async fn no_more_scenarios_run_side_by_side_than_allowed_and_serial_ones_run_alone() {
    let row = |tag: &str, name: &str| format!("  {tag}\n  Scenario: {name}\n    When she asks\n    Then nobody else is under way\n");
    let all = |tag: &str| format!("Feature: Alone\n{}{}{}", row(tag, "a"), row(tag, "b"), row("", "c"));
    let one_at_a_time = run(&[file("toys/alone", &all("@toy"))], &Selection::default(), 1).await;
    assert_eq!(one_at_a_time.tally.passed, 3);
    let serial = run(&[file("toys/alone", &all("@serial"))], &Selection::default(), 8).await;
    assert_eq!(serial.tally.passed, 3);
}

#[tokio::test]
async fn an_interrupt_gives_up_what_is_under_way_and_begins_nothing_new() {
    let ran = run(
        &[file(
            "toys/stop",
            "Feature: Stop\n  Scenario: First\n    When somebody interrupts\n  Scenario: Second\n    When she asks\n",
        )],
        &Selection::default(),
        1,
    )
    .await;
    assert_eq!(
        ran.tally,
        Tally {
            interrupted: true,
            ..Tally::default()
        }
    );
    assert!(ran.record.interrupted);
    assert!(
        ran.libtest
            .contains("test result: FAILED. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; interrupted"),
        "{}",
        ran.libtest
    );
}

#[tokio::test]
async fn a_panic_in_a_task_that_a_step_left_behind_is_told() {
    let ran = run_scenarios("  Scenario: Careless\n    When a task panics elsewhere\n").await;
    assert!(
        ran.record
            .notes
            .iter()
            .any(|note| note.starts_with("a task panicked at ") && note.ends_with(": lost in a task")),
        "{:?}",
        ran.record.notes
    );
}

#[test]
fn the_steps_of_the_library_are_found_from_another_crate() {
    assert!(!step_definitions::<authlab::cli::lab_source::World>().is_empty());
}
