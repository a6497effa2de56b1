//! `authlab run`: a lab, the scenarios, the report.

use std::io::{self, Write};
use std::path::PathBuf;

use anstream::AutoStream;
use clap::Args;

use super::Session;
use super::error::CommandError;
use super::existing;
use super::exit::Exit;
use super::lab_source;
use super::options::{LabArguments, at_least_one};
use super::output::progress_reporter;
use super::scenarios::{self, ScenarioOptions, Work};
use crate::printable::Printable;
use crate::report::terminal::Summary;
use crate::scenario::runner::CONCURRENCY;
use crate::scenario::{Requirement, RunOptions, ScenarioContext};

/// Arguments of `authlab run`.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Feature files or folders, on disk or built in [default: all built in]
    #[arg(value_name = "FEATURE", env = "AUTHLAB_FEATURES", value_delimiter = ':')]
    pub features: Vec<PathBuf>,
    /// The selection of scenarios, and the report.
    #[command(flatten)]
    pub scenarios: ScenarioOptions,
    /// Also carry out scenarios tagged `@ignore`
    #[arg(long, env = "AUTHLAB_INCLUDE_IGNORED", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Scenarios")]
    pub include_ignored: bool,
    /// Show the selected scenarios, and start nothing
    #[arg(long, conflicts_with = "dry_run", help_heading = "Scenarios")]
    pub list: bool,
    /// With --list, show what each requires of a cluster, and what says so
    #[arg(long, requires = "list", help_heading = "Scenarios")]
    pub requires: bool,
    /// Show what a run would do in an existing cluster; create nothing
    ///
    /// Shows what it would ask and create, and which scenarios it would carry out.
    #[arg(long, help_heading = "Existing cluster")]
    pub dry_run: bool,
    /// Number of scenarios at a time
    #[arg(long, env = "AUTHLAB_CONCURRENCY", value_name = "N", default_value_t = CONCURRENCY, value_parser = at_least_one, help_heading = "Scenarios")]
    pub concurrency: usize,
    /// The lab.
    #[command(flatten)]
    pub lab: LabArguments,
}

/// Carries the scenarios out.
///
/// # Errors
/// Wrong usage, nothing selected, or a lab that could not be started.
pub async fn run(arguments: RunArguments, session: &Session) -> Result<Exit, CommandError> {
    let mut selection = arguments.scenarios.selection();
    selection.ignored = scenarios::ignored(false, arguments.include_ignored);
    let suite = scenarios::suite(&scenarios::files(&arguments.features)?, &selection)?;
    let selected = selection.pick(&suite);
    if selected.is_empty() {
        return Err(scenarios::nothing_selected(&suite));
    }
    let mut out = AutoStream::auto(io::stdout());
    if arguments.list {
        for scenario in selected.scenarios() {
            writeln!(out, "{}", scenario.id)?;
            if arguments.requires {
                write_requirements(&mut out, scenario)?;
            }
        }
        return Ok(Exit::Success);
    }
    if arguments.dry_run {
        let mut out = Printable::new(out);
        return tokio::select! {
            done = existing::dry_run(&arguments.lab, &selected, session, &mut out) => done,
            () = session.interrupt.requested() => Err(CommandError::new(Exit::Interrupted, "interrupted; nothing was created")),
        };
    }
    let work = Work {
        selected,
        options: RunOptions {
            last: lab_source::LAST,
            concurrency: arguments.concurrency,
            interrupt: session.interrupt.clone(),
            inverted: arguments.scenarios.invert,
        },
        lab: &arguments.lab,
        shard: arguments.scenarios.shard,
        report: arguments.scenarios.report.directory()?,
        no_exchanges: arguments.scenarios.no_exchanges,
    };
    let done = work
        .carry_out_and_tell(progress_reporter(session.output.quiet).into_iter().collect())
        .await;
    let shown = if session.output.json {
        done.record
            .to_json()
            .map_err(io::Error::other)
            .and_then(|json| out.write_all(json.as_bytes()))
    } else if done.tally.is_ok() {
        Summary::new(&done.record, arguments.scenarios.detail(&session.output, &done.record)).write(&mut out)
    } else {
        Ok(())
    };
    let exit = done.tally.map(scenarios::exit)?;
    match shown {
        // The reader of the output is gone; the exit code still reports the result of the scenarios.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        shown => Ok(shown.map(|()| exit)?),
    }
}

/// Writes a line for each requirement of `scenario`, with the tag or the first step that says so.
fn write_requirements(out: &mut impl Write, scenario: &ScenarioContext) -> io::Result<()> {
    let names = scenario.requires().map(str::len);
    let width = names.max().unwrap_or_default();
    for Requirement { name, source } in &scenario.requirements {
        writeln!(out, "  {name:width$}  {source}")?;
    }
    Ok(())
}
