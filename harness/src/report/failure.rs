//! A failure in words, the same for every report: the step, the expected and the seen
//! result, the servers' responses and logs, and the command that runs it alone.

use crate::event::{AnswerReport, NOT_OBSERVABLE, ReasonSource, ScenarioReport};
use crate::shell_word::quoted;

/// Returns the failure of `scenario`, line by line.
#[must_use]
pub fn lines(scenario: &ScenarioReport) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(failure) = &scenario.failure else { return lines };
    if let Some(rule) = &scenario.rule {
        lines.push(format!("rule      {rule}"));
    }
    lines.push(format!("step      {}", failure.step));
    lines.push(format!("at        {}", failure.place));
    if let Some(definition) = &failure.definition {
        lines.push(format!("defined   {definition}"));
    }
    lines.push("why".to_owned());
    lines.extend(failure.cause.to_string().lines().map(|line| format!("  {line}")));
    if !scenario.answers.is_empty() {
        lines.push("answers".to_owned());
        lines.extend(scenario.answers.iter().map(|given| format!("  {}", answer(given))));
    }
    if !failure.log.is_empty() {
        lines.push("log".to_owned());
        lines.extend(failure.log.iter().map(|line| format!("  {line}")));
    }
    if let Some(evidence) = &failure.evidence {
        lines.push(format!("evidence  {evidence}"));
    }
    lines.push(format!("alone     {}", run_alone(scenario)));
    lines
}

/// Returns a response in one line.
#[must_use]
pub fn answer(answer: &AnswerReport) -> String {
    let mut line = format!("{}: {}", answer.request, verdict(answer));
    if let Some(user) = &answer.user {
        line.push_str(&format!(" as {user}"));
    }
    match (&answer.reason, answer.reason_source) {
        (_, ReasonSource::NotObservable) => line.push_str(&format!(", reason {NOT_OBSERVABLE}")),
        (Some(reason), source) => line.push_str(&format!(", because {reason:?} ({})", source.name())),
        (None, _) => {}
    }
    if let Some(id) = &answer.audit_id {
        line.push_str(&format!(" [{id}]"));
    }
    line
}

/// Returns the verdict with its HTTP status.
#[must_use]
pub fn verdict(answer: &AnswerReport) -> String {
    let words = answer.verdict.words();
    match answer.status {
        Some(status) if answer.verdict.is_refusal() => format!("{words} {status}"),
        _ => words,
    }
}

/// Returns the verdict of the refusal `answer`, and the server's own reason with its source.
#[must_use]
pub fn refusal(answer: &AnswerReport) -> String {
    let verdict = verdict(answer);
    match (&answer.reason, answer.reason_source) {
        (_, ReasonSource::NotObservable) => format!("{verdict}: reason {NOT_OBSERVABLE}"),
        (Some(reason), source) => format!("{verdict}: {reason} ({})", source.name()),
        (None, _) => verdict,
    }
}

/// Returns the command that runs only `scenario`.
#[must_use]
pub fn run_alone(scenario: &ScenarioReport) -> String {
    let mut pattern = String::from("^");
    for c in scenario.id.chars() {
        match c {
            // A quote within quotes is hard to read; `.` matches it as well.
            '\'' => pattern.push('.'),
            c => {
                if r"\.+*?()|[]{}^$".contains(c) {
                    pattern.push('\\');
                }
                pattern.push(c);
            }
        }
    }
    pattern.push('$');
    let mut command = format!("authlab run --name {}", quoted(&pattern));
    for word in &scenario.run_with {
        command.push(' ');
        command.push_str(&quoted(word));
    }
    command
}
