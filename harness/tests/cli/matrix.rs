//! `authlab matrix` and the use of its reports: without servers where that is enough, else with real ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use authlab::process::wait::Condition;
use serde_json::Value;

use crate::stage::{Stage, said, shared, wait};

const FEATURE: &str = "@external-certificate\nFeature: Endpoints\n  Scenario: One\n    When Bob asks to list pods\n  Scenario: Two\n    When Bob asks to list pods\n  \
     Scenario: Three\n    When Bob asks to list pods\n";

/// Writes a feature of three scenarios that are never run, and returns its path.
fn feature(stage: &Stage) -> String {
    let file = stage.state().join("endpoints.feature");
    std::fs::write(&file, FEATURE).unwrap();
    file.display().to_string()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

#[test]
fn cells_are_listed_with_their_indexes() {
    let stage = Stage::new();
    let feature = feature(&stage);
    let list = |options: &[&str]| stage.authlab(&[&["matrix", "--list", &feature], options].concat()).success();
    assert_eq!(
        list(&["--kubernetes", "1.36..,1.30", "--cluster", "process,k3s"]),
        "0\tprocess-1.36\t3\n1\tprocess-1.37\t3\n2\tprocess-1.30\t3\n3\tk3s-1.36\t3\n4\tk3s-1.37\t3\n5\tk3s-1.30\t3\n"
    );
    assert_eq!(
        list(&["--kubernetes", "1.37", "--cluster", "process", "--shards", "2"]),
        "0\tprocess-1.37-1-of-2\t2\n1\tprocess-1.37-2-of-2\t1\n"
    );
    assert_eq!(list(&["--kubernetes", "1.37", "--shard", "1/3"]), "0\tauto-1.37-1-of-3\t1\n");
    let all = list(&[]);
    assert!(all.starts_with("0\tauto-1.30\t3\n") && all.ends_with("7\tauto-1.37\t3\n"), "{all}");
}

#[test]
fn what_is_no_matrix_is_refused() {
    let stage = Stage::new();
    let feature = feature(&stage);
    let report = stage.state().join("report").display().to_string();
    let occupied = stage.state().display().to_string();
    for (options, code, says) in [
        (
            &["--kubernetes", "1.29..1.31"][..],
            2,
            "error: unknown Kubernetes version `1.29` (known: 1.30.14, ",
        ),
        (
            &["--kubernetes", "1.33..1.31"],
            2,
            "error: the range `1.33..1.31` begins after its end\n",
        ),
        (&["--keycloak", "23.x"], 2, "error: unknown Keycloak version `23.x` (known: "),
        (
            &["--cluster", "existing"],
            2,
            "error: a matrix cannot use an existing cluster or identity provider: it starts its own\n\nhint: `authlab run --cluster existing",
        ),
        (
            &["--kubernetes", "1.37", "--cluster", "process,process"],
            2,
            "error: the cell process-1.37 is given twice\n",
        ),
        (
            &["--kubernetes", "1.37", "--cluster", "process", "--shards", "4"],
            3,
            "error: the cell process-1.37-4-of-4 would have none of the 3 selected scenarios\n\nhint: ask for fewer shards\n",
        ),
        (&["--shards", "2", "--shard", "1/2"], 2, "cannot be used with"),
        (&["--tags", "@oidc"], 3, "error: none of the 3 scenarios is selected\n"),
        (&["--resume"], 2, "--report <DIR>"),
        (
            &["--resume", "--report", &report],
            2,
            "has no matrix to resume\n\nhint: leave out `--resume` to start a matrix\n",
        ),
        (&["--report", &occupied], 2, "is not the report of a matrix: it holds `"),
        (
            &["--kubernetes", "1.37", "--index", "1"],
            2,
            "error: no cell has the index 1 (number of cells: 1)\n\nhint: `--list` shows the cells with their indexes, from 0\n",
        ),
        (
            &["--print", "kubernetes-job", "--cluster", "k3s"],
            2,
            "error: pods carry cells out as processes: --cluster process\n",
        ),
        (&["--labs", "0"], 2, "expected at least 1"),
        (
            &["--update"],
            2,
            "error: file not found: fixtures/proved.toml\n\nhint: run this in the project's root",
        ),
    ] {
        let arguments = [&["matrix", &feature], options].concat();
        let refusal = said(stage.command(&arguments).current_dir(stage.state())).refusal(code);
        assert!(refusal.contains(says), "{options:?}: {refusal}");
    }
    assert_eq!(stage.labs(), Vec::<String>::new());
}

#[test]
fn cells_that_cannot_be_carried_out_fail_with_their_reason_and_the_others_go_on() {
    let stage = Stage::new();
    let feature = feature(&stage);
    let report = stage.state().join("report");
    let place = report.display().to_string();
    let options = ["matrix", "--kubernetes", "1.36..1.37", "--cluster", "process", "--report", &place];
    let nowhere = ["--server-binaries", "nowhere", &feature];
    let said = stage.authlab(&[&options[..], &nowhere].concat());
    assert_eq!(said.code, 4, "{said:?}");
    for name in ["process-1.36", "process-1.37"] {
        assert!(said.err.contains(&format!("{name}: was not carried out: ")), "{said:?}");
        assert!(
            said.out.contains(&format!("{name}: ")) && said.out.contains("nowhere has no etcd"),
            "{said:?}"
        );
        let record = read(&report.join("cells").join(name).join("run.json"));
        assert!(record["error"].as_str().unwrap().contains("nowhere has no etcd"), "{record}");
        assert_eq!(record["cell"]["kubernetes"], name[8..], "{record}");
    }
    let matrix = read(&report.join("matrix.json"));
    assert_eq!(matrix["cells"].as_array().unwrap().len(), 2, "{matrix}");
    assert_eq!(matrix["cells"][1]["record"], "cells/process-1.37/run.json");
    assert!(
        std::fs::read_to_string(report.join("junit.xml"))
            .unwrap()
            .contains("process-1.36: lab")
    );

    // One cell looks finished: only the other one runs again.
    let file = report.join("cells/process-1.36/run.json");
    let mut record = read(&file);
    record["error"] = Value::Null;
    std::fs::write(&file, record.to_string()).unwrap();
    let resumed = stage.authlab(&[&options[..], &["--resume"], &nowhere].concat());
    assert_eq!(resumed.code, 4, "{resumed:?}");
    assert!(resumed.err.starts_with("1 of 2 cells are finished\n"), "{resumed:?}");
    assert!(!resumed.err.contains("process-1.36: "), "{resumed:?}");
    let other = stage.authlab(&[&options[..], &["--resume", "--tags", "@external-certificate"], &nowhere].concat());
    assert_eq!(other.code, 2, "{other:?}");
    assert!(
        other.err.contains("has another matrix: its scenarios were selected by ")
            && other.err.contains("this selects by --tags @external-certificate"),
        "{other:?}"
    );

    // A failed cell is merged as such, but is not kept as a result.
    let merged = stage.authlab(&["report", "merge", &place]);
    assert_eq!(merged.code, 4, "{merged:?}");
    let compared = stage.authlab(&["report", "compare", &place, &place]);
    assert_eq!(compared.code, 0, "{compared:?}");
    assert!(compared.out.contains("no behaviour and no scenario differs\n"), "{compared:?}");
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");
    let kept = stage.authlab(&["report", "keep", &place, "--into", fixtures]).refusal(2);
    assert!(
        kept.starts_with("error: the cell process-1.37 is incomplete: ") && kept.contains("hint: run it again"),
        "{kept}"
    );
    stage.expect_nothing_runs("after the matrix");
    assert_eq!(stage.labs(), Vec::<String>::new());
}

#[test]
fn reports_that_cannot_be_used_are_named() {
    let stage = Stage::new();
    let empty = stage.state().display().to_string();
    let nowhere = stage.state().join("nowhere").display().to_string();
    for (arguments, says) in [
        (
            &["report", "merge", &empty][..],
            "has no record of a run\n\nhint: name the directories of reports",
        ),
        (&["report", "compare", &nowhere, &empty], "cannot read `"),
        (&["report", "keep", &empty], "has no record of a run"),
        (&["report", "merge"], "required arguments were not provided"),
        (&["report"], "Usage: authlab report"),
    ] {
        let refusal = stage.authlab(arguments).refusal(2);
        assert!(refusal.contains(says), "{arguments:?}: {refusal}");
    }
}

/// Returns the Job for `options`, as the path of its manifest and as JSON.
fn job(stage: &Stage, options: &[&str]) -> (PathBuf, Value) {
    let printed = stage
        .authlab(&[&["matrix", "--print", "kubernetes-job"], options].concat())
        .success();
    let file = stage.state().join("job.yaml");
    std::fs::write(&file, &printed).unwrap();
    (file, serde_saphyr::from_str(&printed).unwrap())
}

#[test]
fn an_api_server_takes_the_job_that_is_printed() {
    let stage = Stage::new();
    let (file, job) = job(
        &stage,
        &[
            "--kubernetes",
            "1.34..1.37",
            "--shards",
            "3",
            "--image",
            "registry.example/authlab:1",
        ],
    );
    assert_eq!(
        (&job["spec"]["completions"], &job["spec"]["completionMode"]),
        (&12.into(), &"Indexed".into())
    );
    let file = file.display().to_string();
    let create = [
        "kubectl",
        "create",
        "--dry-run=server",
        "--validate=strict",
        "--output",
        "json",
        "--filename",
        &file,
    ];
    let taken = shared().stage.authlab(&[&["shell", "--"], &create[..]].concat()).json();
    let spec = &taken["spec"];
    assert_eq!(spec["template"]["spec"]["containers"][0]["image"], "registry.example/authlab:1");
    assert_eq!(spec["backoffLimitPerIndex"], 0, "{spec}");
    assert!(taken["metadata"]["uid"].is_string(), "the API server has filled it in: {taken}");
}

#[test]
#[ignore = "slow: it has a lab of its own"]
fn pods_would_carry_the_cells_out_and_their_logs_are_merged() {
    let stage = Stage::new();
    let (_, job) = job(
        &stage,
        &["--kubernetes", "1.37", "--shards", "2", "--name", "^external_certificates/trust::"],
    );
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    // A volume's own directory belongs to the kubelet: authlab creates its own directory in it.
    let (volume, state) = (&container["volumeMounts"][0]["mountPath"], &container["env"][0]["value"]);
    let state = Path::new(state.as_str().unwrap());
    assert_eq!(state.parent(), volume.as_str().map(Path::new), "{container}");
    let words: Vec<&str> = container["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(words[0], "authlab");
    let mut logs = String::new();
    for index in 0..job["spec"]["completions"].as_u64().unwrap() {
        // As the kubelet substitutes it.
        let words: Vec<String> = words[1..]
            .iter()
            .map(|word| word.replace("$(JOB_COMPLETION_INDEX)", &index.to_string()))
            .collect();
        let pod = said(&mut stage.command(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(pod.code, 0, "{pod:?}");
        for line in pod.err.lines().chain(pod.out.lines()) {
            logs.push_str(&format!("[pod/authlab-{index}/authlab] {line}\n"));
        }
    }
    let log = stage.state().join("matrix.log");
    std::fs::write(&log, &logs).unwrap();
    let report = stage.state().join("report");
    let (log, place) = (log.display().to_string(), report.display().to_string());
    let merged = stage.authlab(&["report", "merge", &log, "--out", &place, "--json"]).json();
    let expected = stage
        .authlab(&["run", "--list", "--name", "^external_certificates/trust::"])
        .success()
        .lines()
        .count();
    let column = &merged["table"]["columns"][0];
    assert_eq!(
        (&column["name"], &column["problems"]),
        (&"process-1.37".into(), &serde_json::json!([]))
    );
    assert_eq!(column["totals"]["passed"], expected, "{column}");
    assert_eq!(std::fs::read_dir(report.join("cells")).unwrap().count(), 2);

    // Half of the logs contain half of the result.
    let half = stage.state().join("half.log");
    std::fs::write(
        &half,
        logs.lines()
            .filter(|line| line.contains("authlab-0/"))
            .collect::<Vec<_>>()
            .join("\n"),
    )
    .unwrap();
    let merged = stage.authlab(&["report", "merge", &half.display().to_string()]);
    assert_eq!(merged.code, 1, "{merged:?}");
    assert!(merged.out.contains("process-1.37: missing: shard 2/2\n"), "{merged:?}");
    let cut = stage.state().join("cut.log");
    std::fs::write(&cut, &logs[..logs.find("[pod/authlab-1/").unwrap() / 2]).unwrap();
    let refusal = stage.authlab(&["report", "merge", &cut.display().to_string()]).refusal(2);
    assert!(
        refusal.contains("has no end") && refusal.contains("hint: fetch the whole log again"),
        "{refusal}"
    );
    stage.expect_nothing_runs("after the pods");
}

/// The timeout for a cell on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// A matrix of three small cells, one lab at a time.
fn three(place: &str) -> [&str; 12] {
    [
        "matrix",
        "--kubernetes",
        "1.37",
        "--cluster",
        "process",
        "--shards",
        "3",
        "--labs",
        "1",
        "--name",
        "^external_certificates/trust::",
        place,
    ]
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "slow: it has a lab of its own"]
fn an_interrupted_matrix_keeps_what_is_finished_and_goes_on_later() {
    use rustix::process::{Pid, Signal, kill_process};
    let stage = Stage::new();
    let report = stage.state().join("report");
    let place = format!("--report={}", report.display());
    let mut matrix = stage.start(&three(&place));
    let first = report.join("cells/process-1.37-1-of-3/run.json");
    wait("the first cell", LIMIT, || {
        match first.exists() || matrix.try_wait().unwrap().is_some() {
            true => Condition::Met(()),
            false => Condition::NotYet("it is under way".to_owned()),
        }
    });
    kill_process(Pid::from_raw(matrix.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(matrix.wait().unwrap().code(), Some(5));
    stage.expect_nothing_runs("after Ctrl-C");
    assert_eq!(stage.labs(), Vec::<String>::new());
    let record = std::fs::read(&first).unwrap();
    let interrupted = read(&report.join("matrix.json"));
    assert_eq!(interrupted["interrupted"], true);

    let resumed = stage.authlab(&[&three(&place)[..], &["--resume"]].concat());
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(resumed.err.starts_with("1 of 3 cells are finished\n"), "{resumed:?}");
    assert_eq!(std::fs::read(&first).unwrap(), record, "it is not carried out again");
    let matrix = read(&report.join("matrix.json"));
    assert_eq!(matrix["table"]["columns"][0]["problems"], serde_json::json!([]), "{matrix}");
    assert_eq!(matrix["table"]["columns"].as_array().unwrap().len(), 1);
    assert!(
        resumed.out.contains(" 0 failed, ") && !resumed.out.contains("interrupted"),
        "{resumed:?}"
    );
    stage.expect_nothing_runs("after it went on");
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_outlives_a_matrix_that_is_killed() {
    let stage = Stage::new();
    let place = format!("--report={}", stage.state().join("report").display());
    let mut matrix = stage.start(&three(&place));
    wait("an API server", LIMIT, || {
        let runs = stage.processes().iter().any(|process| process.contains("kube-apiserver"));
        match runs || matrix.try_wait().unwrap().is_some() {
            true => Condition::Met(()),
            false => Condition::NotYet("none runs".to_owned()),
        }
    });
    matrix.kill().unwrap();
    matrix.wait().unwrap();
    stage.expect_nothing_runs("after the matrix was killed");
    // Its labs leave only files.
    stage.authlab(&["down", "--all"]).success();
    assert_eq!(stage.labs(), Vec::<String>::new());
}
