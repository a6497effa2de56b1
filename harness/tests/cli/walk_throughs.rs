//! The walk-throughs in `scripts/` as users run them, several at once in one lab: on the newest and the oldest version, compared with
//! stored transcripts (`UPDATE=1` stores them anew); and everything that stops one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab::process::wait::Condition;
use authlab::server_binaries::Versions;
use authlab::walk_through;

use crate::stage::{Said, Stage, by_hand, said, wait};
use crate::transcript::kept;

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

/// Runs every walk-through in a lab of `version`, two of each at a time, and compares their transcripts.
fn compare(stage: &Stage, lab: &str, version: &str) {
    let folder = scripts().join("transcripts").join(version);
    let mut different = Vec::new();
    for walk_through in walk_through::all() {
        let carry_out = || transcript(stage, lab, &walk_through.name);
        let (now, other) = std::thread::scope(|scope| {
            let other = scope.spawn(carry_out);
            (carry_out(), other.join().unwrap())
        });
        let file = folder.join(format!("{}.txt", walk_through.name));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &now).unwrap();
        }
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        for printed in [now, other] {
            if let Some((one, other)) = first_difference(&before, &printed) {
                different.push(format!("{}\n  kept: {one}\n  now:  {other}", file.display()));
            }
        }
    }
    assert!(
        different.is_empty(),
        "transcripts differ; if that is meant: UPDATE=1 cargo test --test cli walk_throughs\n{}",
        different.join("\n")
    );
}

/// Returns the transcript of the walk-through `name`, in its stored form.
fn transcript(stage: &Stage, lab: &str, name: &str) -> String {
    let temporary = tempfile::tempdir().unwrap();
    let ended = run(stage, lab, &scripts().join(format!("{name}.sh")), temporary.path());
    assert_eq!(ended.code, 0, "{name}: {}", ended.out);
    let left: Vec<_> = std::fs::read_dir(temporary.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{name} left {left:?}");
    let state = stage.state().display().to_string();
    kept(
        &ended.out,
        &[(&state, "<STATE>"), (&temporary.path().display().to_string(), "<TMP>")],
    )
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
fn every_walk_through_ends_as_it_was_kept_on_the_newest_version() {
    let version = Versions::pinned().newest().version.minor_version();
    compare(&by_hand().stage, "default", &version);
}

#[test]
#[ignore = "needs the servers of the oldest version: cargo test --test cli -- --ignored"]
fn every_walk_through_ends_as_it_was_kept_on_the_oldest_version() {
    let version = Versions::pinned().kubernetes[0].version.minor_version();
    let stage = Stage::new();
    stage.authlab(&["up", "--lab", "oldest", "--kubernetes", &version]).success();
    compare(&stage, "oldest", &version);
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
        ("refused 'no' true", "stopped: this was meant to be refused, and was not"),
        (
            "refused 'forbidden' ls nowhere",
            "stopped: this was refused, but not with: forbidden",
        ),
        ("ls nowhere", "stopped: this was not meant to fail"),
        ("false | cat", "stopped: this was not meant to fail"),
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
    assert!(refusal.contains("there is no lab here: `authlab up` starts one"), "{refusal}");
    let stage = &by_hand().stage;
    let alice = said(stage.command(&["shell", "alice", "--", "bash"]).arg(&script));
    let refusal = alice.refusal(2);
    assert!(
        refusal.contains("this begins as the lab's administrator: `authlab shell`"),
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
        refusal.ends_with("stopped: jq is not installed; it is needed to read Keycloak's answers\n"),
        "{refusal}"
    );
}
