//! Cells side by side: each is a separate process of this same program with `--index`. The main type is [`Labs`].
//!
//! Each cell has its own process because cucumber replaces the panic hook of a whole process, and because a process is easy to end: on a
//! signal it ends its lab; and if this process is killed, the kernel kills the cell, and its servers with it (`process::child`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use super::capacity::Capacity;
use super::plan::PlannedCell;
use crate::cli::error::CommandError;
use crate::event::Event;
use crate::interrupt::Interrupt;
use crate::printable::printable;
use crate::process::{Child, Program};
use crate::report::matrix::directory::MatrixDirectory;
use crate::report::matrix::progress::MatrixProgress;
use crate::report::progress::seconds;
use crate::report::record::{Recorder, RunRecord};
use crate::report::saved;

/// The time that a cell may take to end its lab after it was asked to.
const GRACE: Duration = Duration::from_secs(60);

/// The cells that are carried out, as many at once as capacity allows: the next lab starts while others carry their scenarios out.
pub(super) struct Labs<'a> {
    pub(super) program: PathBuf,
    /// The arguments of this process.
    pub(super) arguments: Vec<OsString>,
    pub(super) directory: &'a MatrixDirectory,
    /// `true` if the cells must be given the directory.
    pub(super) tell_directory: bool,
    pub(super) capacity: Capacity,
    pub(super) interrupt: Interrupt,
    pub(super) progress: MatrixProgress,
}

/// A message from a cell.
enum Heard {
    Event(usize, Box<Event>),
    /// The end of the cell, with the reason for a missing record.
    Over(usize, Option<String>),
}

impl Labs<'_> {
    /// Carries out the cells with the indexes `pending` of `cells`; after an interrupt, no further cell is started.
    ///
    /// # Errors
    /// A record cannot be written.
    pub(super) async fn carry_out(&mut self, cells: &[PlannedCell], pending: Vec<usize>) -> Result<(), CommandError> {
        let logs = self.directory.logs();
        fs_err::create_dir_all(&logs)?;
        let (hear, mut heard) = mpsc::channel(64);
        let mut pending = pending.into_iter().peekable();
        let (mut under_way, mut starting): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        loop {
            while under_way.len() < self.capacity.labs && starting.len() < self.capacity.starting && !self.interrupt.is_requested() {
                let Some(index) = pending.next() else { break };
                let name = cells[index].cell.to_string();
                // The result of an earlier attempt must not be taken for the result of this one.
                self.directory.discard(&cells[index].cell)?;
                self.progress.begin(&name);
                under_way.push(index);
                starting.push(index);
                let program = self.program_of(index, &name, &logs);
                tokio::spawn(follow(program, index, self.interrupt.clone(), hear.clone()));
            }
            if under_way.is_empty() {
                fs_err::remove_dir_all(&logs)?;
                return Ok(());
            }
            match heard.recv().await {
                Some(Heard::Event(index, event)) => {
                    if matches!(*event, Event::LabReady { .. }) {
                        starting.retain(|other| *other != index);
                    }
                    self.progress.on(&cells[index].cell.to_string(), &event);
                }
                Some(Heard::Over(index, problem)) => {
                    starting.retain(|other| *other != index);
                    under_way.retain(|other| *other != index);
                    let record = self.record_of(&cells[index], problem)?;
                    self.progress.end(&cells[index].cell.to_string(), &in_a_line(&record));
                }
                // Unreachable: `hear` is a sender too.
                None => return Ok(()),
            }
        }
    }

    fn program_of(&self, index: usize, name: &str, logs: &Path) -> Program {
        let mut words: Vec<OsString> = vec!["--index".into(), index.to_string().into(), "--events".into()];
        if self.tell_directory {
            words.extend(["--report".into(), self.directory.path().into()]);
        }
        Program::new(name, &self.program, logs.join(format!("{name}.log")))
            .arguments(with(self.arguments.clone(), words))
            .inherit_all()
    }

    /// Returns the record of a cell that has ended: its own, or one that gives the reason why it has none.
    fn record_of(&self, planned: &PlannedCell, problem: Option<String>) -> Result<RunRecord, CommandError> {
        let place = self.directory.cell(&planned.cell);
        let problem = match (saved::read(&place), problem) {
            // The cell wrote its record, whatever the result.
            (Ok(record), _) => return Ok(record),
            (Err(_), Some(problem)) => problem,
            (Err(error), None) => error.to_string(),
        };
        let mut recorder = Recorder::new();
        recorder.of_cell(planned.cell.clone());
        recorder.failed(&printable(&problem));
        let record = recorder.record();
        fs_err::create_dir_all(&place)?;
        record.write(&place.join(saved::RECORD))?;
        Ok(record)
    }
}

/// Starts a cell, forwards its events and waits for its end.
async fn follow(program: Program, index: usize, interrupt: Interrupt, hear: mpsc::Sender<Heard>) {
    let problem = match program.start_listening().await {
        Err(error) => Some(error.to_string()),
        Ok((child, told)) => {
            let mut lines = BufReader::new(told).lines();
            let telling = async {
                while let Ok(Some(line)) = lines.next_line().await {
                    // Lines that are not events are not for this process.
                    if let Ok(event) = serde_json::from_str(&line) {
                        let _ = hear.send(Heard::Event(index, event)).await;
                    }
                }
            };
            tokio::pin!(telling);
            let ended = tokio::select! {
                () = &mut telling => end(child, None).await,
                // Events are read until the process has ended: a cell that blocks on a full pipe could not end its lab.
                () = interrupt.requested() => tokio::join!(end(child, Some(GRACE)), telling).0,
            };
            ended.err()
        }
    };
    let _ = hear.send(Heard::Over(index, problem)).await;
}

/// Waits for the end of a cell; with a `grace`, asks it to end first.
async fn end(mut child: Child, grace: Option<Duration>) -> Result<(), String> {
    let log = child.log().to_owned();
    let ended = match grace {
        None => child.ended().await,
        Some(grace) => child.stop(grace).await,
    };
    let status = ended.map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    let last = crate::process::last_lines(&log, 12).join("\n");
    Err(format!("its process exited without a record ({status})\n{last}")
        .trim_end()
        .to_owned())
}

/// Inserts `words` into `arguments` after the command's name. The options before it never have the value `matrix`.
pub(super) fn with(mut arguments: Vec<OsString>, words: Vec<OsString>) -> Vec<OsString> {
    let at = arguments.iter().position(|argument| argument == "matrix").map_or(0, |at| at + 1);
    arguments.splice(at..at, words);
    arguments
}

/// Returns a cell's result in one line, for the user.
fn in_a_line(record: &RunRecord) -> String {
    if let Some(error) = &record.error {
        return format!("was not carried out: {}", error.lines().next().unwrap_or_default());
    }
    let totals = record.totals;
    let interrupted = if record.interrupted { ", interrupted" } else { "" };
    format!(
        "{} passed, {} failed, {} skipped{interrupted} in {}",
        totals.passed,
        totals.failed,
        totals.skipped,
        seconds(record.ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_given_the_same_options_and_its_index() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let given = words(&["--json", "matrix", "--kubernetes", "1.37", "--", "matrix"]);
        let expected = ["--json", "matrix", "--index", "3", "--kubernetes", "1.37", "--", "matrix"];
        assert_eq!(with(given, words(&["--index", "3"])), words(&expected));
    }
}
