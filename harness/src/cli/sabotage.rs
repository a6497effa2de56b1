//! `authlab run --sabotage`: labs in which one thing is wrong on purpose, to see that the right scenarios turn red.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anstream::AutoStream;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::lab_source::{self, World};
use super::options::{ClusterDriver, IdentityProviderDriver};
use super::run::RunArguments;
use super::scenarios;
use crate::cluster::{Capabilities, Driver, Minor};
use crate::event::{Events, Outcome, milliseconds};
use crate::identity_provider;
use crate::interrupt::Interrupt;
use crate::lab::{Lab, LabError, LabOptions};
use crate::report::fan_out;
use crate::report::record::Recorder;
use crate::report::sabotage::{SCHEMA, SabotageRecord, SabotageReport};
use crate::sabotage::{Sabotage, verdict};
use crate::scenario::selection::{Ignored, Shard};
use crate::scenario::world::{Mode, Site};
use crate::scenario::{RunOptions, Selection, Suite, runner};

const DAY: i64 = 24 * 3600;

/// Starts a lab for each of the `chosen` sabotages, one after the other, and says who noticed.
///
/// # Errors
/// Wrong usage, or the report cannot be written.
pub(super) async fn run(arguments: &RunArguments, chosen: &str, session: &Session) -> Result<Exit, CommandError> {
    let mut out = AutoStream::auto(io::stdout());
    if chosen == "list" {
        for name in Sabotage::names() {
            writeln!(out, "{name}: {}", named(&name)?.described_as)?;
        }
        return Ok(Exit::Success);
    }
    refuse_what_does_not_go_with_it(arguments)?;
    let today = jiff::Timestamp::now().as_second() / DAY;
    let sabotages = of_shard(choose(chosen, today)?, arguments.scenarios.shard);
    if sabotages.is_empty() {
        return Err(CommandError::new(Exit::NothingSelected, "no sabotage is selected"));
    }
    let suite = scenarios::suite(&scenarios::files(&[])?, &Selection::default())?;
    let report = scenarios::report_directory(&arguments.scenarios)?;
    let mut options = arguments.lab.lab()?;
    options.cluster = Some(Driver::Process);
    options.identity_provider = Some(identity_provider::Driver::Process);
    let pinned = options.pinned().map_err(|error| CommandError::new(Exit::Usage, error))?;
    let bench = Bench {
        suite: &suite,
        options: &options,
        version: Minor(pinned.version.minor.into()),
        concurrency: arguments.concurrency,
        interrupt: session.interrupt.clone(),
        events: session.events.clone(),
    };
    let began = Instant::now();
    let reports = tokio::select! {
        reports = bench.all(&sabotages) => reports?,
        () = session.interrupt.requested() => return Err(CommandError::new(Exit::Interrupted, "interrupted; everything was stopped")),
    };
    let record = SabotageRecord {
        schema: SCHEMA,
        authlab: env!("CARGO_PKG_VERSION").to_owned(),
        kubernetes: pinned.version.to_string(),
        ms: milliseconds(began.elapsed()),
        sabotages: reports,
    };
    if let Some(report) = report {
        report.write_sabotages(&record)?;
    }
    if session.voice.json {
        out.write_all(record.to_json().map_err(io::Error::other)?.as_bytes())?;
    } else {
        record.write(session.voice.quiet, &mut out)?;
    }
    Ok(if record.is_sound() { Exit::Success } else { Exit::Failed })
}

fn refuse_what_does_not_go_with_it(arguments: &RunArguments) -> Result<(), CommandError> {
    let (lab, options) = (&arguments.lab, &arguments.scenarios);
    let processes = matches!(lab.cluster, ClusterDriver::Auto | ClusterDriver::Process)
        && matches!(
            lab.identity_provider,
            IdentityProviderDriver::Auto | IdentityProviderDriver::Process
        );
    if !processes {
        return Err(CommandError::new(Exit::Usage, "--sabotage needs labs of processes")
            .hint("what is changed are flags, files and answers of servers that authlab starts itself: leave --cluster and --identity-provider out"));
    }
    let others = [
        (!arguments.features.is_empty(), "FEATURE"),
        (options.tags.is_some(), "--tags"),
        (options.name.is_some(), "--name"),
        (options.invert, "--invert"),
        (arguments.list, "--list"),
        (arguments.dry_run, "--dry-run"),
        (lab.lab.is_some(), "--lab"),
    ];
    match others.iter().find(|(given, _)| *given) {
        Some((_, other)) => Err(CommandError::new(Exit::Usage, format!("{other} does not go with --sabotage"))
            .hint("who else turns red is a part of the answer, so all scenarios are carried out, in labs of their own")),
        None => Ok(()),
    }
}

/// The sabotages that somebody asks for, on the day `today`.
fn choose(chosen: &str, today: i64) -> Result<Vec<Sabotage>, CommandError> {
    let all = Sabotage::names();
    if chosen == "all" {
        return all.iter().map(|name| named(name)).collect();
    }
    if let Some(count) = chosen.strip_prefix("rotate:") {
        let count = count
            .parse()
            .ok()
            .filter(|count| (1..=all.len()).contains(count))
            .ok_or_else(|| CommandError::new(Exit::Usage, format!("`rotate:{count}` is no part of {} sabotages", all.len())))?;
        let first = usize::try_from(today).unwrap_or_default() * count;
        return (first..first + count).map(|position| named(&all[position % all.len()])).collect();
    }
    chosen.split(',').map(|name| named(name.trim())).collect()
}

fn named(name: &str) -> Result<Sabotage, CommandError> {
    Sabotage::named(name).map_err(|error| CommandError::new(Exit::Usage, error).hint("`authlab run --sabotage list` shows what they do"))
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

/// Where sabotages are tried.
struct Bench<'a> {
    suite: &'a Suite,
    options: &'a LabOptions,
    version: Minor,
    concurrency: usize,
    interrupt: Interrupt,
    events: Events,
}

/// A lab with a sabotage; none where there is nothing to sabotage.
struct Started {
    lab: Result<Option<Lab>, LabError>,
    skipped_because: Option<String>,
    ms: u64,
}

impl Bench<'_> {
    /// One after the other; while one's scenarios are carried out, the next one's lab starts.
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
            // The harness has noticed; but no scenario has.
            Err(error) => report.not_ready = Some(lab_source::lab_error(error).plain()),
            Ok(Some(lab)) => self.in_lab(sabotage, lab, &mut report).await?,
        }
        report.ms = started.ms + milliseconds(began.elapsed());
        match report.sound {
            true => phase.succeeded(),
            false => phase.failed(report.in_short()),
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
            last: lab_source::LAST,
            interrupt: self.interrupt.clone(),
            inverted: false,
        };
        let site = Site {
            cleanup: None,
            lab: lab.clone(),
            events: Events::silent(),
            exchanges: false,
            mode: Mode::Sabotaged,
            learner: None,
        };
        let selected = selection.pick(self.suite);
        let ready = async { Ok::<_, CommandError>(site) };
        runner::run::<World, CommandError>(&selected, &options, ready, lab_source::fit, &events).await?;
        lab.end(self.options.keep).await.map_err(lab_source::lab_error)?;

        let scenarios = recorder.lock().unwrap_or_else(PoisonError::into_inner).record().scenarios;
        let seen = verdict(sabotage, &scenarios);
        let why = |id: &String| {
            let failure = scenarios
                .iter()
                .find(|scenario| scenario.id == *id)
                .and_then(|scenario| scenario.failure.as_ref());
            failure
                .map(|failure| format!("{}\n{}", failure.step, failure.cause))
                .unwrap_or_default()
        };
        report.sound = seen.is_sound();
        report.carried_out = scenarios.iter().filter(|scenario| scenario.outcome != Outcome::Skipped).count();
        report.red = seen.red();
        report.unexpected = seen.unexpected.iter().map(|id| (id.clone(), why(id))).collect();
        (report.noticed, report.also, report.missing) = (seen.noticed, seen.also, seen.missing);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(chosen: &str, today: i64) -> Vec<String> {
        let chosen = choose(chosen, today).expect("they are there");
        chosen.into_iter().map(|sabotage| sabotage.name).collect()
    }

    #[test]
    fn days_take_turns_until_all_were_tried() {
        let all = Sabotage::names();
        let days = all.len().div_ceil(4);
        let mut tried: Vec<String> = (0..days)
            .flat_map(|day| names("rotate:4", 20_000 + i64::try_from(day).unwrap_or_default()))
            .collect();
        tried.sort();
        tried.dedup();
        assert_eq!(tried, all);
        assert!(choose("rotate:0", 1).is_err() && choose("rotate:x", 1).is_err());
    }

    #[test]
    fn they_are_chosen_by_name_and_by_shard() {
        assert_eq!(names("always_allow, groups_dropped", 1), ["always_allow", "groups_dropped"]);
        assert!(choose("no_such", 1).is_err());
        let all = choose("all", 1).expect("they are there");
        let parts: usize = ["1/3", "2/3", "3/3"]
            .map(|shard| of_shard(all.clone(), shard.parse().ok()).len())
            .iter()
            .sum();
        assert_eq!(parts, all.len());
    }
}
