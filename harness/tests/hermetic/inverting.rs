//! Inverted runs: a scenario with a twin has to fail, and in one of its assertions.

use authlab::event::{Outcome, Skip};
use authlab::scenario::Selection;

use crate::toy::{Ran, file, run_as};

const INVERTED: &str = "    Given a toy twin is presented in place of what is flawed\n";

async fn run_inverted(scenarios: &str) -> Ran {
    let text = format!("Feature: Play\n{}", scenarios.replace("    Inverted\n", INVERTED));
    run_as(&[file("toys/play", &text)], &Selection::default(), 8, true).await
}

#[tokio::test]
async fn a_scenario_whose_assertion_fails_has_noticed() {
    let ran = run_inverted("  Scenario: It notices\n    Inverted\n    When she asks\n    Then the answer is wrong\n").await;
    let scenario = ran.scenario("It notices");
    assert_eq!(scenario.outcome, Outcome::Passed);
    let noticed = scenario.inversion.clone().unwrap();
    assert_eq!(
        (noticed.step.as_str(), noticed.cause.in_a_line().as_str()),
        ("Then the answer is wrong", "expected `right`; seen `wrong`")
    );
    assert!(ran.record.inverted);
}

#[tokio::test]
async fn a_scenario_that_stays_green_can_be_fooled_and_the_assertion_that_should_have_noticed_is_named() {
    let ran = run_inverted(
        "  Scenario: It is fooled\n    Inverted\n    When she asks\n    Then the answer is right\n    And the question is refused\n",
    )
    .await;
    let scenario = ran.scenario("It is fooled");
    assert_eq!((scenario.outcome, ran.tally.failed), (Outcome::Failed, 1));
    let failure = scenario.failure.clone().unwrap();
    assert!(
        failure.cause.to_string().starts_with("the scenario does not notice the flaw"),
        "{}",
        failure.cause
    );
    assert_eq!(
        (failure.step.as_str(), failure.place.as_str()),
        ("And the question is refused", "features/toys/play.feature:6")
    );
}

#[tokio::test]
async fn a_scenario_that_fails_elsewhere_has_not_noticed() {
    let ran = run_inverted(
        "  Scenario: In the set-up\n    Inverted\n    Given the world falls apart\n    Then the answer is right\n  Scenario: For the twin\n    Inverted\n    Then the answer is right\n    But Alice, with a valid certificate, is still accepted\n  Scenario: For want of an answer\n    Inverted\n    When nobody answers\n    Then the answer is wrong\n  Scenario: In the clean-up\n    Inverted\n    Given a mess is left\n    Then the answer is right\n",
    )
    .await;
    for name in ["In the set-up", "For the twin", "For want of an answer", "In the clean-up"] {
        let message = ran.message(name);
        assert!(
            message.starts_with("it fails with the sound twin, but not in its assertions"),
            "{name}: {message}"
        );
    }
}

#[tokio::test]
async fn a_variant_that_is_sound_is_not_inverted_and_a_refusal_on_the_way_counts() {
    let ran = run_inverted(
        "  Scenario: A variant\n    Inverted\n    When she asks\n    Then she is accepted as Alice\n  Scenario: On the way\n    Inverted\n    Given she was refused before\n    Then the answer is right\n",
    )
    .await;
    assert_eq!(ran.scenario("A variant").skipped, Some(Skip::not_inverted()));
    assert_eq!(ran.scenario("On the way").outcome, Outcome::Passed);
}

#[tokio::test]
async fn a_scenario_without_a_twin_is_carried_out_as_it_is_written() {
    let ran = run_inverted("  Scenario: Green\n    Then the answer is right\n  Scenario: Red\n    Then the answer is wrong\n").await;
    assert_eq!(ran.scenario("Green").outcome, Outcome::Skipped);
    assert_eq!(ran.scenario("Green").skipped, Some(Skip::not_inverted()));
    assert_eq!(ran.message("Red"), "expected `right`\nseen     `wrong`");
}
