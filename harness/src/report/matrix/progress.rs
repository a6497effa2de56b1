//! Progress of many labs on one display. The main type is [`MatrixProgress`]: on a terminal, a bar for each running cell; elsewhere, a
//! line for each important event.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use crate::event::{Event, GIVEN_UP, Outcome};
use crate::report::progress::{seconds, style};
use crate::report::record::Totals;

/// A progress display for many cells.
pub struct MatrixProgress {
    shown: Shown,
    cells: HashMap<String, UnderWay>,
}

enum Shown {
    Bars(MultiProgress),
    Lines(Box<dyn Write + Send>),
    Nowhere,
}

#[derive(Default)]
struct UnderWay {
    bar: Option<ProgressBar>,
    selected: usize,
    totals: Totals,
    /// The phases that its lab is in.
    phases: Vec<String>,
}

impl MatrixProgress {
    /// Returns bars on standard error, which must be a terminal.
    #[must_use]
    pub fn bars() -> Self {
        Self::new(Shown::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10))))
    }

    /// Returns a display that writes plain lines.
    #[must_use]
    pub fn lines(to: impl Write + Send + 'static) -> Self {
        Self::new(Shown::Lines(Box::new(to)))
    }

    /// Returns a display that shows nothing.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::new(Shown::Nowhere)
    }

    fn new(shown: Shown) -> Self {
        Self {
            shown,
            cells: HashMap::new(),
        }
    }

    /// Shows a line to the user.
    pub fn note(&mut self, text: &str) {
        match &mut self.shown {
            Shown::Bars(all) => _ = all.println(text),
            // An error of standard error itself cannot be reported.
            Shown::Lines(to) => _ = writeln!(to, "{text}"),
            Shown::Nowhere => {}
        }
    }

    /// Shows that the lab of `cell` starts.
    pub fn begin(&mut self, cell: &str) {
        let bar = match &self.shown {
            Shown::Bars(all) => {
                let bar = all.add(ProgressBar::new_spinner());
                bar.set_style(style("{spinner:.cyan} {prefix} {elapsed:.dim} {wide_msg:.dim}"));
                bar.set_prefix(cell.to_owned());
                bar.enable_steady_tick(Duration::from_millis(100));
                Some(bar)
            }
            Shown::Lines(_) | Shown::Nowhere => None,
        };
        let under_way = UnderWay {
            bar,
            ..UnderWay::default()
        };
        self.cells.insert(cell.to_owned(), under_way);
    }

    /// Shows an event of `cell`.
    pub fn on(&mut self, cell: &str, event: &Event) {
        let Some(under_way) = self.cells.get_mut(cell) else { return };
        let mut line = None;
        match event {
            Event::RunStarted { selected, .. } => under_way.selected = *selected,
            Event::PhaseStarted { phase } => under_way.phases.push(phase.clone()),
            Event::PhaseFinished { phase, ms, failed } => {
                under_way.phases.retain(|other| other != phase);
                if let Some(why) = failed.as_ref().filter(|why| *why != GIVEN_UP) {
                    let why = why.lines().next().unwrap_or_default();
                    line = Some(format!("{phase}: failed after {}: {why}", seconds(*ms)));
                }
            }
            Event::LabReady { lab } => {
                line = Some(format!(
                    "lab: Kubernetes {} ({}), {}",
                    lab.kubernetes, lab.cluster, lab.identity_provider
                ))
            }
            Event::Note { text } => line = Some(text.clone()),
            Event::ScenarioFinished { report } => {
                under_way.totals.count(report.outcome);
                if report.outcome == Outcome::Failed {
                    line = Some(format!("failed: {}", report.id));
                }
            }
            _ => {}
        }
        under_way.draw();
        if let Some(line) = line {
            self.note(&format!("{cell}: {line}"));
        }
    }

    /// Shows the end of `cell`, with its result in a line.
    pub fn end(&mut self, cell: &str, ended: &str) {
        if let Some(bar) = self.cells.remove(cell).and_then(|under_way| under_way.bar) {
            bar.finish_and_clear();
        }
        self.note(&format!("{cell}: {ended}"));
    }
}

impl UnderWay {
    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        let Totals { passed, failed, skipped } = self.totals;
        let done = passed + failed + skipped;
        let mut parts = Vec::new();
        if done > 0 {
            parts.push(format!("{done} of {} scenarios", self.selected));
        }
        if failed > 0 {
            parts.push(format!("{failed} failed"));
        }
        parts.extend(self.phases.iter().cloned());
        bar.set_message(parts.join(", "));
    }
}

impl Drop for MatrixProgress {
    fn drop(&mut self) {
        for bar in self.cells.values().filter_map(|under_way| under_way.bar.as_ref()) {
            bar.finish_and_clear();
        }
    }
}
