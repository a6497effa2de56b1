//! Runs of tests: a run that stops and is repeated, and a lab for another program's run of tests.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use authlab::process::wait::Condition;

use crate::stage::{Said, Stage, said, shared, wait};

/// The timeout for the end of a lab on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

const FEATURE: &str = "Feature: Trust
  Scenario: a sound certificate is accepted
    Given Alice holds a client certificate
    When she asks the API server who she is
    Then she is accepted as \"alice\"
  Scenario: a sound certificate is another person's
    Given Alice holds a client certificate
    When she asks the API server who she is
    Then she is accepted as \"bob\"
  Scenario: the last one
    Given Alice holds a client certificate
    When she asks the API server who she is
    Then she is accepted as \"alice\"
";

#[test]
fn a_run_stops_at_the_first_failure_and_what_failed_is_run_again() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(place.path().join("trust")).unwrap();
    std::fs::write(place.path().join("trust/order.feature"), FEATURE).unwrap();
    let run = |more: &[&str]| {
        shared()
            .stage
            .authlab(&[&["run", &at("trust"), "--concurrency", "1"], more].concat())
    };
    let outcomes = |report: &str| -> Vec<String> {
        let record = std::fs::read_to_string(place.path().join(report).join("run.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        let of = |scenario: &serde_json::Value| format!("{} {}", scenario["name"], scenario["skip"].as_str().unwrap_or("run"));
        record["scenarios"].as_array().unwrap().iter().map(of).collect()
    };
    let stopped = run(&["--fail-fast", "--report", &at("first")]);
    assert_eq!(stopped.code, 1, "{stopped:?}");
    assert!(
        stopped.out.contains("the last one: not run: the run stopped after 1 failure\n")
            && stopped.out.contains("\n1 passed, 1 failed, 1 skipped (1 not run) in "),
        "{stopped:?}"
    );
    assert_eq!(
        outcomes("first"),
        [
            "\"a sound certificate is accepted\" run",
            "\"a sound certificate is another person's\" run",
            "\"the last one\" not_run"
        ]
    );
    let again = run(&["--rerun", &at("first"), "--report", &at("second")]);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(outcomes("second"), ["\"a sound certificate is another person's\" run"]);
}

/// Starts `up` with `words` from a shell that waits until its input ends, and returns the shell's number, the labs while it waits, and
/// the content of the file for variables.
fn until_a_shell_exits(stage: &Stage, words: &str) -> (u32, Vec<String>, String) {
    let variables = stage.state().join("variables");
    std::fs::write(&variables, "").unwrap();
    let base = stage.command(&[]);
    let mut shell = Command::new("sh");
    for (name, value) in base.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let up = stage.state().join("up");
    let script = format!("\"$0\" up {words} >\"$1\" && mv \"$1\" \"$1.done\" && read -r _");
    let mut shell = shell
        .args(["-c", &script])
        .arg(base.get_program())
        .arg(&up)
        .env("NEXTEST_ENV", &variables)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = shell.id();
    wait("the lab", LIMIT, || {
        match (up.with_extension("done").exists(), shell.try_wait().unwrap()) {
            (true, _) => Condition::Met(()),
            (false, Some(status)) => panic!("up failed: {status}"),
            (false, None) => Condition::NotYet("it starts".to_owned()),
        }
    });
    let labs = stage.labs();
    let told = std::fs::read_to_string(&variables).unwrap();
    // The shell exits at the end of the line, and the lab with it.
    shell.stdin.take().unwrap().write_all(b"\n").unwrap();
    shell.wait().unwrap();
    wait("the end of the lab", LIMIT, || match stage.labs() {
        labs if labs.is_empty() => Condition::Met(()),
        labs => Condition::NotYet(labs.join(", ")),
    });
    #[cfg(target_os = "linux")]
    stage.expect_nothing_runs("after the shell");
    std::fs::remove_file(up.with_extension("done")).unwrap();
    (pid, labs, told)
}

#[test]
fn a_lab_for_cargo_nextest_has_a_name_that_the_tests_are_told_and_ends_with_the_run() {
    let stage = Stage::new();
    let (pid, labs, told) = until_a_shell_exits(&stage, "--nextest");
    assert_eq!(labs, [format!("nextest-{pid}")]);
    assert_eq!(told, format!("AUTHLAB_LAB=nextest-{pid}\n"));
    let (_, labs, told) = until_a_shell_exits(&stage, "--lab mine --until-exit $$");
    assert_eq!((labs, told.as_str()), (vec!["mine".to_owned()], ""));
}

#[test]
fn a_lab_that_is_up_is_used_by_cargo_nextest_and_stays_up() {
    let stage = &shared().stage;
    let place = tempfile::tempdir().unwrap();
    let variables = place.path().join("variables");
    let Said { code, out, err } = said(
        stage
            .command(&["up", "--nextest"])
            .env("AUTHLAB_LAB", "default")
            .env("NEXTEST_ENV", &variables),
    );
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("The tests use the lab 'default' that is up: Kubernetes "), "{out}");
    assert_eq!(std::fs::read_to_string(variables).unwrap(), "AUTHLAB_LAB=default\n");
}
