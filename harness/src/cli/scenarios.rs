//! What `authlab run` and `cargo test` have in common: from feature files and
//! a selection to a record. The main type is [`Work`].

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use regex::Regex;

use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::{self, World};
use super::options::LabOptions;
use crate::event::Events;
use crate::report::directory::ReportDirectory;
use crate::report::record::{Recorder, RunRecord};
use crate::report::{Reporter, fan_out};
use crate::scenario::selection::{Ignored, Shard, TagExpression};
use crate::scenario::{FeatureFile, RunOptions, Selected, Selection, Suite, Tally, parser, runner};

/// Which scenarios, and where the report goes.
#[derive(Args, Clone, Debug, Default)]
pub struct ScenarioOptions {
    /// Scenarios whose tags satisfy an expression: `@oidc and not @serial`
    #[arg(long, env = "AUTHLAB_TAGS", value_name = "EXPR", help_heading = "Scenarios")]
    pub tags: Option<TagExpression>,
    /// Scenarios whose identity (`folder/feature::title`) matches
    #[arg(long, env = "AUTHLAB_NAME", value_name = "REGEX", help_heading = "Scenarios")]
    pub name: Option<Regex>,
    /// One of N equal parts of what is selected otherwise
    #[arg(long, env = "AUTHLAB_SHARD", value_name = "I/N", help_heading = "Scenarios")]
    pub shard: Option<Shard>,
    /// Present the sound twin in place of each flawed credential: a scenario that stays green can be fooled, and fails the run
    #[arg(long, env = "AUTHLAB_INVERT", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Scenarios")]
    pub invert: bool,
    /// Write `run.json` and `junit.xml` into a directory that is new, empty or an earlier report
    #[arg(long, env = "AUTHLAB_REPORT", value_name = "DIR", help_heading = "Output")]
    pub report: Option<PathBuf>,
}

impl ScenarioOptions {
    /// The selection that these options mean.
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

/// The feature files that `paths` name; those built in, when there is no path.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<FeatureFile>, CommandError> {
    if paths.is_empty() {
        return Ok(parser::embedded());
    }
    parser::named(paths).map_err(|error| CommandError::hinted(Exit::Usage, error))
}

/// Reads the features; their tags, and those of `selection`, must be known.
pub(super) fn suite(files: &[FeatureFile], selection: &Selection) -> Result<Suite, CommandError> {
    let vocabulary = lab_source::vocabulary();
    if let Some(tags) = &selection.tags {
        tags.check(&vocabulary).map_err(|error| CommandError::hinted(Exit::Usage, error))?;
    }
    Suite::new(files, &vocabulary).map_err(|error| CommandError::hinted(Exit::Usage, error))
}

/// The error of a selection that means no scenario.
pub(super) fn nothing_selected(suite: &Suite) -> CommandError {
    match suite.scenarios().count() {
        0 => CommandError::new(Exit::NothingSelected, "the feature files hold no scenario"),
        count => CommandError::new(Exit::NothingSelected, format!("none of the {count} scenarios is selected")).hint(
            "`authlab run --list` shows their identities; `--tags`, `--name`, `--shard` and their AUTHLAB_… variables narrow the selection",
        ),
    }
}

/// Selected scenarios, about to be carried out.
pub(super) struct Work<'a> {
    pub(super) selected: Selected<'a>,
    pub(super) options: RunOptions,
    pub(super) lab: &'a LabOptions,
    pub(super) report: Option<ReportDirectory>,
}

/// How work ended: always with a record, even when the lab could not be started.
pub(super) struct Done {
    pub(super) record: RunRecord,
    pub(super) tally: Result<Tally, CommandError>,
}

impl Work<'_> {
    /// Starts or finds the lab, carries the scenarios out, stops the lab if it is ours, writes the report.
    pub(super) async fn carry_out(self, mut reporters: Vec<Box<dyn Reporter>>) -> Done {
        let recorder = Arc::new(Mutex::new(Recorder::new()));
        reporters.push(Box::new(Arc::clone(&recorder)));
        let events = fan_out(reporters);
        let mut tally = self.in_lab(&events).await;
        drop(events);
        let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = &tally {
            recorder.failed(&error.plain());
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

    async fn in_lab(&self, events: &Events) -> Result<Tally, CommandError> {
        let ready = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&ready);
        let lab = async {
            let lab = lab_source::lab_for_run(self.lab, self.options.inverted, events).await?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(lab.clone());
            Ok(lab)
        };
        let tally = runner::run::<World, CommandError>(&self.selected, &self.options, lab, lab_source::fit, events).await?;
        let lab = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(lab) = lab {
            lab_source::release(lab, self.lab, tally, events).await?;
        }
        Ok(tally)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the report cannot be written to `{directory}`")]
struct ReportError {
    directory: PathBuf,
    source: std::io::Error,
}

/// Makes the report's directory now: after the run it would be too late to refuse.
pub(super) fn report_directory(options: &ScenarioOptions) -> Result<Option<ReportDirectory>, CommandError> {
    options
        .report
        .as_deref()
        .map(ReportDirectory::open)
        .transpose()
        .map_err(|error| CommandError::hinted(Exit::Usage, error))
}

/// The exit code that a tally means.
pub(super) fn exit(tally: Tally) -> Exit {
    match tally {
        Tally { interrupted: true, .. } => Exit::Interrupted,
        Tally { failed: 0, .. } => Exit::Success,
        _ => Exit::Failed,
    }
}

/// What `--ignored` and `--include-ignored` mean.
pub(super) fn ignored(only: bool, include: bool) -> Ignored {
    match (only, include) {
        (_, true) => Ignored::Include,
        (true, false) => Ignored::Only,
        (false, false) => Ignored::Skip,
    }
}
