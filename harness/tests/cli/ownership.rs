//! A lab leaves nothing behind, however its owner ends: owners are killed and interrupted at moments spread over their
//! start and a little beyond.
//!
//! The main type is [`End`], a way in which an owner ends. The moments come from a random seed that every failure reports.
#![cfg(target_os = "linux")]

use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use authlab::process::wait::Condition;
use rand::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{Stage, shared, wait};

/// The timeout for a lab to reach an expected state on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// The process that ends, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The detached process that owns a lab that stays up is killed.
    SupervisorKilled,
    /// `run`, which owns a lab for itself, is killed.
    RunKilled,
    /// `up`, which waits for the owner, is killed: the owner aborts a lab that is not ready.
    UpKilled,
    /// `up` is interrupted by Ctrl-C.
    UpInterrupted,
    /// `run` receives SIGTERM.
    RunTerminated,
}

impl End {
    /// Returns the command that starts the owner.
    fn command(self) -> &'static [&'static str] {
        match self {
            Self::SupervisorKilled | Self::UpKilled | Self::UpInterrupted => &["up"],
            Self::RunKilled | Self::RunTerminated => &["run", "--tags", "@external-certificate"],
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::SupervisorKilled | Self::RunKilled | Self::UpKilled => Signal::KILL,
            Self::UpInterrupted => Signal::INT,
            Self::RunTerminated => Signal::TERM,
        }
    }

    /// Ends an owner this way after `moment`, and checks that nothing is left. `when` describes the case in failure messages.
    fn leaves_nothing(self, moment: Duration, when: &str) {
        let stage = Stage::new();
        let started = Instant::now();
        let mut command = stage.start(self.command());
        wait("the moment", LIMIT, || match (started.elapsed() >= moment, is_over(&mut command)) {
            (false, false) => Condition::NotYet("it is not there yet".to_owned()),
            _ => Condition::Met(()),
        });
        let target = match self {
            Self::SupervisorKilled => supervisor(&stage, &mut command),
            _ => (!is_over(&mut command)).then_some(command.id()),
        };
        if let Some(pid) = target {
            // A lab that became ready a moment before keeps its owner, and is ended by `down` below.
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), self.signal());
        }
        let status = command.wait().unwrap();
        let code = status.code();
        let ready = self.command() == ["up"] && code == Some(0);
        if matches!(self, Self::SupervisorKilled | Self::RunKilled) {
            stage.expect_nothing_runs(when);
        } else if !ready {
            stage.expect_nothing_runs(when);
            assert_eq!(stage.labs(), Vec::<String>::new(), "{when}");
        }
        if self == Self::UpInterrupted && !ready {
            // In the first milliseconds, the command does not handle signals yet: it is killed, and has done nothing.
            let unbegun = status.signal() == Some(self.signal().as_raw()) && !stage.state().join("labs").exists();
            assert!(code == Some(5) || unbegun, "{status} {when}");
        }
        // A killed lab leaves only files; or the lab came up in time.
        stage.authlab(&["down", "--all"]).success();
        stage.expect_nothing_runs(when);
        assert_eq!(stage.labs(), Vec::<String>::new(), "{when}");
    }
}

fn is_over(command: &mut Child) -> bool {
    command.try_wait().unwrap().is_some()
}

/// Returns the process that owns or will own the stage's lab; `None` when `up` ended without one.
fn supervisor(stage: &Stage, up: &mut Child) -> Option<u32> {
    wait("the owner", LIMIT, || {
        let over = is_over(up);
        let supervise = stage.processes().into_iter().find(|process| process.contains("--supervised"));
        match supervise.and_then(|process| process.split_once(':')?.0.parse().ok()) {
            Some(pid) => Condition::Met(Some(pid)),
            None if over => Condition::Met(None),
            None => Condition::NotYet("it does not run".to_owned()),
        }
    })
}

/// Ends each owner at a random moment in its own slice of the time that a start takes.
fn at_moments(seed: u64, ends: &[End]) {
    // A little longer than the start, so that some moments fall after a lab is ready.
    let span = shared().took.mul_f64(1.15);
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for (index, end) in ends.iter().enumerate() {
        let moment = span.mul_f64((index as f64 + random.r#gen::<f64>()) / ends.len() as f64);
        end.leaves_nothing(moment, &format!("{end:?} after {moment:?}, seed {seed}"));
    }
}

/// Returns a random seed; `AUTHLAB_SEED` repeats an earlier one.
fn seed() -> u64 {
    std::env::var("AUTHLAB_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random)
}

#[test]
fn an_owner_that_ends_during_the_start_leaves_nothing() {
    at_moments(seed(), &[End::RunKilled, End::UpInterrupted]);
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn of_two_labs_one_is_killed_and_the_other_goes_on() {
    let stage = &shared().stage;
    let up = stage.authlab(&["up", "--lab", "blue", "--json"]).json();
    assert_eq!((&up["name"], &up["state"]), (&"blue".into(), &"up".into()));
    let status = stage.authlab(&["status", "--json"]).json();
    let address = |name: &str| {
        let lab = status.as_array().unwrap().iter().find(|lab| lab["name"] == name).unwrap();
        lab["api_servers"]["main"].as_str().unwrap().to_owned()
    };
    assert_ne!(address("default"), address("blue"));
    let nodes = ["shell", "alice", "--", "kubectl", "get", "nodes", "--output=name"];
    assert_eq!(stage.authlab(&nodes).success(), "node/lab-node\n");
    assert_eq!(
        stage.authlab(&[&nodes[..2], &["--lab", "blue"], &nodes[2..]].concat()).success(),
        "node/lab-node\n"
    );

    let blue = stage.lab("blue").display().to_string();
    let owner = i32::try_from(up["owner"].as_i64().unwrap()).unwrap();
    kill_process(Pid::from_raw(owner).unwrap(), Signal::KILL).unwrap();
    wait("the end of the servers", LIMIT, || {
        match stage.processes().into_iter().find(|process| process.contains(&blue)) {
            None => Condition::Met(()),
            Some(process) => Condition::NotYet(process),
        }
    });
    // The owner's threads, and with them the servers, end a moment before its lock is released.
    wait("the end of the owner", LIMIT, || {
        let labs = stage.authlab(&["status", "--json"]).json();
        match labs.as_array().unwrap().iter().find(|lab| lab["name"] == "blue") {
            Some(lab) if lab["state"] == "crashed" => Condition::Met(()),
            lab => Condition::NotYet(format!("{lab:?}")),
        }
    });
    let shown = stage.authlab(&["status"]).success();
    assert!(
        shown.contains(&format!("blue: {blue} was left by a crash; `authlab down` clears it")),
        "{shown}"
    );
    assert_eq!(
        stage.authlab(&["down", "--lab", "blue"]).success(),
        "blue: had no owner any more; cleared what was left\n"
    );
    assert!(!stage.lab("blue").exists());
    assert_eq!(stage.authlab(&nodes).success(), "node/lab-node\n");
}

/// The number of owners to end at random moments; a nightly job sets it to 200.
const OWNERS: &str = "AUTHLAB_OWNERS";

#[test]
#[ignore = "AUTHLAB_OWNERS=N cargo test --test cli -- --ignored ownership"]
fn as_many_owners_as_asked_end_at_random_moments_and_leave_nothing() {
    let owners = std::env::var(OWNERS).map_or(6, |owners| owners.parse().unwrap());
    let ways = [
        End::SupervisorKilled,
        End::RunKilled,
        End::UpKilled,
        End::UpInterrupted,
        End::RunTerminated,
    ];
    let seed = seed();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let ends: Vec<End> = (0..owners).map(|_| ways[random.gen_range(0..ways.len())]).collect();
    at_moments(seed, &ends);
}

#[test]
#[ignore = "takes a minute or two: cargo test --test cli -- --ignored"]
fn owners_that_are_killed_at_ten_moments_leave_nothing() {
    let ends = [End::SupervisorKilled, End::RunKilled].repeat(5);
    at_moments(seed(), &ends);
}

#[test]
#[ignore = "takes a minute or two: cargo test --test cli -- --ignored"]
fn starts_that_are_given_up_at_ten_moments_leave_nothing() {
    let ends = [
        End::UpInterrupted,
        End::RunTerminated,
        End::UpKilled,
        End::UpInterrupted,
        End::RunTerminated,
    ]
    .repeat(2);
    at_moments(seed(), &ends);
}
