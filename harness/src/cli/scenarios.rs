//! The common part of `authlab run` and `cargo test`: from feature files and
//! a selection to a record. The main type is [`Work`].

use std::cell::OnceCell;
use std::convert::Infallible;
use std::future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use regex::Regex;
use tokio::sync::oneshot;

use super::ci;
use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::{self, World};
use super::lost_server::a_server_is_lost;
use super::options::{AUTO, LabArguments, OutputOptions, ReportOptions, at_least_one};
use super::own::Own;
use super::rerun::Rerun;
use super::visiting::VisitPlan;
use crate::cluster::{Behaviours, Driver};
use crate::event::Events;
use crate::identity_provider::Kind;
use crate::interrupt::interrupt;
use crate::report::cell::{Cell, Part};
use crate::report::directory::ReportDirectory;
use crate::report::record::{Recorder, RunRecord};
use crate::report::terminal::Detail;
use crate::report::{Reporter, fan_out};
use crate::scenario::selection::{Ignored, Shard, TagExpression};
use crate::scenario::{FeatureFile, RunOptions, Selected, Selection, Suite, Tally, Vocabulary, parser, runner};

/// The selection of scenarios, and the report.
#[derive(Args, Clone, Debug, Default)]
pub struct ScenarioOptions {
    /// Select scenarios by an expression of tags: `@oidc and not @serial`
    #[arg(long, env = "AUTHLAB_TAGS", value_name = "EXPR", help_heading = "Scenarios")]
    pub tags: Option<TagExpression>,
    /// Select scenarios whose identity (`folder/feature::title`) matches
    #[arg(long, env = "AUTHLAB_NAME", value_name = "REGEX", help_heading = "Scenarios")]
    pub name: Option<Regex>,
    /// Select one of N parts of the scenarios, about equal in number
    #[arg(long, env = "AUTHLAB_SHARD", value_name = "I/N", help_heading = "Scenarios")]
    pub shard: Option<Shard>,
    /// Select the scenarios that failed in an earlier report
    ///
    /// REPORT is its directory or its `run.json`. A scenario that does not exist any more is named.
    #[arg(long, env = "AUTHLAB_RERUN", value_name = "REPORT", help_heading = "Scenarios")]
    pub rerun: Option<PathBuf>,
    /// Stop after the first failure, like `--max-failures 1`
    #[arg(long, env = "AUTHLAB_FAIL_FAST", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Scenarios")]
    pub fail_fast: bool,
    /// Stop after N failures: finish what runs, and begin nothing new
    ///
    /// The other scenarios are reported as not run. In a matrix, it applies to each cell.
    #[arg(long, env = "AUTHLAB_MAX_FAILURES", value_name = "N", value_parser = at_least_one, help_heading = "Scenarios")]
    pub max_failures: Option<usize>,
    /// Present the sound twin in place of each flawed credential
    ///
    /// A scenario that still passes does not notice the flaw, and fails the run.
    #[arg(long, env = "AUTHLAB_INVERT", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Scenarios")]
    pub invert: bool,
    /// The report.
    #[command(flatten)]
    pub report: ReportOptions,
    /// Show the reason of every refusal, and each skipped scenario
    ///
    /// Shown by default for up to 20 scenarios.
    #[arg(long, env = "AUTHLAB_WHY", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Output")]
    pub why: bool,
    /// Do not record the requests: a smaller record, without diagrams
    #[arg(long, env = "AUTHLAB_NO_EXCHANGES", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Output")]
    pub no_exchanges: bool,
}

impl ScenarioOptions {
    /// Returns how much of `record` is shown.
    #[must_use]
    pub fn detail(&self, output: &OutputOptions, record: &RunRecord) -> Detail {
        match (output.quiet, self.why) {
            (true, _) => Detail::Totals,
            (false, true) => Detail::Reasons,
            (false, false) => Detail::fit_for(record),
        }
    }

    /// Returns the number of failures after which no further scenario begins.
    #[must_use]
    pub fn failures(&self) -> Option<usize> {
        if self.fail_fast { Some(1) } else { self.max_failures }
    }

    /// Checks that `--report` does not replace the report that `--rerun` names: if the lab does not start, its list would be lost.
    ///
    /// # Errors
    /// They are the same.
    pub(super) fn check_reports(&self) -> Result<(), CommandError> {
        let place = |path: &Option<PathBuf>| path.as_ref()?.canonicalize().ok();
        match place(&self.rerun).zip(place(&self.report.report)) {
            Some((before, report)) if before.starts_with(&report) => Err(CommandError::new(
                Exit::Usage,
                "--rerun and --report name the same report, which the run would replace",
            )
            .hint("write the new report into another directory")),
            _ => Ok(()),
        }
    }

    /// Returns the failed scenarios of the report that `--rerun` names.
    pub(super) fn failed_before(&self) -> Result<Option<Rerun>, CommandError> {
        self.rerun.as_deref().map(Rerun::read).transpose()
    }

    /// Returns the selection that these options describe, apart from `--rerun`.
    #[must_use]
    pub fn selection(&self) -> Selection {
        Selection {
            name: self.name.clone(),
            tags: self.tags.clone(),
            shard: self.shard,
            ..Selection::default()
        }
    }
}

/// Returns the feature files that `paths` name; without a path, the built-in ones.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<FeatureFile>, CommandError> {
    if paths.is_empty() {
        return Ok(parser::embedded());
    }
    parser::named(paths).map_err(|error| CommandError::hinted(Exit::Usage, error))
}

/// Reads the features; their tags, and those of `selection`, must be known.
pub(super) fn suite(files: &[FeatureFile], selection: &Selection) -> Result<Suite, CommandError> {
    suite_in_words_of(&lab_source::vocabulary(), files, selection)
}

/// Like [`suite`], for a vocabulary that may hold more than authlab's own.
pub(super) fn suite_in_words_of(vocabulary: &Vocabulary, files: &[FeatureFile], selection: &Selection) -> Result<Suite, CommandError> {
    if let Some(tags) = &selection.tags {
        tags.check(vocabulary).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
    }
    Suite::new(files, vocabulary).map_err(|error| CommandError::hinted(Exit::Usage, error))
}

/// Returns the error for a selection without scenarios.
pub(super) fn nothing_selected(suite: &Suite) -> CommandError {
    match suite.scenarios().count() {
        0 => CommandError::new(Exit::NothingSelected, "the feature files have no scenarios"),
        count => CommandError::new(Exit::NothingSelected, format!("none of the {count} scenarios is selected")).hint(
            "`authlab run --list` shows their identities; `--tags`, `--name`, `--shard`, `--rerun` and their AUTHLAB_… variables narrow the selection",
        ),
    }
}

/// Returns the error for a selection of which nothing can be carried out at `place`, with each of the reasons once.
pub(super) fn nothing_carried_out<'a>(place: &str, reasons: impl Iterator<Item = &'a str>) -> CommandError {
    let mut reasons: Vec<&str> = reasons.collect();
    reasons.sort_unstable();
    reasons.dedup();
    CommandError::new(
        Exit::NothingSelected,
        format!("none of the selected scenarios can be carried out {place}:\n{}", reasons.join("\n")),
    )
}

/// Selected scenarios, ready to be carried out.
pub(super) struct Work<'a> {
    pub(super) selected: Selected<'a>,
    pub(super) options: RunOptions,
    pub(super) lab: &'a LabArguments,
    /// The API server that is started in place of that lab, if the scenarios are about an own configuration.
    pub(super) own: Option<&'a Own>,
    /// The cluster that exists and is asked in place of both, if there is one.
    pub(super) visit: Option<&'a VisitPlan>,
    /// The selected part of the scenarios.
    pub(super) shard: Option<Shard>,
    pub(super) report: Option<ReportDirectory>,
    pub(super) no_exchanges: bool,
}

/// The result of [`Work`]: it always has a record, even when the lab could not be started.
pub(super) struct Done {
    pub(super) record: RunRecord,
    pub(super) tally: Result<Tally, CommandError>,
}

impl Work<'_> {
    /// Like [`Work::carry_out`], and also reports to the CI system. Standard output is left as it is if it `is_taken`.
    pub(super) async fn carry_out_and_tell(self, reporters: Vec<Box<dyn Reporter>>, is_taken: bool) -> Done {
        let done = self.carry_out(reporters).await;
        // If the output is closed, there is nowhere to report to.
        let _ = ci::tell(std::slice::from_ref(&done.record), is_taken);
        done
    }

    /// Starts or finds the lab, carries the scenarios out, stops the lab if this process owns it, writes the report.
    pub(super) async fn carry_out(self, mut reporters: Vec<Box<dyn Reporter>>) -> Done {
        let mut recorder = Recorder::new();
        recorder.of_cell(cell(self.lab, self.shard));
        let recorder = Arc::new(Mutex::new(recorder));
        reporters.push(Box::new(Arc::clone(&recorder)));
        let events = fan_out(reporters);
        let mut tally = self.in_lab(&recorder, &events).await;
        drop(events);
        let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = &tally {
            recorder.failed(&error.plain());
        }
        if self.lab.versions.kubernetes.is_none() {
            recorder.found_version();
        }
        let record = recorder.record();
        if let Some(report) = &self.report
            && let Err(error) = report.write(&record)
            && tally.is_ok()
        {
            tally = Err(CommandError::new(
                Exit::Failed,
                ReportError {
                    directory: report.path().to_path_buf(),
                    source: error,
                },
            ));
        }
        Done { record, tally }
    }

    async fn in_lab(&self, recorder: &Mutex<Recorder>, events: &Events) -> Result<Tally, CommandError> {
        let ready = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&ready);
        let (is_up, up) = oneshot::channel();
        let lab = async {
            let inverted = self.options.inverted;
            let mut lab = match (self.own, self.visit) {
                (Some(own), Some(visit)) => visit.open(own, events).await?,
                (Some(own), None) => own.start(self.lab, inverted, events).await?,
                (None, _) => lab_source::lab_for_run(self.lab, inverted, events).await?,
            };
            lab.exchanges = !self.no_exchanges;
            lab.is_alone = lab.lab.is_owned() && self.selected.len() == 1;
            let absent = Behaviours::known().absent(lab.lab.version()).map(str::to_owned).collect();
            recorder.lock().unwrap_or_else(PoisonError::into_inner).lacks(absent);
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(lab.clone());
            let _nobody_waits = is_up.send(lab.clone());
            Ok(lab)
        };
        let (stop, stopping) = interrupt();
        let options = RunOptions {
            interrupt: stopping,
            ..self.options.clone()
        };
        let lost = OnceCell::new();
        let watching = async {
            let server = async {
                match up.await {
                    Ok(lab) => a_server_is_lost(&lab.lab).await,
                    Err(_) => future::pending().await,
                }
            };
            tokio::select! {
                () = self.options.interrupt.requested() => {}
                // Every later request fails because of that alone.
                server = server => drop(lost.set(server)),
            }
            stop.interrupt();
            future::pending::<Infallible>().await
        };
        let tally = tokio::select! {
            tally = runner::run::<World, CommandError>(&self.selected, &options, lab, lab_source::fit, events) => tally?,
            never = watching => match never {},
        };
        let lab = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(lab) = lab {
            lab_source::release(lab, self.lab, tally.failed > 0 || lost.get().is_some(), events).await?;
        }
        match lost.into_inner() {
            None => Ok(tally),
            Some(server) => Err(server.error()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write the report to `{directory}`")]
struct ReportError {
    directory: PathBuf,
    source: std::io::Error,
}

/// Returns the requested combination as a cell of a matrix.
pub(super) fn cell(lab: &LabArguments, shard: Option<Shard>) -> Cell {
    let kubernetes = match lab.cluster.0 {
        // The version is that of the cluster.
        Some(Driver::Existing) => String::new(),
        _ => match lab.versions.kubernetes() {
            Ok(pinned) => pinned.version.request(),
            // The run will fail, and its record shows the version as it was typed.
            Err(unknown) => unknown.asked,
        },
    };
    Cell {
        cluster: lab.cluster.0.map_or(AUTO, Driver::name).to_owned(),
        kubernetes,
        keycloak: lab.versions.keycloak.as_ref().map(|asked| {
            lab.versions
                .keycloak()
                .map_or_else(|_| asked.clone(), |pinned| pinned.version.clone())
        }),
        identity_provider: lab
            .identity_provider
            .0
            .and_then(|asked| asked.kind)
            .filter(|kind| *kind != Kind::Keycloak)
            .map(|kind| kind.name().to_owned()),
        shard: shard.map(|shard| Part {
            index: shard.index(),
            count: shard.count(),
        }),
    }
}

/// Returns the exit code for a tally.
pub(super) fn exit(tally: Tally) -> Exit {
    match tally {
        Tally { interrupted: true, .. } => Exit::Interrupted,
        Tally { failed: 0, .. } => Exit::Success,
        _ => Exit::Failed,
    }
}

/// Returns the meaning of `--ignored` and `--include-ignored`.
pub(super) fn ignored(only: bool, include: bool) -> Ignored {
    match (only, include) {
        (_, true) => Ignored::Include,
        (true, false) => Ignored::Only,
        (false, false) => Ignored::Skip,
    }
}
