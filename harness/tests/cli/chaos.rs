//! Faults from outside while a run is under way: a server killed, stopped or slowed, a full disk. The run ends with
//! a message that names the cause, and leaves no process.
//!
//! The main type is [`Run`], a run of every scenario in a lab of its own.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use authlab::process::Running;
use authlab::process::wait::Condition;
use rustix::process::Signal;
use serde_json::Value;

use crate::stage::{Stage, wait};

/// The timeout for everything that these tests wait for, on a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// A run of every scenario, which takes much longer than the command takes to notice a fault.
struct Run {
    stage: Stage,
    child: Child,
    told: PathBuf,
}

/// The end of a run.
struct Ended {
    code: Option<i32>,
    /// The standard error of the run.
    told: String,
}

impl Run {
    fn start() -> Self {
        let stage = Stage::new();
        let command = stage.command(&["run", "--cluster", "process", "--identity-provider", "process"]);
        Self::of(stage, command)
    }

    fn of(stage: Stage, mut command: Command) -> Self {
        let told = stage.state().with_extension("told");
        let child = command.stdout(Stdio::null()).stderr(File::create(&told).unwrap()).spawn().unwrap();
        Self { stage, child, told }
    }

    fn told(&self) -> String {
        std::fs::read_to_string(&self.told).unwrap()
    }

    /// Waits until the lab is ready and runs the server `name`, and returns the server's process.
    fn server(&mut self, name: &str) -> Running {
        wait(&format!("{name} of a lab that is ready"), LIMIT, || {
            assert!(self.child.try_wait().unwrap().is_none(), "{}", self.told());
            // Until then, only the scenarios that need it fail, each with the reason why it did not start.
            if name == "keycloak" && !self.told().contains("\nkeycloak: ") {
                return Condition::NotYet("Keycloak is not ready".to_owned());
            }
            let labs = self.stage.authlab(&["status", "--json"]).json();
            match server_of(&labs, name) {
                Some(server) => Condition::Met(server),
                None => Condition::NotYet(labs.to_string()),
            }
        })
    }

    /// Waits for the end of the run. `fault` describes the case in failure messages.
    fn end(&mut self, fault: &str) -> Ended {
        let code = wait(&format!("the end of the run ({fault})"), LIMIT, || {
            match self.child.try_wait().unwrap() {
                Some(status) => Condition::Met(status.code()),
                None => Condition::NotYet("it goes on".to_owned()),
            }
        });
        let told = self.told();
        Ended { code, told }
    }

    /// Waits for the end of a run in a lab of its own, and checks that no process is left.
    fn ended(mut self, fault: &str) -> Ended {
        let ended = self.end(fault);
        self.stage.expect_nothing_runs(fault);
        ended
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A test that failed midway.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
        let _gone = std::fs::remove_file(&self.told);
    }
}

/// Returns the server `name` of the lab in `labs`, as `status` tells it, that is ready.
fn server_of(labs: &Value, name: &str) -> Option<Running> {
    let up = labs.as_array()?.iter().filter(|lab| lab["state"] == "up");
    let mut servers = up.flat_map(|lab| lab["servers"].as_array().into_iter().flatten());
    // One that its owner had not written down yet has the name of its program.
    let is_meant = |seen: &str| seen == name || seen == "java" && name == "keycloak";
    let server = servers.find(|server| server["name"].as_str().is_some_and(is_meant))?;
    Running::open(u32::try_from(server["pid"].as_u64()?).ok()?).unwrap()
}

/// The servers that every lab has.
const SERVERS: &[&str] = &["etcd", "kube-apiserver", "kube-controller-manager", "keycloak"];

/// Sends `signal` to the server `name`, and expects the run to end with `said` after that name.
fn a_run_ends_when(name: &str, signal: Signal, said: &str) {
    let mut run = Run::start();
    let server = run.server(name);
    server.signal(signal).unwrap();
    let ended = run.ended(&format!("{name} {}", if signal == Signal::KILL { "killed" } else { "stopped" }));
    assert_eq!(ended.code, Some(1), "{}", ended.told);
    let told = ended.told.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    let named = told.strip_prefix("error: ").is_some_and(|told| told.starts_with(name));
    assert!(named && told.contains(said), "{}", ended.told);
    assert!(told.ends_with("so the remaining scenarios were not carried out"), "{told}");
    assert!(ended.told.contains("the servers' logs are kept in "), "{}", ended.told);
}

#[test]
fn a_run_one_of_whose_servers_ends_by_itself_stops_and_names_it() {
    a_run_ends_when(SERVERS[0], Signal::KILL, " exited, ");
}

#[test]
#[ignore = "chaos: a lab for each server"]
fn whichever_server_is_killed_the_run_names_it() {
    for server in &SERVERS[1..] {
        a_run_ends_when(server, Signal::KILL, " exited, ");
    }
}

#[test]
#[ignore = "chaos: a lab for each server"]
fn whichever_server_is_stopped_the_run_names_it() {
    for server in SERVERS {
        a_run_ends_when(server, Signal::STOP, " was stopped by a signal (SIGSTOP), ");
    }
}

/// Others of the lab's users go on: their runs do not end with this one, and nobody but its owner ends the lab.
#[test]
#[ignore = "chaos: a lab of its own"]
fn a_run_in_a_lab_that_is_up_names_an_api_server_that_is_killed() {
    let stage = Stage::new();
    stage
        .authlab(&["up", "--cluster", "process", "--identity-provider", "process"])
        .success();
    let command = stage.command(&["run", "--lab", "default"]);
    let mut run = Run::of(stage, command);
    let server = run.server("kube-apiserver structured");
    server.signal(Signal::KILL).unwrap();
    let Ended { code, told } = run.end("an API server of a lab that is up was killed");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("error: kube-apiserver structured exited, so the remaining"), "{told}");
    assert!(
        server_of(&run.stage.authlab(&["status", "--json"]).json(), "etcd").is_some(),
        "the lab is up"
    );
    run.stage.authlab(&["down"]).success();
    run.stage.expect_nothing_runs("after the end of a lab that lost a server");
}

/// Slows a process down until it is dropped: it is stopped for most of the time.
struct Slowed {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Slowed {
    /// Lets `server` run for one in `factor` moments.
    fn down(server: Running, factor: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) && server.signal(Signal::STOP).is_ok() {
                std::thread::park_timeout(MOMENT * (factor - 1));
                let _gone = server.signal(Signal::CONT);
                std::thread::park_timeout(MOMENT);
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The time that a slowed server runs before it is stopped again.
const MOMENT: Duration = Duration::from_millis(10);

#[test]
#[ignore = "chaos: a lab for each server"]
fn a_slow_server_makes_a_run_slow_and_nothing_else() {
    let stage = Stage::new();
    stage
        .authlab(&["up", "--cluster", "process", "--identity-provider", "process"])
        .success();
    for server in ["etcd", "kube-apiserver", "kube-controller-manager", "keycloak"] {
        let labs = stage.authlab(&["status", "--json"]).json();
        let slowed = Slowed::down(server_of(&labs, server).unwrap(), 5);
        let run = stage.authlab(&["run", "oidc", "service_accounts", "signing_requests"]);
        drop(slowed);
        assert_eq!(run.code, 0, "{server}: {run:?}");
    }
    stage.authlab(&["down"]).success();
    stage.expect_nothing_runs("after a lab with slow servers");
}

/// Returns a run whose state directory is a file system of `size` of its own; once the lab is ready, `then` is executed in it.
/// `None` where users may not mount one.
fn on_a_disk_of(size: &str, then: &str) -> Option<Run> {
    let stage = Stage::new();
    let allowed = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "true"])
        .status();
    if !allowed.as_ref().is_ok_and(std::process::ExitStatus::success) {
        // Some systems do not let their users mount a file system of their own; those of CI must.
        assert!(std::env::var_os("CI").is_none(), "unshare --user --mount: {allowed:?}");
        return None;
    }
    let script = format!(
        r#"mount -t tmpfs -o size={size},mode=700 tmpfs "$AUTHLAB_STATE_DIR" || exit 99
"$0" run --cluster process --identity-provider process & run=$!
until [ -e "$AUTHLAB_STATE_DIR"/labs/*/lab.json ] || ! kill -0 $run 2>/dev/null; do sleep 0.1; done
{then}
wait $run"#
    );
    let authlab = stage.command(&[]);
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        &script,
        env!("CARGO_BIN_EXE_authlab"),
    ]);
    for (name, value) in authlab.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(Run::of(stage, command))
}

#[test]
#[ignore = "chaos: a lab of its own"]
fn a_disk_too_small_for_a_lab_is_named() {
    let Some(run) = on_a_disk_of("30m", ":") else { return };
    let ended = run.ended("a disk of 30 MiB");
    assert_eq!(ended.code, Some(4), "{}", ended.told);
    assert!(
        ended.told.contains("has 29 MiB of free space (expected at least "),
        "{}",
        ended.told
    );
}

#[test]
#[ignore = "chaos: a lab of its own"]
fn a_disk_that_becomes_full_ends_the_run() {
    let Some(run) = on_a_disk_of("600m", r#"cat /dev/zero >"$AUTHLAB_STATE_DIR/full" 2>/dev/null"#) else {
        return;
    };
    let ended = run.ended("a disk that becomes full");
    assert_eq!(ended.code, Some(1), "{}", ended.told);
    assert!(ended.told.contains("error: etcd exited, "), "{}", ended.told);
    // The log of etcd may lack the reason, since it is on the same disk.
    let said = "hint: the disk of the lab's directory is full, or nearly so: 0 MB are free";
    assert!(ended.told.contains(said), "{}", ended.told);
}
