//! Every reader of what others wrote, given inputs that nobody would write: it answers, whatever it is given, and tells no secret.
//!
//! The inputs are sound ones, changed at random ([`change::inputs`]). An ordinary run gives each reader some hundred, always the same;
//! `FUZZ_SECONDS=60` gives each as many as it takes in that time, always others. An input that failed once is kept as a file in
//! `fixtures/foreign_input/READER/`, and is given to its reader first from then on.
//!
//! Readers remember the values that they take for secrets, which are redacted from then on, in the whole process. So these tests have a process
//! of their own ([`tests`]).

mod change;
mod readers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// The inputs of an ordinary run for each reader, and those between two looks at the clock.
const SOME: u32 = 200;

/// Gives `read` the inputs of `reader`: `sound` ones, those that failed once, and changed ones. `read` returns `true` for an input that its
/// reader understands.
///
/// # Panics
/// An input made `read` panic, or return a broken promise; the message has the smallest such input that was found. Or a sound input is not
/// understood.
pub fn give(reader: &str, sound: Vec<Vec<u8>>, read: impl Fn(&[u8]) -> Result<bool, String>) {
    assert!(!sound.is_empty(), "there is no sound input of {reader}");
    let asked = |input: &[u8]| read(input).unwrap_or_else(|broken| panic!("{reader}: {broken}\nthe input: {}", input.escape_ascii()));
    for input in &sound {
        assert!(asked(input), "{reader} does not understand a sound input: {}", input.escape_ascii());
    }
    let mut seeds = sound;
    for input in kept(reader) {
        asked(&input);
        seeds.push(input);
    }
    let (seconds, began) = (seconds(), Instant::now());
    let inputs = change::inputs(seeds);
    loop {
        let config = Config {
            cases: SOME,
            failure_persistence: None,
            // An input that failed and cannot be made smaller quickly is shown as it is.
            max_shrink_iters: 2000,
            ..Config::default()
        };
        let mut runner = match seconds {
            None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
            Some(_) => TestRunner::new(config),
        };
        let ended = runner.run(&inputs, |input| read(&input).map(drop).map_err(TestCaseError::fail));
        if let Err(TestError::Fail(why, input)) = ended {
            panic!(
                "{reader}: {why}\nthe input, for fixtures/foreign_input/{reader}/: {}",
                input.escape_ascii()
            );
        }
        ended.expect("no input is rejected");
        if seconds.is_none_or(|seconds| began.elapsed() > seconds) {
            break;
        }
    }
}

/// Returns the time that the environment gives each reader; `None` in an ordinary run.
fn seconds() -> Option<Duration> {
    let given = std::env::var("FUZZ_SECONDS").ok()?;
    Some(Duration::from_secs(given.parse().expect("FUZZ_SECONDS is a number of seconds")))
}

/// Returns the inputs that failed once.
fn kept(reader: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(fixture("foreign_input").join(reader)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a fixture")).collect()
}

fn fixture(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures", path].iter().collect()
}

mod tests {
    use std::process::Command;

    #[test]
    fn every_reader_answers_whatever_it_is_given() {
        let program = std::env::current_exe().expect("this program");
        let ended = Command::new(program)
            .args(["foreign_input::", "--ignored", "--test-threads", "2"])
            .env_remove("FUZZ_SECONDS")
            .output();
        let ended = ended.expect("this program starts");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && !said.contains("running 0 tests"),
            "{said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}
