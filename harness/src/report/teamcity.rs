//! The output for TeamCity: service messages that show each scenario as a test. The main item is [`messages`].
//!
//! Source: <https://www.jetbrains.com/help/teamcity/service-messages.html>, also for the escapes and the limit of a build problem.

use std::fmt::Write as _;

use super::record::RunRecord;
use super::{cell, failure, shortened};
use crate::event::{Cause, Outcome, ScenarioReport};

/// The most characters of a build problem's description: 4,000 after escaping, which makes up to twelve of one.
const MOST_OF_A_PROBLEM: usize = 330;

/// Returns a suite for each flow, one message per line; TeamCity reads them from a step's standard output.
#[must_use]
pub fn messages(records: &[RunRecord]) -> String {
    let mut text = String::new();
    for (number, (record, cell)) in records.iter().zip(cell::names(records)).enumerate() {
        let several = records.len() > 1;
        for (flow, _) in record.by_flow() {
            let suite = if several { format!("{cell}: {flow}") } else { flow.to_owned() };
            message(&mut text, "testSuiteStarted", &[("name", &suite)]);
            for scenario in record.scenarios.iter().filter(|scenario| scenario.flow == flow) {
                test(&mut text, scenario);
            }
            message(&mut text, "testSuiteFinished", &[("name", &suite)]);
        }
        if let Some(error) = &record.error {
            let of = if several { format!(" ({cell})") } else { String::new() };
            let problem = format!("The lab could not be started{of}: {error}");
            message(
                &mut text,
                "buildProblem",
                &[
                    ("description", shortened(&problem, MOST_OF_A_PROBLEM).as_ref()),
                    // Problems of one identity are one problem, and an identity has at most 60 characters.
                    ("identity", &format!("authlab-lab-{number}")),
                ],
            );
        }
    }
    text
}

fn test(text: &mut String, scenario: &ScenarioReport) {
    let name = ("name", scenario.id.as_str());
    message(text, "testStarted", &[name]);
    match (scenario.outcome, &scenario.failure) {
        (Outcome::Passed, _) => {}
        (Outcome::Skipped, _) => {
            let because = scenario.skipped.as_ref().map_or("", |skip| skip.because.as_str());
            message(text, "testIgnored", &[name, ("message", because)]);
        }
        (Outcome::Failed, None) => message(text, "testFailed", &[name]),
        (Outcome::Failed, Some(found)) => {
            let (line, details) = (found.cause.in_a_line(), failure::lines(scenario).join("\n"));
            let told = [name, ("message", line.as_str()), ("details", details.as_str())];
            match &found.cause {
                Cause::Differs { expected, seen } => {
                    let compared = [
                        ("type", "comparisonFailure"),
                        ("expected", expected.as_str()),
                        ("actual", seen.as_str()),
                    ];
                    message(text, "testFailed", &[told.as_slice(), &compared].concat());
                }
                Cause::Failed { .. } => message(text, "testFailed", &told),
            }
        }
    }
    message(text, "testFinished", &[name, ("duration", &scenario.ms.to_string())]);
}

fn message(text: &mut String, name: &str, attributes: &[(&str, &str)]) {
    let _ = write!(text, "##teamcity[{name}");
    for (attribute, value) in attributes {
        let _ = write!(text, " {attribute}='{}'", escaped(value));
    }
    text.push_str("]\n");
}

/// Escapes an attribute's value. A character outside of ASCII is written by its UTF-16 code units, so that the agent's encoding does not
/// matter.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '|' | '\'' | '[' | ']' => {
                escaped.push('|');
                escaped.push(c);
            }
            '\n' => escaped.push_str("|n"),
            '\r' => escaped.push_str("|r"),
            c if c.is_ascii() => escaped.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "|0x{unit:04X}");
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_escaped_as_teamcity_reads_it() {
        for (value, expected) in [
            ("plain: a=b, 100 %", "plain: a=b, 100 %"),
            ("Alice's", "Alice|'s"),
            ("a|b", "a||b"),
            ("[Alice, well]", "|[Alice, well|]"),
            ("one\ntwo\r\n", "one|ntwo|r|n"),
            ("|n", "||n"),
            ("é → x", "|0x00E9 |0x2192 x"),
            ("\u{2028}", "|0x2028"),
            ("🦀", "|0xD83E|0xDD80"),
        ] {
            assert_eq!(escaped(value), expected, "{value:?}");
        }
    }
}
