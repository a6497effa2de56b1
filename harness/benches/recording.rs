//! The cost of recording every request, as a ratio of suites run in turn on one running lab:
//! `cargo bench --bench recording`. Binaries must be in the cache.
#![expect(clippy::print_stdout, reason = "this program is its output")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::process::{Command, Stdio};

/// The number of runs of the suite with recording and without; the median counts.
const ROUNDS: usize = 5;

const LAB: &str = "bench-recording";

fn main() {
    assert!(authlab(&["up", "--lab", LAB]).status().unwrap().success());
    let _lab = Up;
    let mut times = [(); 2].map(|()| Vec::new());
    // The first run of the suite in a lab takes longer than all later ones.
    let _first = milliseconds(&[]);
    for _ in 0..ROUNDS {
        times[0].push(milliseconds(&[]));
        times[1].push(milliseconds(&["--no-exchanges"]));
    }
    let [with, without] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a suite are few")]
    let ratio = with as f64 / without as f64;
    println!("the suite with its requests recorded / without: {ratio:.3} ({with} ms / {without} ms, median of {ROUNDS} rounds in turn)");
}

/// The running lab: dropping this ends it, even if the benchmark fails.
struct Up;

impl Drop for Up {
    fn drop(&mut self) {
        let _ended = authlab(&["down", "--lab", LAB]).status();
    }
}

fn milliseconds(more: &[&str]) -> u64 {
    let run = authlab(&["run", "--lab", LAB, "--json"]).args(more).output().unwrap();
    assert!(
        run.status.success(),
        "a suite that fails measures nothing: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    let record: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    record["ms"].as_u64().unwrap()
}

fn authlab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
    command.args(arguments).stdin(Stdio::null());
    command
}
