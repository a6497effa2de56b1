//! `--rerun`: the scenarios that failed in an earlier report, as far as no lab is needed.

use authlab::scenario::Selection;

use crate::command::authlab;
use crate::toy::{file, run};

const FEATURE: &str = "Feature: Trust\n  @serial\n  Scenario: one\n    When Alice asks the API server who she is\n  Scenario: two\n    When Alice asks the API server who she is\n  Scenario: three\n    When Alice asks the API server who she is\n";

/// Returns a folder with a feature, and a report in `report` in which the scenarios `failed` have failed, and `passed` has passed.
async fn folder(failed: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let flow = folder.path().join("features/toys");
    std::fs::create_dir_all(&flow).unwrap();
    std::fs::write(flow.join("trust.feature"), FEATURE).unwrap();
    let failing = failed
        .iter()
        .map(|name| format!("  Scenario: {name}\n    Then the answer is wrong\n"));
    let text = format!(
        "Feature: Trust\n  Scenario: passed\n    Then the answer is right\n{}",
        failing.collect::<String>()
    );
    let record = run(&[file("toys/trust", &text)], &Selection::default(), 1).await.record;
    std::fs::create_dir(folder.path().join("report")).unwrap();
    record.write(&folder.path().join("report/run.json")).unwrap();
    folder
}

#[tokio::test]
async fn exactly_the_scenarios_that_failed_are_selected_and_those_that_are_gone_are_named() {
    let folder = folder(&["two", "three", "gone"]).await;
    let gone = "failed in `report`, and does not exist any more: toys/trust::gone\n";
    for (place, more, expected) in [
        ("report", &[][..], "toys/trust::two\ntoys/trust::three\n"),
        ("report/run.json", &[], "toys/trust::two\ntoys/trust::three\n"),
        // The parts of what failed, not what failed of a part.
        ("report", &["--shard", "1/2"], "toys/trust::three\n"),
        ("report", &["--shard", "2/2"], "toys/trust::two\n"),
        ("report", &["--name", "two"], "toys/trust::two\n"),
    ] {
        let arguments = [&["run", "features", "--list", "--rerun", place], more].concat();
        let (code, out, err) = authlab(folder.path(), &arguments);
        assert_eq!((code, out.as_str()), (0, expected), "{arguments:?}: {err}");
        assert_eq!(err, gone.replace("`report`", &format!("`{place}`")), "{arguments:?}");
    }
    let (code, out, err) = authlab(
        folder.path(),
        &["matrix", "features", "--list", "--rerun", "report", "--kubernetes", "1.37"],
    );
    assert_eq!((code, out.ends_with("\t2\n")), (0, true), "{out}{err}");
}

#[tokio::test]
async fn where_nothing_is_left_to_run_the_reason_is_told() {
    let sound = folder(&[]).await;
    let gone = folder(&["gone"]).await;
    let one = folder(&["two"]).await;
    for (folder, more, code, expected) in [
        (
            &sound,
            &[][..],
            3,
            "error: no scenario failed in `report` (1 passed, 0 skipped)\n\nhint: leave out --rerun",
        ),
        (
            &gone,
            &[],
            3,
            "error: none of the scenarios that failed in `report` exists: toys/trust::gone\n\nhint: name the feature files",
        ),
        (&one, &["--tags", "@serial"], 3, "error: none of the 3 scenarios is selected\n"),
    ] {
        let arguments = [&["run", "features", "--list", "--rerun", "report"], more].concat();
        let (seen, out, err) = authlab(folder.path(), &arguments);
        assert_eq!((seen, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.starts_with(expected), "{arguments:?}: {err}");
    }
    let (code, _, err) = authlab(sound.path(), &["run", "features", "--rerun", "nowhere"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.starts_with("error: cannot read `nowhere`"), "{err}");
}

#[tokio::test]
async fn no_run_replaces_the_report_that_it_runs_again() {
    let folder = folder(&["two"]).await;
    for place in ["report", "report/run.json"] {
        let (code, _, err) = authlab(folder.path(), &["run", "features", "--rerun", place, "--report", "report"]);
        assert_eq!(code, 2, "{err}");
        assert!(err.starts_with("error: --rerun and --report name the same report"), "{err}");
    }
    std::fs::create_dir_all(folder.path().join("matrix/cells")).unwrap();
    std::fs::rename(folder.path().join("report"), folder.path().join("matrix/cells/process-1.37")).unwrap();
    let matrix = ["matrix", "features", "--kubernetes", "1.37", "--rerun", "matrix"];
    let (code, out, err) = authlab(folder.path(), &[&matrix[..], &["--list"]].concat());
    assert_eq!((code, out.ends_with("\t1\n")), (0, true), "{out}{err}");
    let (code, _, err) = authlab(folder.path(), &[&matrix[..], &["--report", "matrix"]].concat());
    assert_eq!(code, 2, "{err}");
    assert!(err.starts_with("error: --rerun and --report name the same report"), "{err}");
    let (code, _, err) = authlab(folder.path(), &[&matrix[..], &["--print", "kubernetes-job"]].concat());
    assert_eq!(code, 2, "{err}");
    assert!(err.starts_with("error: --print cannot be used with --rerun"), "{err}");
}
