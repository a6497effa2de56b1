//! `junit.xml` for CI systems: a suite per flow. The main item is [`draw`].

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::record::RunRecord;
use super::{cell, failure};
use crate::event::{Outcome, ScenarioReport};

/// Returns `records` in JUnit's format; with several, each suite's name has that of its cell.
///
/// # Errors
/// Fails if the XML cannot be written.
pub fn draw(records: &[RunRecord]) -> Result<String, SerializeError> {
    let mut report = Report::new("authlab");
    report.set_time(Duration::from_millis(records.iter().map(|record| record.ms).sum()));
    for (record, cell) in records.iter().zip(cell::names(records)) {
        let suite = |flow: &str| {
            TestSuite::new(if records.len() > 1 {
                format!("{cell}: {flow}")
            } else {
                flow.to_owned()
            })
        };
        for (flow, (_, ms)) in record.by_flow() {
            let mut suite = suite(flow);
            suite.set_time(Duration::from_millis(ms));
            suite.add_test_cases(record.scenarios.iter().filter(|scenario| scenario.flow == flow).map(case));
            report.add_test_suite(suite);
        }
        if let Some(error) = &record.error {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_message(error.lines().next().unwrap_or_default())
                .set_description(error.as_str());
            let mut suite = suite("lab");
            suite.add_test_case(TestCase::new("the lab starts", status));
            report.add_test_suite(suite);
        }
    }
    report.to_string()
}

fn case(scenario: &ScenarioReport) -> TestCase {
    let status = match (scenario.outcome, &scenario.failure) {
        (Outcome::Skipped, _) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(scenario.skipped.as_ref().map_or("", |skip| skip.because.as_str()));
            status
        }
        (Outcome::Passed, _) => TestCaseStatus::success(),
        (Outcome::Failed, found) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            if let Some(found) = found {
                status.set_message(found.cause.in_a_line());
            }
            status.set_type("step").set_description(failure::lines(scenario).join("\n"));
            status
        }
    };
    let (class, name) = scenario.id.split_once("::").unwrap_or(("", &scenario.id));
    let mut case = TestCase::new(name, status);
    case.set_classname(class.replace('/', "."))
        .set_time(Duration::from_millis(scenario.ms));
    case
}
