//! Progress while servers start and scenarios run: bars on a terminal, plain
//! lines elsewhere. The main type is [`Progress`].

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Reporter;
use crate::event::{Event, GIVEN_UP, Outcome};

/// A progress display.
pub enum Progress {
    /// Bars that come and go.
    Bars(Bars),
    /// A line for the end of each phase, each note and each failure, and now and then for a phase that takes long.
    Lines(Lines),
}

/// Plain lines.
pub struct Lines {
    to: Box<dyn Write + Send>,
    /// The phases under way, each with the time of the last line about it.
    phases: HashMap<String, Instant>,
}

/// Bars on standard error.
pub struct Bars {
    all: MultiProgress,
    phases: HashMap<String, ProgressBar>,
    scenarios: Option<ProgressBar>,
    /// The scenarios that run, in the order in which they began.
    running: Vec<String>,
    selected: usize,
}

impl Progress {
    /// Returns bars on standard error, which must be a terminal.
    #[must_use]
    pub fn bars() -> Self {
        Self::Bars(Bars {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)),
            phases: HashMap::new(),
            scenarios: None,
            running: Vec::new(),
            selected: 0,
        })
    }

    /// Returns a display that writes plain lines.
    #[must_use]
    pub fn lines(to: impl Write + Send + 'static) -> Self {
        Self::Lines(Lines {
            to: Box::new(to),
            phases: HashMap::new(),
        })
    }
}

impl Reporter for Progress {
    fn on(&mut self, event: &Event) {
        match self {
            Self::Bars(bars) => bars.on(event),
            Self::Lines(lines) => lines.on(event, Instant::now()),
        }
    }
}

/// The time after which a phase that is still under way gets a line.
const LONG: Duration = Duration::from_secs(15);

impl Lines {
    fn on(&mut self, event: &Event, now: Instant) {
        let line = match event {
            Event::PhaseStarted { phase } => {
                self.phases.insert(phase.clone(), now);
                None
            }
            Event::PhaseProgress {
                phase,
                detail,
                done,
                total,
            } => {
                let told = self.phases.entry(phase.clone()).or_insert(now);
                (now.duration_since(*told) >= LONG).then(|| {
                    *told = now;
                    format!("{phase}: {}", under_way(detail, *done, *total))
                })
            }
            Event::PhaseFinished { phase, .. } => {
                self.phases.remove(phase);
                line(event)
            }
            event => line(event),
        };
        if let Some(line) = line {
            // An error of standard error itself cannot be reported.
            let _ = writeln!(self.to, "{line}");
        }
    }
}

/// Returns the state of a phase that is under way.
fn under_way(detail: &str, done: Option<u64>, total: Option<u64>) -> String {
    let percent = match (done, total) {
        (Some(done), Some(total)) if total > 0 => format!("{} %", done.saturating_mul(100) / total),
        _ => String::new(),
    };
    let parts: Vec<&str> = [detail, &percent].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        "under way".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Returns the line for the end of a phase, a note or a failure.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::PhaseFinished { phase, ms, failed: None } => format!("{phase}: {}", seconds(*ms)),
        // A phase that was given up, because nothing needs it any more, is not a failure.
        Event::PhaseFinished {
            phase,
            ms,
            failed: Some(why),
        } if why == GIVEN_UP => format!("{phase}: {GIVEN_UP} after {}", seconds(*ms)),
        Event::PhaseFinished {
            phase,
            ms,
            failed: Some(why),
        } => format!("{phase}: failed after {}: {}", seconds(*ms), why.lines().next().unwrap_or_default()),
        Event::Note { text } => text.clone(),
        Event::LabReady { lab } => format!("lab: Kubernetes {} ({}), {}", lab.kubernetes, lab.cluster, lab.identity_provider),
        Event::ScenarioFinished { report } if report.outcome == Outcome::Failed => format!("failed: {}", report.id),
        _ => return None,
    })
}

impl Bars {
    fn on(&mut self, event: &Event) {
        match event {
            Event::PhaseStarted { phase } => {
                let bar = self.all.add(
                    ProgressBar::new_spinner()
                        .with_style(style("{spinner:.cyan} {prefix} {elapsed:.dim} {wide_msg:.dim}"))
                        .with_prefix(phase.clone()),
                );
                bar.enable_steady_tick(Duration::from_millis(100));
                self.phases.insert(phase.clone(), bar);
            }
            Event::PhaseProgress {
                phase,
                detail,
                done,
                total,
            } => {
                if let Some(bar) = self.phases.get(phase) {
                    if let (Some(done), Some(total)) = (done, total) {
                        bar.set_style(style(
                            "{spinner:.cyan} {prefix} {elapsed:.dim} {bar:20} {bytes}/{total_bytes} {wide_msg:.dim}",
                        ));
                        bar.set_length(*total);
                        bar.set_position(*done);
                    }
                    bar.set_message(detail.clone());
                }
            }
            Event::PhaseFinished { phase, .. } => {
                if let Some(bar) = self.phases.remove(phase) {
                    bar.finish_and_clear();
                }
                self.line(event);
            }
            Event::LabReady { .. } | Event::Note { .. } => self.line(event),
            Event::RunStarted { selected, .. } => self.selected = *selected,
            Event::ScenarioStarted { id } => {
                self.running.push(id.clone());
                self.show_running();
            }
            Event::ScenarioFinished { report } => {
                self.running.retain(|id| *id != report.id);
                self.scenarios().inc(1);
                self.show_running();
                self.line(event);
            }
            Event::RunFinished { .. } => self.clear(),
        }
    }

    /// Returns the scenarios' bar, which appears with the first scenario: until then the servers' bars are enough.
    fn scenarios(&mut self) -> &ProgressBar {
        let (all, selected) = (&self.all, self.selected as u64);
        self.scenarios.get_or_insert_with(|| {
            all.add(ProgressBar::new(selected).with_style(style("{bar:20.cyan} {pos}/{len} scenarios {wide_msg:.dim}")))
        })
    }

    /// Shows the scenario that has run for the longest time: it is what the run waits for.
    fn show_running(&mut self) {
        let message = match self.running.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            [first, others @ ..] => format!("{first} (and {} more)", others.len()),
        };
        self.scenarios().set_message(message);
    }

    fn line(&self, event: &Event) {
        if let Some(line) = line(event) {
            let _ = self.all.println(line);
        }
    }

    fn clear(&mut self) {
        self.scenarios = None;
        self.phases.clear();
        let _ = self.all.clear();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Formats milliseconds for people.
pub(crate) fn seconds(ms: u64) -> String {
    if ms < 1000 {
        format!("{ms} ms")
    } else {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_the_end_of_a_phase_is_a_line() {
        let line = |ms, failed: Option<&str>| {
            line(&Event::PhaseFinished {
                phase: "etcd".to_owned(),
                ms,
                failed: failed.map(str::to_owned),
            })
        };
        assert_eq!(line(740, None).as_deref(), Some("etcd: 740 ms"));
        assert_eq!(
            line(12_345, Some("exited\nlog")).as_deref(),
            Some("etcd: failed after 12.3 s: exited")
        );
    }

    /// A sink whose text can be read.
    #[derive(Clone, Default)]
    struct Text(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn without_a_terminal_a_phase_that_takes_long_gets_a_line_now_and_then() {
        let text = Text::default();
        let mut lines = Lines {
            to: Box::new(text.clone()),
            phases: HashMap::new(),
        };
        let begun = Instant::now();
        let mut at = |second: u64, event: Event| lines.on(&event, begun + Duration::from_secs(second));
        let progress = |detail: &str, done| Event::PhaseProgress {
            phase: "build".to_owned(),
            detail: detail.to_owned(),
            done,
            total: Some(200),
        };
        at(0, Event::PhaseStarted { phase: "build".to_owned() });
        at(14, progress("a", None));
        at(15, progress("b", None));
        at(29, progress("c", None));
        at(31, progress("d", Some(50)));
        at(50, progress("", None));
        let finished = Event::PhaseFinished {
            phase: "build".to_owned(),
            ms: 51_000,
            failed: None,
        };
        at(51, finished);
        let said = String::from_utf8(text.0.lock().expect("no panic").clone()).expect("it is text");
        assert_eq!(said, "build: b\nbuild: d, 25 %\nbuild: under way\nbuild: 51.0 s\n");
    }
}
