//! `authlab matrix`: the suite over versions and drivers, into one table. The main type is [`MatrixArguments`].

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::Instant;

use anstream::AutoStream;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

use super::Session;
use super::ci;
use super::error::CommandError;
use super::exit::Exit;
use super::options::at_least_one;
use super::own::{Own, OwnOptions};
use super::report::{keep, merge};
use super::scenarios::{self, ScenarioOptions};
use crate::event::milliseconds;
use crate::report::matrix::directory::MatrixDirectory;
use crate::report::matrix::progress::MatrixProgress;
use crate::report::matrix::{MatrixRecord, terminal};
use crate::report::record::RunRecord;
use crate::report::saved;
use crate::scenario::Selection;
use crate::scenario::runner::CONCURRENCY;

pub(in crate::cli) mod capacity;
mod job;
mod labs;
mod one;
mod plan;

use capacity::Capacity;
use labs::Labs;
use plan::{LabsOptions, Plan};

/// Arguments of `authlab matrix`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A cell is a driver with a version. Each cell runs the scenarios in a lab and a process of its own. A cell that cannot be
carried out fails with its reason, and the others go on. Beside releases, a cell of a pre-release of Kubernetes is
optional: its failures are shown, and do not change the exit code.

Exit codes:
  0  all passed, in every cell that counts
  1  a scenario failed
  2  wrong usage
  3  nothing was selected, or all of your own scenarios were skipped in each cell
  4  a cell's lab could not be started, and no scenario failed
  5  interrupted (and everything was stopped); the cells that are finished are kept")]
pub struct MatrixArguments {
    /// Feature files or folders, on disk or built in [default: all built in]
    #[arg(value_name = "FEATURE", env = "AUTHLAB_FEATURES", value_delimiter = ':')]
    pub features: Vec<PathBuf>,
    /// Own features.
    #[command(flatten)]
    pub own: OwnOptions,
    /// The versions and drivers of the labs.
    #[command(flatten)]
    pub labs: LabsOptions,
    /// The selection of scenarios, and the report.
    #[command(flatten)]
    pub scenarios: ScenarioOptions,
    /// Also carry out scenarios tagged `@ignore`
    #[arg(long, env = "AUTHLAB_INCLUDE_IGNORED", value_parser = FalseyValueParser::new(), help_heading = "Scenarios")]
    pub include_ignored: bool,
    /// Number of scenarios at a time, in each lab
    #[arg(long, env = "AUTHLAB_CONCURRENCY", value_name = "N", default_value_t = CONCURRENCY, value_parser = at_least_one, help_heading = "Scenarios")]
    pub concurrency: usize,
    /// Maximum number of labs at a time [default: by cores and memory]
    #[arg(long = "labs", env = "AUTHLAB_LABS", value_name = "N", value_parser = at_least_one, help_heading = "Cells")]
    pub most_labs: Option<usize>,
    /// Show the cells with their indexes, and start nothing
    #[arg(long, help_heading = "Cells")]
    pub list: bool,
    /// Continue a matrix that was interrupted
    ///
    /// Carries out the cells that the report does not have yet.
    #[arg(long, env = "AUTHLAB_RESUME", value_parser = FalseyValueParser::new(), requires = "report", help_heading = "Cells")]
    pub resume: bool,
    /// Carry out one cell only, the one with this index, in this process
    #[arg(long, env = "AUTHLAB_INDEX", value_name = "I", help_heading = "Cells")]
    pub index: Option<usize>,
    /// With --index: print the compressed record on standard output
    ///
    /// `report merge` finds it in the log of a pod.
    #[arg(long, env = "AUTHLAB_RECORD_TO_LOG", value_parser = FalseyValueParser::new(), requires = "index", help_heading = "Output")]
    pub record_to_log: bool,
    /// With --index: print events, one per line; for internal use
    #[arg(long, hide = true, requires = "index")]
    pub events: bool,
    /// Keep results in the project's file (`report keep`)
    #[arg(long, help_heading = "Output")]
    pub update: bool,
    /// Print a manifest that runs the cells in a cluster, and start nothing
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["index", "resume", "update"], help_heading = "Elsewhere")]
    pub print: Option<Printed>,
    /// Image with authlab and the servers, as of `.github/image/Dockerfile`
    #[arg(long, env = "AUTHLAB_IMAGE", value_name = "IMAGE", default_value = job::IMAGE, help_heading = "Elsewhere")]
    pub image: String,
    /// Namespace in which it runs
    #[arg(
        long,
        env = "AUTHLAB_NAMESPACE",
        value_name = "NAME",
        default_value = "default",
        help_heading = "Elsewhere"
    )]
    pub namespace: String,
}

/// The kinds of manifest that can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Printed {
    /// An Indexed Job (batch/v1): a pod for each cell
    KubernetesJob,
}

/// Carries the cells out.
///
/// # Errors
/// Wrong usage, nothing selected, or a report that cannot be written. A cell without a result is not an error.
pub async fn run(mut arguments: MatrixArguments, session: &Session) -> Result<Exit, CommandError> {
    if arguments.scenarios.invert {
        return Err(CommandError::new(
            Exit::Usage,
            "--invert cannot be used with a matrix: an inverted scenario that passes proves no behaviour",
        )
        .hint("`authlab run --invert --kubernetes VERSION` inverts the scenarios on one version"));
    }
    if arguments.scenarios.report.force {
        return Err(CommandError::new(
            Exit::Usage,
            "--force cannot be used with a matrix, which removes the report of an earlier one",
        )
        .hint("name a directory that does not exist, is empty, or holds the report of a matrix"));
    }
    let rerun = arguments.scenarios.failed_before()?;
    if arguments.index.is_none() {
        arguments.scenarios.check_reports()?;
    }
    let mut selection = Selection {
        shard: None,
        ignored: scenarios::ignored(false, arguments.include_ignored),
        ..arguments.scenarios.selection()
    };
    if let Some(rerun) = &rerun {
        rerun.narrow(&mut selection);
    }
    let own = Own::read(&arguments.own, &arguments.features, None)?;
    if let (None, Some((versions, _))) = (&arguments.labs.kubernetes, &own.kubernetes) {
        arguments.labs.kubernetes = Some(versions.clone());
    }
    let vocabulary = own.vocabulary();
    let suite = scenarios::suite_in_words_of(&vocabulary, &scenarios::files(&own.features)?, &selection)?;
    if let Some(rerun) = rerun.as_ref().filter(|_| arguments.index.is_none()) {
        rerun.compare(&suite, false, &session.events)?;
    }
    let selected = selection.pick(&suite);
    if selected.is_empty() {
        return Err(scenarios::nothing_selected(&suite));
    }
    own.check(&selected, &vocabulary)?;
    let plan = Plan::of(&arguments, &selection, &suite)?;
    let mut out = AutoStream::auto(io::stdout());
    if arguments.list {
        for (index, planned) in plan.cells.iter().enumerate() {
            writeln!(out, "{index}\t{}\t{}", planned.cell, planned.selected(&selection, &suite).len())?;
        }
        return Ok(Exit::Success);
    }
    let mut is_own = false;
    for planned in &plan.cells {
        is_own |= own.is_for(&selected, &planned.lab)?;
    }
    if let Some(Printed::KubernetesJob) = arguments.print {
        if rerun.is_some() {
            return Err(CommandError::new(Exit::Usage, "--print cannot be used with --rerun")
                .hint("the pods do not have the report: select the scenarios with --name or --tags"));
        }
        if is_own {
            return Err(
                CommandError::new(Exit::Usage, "--print cannot be used with a configuration of your own")
                    .hint("the image has only the built-in features: run `authlab matrix` where your files are"),
            );
        }
        write!(out, "{}", job::manifest(&arguments, &plan)?)?;
        return Ok(Exit::Success);
    }
    if let Some(index) = arguments.index {
        let Some(planned) = plan.cells.get(index) else {
            return Err(CommandError::new(
                Exit::Usage,
                format!("no cell has the index {index} (number of cells: {})", plan.cells.len()),
            )
            .hint("`--list` shows the cells with their indexes, from 0"));
        };
        let selected = planned.selected(&selection, &suite);
        return one::run(planned, selected, is_own.then_some(&own), &arguments, session, &mut out).await;
    }
    all(&arguments, &plan, own.has_features_on_disk(), session, &mut out).await
}

async fn all(arguments: &MatrixArguments, plan: &Plan, is_own: bool, session: &Session, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let started = Instant::now();
    if arguments.update {
        // Checked now: after the run it would be too late to refuse.
        keep::file(keep::FIXTURES.as_ref())?;
        if !plan.asked.selection.is_empty() {
            return Err(CommandError::new(Exit::Usage, "--update needs the result of the whole suite")
                .hint("leave out the options that select scenarios"));
        }
    }
    // Records always go through files; without a report the files are temporary.
    let passing = match arguments.scenarios.report.report {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("authlab-matrix-").tempdir()?),
    };
    let place = arguments
        .scenarios
        .report
        .report
        .clone()
        .or_else(|| passing.as_ref().map(|passing| passing.path().join("report")))
        .unwrap_or_default();
    let place = std::path::absolute(place)?;
    let directory = if arguments.resume {
        MatrixDirectory::resume(&place, &plan.asked)
    } else {
        MatrixDirectory::begin(&place, &plan.asked)
    };
    let directory = directory.map_err(|error| CommandError::hinted(Exit::Usage, error))?;
    let mut pending = Vec::new();
    for (index, planned) in plan.cells.iter().enumerate() {
        let finished = directory
            .finished(&planned.cell)
            .map_err(|error| CommandError::hinted(Exit::Usage, error))?;
        if finished.is_none() {
            pending.push(index);
        }
    }
    let capacity = Capacity::of_this_machine(arguments.most_labs);
    let mut progress = progress(session);
    if arguments.resume {
        progress.note(&format!(
            "{} of {} cells are finished",
            plan.cells.len() - pending.len(),
            plan.cells.len()
        ));
    }
    let mut labs = Labs {
        program: std::env::current_exe()?,
        arguments: std::env::args_os().skip(1).collect(),
        directory: &directory,
        tell_directory: arguments.scenarios.report.report.is_none(),
        capacity,
        interrupt: session.interrupt.clone(),
        progress,
    };
    labs.carry_out(&plan.cells, pending).await?;
    drop(labs);
    let records = records(&directory, plan)?;
    let mut matrix = MatrixRecord::of(&records, Some(plan.asked.clone()));
    matrix.ms = milliseconds(started.elapsed());
    matrix.interrupted |= session.interrupt.is_requested();
    directory.write(&matrix, &records)?;
    // If the output is closed, there is nowhere to report to.
    let _ = ci::tell(&records, session.output.json);
    let exit = merge::exit(&matrix);
    if session.output.json {
        out.write_all(matrix.to_json().map_err(io::Error::other)?.as_bytes())?;
    } else {
        terminal::draw(&matrix, session.output.quiet, out)?;
    }
    // A difference is a result; a cell that failed to run is not.
    if arguments.update && matches!(exit, Exit::Success | Exit::Failed) {
        keep::keep(&records, keep::FIXTURES.as_ref())?;
    }
    // Own features that prove nothing in any cell are no success.
    if is_own && exit == Exit::Success && nothing_was_carried_out(&records) {
        let scenarios = records.iter().flat_map(|record| &record.scenarios);
        let skipped = scenarios.filter_map(|scenario| scenario.skipped.as_ref());
        return Err(scenarios::nothing_carried_out(
            "in any cell",
            skipped.map(|skip| skip.because.as_str()),
        ));
    }
    Ok(exit)
}

/// Returns `true` if there were scenarios, and all of them were skipped in each cell.
fn nothing_was_carried_out(records: &[RunRecord]) -> bool {
    let mut scenarios = records.iter().flat_map(|record| &record.scenarios).peekable();
    scenarios.peek().is_some() && scenarios.all(|scenario| scenario.skipped.is_some())
}

fn progress(session: &Session) -> MatrixProgress {
    if session.output.quiet {
        MatrixProgress::nowhere()
    } else if io::stderr().is_terminal() {
        MatrixProgress::bars()
    } else {
        MatrixProgress::lines(AutoStream::auto(io::stderr()))
    }
}

/// Returns the records of the cells that have one, in the order of the plan.
fn records(directory: &MatrixDirectory, plan: &Plan) -> Result<Vec<RunRecord>, CommandError> {
    let places = plan.cells.iter().map(|planned| directory.cell(&planned.cell));
    places
        .filter(|place| place.join(saved::RECORD).exists())
        .map(|place| saved::read(&place).map_err(|error| CommandError::hinted(Exit::Failed, error)))
        .collect()
}
