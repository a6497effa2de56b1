//! The walk-throughs in `scripts/` as users run them, several at once in one lab: their output is compared with the pages that show it
//! (`UPDATE=1` writes it there), they succeed on the oldest version, too, and a command with another outcome stops them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab::process::wait::Condition;
use authlab::server_binaries::Versions;
use authlab::walk_through::{self, WalkThrough};

use crate::stage::{Said, Stage, by_hand, said, wait};
use crate::transcript::{outputs, shown};
use crate::walk_pages::{page_of, with_outputs};

fn scripts() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts"))
        .canonicalize()
        .unwrap()
}

/// Runs a script in a lab; its two outputs are combined, as in a terminal.
fn run(stage: &Stage, lab: &str, script: &Path, temporary: &Path) -> Said {
    said(
        stage
            .command(&["shell", "--lab", lab, "--", "bash", "-c", "exec bash \"$0\" 2>&1"])
            .arg(script)
            .env("TMPDIR", temporary)
            .env("HOME", temporary)
            .env_remove("KUBECONFIG"),
    )
}

/// Runs every walk-through in a lab, two of each at a time, and returns their outputs, one for each step.
fn run_all(stage: &Stage, lab: &str) -> Vec<(&'static WalkThrough, [Vec<Vec<String>>; 2])> {
    let both = |walk_through: &'static WalkThrough| {
        let carry_out = || outputs_of(stage, lab, walk_through);
        std::thread::scope(|scope| {
            let other = scope.spawn(carry_out);
            (walk_through, [carry_out(), other.join().unwrap()])
        })
    };
    walk_through::all().iter().map(both).collect()
}

/// Runs a walk-through, which leaves no file, and returns the output of each step as pages show it.
fn outputs_of(stage: &Stage, lab: &str, walk_through: &WalkThrough) -> Vec<Vec<String>> {
    let name = &walk_through.name;
    let temporary = tempfile::tempdir().unwrap();
    let ended = run(stage, lab, &scripts().join(format!("{name}.sh")), temporary.path());
    assert_eq!(ended.code, 0, "{name}: {}", ended.out);
    let left: Vec<_> = std::fs::read_dir(temporary.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{name} left {left:?}");
    let places = [stage.state(), temporary.path()].map(|path| path.display().to_string());
    let outputs = outputs(&walk_through.steps, &ended.out);
    outputs
        .into_iter()
        .map(|output| shown(output, &places.each_ref().map(String::as_str)))
        .collect()
}

fn first_difference<'a>(one: &'a str, other: &'a str) -> Option<(&'a str, &'a str)> {
    let (mut one, mut other) = (one.lines(), other.lines());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => return Some((one.unwrap_or("(the end)"), other.unwrap_or("(the end)"))),
        }
    }
}

#[test]
fn pages_show_every_walk_through_with_its_output() {
    let mut different = Vec::new();
    for (walk_through, outputs) in run_all(&by_hand().stage, "default") {
        let page = page_of(&walk_through.name);
        for outputs in outputs {
            let before = std::fs::read_to_string(&page).unwrap();
            let now = with_outputs(&before, walk_through, &outputs);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&page, &now).unwrap();
            } else if let Some((one, other)) = first_difference(&before, &now) {
                different.push(format!("{}\n  page: {one}\n  now:  {other}", page.display()));
            }
        }
    }
    assert!(
        different.is_empty(),
        "pages differ; if that is meant: UPDATE=1 cargo test --test cli walk_throughs\n{}",
        different.join("\n")
    );
}

#[test]
#[ignore = "needs the servers of the oldest version: cargo test --test cli -- --ignored"]
fn every_walk_through_succeeds_on_the_oldest_version() {
    let version = Versions::pinned().kubernetes[0].version.minor_version();
    let stage = Stage::new();
    stage.authlab(&["up", "--lab", "oldest", "--kubernetes", &version]).success();
    assert_eq!(run_all(&stage, "oldest").len(), walk_through::names().len());
    stage.authlab(&["down", "--lab", "oldest"]).success();
}

/// Writes a walk-through of `blocks`, beside the files that all walk-throughs share.
fn written(blocks: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(scripts().join("begin.sh"), directory.path().join("begin.sh")).unwrap();
    let script = directory.path().join("mine.sh");
    std::fs::write(
        &script,
        format!("#!/usr/bin/env bash\n. \"$(dirname \"$0\")/begin.sh\"\n\n{blocks}"),
    )
    .unwrap();
    (directory, script)
}

#[test]
fn a_walk_through_stops_at_the_first_surprise() {
    for (surprise, told) in [
        ("refused 'no' true", "stopped: this command should have been refused"),
        (
            "refused 'forbidden' ls nowhere",
            "stopped: this command was refused, but not with: forbidden",
        ),
        ("ls nowhere", "stopped: this command should not have failed"),
        ("false | cat", "stopped: this command should not have failed"),
        (
            "needs no-such-tool 'weave'",
            "stopped: no-such-tool is not installed; it is needed to weave",
        ),
    ] {
        let (directory, script) = written(&format!("# First.\necho before\n\n{surprise}\n\necho after\n"));
        let temporary = tempfile::tempdir_in(directory.path()).unwrap();
        let ended = run(&by_hand().stage, "default", &script, temporary.path());
        assert!(ended.code != 0, "{surprise}: {ended:?}");
        assert!(ended.out.contains("# First.\n$ echo before\nbefore\n"), "{surprise}: {}", ended.out);
        assert!(ended.out.ends_with(&format!("\n{told}\n")), "{surprise}: {}", ended.out);
        assert!(!ended.out.contains("after"), "{}", ended.out);
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "{surprise}");
    }
}

#[test]
fn what_a_walk_through_made_is_gone_also_after_a_surprise() {
    let makes = "temporary clusterrole/passing\n\nkubectl create serviceaccount passing\n\n\
                 kubectl create clusterrole passing --verb=get --resource=nodes\n\necho \"in ${NAMESPACE}.\"\n\nfalse\n";
    let (_directory, script) = written(makes);
    let temporary = tempfile::tempdir().unwrap();
    let ended = run(&by_hand().stage, "default", &script, temporary.path());
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("serviceaccount/passing created"), "{ended:?}");
    let namespace = ended.out.lines().find_map(|line| line.strip_prefix("in ")).unwrap();
    let namespace = namespace.trim_end_matches('.');
    let binding = format!("demo-rbac-admin-{}", namespace.trim_start_matches("walk-"));
    for [kind, name] in [
        ["namespace", namespace],
        ["clusterrole", "passing"],
        ["clusterrolebinding", &binding],
    ] {
        wait(&format!("the end of {kind} {name}"), Duration::from_secs(60), || {
            let asked = by_hand().stage.authlab(&["shell", "--", "kubectl", "get", kind, name]);
            match asked.err.contains("NotFound") {
                true => Condition::Met(()),
                false => Condition::NotYet(asked.out),
            }
        });
    }
}

#[test]
fn a_walk_through_without_a_lab_or_as_somebody_else_says_what_to_do() {
    let script = scripts().join("oidc.sh");
    let alone = said(std::process::Command::new("bash").arg(&script).env_remove("LAB_API_SERVER"));
    let refusal = alone.refusal(2);
    assert!(refusal.contains("no lab found: start one with `authlab up`"), "{refusal}");
    let stage = &by_hand().stage;
    let alice = said(stage.command(&["shell", "alice", "--", "bash"]).arg(&script));
    let refusal = alice.refusal(2);
    assert!(
        refusal.contains("run this as the lab's administrator: `authlab shell`"),
        "{refusal}"
    );
}

#[test]
fn a_tool_that_is_missing_is_named_with_its_step() {
    // The tools that the beginning needs, except for jq.
    let tools = tempfile::tempdir().unwrap();
    for tool in ["bash", "dirname", "mktemp", "rm", "cat", "od", "tr", "curl", "openssl"] {
        let real = which::which(tool).unwrap();
        std::os::unix::fs::symlink(real, tools.path().join(tool)).unwrap();
    }
    let script = scripts().join("oidc.sh");
    let said = said(
        by_hand()
            .stage
            .command(&["shell", "--", "bash"])
            .arg(&script)
            .env("PATH", tools.path()),
    );
    let refusal = said.refusal(2);
    assert!(
        refusal.ends_with("stopped: jq is not installed; it is needed to read Keycloak's responses\n"),
        "{refusal}"
    );
}
