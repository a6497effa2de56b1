//! One cell of a matrix in this process: the matrix starts such a process for each cell, and so does a pod. The main function is [`run`].

use std::io::{self, Write};

use super::MatrixArguments;
use super::plan::PlannedCell;
use crate::cli::Session;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::lab_source;
use crate::cli::options::ReportOptions;
use crate::cli::output::progress_reporter;
use crate::cli::own::Own;
use crate::cli::scenarios::{self, Work};
use crate::event::Event;
use crate::report::Reporter;
use crate::report::matrix::{CELLS, in_log};
use crate::report::terminal::Summary;
use crate::scenario::{RunOptions, Selected};

/// Carries out `selected` in the lab of `planned`, or on the API server of `own`.
///
/// # Errors
/// A lab that could not be started, or a report that cannot be written.
pub(super) async fn run(
    planned: &PlannedCell,
    selected: Selected<'_>,
    own: Option<&Own>,
    arguments: &MatrixArguments,
    session: &Session,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let place = arguments.scenarios.report.report.as_ref();
    let report = ReportOptions {
        report: place.map(|place| place.join(CELLS).join(planned.cell.to_string())),
        ..arguments.scenarios.report
    };
    let work = Work {
        selected,
        options: RunOptions {
            last: lab_source::LAST,
            concurrency: arguments.concurrency,
            interrupt: session.interrupt.clone(),
            inverted: false,
            max_failures: arguments.scenarios.failures(),
            run_with: own.map(|own| own.run_with(&arguments.own, &planned.lab)).unwrap_or_default(),
        },
        lab: &planned.lab,
        own,
        visit: None,
        shard: planned.shard,
        report: report.directory()?,
        no_exchanges: arguments.scenarios.no_exchanges,
    };
    let reporters: Vec<Box<dyn Reporter>> = if arguments.events {
        vec![Box::new(Teller)]
    } else {
        progress_reporter(session.output.quiet).into_iter().collect()
    };
    // With `--events`, the parent process reports to the CI system.
    let done = if arguments.events {
        work.carry_out(reporters).await
    } else {
        work.carry_out_and_tell(reporters, session.output.json || arguments.record_to_log)
            .await
    };
    if !arguments.events {
        if arguments.record_to_log {
            out.write_all(in_log::write(&done.record)?.as_bytes())?;
        } else if session.output.json {
            out.write_all(done.record.to_json().map_err(io::Error::other)?.as_bytes())?;
        } else if done.tally.is_ok() {
            Summary::new(&done.record, arguments.scenarios.detail(&session.output, &done.record)).write(out)?;
        }
        out.flush()?;
    }
    done.tally.map(scenarios::exit)
}

/// Sends the events of this process to the parent process, which carries the matrix out.
struct Teller;

impl Reporter for Teller {
    fn on(&mut self, event: &Event) {
        let mut event = event.clone();
        if let Event::ScenarioFinished { report } = &mut event {
            // The record has these in full.
            report.answers.clear();
            report.steps.clear();
            report.exchanges.clear();
            report.failure = None;
        }
        let Ok(line) = serde_json::to_string(&event) else { return };
        let mut out = io::stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            // The parent process is gone, and the kernel may not have signalled that: this acts as an interrupt by the user.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        }
    }
}
