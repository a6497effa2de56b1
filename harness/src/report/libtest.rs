//! The output format of Rust's own test harness, for people and tools that read the
//! output of `cargo test`. The main type is [`Libtest`].

use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::Reporter;
use super::failure;
use crate::event::{Event, Outcome, ScenarioReport};

/// A reporter in libtest's `pretty` and `terse` formats.
pub struct Libtest {
    out: Box<dyn Write + Send>,
    terse: bool,
    filtered_out: usize,
    finished: Vec<ScenarioReport>,
}

const OK: Style = AnsiColor::Green.on_default();
const FAILED: Style = AnsiColor::Red.on_default();
const IGNORED: Style = AnsiColor::Yellow.on_default();

impl Libtest {
    /// Returns a reporter that writes to `out`, which strips styles where colour is off.
    pub fn new(out: impl Write + Send + 'static, terse: bool) -> Self {
        Self {
            out: Box::new(out),
            terse,
            filtered_out: 0,
            finished: Vec::new(),
        }
    }

    fn say(&mut self, text: &str) {
        // A reader that has gone away does not change the result of the tests.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn finished(&mut self, report: &ScenarioReport) {
        let text = match (report.outcome, self.terse) {
            (Outcome::Passed, true) => ".".to_owned(),
            (Outcome::Failed, true) => format!("{FAILED}F{FAILED:#}"),
            (Outcome::Skipped, true) => format!("{IGNORED}i{IGNORED:#}"),
            (Outcome::Passed, false) => format!("test {} ... {OK}ok{OK:#}\n", report.id),
            (Outcome::Failed, false) => format!("test {} ... {FAILED}FAILED{FAILED:#}\n", report.id),
            (Outcome::Skipped, false) => {
                format!(
                    "test {} ... {IGNORED}ignored, {}{IGNORED:#}\n",
                    report.id,
                    report.skipped.as_ref().map_or("", |skip| skip.because.as_str())
                )
            }
        };
        self.say(&text);
        self.finished.push(report.clone());
    }

    fn sum_up(&mut self, ms: u64, interrupted: bool) {
        let mut failed: Vec<&ScenarioReport> = self.finished.iter().filter(|report| report.outcome == Outcome::Failed).collect();
        failed.sort_by(|one, other| one.id.cmp(&other.id));
        let mut text = String::new();
        if self.terse {
            text.push('\n');
        }
        if !failed.is_empty() {
            text.push_str("\nfailures:\n");
            for report in &failed {
                text.push_str(&format!("\n---- {} ----\n", report.id));
                for line in failure::lines(report) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
            text.push_str("\n\nfailures:\n");
            for report in &failed {
                text.push_str(&format!("    {}\n", report.id));
            }
        }
        let count = |outcome| self.finished.iter().filter(|report| report.outcome == outcome).count();
        let result = if failed.is_empty() && !interrupted {
            format!("{OK}ok{OK:#}")
        } else {
            format!("{FAILED}FAILED{FAILED:#}")
        };
        let interrupted = if interrupted { "; interrupted" } else { "" };
        text.push_str(&format!(
            "\ntest result: {result}. {} passed; {} failed; {} ignored; 0 measured; {} filtered out{interrupted}; finished in {}.{:02}s\n\n",
            count(Outcome::Passed),
            failed.len(),
            count(Outcome::Skipped),
            self.filtered_out,
            ms / 1000,
            ms % 1000 / 10,
        ));
        self.say(&text);
    }
}

impl Reporter for Libtest {
    fn on(&mut self, event: &Event) {
        match event {
            Event::RunStarted {
                selected, filtered_out, ..
            } => {
                self.filtered_out = *filtered_out;
                self.say(&format!("\nrunning {selected} test{}\n", if *selected == 1 { "" } else { "s" }));
            }
            Event::ScenarioFinished { report } => self.finished(report),
            Event::RunFinished { ms, interrupted } => self.sum_up(*ms, *interrupted),
            _ => {}
        }
    }
}
