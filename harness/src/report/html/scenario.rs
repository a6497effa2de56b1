//! A scenario: a line with its result, and a closed section below it with all details. The main item is [`draw`].

use maud::{Markup, html};

use super::{Entry, Page, catalogue, exchange, outcome_word, sequence, shortened};
use crate::behaviour::Catalogue;
use crate::event::{AnswerReport, Failure, NOT_OBSERVABLE, Outcome, ReasonSource, ScenarioReport, StepReport};
use crate::report::failure;
use crate::report::progress::seconds;

/// The level of detail of a drawn scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// All details.
    Whole,
    /// The requests without headers, credentials and records.
    Requests,
    /// The steps and responses, without requests.
    Outline,
}

/// The most responses, or requests, drawn of one scenario.
const MANY: usize = 60;

/// Draws `entry` for `page`.
pub(super) fn draw(page: &Page<'_>, entry: &Entry<'_>, depth: Depth) -> Markup {
    let Entry { number, cell, scenario } = entry;
    let word = outcome_word(scenario.outcome);
    let tags: Vec<&str> = scenario
        .tags
        .iter()
        .filter(|tag| !scenario.behaviours.contains(tag))
        .map(String::as_str)
        .collect();
    html! {
        details.s
            id={ "s" (number) }
            data-o=(word)
            data-f=(scenario.flow)
            data-t=(tags.join(" "))
            data-b=(scenario.behaviours.join(" "))
            data-c=[page.several().then_some(cell)]
        {
            summary {
                span.o.(word) { (word) }
                span.n { (scenario.name) @if page.several() { " " span.cell { (page.cells[*cell]) } } }
                span.ms { (seconds(scenario.ms)) }
                (why(scenario))
            }
            div.in {
                @if let Some(rule) = &scenario.rule { p.rule { (rule) } }
                @if let Some(failed) = &scenario.failure { (failed_because(failed, depth)) }
                @if let Some(inversion) = &scenario.inversion {
                    p { strong { "With the sound twin in its place, it failed: " } (inversion.step) }
                    pre { (shortened(&inversion.cause.to_string(), 600)) }
                }
                @if !scenario.steps.is_empty() { h5 { "Steps" } (steps(&scenario.steps)) }
                (happened(*number, scenario, depth))
                p.meta {
                    @for id in &scenario.behaviours {
                        @if Catalogue::known().behaviour(id).is_some() { (catalogue::link(id)) } @else { span.b { (id) } } " "
                    }
                    @for tag in &tags { span.t { "@" (tag) } " " }
                    (scenario.place)
                }
                @if scenario.outcome == Outcome::Failed { p.meta { "Run it alone: " code { (failure::run_alone(scenario)) } } }
            }
        }
    }
}

/// Draws the line below a scenario's name: the failure, the reason for skipping, or the decisive response.
fn why(scenario: &ScenarioReport) -> Markup {
    let text = match (scenario.outcome, &scenario.failure) {
        (Outcome::Skipped, _) => scenario.skipped.as_ref().map(|skip| skip.because.clone()),
        (Outcome::Failed, Some(failed)) => Some(format!("{}: {}", failed.step, failed.cause.in_a_line())),
        _ => None,
    };
    html! {
        @if let Some(text) = text {
            span.why { (shortened(&text, 240)) }
        } @else if let Some(answer) = decisive(&scenario.answers) {
            @let (words, class) = exchange::verdict(answer.verdict, answer.status);
            span.why {
                span.v.(class) { (words) }
                @if let Some(reason) = &answer.reason { " " (shortened(reason, 160)) " (" (answer.reason_source.name()) ")" }
                @else if answer.reason_source == ReasonSource::NotObservable { " reason " (NOT_OBSERVABLE) }
                @else if let Some(user) = &answer.user { " as " (shortened(user, 120)) }
            }
        }
    }
}

/// Returns the decisive response of a scenario: its first refusal, otherwise its last response.
fn decisive(answers: &[AnswerReport]) -> Option<&AnswerReport> {
    answers.iter().find(|answer| answer.verdict.is_refusal()).or(answers.last())
}

fn failed_because(failed: &Failure, depth: Depth) -> Markup {
    let most = if depth == Depth::Outline { 400 } else { 6000 };
    html! {
        div.failure {
            p { strong { (failed.step) } }
            pre { (shortened(&failed.cause.to_string(), most)) }
            p.meta {
                (failed.place)
                @if let Some(definition) = &failed.definition { " · defined at " (definition) }
                @if let Some(evidence) = &failed.evidence { " · evidence in " code { (evidence) } }
            }
            @if !failed.log.is_empty() && depth != Depth::Outline {
                h5 { "The server’s log around the last request" }
                pre.j { (exchange::log(&failed.log)) }
            }
        }
    }
}

fn steps(steps: &[StepReport]) -> Markup {
    html! {
        ol.steps {
            @for step in steps {
                li.(step.outcome.map_or("absent", outcome_word)) { (step.text) @if step.outcome.is_some() { " " span.ms { (seconds(step.ms)) } } }
            }
        }
    }
}

fn happened(number: usize, scenario: &ScenarioReport, depth: Depth) -> Markup {
    let exchanges = &scenario.exchanges[..scenario.exchanges.len().min(MANY)];
    let left_out = scenario.exchanges.len() - exchanges.len();
    html! {
        @if !exchanges.is_empty() && depth != Depth::Outline {
            h5 { "What happened" }
            div.what {
                (sequence::draw(number, exchanges, &scenario.steps))
                div {
                    (exchange::draw(number, exchanges, depth))
                    @if left_out > 0 { p.meta { (left_out) " more requests are in run.json" } }
                }
            }
        } @else if scenario.outcome != Outcome::Skipped {
            h5 { "Answers" }
            @if exchanges.is_empty() { p.meta { "The record of this scenario has no requests." } }
            @if scenario.answers.is_empty() {
                p.meta { "No request was sent." }
            } @else {
                ul.answers { @for answer in scenario.answers.iter().take(MANY) { li { (shortened(&failure::answer(answer), 600)) } } }
            }
        }
    }
}
