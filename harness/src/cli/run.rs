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
use super::own::{Own, OwnOptions};
use super::scenarios::{self, ScenarioOptions, Work};
use super::visiting::VisitPlan;
use crate::cluster::Driver;
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
    /// Shows what it would ask and create, and which scenarios it would carry out. With features of your own, nothing is asked, either.
    #[arg(long, help_heading = "Existing cluster")]
    pub dry_run: bool,
    /// Number of scenarios at a time
    #[arg(long, env = "AUTHLAB_CONCURRENCY", value_name = "N", default_value_t = CONCURRENCY, value_parser = at_least_one, help_heading = "Scenarios")]
    pub concurrency: usize,
    /// Own features.
    #[command(flatten)]
    pub own: OwnOptions,
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
    arguments.scenarios.check_reports()?;
    let rerun = arguments.scenarios.failed_before()?;
    if let Some(rerun) = &rerun {
        rerun.narrow(&mut selection);
    }
    let own = Own::read(&arguments.own, &arguments.features, arguments.lab.cluster.0)?;
    let vocabulary = own.vocabulary();
    let suite = scenarios::suite_in_words_of(&vocabulary, &scenarios::files(&own.features)?, &selection)?;
    if let Some(rerun) = &rerun {
        rerun.compare(&suite, arguments.scenarios.invert, &session.events)?;
    }
    let selected = selection.pick(&suite);
    if selected.is_empty() {
        return Err(scenarios::nothing_selected(&suite));
    }
    own.check(&selected, &vocabulary)?;
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
    let is_own = own.is_for(&selected, &arguments.lab)?;
    let visit = match arguments.lab.cluster.0 {
        Some(Driver::Existing) if is_own => Some(VisitPlan::of(
            &own,
            &selected,
            &vocabulary,
            &arguments.lab,
            arguments.scenarios.invert,
        )?),
        _ => None,
    };
    if let Some(visit) = visit.as_ref().filter(|_| arguments.dry_run) {
        return visit.show(session, &mut Printable::new(out));
    }
    if arguments.dry_run {
        let mut out = Printable::new(out);
        return tokio::select! {
            done = existing::dry_run(&arguments.lab, &selected, session, &mut out) => done,
            () = session.interrupt.requested() => Err(CommandError::new(Exit::Interrupted, "interrupted; nothing was created")),
        };
    }
    // A part of the features may be just what this lab skips.
    let is_part = arguments.scenarios.shard.is_some() || arguments.scenarios.invert;
    let work = Work {
        own: is_own.then_some(&own),
        visit: visit.as_ref(),
        selected,
        options: RunOptions {
            last: lab_source::LAST,
            concurrency: arguments.concurrency,
            interrupt: session.interrupt.clone(),
            inverted: arguments.scenarios.invert,
            max_failures: arguments.scenarios.failures(),
            run_with: own.run_with(&arguments.own, &arguments.lab),
        },
        lab: &arguments.lab,
        shard: arguments.scenarios.shard,
        report: arguments.scenarios.report.directory()?,
        no_exchanges: arguments.scenarios.no_exchanges,
    };
    let done = work
        .carry_out_and_tell(progress_reporter(session.output.quiet).into_iter().collect(), session.output.json)
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
    let tally = done.tally?;
    match shown {
        // The reader of the output is gone; the exit code still reports the result of the scenarios.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        shown => shown?,
    }
    // Own features that prove nothing are no success, neither here nor at a cluster that exists.
    if own.has_features_on_disk() && !is_part && tally.is_all_skipped() {
        let skipped = done.record.scenarios.iter().filter_map(|scenario| scenario.skipped.as_ref());
        return Err(scenarios::nothing_carried_out("here", skipped.map(|skip| skip.because.as_str())));
    }
    Ok(scenarios::exit(tally))
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
