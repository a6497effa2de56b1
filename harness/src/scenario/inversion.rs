//! Inverted scenarios: the verdict on a scenario that presented the sound twin in place of the flawed credential.
//!
//! The main function is [`judge`]. A scenario that asserts what it claims must then fail in one of its assertions; one
//! that stays green would also be green if the API server accepted everybody.

use gherkin::Step;

use crate::event::{AnswerReport, Cause, Inversion, Skip, Verdict};

/// The step that did not hold.
pub(super) struct Failing {
    pub(super) step: String,
    pub(super) line: Option<usize>,
    pub(super) definition: Option<String>,
    pub(super) cause: Cause,
    /// `true` if it is an assertion that was carried out.
    pub(super) asserts: bool,
}

/// The verdict on how a scenario ended.
pub(super) struct Judged {
    pub(super) failing: Option<Failing>,
    /// The assertion that noticed the inversion.
    pub(super) noticed: Option<Inversion>,
    /// The reason for inverting nothing.
    pub(super) not_inverted: Option<Skip>,
}

impl Judged {
    /// Returns the verdict of an ordinary run: a failure stays a failure.
    pub(super) fn as_written(failing: Option<Failing>) -> Self {
        Self {
            failing,
            noticed: None,
            not_inverted: None,
        }
    }
}

/// The end of the step that presents the twin itself: its failure shows nothing about the flaw.
const TWIN_STEP: &str = ", is still accepted";

/// The words by which a step expects an acceptance.
const ACCEPTED: &str = "accepted as ";

/// Judges a scenario of an inverted run. `presented` says whether a twin was presented; `held` are the assertions that held.
pub(super) fn judge(failing: Option<Failing>, presented: bool, held: &[Step], answers: &[AnswerReport]) -> Judged {
    let text = |step: &Step| format!("{} {}", step.keyword.trim(), step.value);
    match failing {
        // Nothing was inverted; a failure is an ordinary one.
        failing if !presented => Judged {
            not_inverted: failing.is_none().then(Skip::not_inverted),
            ..Judged::as_written(failing)
        },
        // A variant that is sound, too: it expects an acceptance and no refusal, and presents no twin beside it.
        None if held.iter().any(|step| step.value.contains(ACCEPTED))
            && !held.iter().any(|step| refuses(&step.value) || step.value.contains(TWIN_STEP)) =>
        {
            Judged {
                not_inverted: Some(Skip::not_inverted()),
                ..Judged::as_written(None)
            }
        }
        None => {
            let refusal = held.iter().find(|step| refuses(&step.value));
            let should_have = refusal.or_else(|| held.iter().find(|step| !step.value.contains(TWIN_STEP)));
            Judged::as_written(Some(Failing {
                step: should_have.map_or_else(|| "(it asserts nothing)".to_owned(), text),
                line: should_have.map(|step| step.position.line),
                definition: None,
                cause: Cause::failed(
                    "the scenario does not notice the flaw: this still holds with the sound twin in place of the flawed credential",
                ),
                asserts: true,
            }))
        }
        Some(failing) if notices(&failing) && were_answered(answers) => Judged {
            failing: None,
            noticed: Some(Inversion {
                step: failing.step,
                cause: failing.cause,
            }),
            not_inverted: None,
        },
        Some(failing) => Judged::as_written(Some(Failing {
            cause: Cause::failed(format!(
                "it fails with the sound twin, but not in its assertions about an answer: {}",
                failing.cause
            )),
            ..failing
        })),
    }
}

/// Returns whether an assertion about the flawed credential failed; some refusals are asserted on the way to the rule.
fn notices(failing: &Failing) -> bool {
    (failing.asserts || refuses(&failing.step)) && failing.definition.is_some() && !failing.step.contains(TWIN_STEP)
}

/// Returns whether a step expects a refusal.
fn refuses(step: &str) -> bool {
    step.contains("refused")
}

/// Returns whether the last request got a response at all: no response proves nothing.
fn were_answered(answers: &[AnswerReport]) -> bool {
    answers.last().is_none_or(|answer| answer.verdict != Verdict::Unreachable)
}
