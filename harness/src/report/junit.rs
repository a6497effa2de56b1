//! `junit.xml`, as CI systems read it: a suite per flow. The main item is [`draw`].

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::cell::Cell;
use super::failure;
use super::record::RunRecord;
use crate::event::{Outcome, ScenarioReport};

/// `record` in JUnit's form.
///
/// # Errors
/// The XML cannot be written.
pub fn draw(record: &RunRecord) -> Result<String, SerializeError> {
    let mut report = Report::new("authlab");
    report.set_time(Duration::from_millis(record.ms));
    add(&mut report, record, "");
    report.to_string()
}

/// The cells `records` in JUnit's form: suites are named after cell and flow.
///
/// # Errors
/// The XML cannot be written.
pub fn draw_cells(records: &[RunRecord]) -> Result<String, SerializeError> {
    let mut report = Report::new("authlab");
    report.set_time(Duration::from_millis(records.iter().map(|record| record.ms).sum()));
    for record in records {
        add(&mut report, record, &format!("{}/", Cell::of(record)));
    }
    report.to_string()
}

/// Adds a suite for each flow of `record`, with `before` in front of its name.
fn add(report: &mut Report, record: &RunRecord, before: &str) {
    for (flow, (_, ms)) in record.by_flow() {
        let mut suite = TestSuite::new(format!("{before}{flow}"));
        suite.set_time(Duration::from_millis(ms));
        suite.add_test_cases(record.scenarios.iter().filter(|scenario| scenario.flow == flow).map(case));
        report.add_test_suite(suite);
    }
    if let Some(error) = &record.error {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_message(error.lines().next().unwrap_or_default())
            .set_description(error.as_str());
        let mut suite = TestSuite::new(format!("{before}lab"));
        suite.add_test_case(TestCase::new("the lab starts", status));
        report.add_test_suite(suite);
    }
}

fn case(scenario: &ScenarioReport) -> TestCase {
    let status = match (scenario.outcome, &scenario.failure) {
        (Outcome::Skipped, _) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(scenario.skipped_because.as_deref().unwrap_or_default());
            status
        }
        (Outcome::Passed, _) => TestCaseStatus::success(),
        (Outcome::Failed, found) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            if let Some(found) = found {
                status.set_message(found.message.lines().next().unwrap_or_default());
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
