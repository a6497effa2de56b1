//! The features as a test binary for `cargo test` and cargo-nextest, like
//! any other. The main items are [`main`] and, for a crate's own features, [`main_with`].

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::Parser;
use libtest_mimic::{Arguments, ColorSetting, FormatSetting};

use super::error::CommandError;
use super::exit::Exit;
use super::lab_source;
use super::options::{LabArguments, OutputOptions};
use super::output::{progress, progress_reporter};
use super::scenarios::{self, ScenarioOptions, Work};
use super::{Session, finish, nextest, on_runtime, open_files, watch_containers};
use crate::report::Reporter;
use crate::report::libtest::Libtest;
use crate::scenario::RunOptions;
use crate::scenario::runner::CONCURRENCY;

/// Options of a Rust test binary, and those of the lab.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true)]
struct TestArguments {
    #[command(flatten)]
    libtest: Arguments,
    /// Further filters: a test that contains any of them is run
    #[arg(value_name = "FILTER")]
    more_filters: Vec<String>,
    /// Like `--nocapture`: output is never captured
    #[arg(long)]
    no_capture: bool,
    /// Feature files or folders in place of the built-in ones
    #[arg(long, env = "AUTHLAB_FEATURES", value_name = "FEATURE", value_delimiter = ':')]
    features: Vec<PathBuf>,
    #[command(flatten)]
    scenarios: ScenarioOptions,
    #[command(flatten)]
    lab: LabArguments,
}

/// The exit code of Rust's own test harness when a test failed.
const TEST_FAILED: u8 = 101;

/// Features in place of the built-in ones, whose steps may come from the caller's own crate: every step that is
/// registered for [`World`](lab_source::World) with cucumber's attributes is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnFeatures<'a> {
    /// Feature files and folders; the built-in ones if empty.
    pub files: &'a [&'a str],
    /// Tags in addition to authlab's own, without `@`.
    pub tags: &'a [&'a str],
}

/// Runs the built-in features as a test binary, from its arguments to its exit code.
#[must_use]
pub fn main() -> ExitCode {
    main_with(OwnFeatures::default())
}

/// Runs the features in `own` as a test binary, from the arguments of the process to its exit code.
#[must_use]
pub fn main_with(own: OwnFeatures<'_>) -> ExitCode {
    crate::tls::choose_provider();
    open_files::raise_limit();
    // The owner of a lab in containers executes its own program again to watch over them.
    if let Some(exit) = watch_containers::when_asked() {
        return exit;
    }
    let arguments = match TestArguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match arguments.libtest.color {
        Some(ColorSetting::Always) => ColorChoice::Always.write_global(),
        Some(ColorSetting::Never) => ColorChoice::Never.write_global(),
        _ => {}
    }
    let ended = on_runtime(
        OutputOptions {
            quiet: true,
            ..OutputOptions::default()
        },
        async |session| test(arguments, own, session).await,
    );
    match ended {
        Ok(Exit::Failed) => ExitCode::from(TEST_FAILED),
        ended => finish(ended),
    }
}

async fn test(arguments: TestArguments, own: OwnFeatures<'_>, session: &Session) -> Result<Exit, CommandError> {
    let TestArguments {
        libtest,
        more_filters,
        no_capture: _,
        mut features,
        scenarios: options,
        mut lab,
    } = arguments;
    lab.attach_only = nextest::is_one_test_of_many();
    let terse = libtest.quiet || libtest.format == Some(FormatSetting::Terse);
    for (given, option) in [
        (libtest.format == Some(FormatSetting::Json), "--format json"),
        (libtest.logfile.is_some(), "--logfile"),
    ] {
        if given {
            return Err(CommandError::new(Exit::Usage, format!("`{option}` is not supported"))
                .hint("`--report DIR` (AUTHLAB_REPORT) writes run.json, junit.xml and more"));
        }
    }
    let mut narrowed = options.selection();
    options.check_reports()?;
    let rerun = options.failed_before()?;
    if let Some(rerun) = &rerun {
        rerun.narrow(&mut narrowed);
    }
    if features.is_empty() {
        features.extend(own.files.iter().map(PathBuf::from));
    }
    let mut vocabulary = lab_source::vocabulary();
    vocabulary.tags.extend(own.tags.iter().map(|tag| (*tag).to_owned()));
    let suite = scenarios::suite_in_words_of(&vocabulary, &scenarios::files(&features)?, &narrowed)?;
    // A report may be about other test binaries alone, and each test of many would tell the same.
    let is_elsewhere = rerun.as_ref().is_some_and(|rerun| !rerun.is_about(&suite));
    if let Some(rerun) = rerun.as_ref().filter(|_| !is_elsewhere && !lab.attach_only && !libtest.list) {
        rerun.compare(&suite, options.invert, &progress(false))?;
    }
    // A FILTER applies to all test binaries and may match nothing in this one; the tool's own options do not.
    if !is_elsewhere && narrowed.pick(&suite).is_empty() {
        return Err(scenarios::nothing_selected(&suite));
    }
    let mut selection = narrowed;
    selection.filters = libtest.filter.into_iter().chain(more_filters).collect();
    selection.skip = libtest.skip;
    selection.exact = libtest.exact;
    selection.ignored = scenarios::ignored(libtest.ignored, libtest.include_ignored);
    if libtest.bench {
        selection.filters = vec!["\0".to_owned()];
    }
    let selected = selection.pick(&suite);
    let mut out = AutoStream::auto(io::stdout());
    if libtest.list {
        for scenario in selected.scenarios() {
            writeln!(out, "{}: test", scenario.id)?;
        }
        if !terse {
            writeln!(out, "\n{} tests, 0 benchmarks", selected.len())?;
        }
        return Ok(Exit::Success);
    }
    let mut reporters: Vec<Box<dyn Reporter>> = vec![Box::new(Libtest::new(out, terse))];
    if selected.is_empty() {
        // A run without scenarios needs no lab.
        let events = crate::report::fan_out(reporters);
        events.emit(crate::event::Event::RunStarted {
            selected: 0,
            filtered_out: selected.filtered_out(),
            inverted: options.invert,
        });
        events.emit(crate::event::Event::RunFinished { ms: 0, interrupted: false });
        return Ok(Exit::Success);
    }
    reporters.extend(progress_reporter(terse));
    let work = Work {
        selected,
        options: RunOptions {
            last: lab_source::LAST,
            concurrency: libtest.test_threads.unwrap_or(CONCURRENCY),
            interrupt: session.interrupt.clone(),
            inverted: options.invert,
            max_failures: options.failures(),
            run_with: Vec::new(),
        },
        lab: &lab,
        own: None,
        visit: None,
        shard: options.shard,
        report: options.report.directory()?,
        no_exchanges: options.no_exchanges,
    };
    work.carry_out_and_tell(reporters, false).await.tally.map(scenarios::exit)
}
