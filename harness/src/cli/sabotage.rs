//! `authlab sabotage`: labs with one deliberate fault each, to check that the right scenarios fail.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anstream::AutoStream;
use clap::Args;
use clap::builder::FalseyValueParser;
use serde_json::json;

use super::Session;
use super::error::{CommandError, lab_error};
use super::exit::Exit;
use super::lab_source::{self, World};
use super::options::{ReportOptions, SourceOptions, VersionOptions, at_least_one};
use super::output::write_json;
use super::scenarios;
use crate::cluster::{Capabilities, Driver, Minor};
use crate::event::{Events, milliseconds};
use crate::identity_provider::Asked;
use crate::interrupt::Interrupt;
use crate::lab::{Lab, LabError, LabOptions};
use crate::mutation::{Mutation, Reasons};
use crate::report::fan_out;
use crate::report::record::Recorder;
use crate::report::sabotage::{SCHEMA, SabotageRecord, SabotageReport};
use crate::sabotage::Sabotage;
use crate::scenario::runner::CONCURRENCY;
use crate::scenario::selection::{Ignored, Shard};
use crate::scenario::world::{Mode, Site};
use crate::scenario::{RunOptions, Selection, Suite, runner};

mod judge;

use judge::Judge;

const DAY: i64 = 24 * 3600;

/// The exit codes as `--help` shows them.
pub const EXITS: &str = "\
Exit codes:
  0  in every lab, the right scenarios turned red, and only those
  1  in a lab, a fault went unnoticed, or an unrelated scenario turned red
  2  wrong usage
  3  nothing was selected
  5  interrupted (and everything was stopped)";

/// Arguments of `authlab sabotage`.
#[derive(Args, Debug)]
pub struct SabotageArguments {
    /// Sabotages to try, each in a lab of its own [default: all of them]
    ///
    /// `--list` shows their names.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Show the sabotages, and start nothing
    #[arg(long, help_heading = "Labs")]
    list: bool,
    /// Try N of all sabotages, different ones each day
    #[arg(long, value_name = "N", conflicts_with = "names", value_parser = at_least_one, help_heading = "Labs")]
    rotate: Option<usize>,
    /// Try N changes of single settings that nobody foresaw, at random
    ///
    /// Each inverts, shortens, drops or replaces one value of a setting, or adds a binding to the cluster. It is noticed as soon as a scenario
    /// fails, or a server exits because of it; in a first lab nothing is changed, and no scenario may fail. A survivor must stand in fixtures/surviving_mutations.toml, with the reason why nobody can notice.
    #[arg(long, value_name = "N", conflicts_with_all = ["names", "rotate"], value_parser = at_least_one, help_heading = "Labs")]
    mutations: Option<usize>,
    /// Draw the same mutations again; parts (`--shard`) need it
    #[arg(long, value_name = "SEED", requires = "mutations", help_heading = "Labs")]
    seed: Option<u64>,
    /// One of N parts of the selected sabotages: every Nth
    #[arg(long, env = "AUTHLAB_SHARD", value_name = "I/N", help_heading = "Labs")]
    shard: Option<Shard>,
    /// The versions of Kubernetes and Keycloak.
    #[command(flatten)]
    versions: VersionOptions,
    /// Keep the labs' directories, with logs
    #[arg(long, env = "AUTHLAB_KEEP", value_parser = FalseyValueParser::new(), help_heading = "Labs")]
    keep: bool,
    /// Number of scenarios at a time
    #[arg(long, env = "AUTHLAB_CONCURRENCY", value_name = "N", default_value_t = CONCURRENCY, value_parser = at_least_one, help_heading = "Labs")]
    concurrency: usize,
    /// The report.
    #[command(flatten)]
    report: ReportOptions,
    /// The possible sources of server binaries.
    #[command(flatten)]
    sources: SourceOptions,
}

/// Starts a lab for each selected sabotage, one after the other, and reports which scenarios noticed. All scenarios are carried
/// out, since unexpected failures are part of the result; the labs use processes, whose flags, files and responses can be changed.
///
/// # Errors
/// Wrong usage, or the report cannot be written.
pub(super) async fn run(arguments: SabotageArguments, session: &Session) -> Result<Exit, CommandError> {
    let mut out = AutoStream::auto(io::stdout());
    let today = jiff::Timestamp::now().as_second() / DAY;
    if arguments.mutations.is_some() && arguments.shard.is_some() && arguments.seed.is_none() {
        let told = "parts of mutations (`--shard`) need the same `--seed`: without one, each part draws others";
        return Err(CommandError::new(Exit::Usage, told));
    }
    let seed = arguments.mutations.map(|_| arguments.seed.unwrap_or_else(rand::random));
    let (chosen, judge) = match arguments.mutations.zip(seed) {
        Some((count, seed)) => draw(count, seed)?,
        None => (choose(&arguments.names, arguments.rotate, today)?, Judge::Foreseen),
    };
    let mut sabotages = of_shard(chosen, arguments.shard);
    if let Some(seed) = seed {
        session
            .events
            .note(format!("mutations of seed {seed}; `--seed {seed}` draws them again"));
    }
    if arguments.list {
        return list(&sabotages, session.output.json, &mut out);
    }
    if sabotages.is_empty() {
        return Err(CommandError::new(Exit::NothingSelected, "no sabotage is selected"));
    }
    // In each part: otherwise its labs would prove nothing.
    sabotages.splice(..0, judge.first()?);
    let kubernetes = arguments
        .versions
        .kubernetes()
        .map_err(|error| CommandError::new(Exit::Usage, error))?;
    arguments
        .versions
        .keycloak()
        .map_err(|error| CommandError::new(Exit::Usage, error))?;
    let suite = scenarios::suite(&scenarios::files(&[])?, &Selection::default())?;
    let report = arguments.report.directory()?;
    let VersionOptions {
        kubernetes: asked,
        keycloak,
    } = arguments.versions;
    let options = LabOptions {
        cluster: Some(Driver::Process),
        identity_provider: Asked::named("process"),
        kubernetes: asked,
        keycloak,
        keep: arguments.keep,
        server_binaries: arguments.sources.into(),
        ..LabOptions::default()
    };
    let trials = Trials {
        suite: &suite,
        options: &options,
        version: Minor(kubernetes.version.minor.into()),
        judge,
        concurrency: arguments.concurrency,
        interrupt: session.interrupt.clone(),
        events: session.events.clone(),
    };
    let began = Instant::now();
    let reports = tokio::select! {
        reports = trials.all(&sabotages) => reports?,
        () = session.interrupt.requested() => return Err(CommandError::new(Exit::Interrupted, "interrupted; everything was stopped")),
    };
    let record = SabotageRecord {
        schema: SCHEMA,
        authlab: env!("CARGO_PKG_VERSION").to_owned(),
        kubernetes: kubernetes.version.to_string(),
        seed,
        ms: milliseconds(began.elapsed()),
        sabotages: reports,
    };
    if let Some(report) = report {
        report.write_sabotages(&record)?;
    }
    if session.output.json {
        out.write_all(record.to_json().map_err(io::Error::other)?.as_bytes())?;
    } else {
        record.write(session.output.quiet, &mut out)?;
    }
    Ok(if record.is_sound() { Exit::Success } else { Exit::Failed })
}

fn list(all: &[Sabotage], json: bool, out: &mut dyn Write) -> Result<Exit, CommandError> {
    if json {
        let listed: Vec<_> = all
            .iter()
            .map(|one| json!({ "name": one.name, "described_as": one.described_as }))
            .collect();
        return write_json(&listed, out);
    }
    for sabotage in all {
        writeln!(out, "{}: {}", sabotage.name, sabotage.described_as)?;
    }
    Ok(Exit::Success)
}

/// Returns the sabotages named `names`; without names, the `rotate` ones whose turn it is on the day `today`, or all.
fn choose(names: &[String], rotate: Option<usize>, today: i64) -> Result<Vec<Sabotage>, CommandError> {
    let all = Sabotage::names();
    if !names.is_empty() {
        return names.iter().map(|name| named(name)).collect();
    }
    let Some(count) = rotate else {
        return all.iter().map(|name| named(name)).collect();
    };
    if count > all.len() {
        return Err(CommandError::new(
            Exit::Usage,
            format!("`--rotate {count}`: there are {} sabotages", all.len()),
        ));
    }
    let first = usize::try_from(today).unwrap_or_default() * count;
    (first..first + count).map(|position| named(&all[position % all.len()])).collect()
}

/// Returns `count` mutations that are drawn with `seed`, and the rule by which they are judged.
fn draw(count: usize, seed: u64) -> Result<(Vec<Sabotage>, Judge), CommandError> {
    let damaged = |error| CommandError::new(Exit::Usage, error);
    let reasons = Reasons::read().map_err(damaged)?;
    let drawn = Mutation::some(count, seed, &reasons).map_err(damaged)?;
    let sabotages = drawn.into_iter().map(|mutation| mutation.sabotage).collect();
    Ok((sabotages, Judge::Anybody(reasons)))
}

fn named(name: &str) -> Result<Sabotage, CommandError> {
    Sabotage::named(name).map_err(|error| CommandError::new(Exit::Usage, error).hint("`authlab sabotage --list` shows what they do"))
}

fn of_shard(sabotages: Vec<Sabotage>, shard: Option<Shard>) -> Vec<Sabotage> {
    let is_meant = |position| shard.is_none_or(|shard| shard.has(position));
    sabotages
        .into_iter()
        .enumerate()
        .filter(|(position, _)| is_meant(*position))
        .map(|(_, sabotage)| sabotage)
        .collect()
}

/// The settings for all sabotages.
struct Trials<'a> {
    suite: &'a Suite,
    options: &'a LabOptions,
    version: Minor,
    judge: Judge,
    concurrency: usize,
    interrupt: Interrupt,
    events: Events,
}

/// A lab with a sabotage; `lab` is `None` if there is nothing to sabotage.
struct Started {
    lab: Result<Option<Lab>, LabError>,
    skipped_because: Option<String>,
    ms: u64,
}

impl Trials<'_> {
    /// Tries the sabotages one after the other; while the scenarios of one are carried out, the lab of the next starts.
    async fn all(&self, sabotages: &[Sabotage]) -> Result<Vec<SabotageReport>, CommandError> {
        let mut reports = Vec::new();
        let mut next = match sabotages.first() {
            Some(first) => Some(self.start(first).await),
            None => None,
        };
        for (position, sabotage) in sabotages.iter().enumerate() {
            let Some(started) = next.take() else { break };
            let following = async {
                match sabotages.get(position + 1) {
                    Some(following) => Some(self.start(following).await),
                    None => None,
                }
            };
            let (report, following) = futures::join!(self.carry_out(sabotage, started), following);
            reports.push(report?);
            next = following;
        }
        Ok(reports)
    }

    async fn start(&self, sabotage: &Sabotage) -> Started {
        let began = Instant::now();
        let capabilities = Capabilities::of(Driver::Process, self.version);
        let lacking = sabotage.requires.iter().find_map(|feature| match capabilities.check(feature) {
            Ok(Ok(())) => None,
            Ok(Err(skip)) => Some(skip.because),
            Err(unknown) => Some(unknown.to_string()),
        });
        let lab = match &lacking {
            Some(_) => Ok(None),
            None => {
                let options = LabOptions {
                    sabotage: Some(Arc::new(sabotage.clone())),
                    ..self.options.clone()
                };
                Lab::start(&options, &Events::silent()).await.map(Some)
            }
        };
        Started {
            lab,
            skipped_because: lacking,
            ms: milliseconds(began.elapsed()),
        }
    }

    async fn carry_out(&self, sabotage: &Sabotage, started: Started) -> Result<SabotageReport, CommandError> {
        let phase = self.events.phase(format!("sabotage {}", sabotage.name));
        let mut report = SabotageReport {
            name: sabotage.name.clone(),
            described_as: sabotage.described_as.clone(),
            skipped_because: started.skipped_because,
            ..SabotageReport::default()
        };
        let began = Instant::now();
        match started.lab {
            Ok(None) => report.sound = true,
            Err(error) => {
                report.sound = self.judge.is_notice(sabotage, &error);
                report.not_ready = Some(lab_error(error).plain());
            }
            Ok(Some(lab)) => self.in_lab(sabotage, lab, &mut report).await?,
        }
        report.ms = started.ms + milliseconds(began.elapsed());
        match report.sound {
            true => phase.succeeded(),
            false => phase.failed(report.problems_in_a_line()),
        }
        Ok(report)
    }

    async fn in_lab(&self, sabotage: &Sabotage, lab: Lab, report: &mut SabotageReport) -> Result<(), CommandError> {
        let among = sabotage.among.as_deref().map(str::parse).transpose();
        let selection = Selection {
            tags: among.map_err(|error| CommandError::new(Exit::Usage, error))?,
            ignored: Ignored::Skip,
            ..Selection::default()
        };
        let recorder = Arc::new(Mutex::new(Recorder::new()));
        let events = fan_out(vec![Box::new(Arc::clone(&recorder))]);
        let options = RunOptions {
            concurrency: self.concurrency,
            max_failures: self.judge.max_failures(),
            last: lab_source::LAST,
            interrupt: self.interrupt.clone(),
            ..RunOptions::default()
        };
        let site = Site {
            cleanup: None,
            under_test: None,
            lab: lab.clone(),
            events: Events::silent(),
            exchanges: false,
            is_alone: false,
            mode: Mode::Sabotaged,
            learner: None,
        };
        let selected = selection.pick(self.suite);
        let ready = async { Ok::<_, CommandError>(site) };
        runner::run::<World, CommandError>(&selected, &options, ready, lab_source::fit, &events).await?;
        lab.end(self.options.keep).await.map_err(lab_error)?;

        let scenarios = recorder.lock().unwrap_or_else(PoisonError::into_inner).record().scenarios;
        self.judge.judge(sabotage, &scenarios, report);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(chosen: &[&str], rotate: Option<usize>, today: i64) -> Vec<String> {
        let chosen: Vec<String> = chosen.iter().map(|&name| name.to_owned()).collect();
        let chosen = choose(&chosen, rotate, today).expect("they are there");
        chosen.into_iter().map(|sabotage| sabotage.name).collect()
    }

    #[test]
    fn days_take_turns_until_all_were_tried() {
        let all = Sabotage::names();
        let days = all.len().div_ceil(4);
        let mut tried: Vec<String> = (0..days)
            .flat_map(|day| names(&[], Some(4), 20_000 + i64::try_from(day).unwrap_or_default()))
            .collect();
        tried.sort();
        tried.dedup();
        assert_eq!(tried, all);
        assert!(choose(&[], Some(all.len() + 1), 1).is_err());
    }

    #[test]
    fn they_are_chosen_by_name_and_by_shard() {
        assert_eq!(
            names(&["always_allow", "groups_dropped"], None, 1),
            ["always_allow", "groups_dropped"]
        );
        assert!(choose(&["no_such".to_owned()], None, 1).is_err());
        let all = choose(&[], None, 1).expect("they are there");
        let parts: usize = ["1/3", "2/3", "3/3"]
            .map(|shard| of_shard(all.clone(), shard.parse().ok()).len())
            .iter()
            .sum();
        assert_eq!(parts, all.len());
    }
}
