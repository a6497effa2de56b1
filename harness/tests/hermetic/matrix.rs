//! Several runs together: the table, merging with everything that does not go together, comparing, JUnit and the terminal.

use std::path::{Path, PathBuf};

use authlab::event::{LabReport, SkipKind};
use authlab::hint::Hint;
use authlab::report::cell::{Cell, Part};
use authlab::report::matrix::compare::Comparison;
use authlab::report::matrix::{MatrixRecord, in_log, merge, terminal};
use authlab::report::proved::{NotKept, Proved};
use authlab::report::record::RunRecord;
use authlab::report::table::{Finding, Table};
use authlab::scenario::Selection;

use crate::toy::{file, run};

/// Returns a record: `@X4` is a refusal of the catalogue, with the outcome of `then`; `@X5` needs an audit log, which toys never have.
async fn ran(kubernetes: &str, then: &str) -> RunRecord {
    let feature = format!(
        "Feature: Trust\n  @X4\n  Scenario: Mallory's is refused\n    When she asks\n    {then}\n  @X5 @requires:audit-log\n  Scenario: It has a log\n    \
         When she asks\n"
    );
    let mut record = run(&[file("external/trust", &feature)], &Selection::default(), 1).await.record;
    record.lab = Some(LabReport {
        cluster: "process".to_owned(),
        kubernetes: format!("{kubernetes}.9"),
        identity_provider: "process".to_owned(),
    });
    record.cell = Some(Cell {
        cluster: "process".to_owned(),
        kubernetes: kubernetes.to_owned(),
        ..Cell::default()
    });
    record.ms = 1000;
    for scenario in &mut record.scenarios {
        scenario.ms = 10;
    }
    record
}

/// Marks the skipped scenarios of `record` as missing in its version of Kubernetes.
fn absent(record: &mut RunRecord) {
    let skipped = record.scenarios.iter_mut().filter_map(|scenario| scenario.skipped.as_mut());
    skipped.for_each(|skip| skip.kind = SkipKind::Version);
}

const HOLDS: &str = "Then the answer is right";
const DIFFERS: &str = "Then the answer is 500";
const FAILS: &str = "Then it errs";

fn findings(table: &Table, behaviour: &str) -> Vec<Finding> {
    let row = table.rows.iter().find(|row| row.behaviour == behaviour).unwrap();
    row.entries.iter().map(|entry| entry.finding).collect()
}

#[tokio::test]
async fn a_table_says_of_each_version_what_was_found() {
    let mut records = vec![
        ran("1.34", HOLDS).await,
        ran("1.35", DIFFERS).await,
        ran("1.36", FAILS).await,
        ran("1.37", HOLDS).await,
    ];
    absent(&mut records[0]);
    records[3].scenarios.clear();
    records[3].error = Some("no server".to_owned());
    let table = Table::of(&records);
    assert_eq!(
        findings(&table, "X4"),
        [Finding::Refused, Finding::Differs, Finding::Failed, Finding::NotRun]
    );
    // The same feature: one version does not have it, in the others the driver lacks it.
    assert_eq!(
        findings(&table, "X5"),
        [Finding::Absent, Finding::NotRun, Finding::NotRun, Finding::NotRun]
    );
    let row = &table.rows[0];
    assert_eq!(row.behaviour, "X4");
    assert!(!row.described_as.is_empty(), "the catalogue knows X4");
    let witness = |column: usize| &row.entries[column].scenarios[0];
    assert_eq!(
        witness(0).seen.as_deref(),
        Some("unauthenticated 401: x509: certificate has expired or is not yet valid")
    );
    assert_eq!(witness(1).expected.as_deref(), Some("`right`"));
    assert_eq!(
        witness(1).seen.as_deref(),
        Some("`500` (unauthenticated 401: x509: certificate has expired or is not yet valid)")
    );
    assert!(
        witness(2).why.as_ref().unwrap().contains("the server went away"),
        "{:?}",
        witness(2)
    );
    let column = &table.columns[3];
    assert_eq!(
        (column.kubernetes.as_str(), column.problems.as_slice()),
        ("1.37.9", ["no server".to_owned()].as_slice())
    );
}

#[tokio::test]
async fn the_terminal_shows_the_table_then_cells_then_what_differs() {
    let mut records = vec![ran("1.34", HOLDS).await, ran("1.35", DIFFERS).await];
    absent(&mut records[0]);
    let draw = |quiet| {
        let mut out = anstream::StripStream::new(Vec::new());
        terminal::draw(&MatrixRecord::of(&records, None), quiet, &mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    };
    let text = draw(false);
    let mut from = 0;
    for part in [
        " behaviour   1.34.9   1.35.9",
        " X4             ⊘        ≠     ",
        " X5             –        ·     ",
        "✓ proved   ⊘ refused as expected   – absent   ≠ differs from the expectation   ✗ failed   · not run",
        " process-1.34   1.34.9            1        0         1   1.0 s ",
        "Differs from the expectation X4 on 1.35.9: ",
        "  scenario  external/trust::Mallory's is refused\n  expected  `right`\n  seen      `500` (unauthenticated 401: x509",
        "behaviours × cells: 1 refused as expected, 1 absent, 1 differs from the expectation, 1 not run\n",
        "1 passed, 1 failed, 2 skipped in 2 cells, 2.0 s\n",
    ] {
        let at = text[from..]
            .find(part)
            .unwrap_or_else(|| panic!("{part} is not, or not in its place, in\n{text}"));
        from += at + part.len();
    }
    let quiet = draw(true);
    assert!(!quiet.contains("⊘") && quiet.contains("Differs from the expectation X4"), "{quiet}");
}

/// Writes each of `records` to a directory of its own.
fn placed(records: &[(&str, &RunRecord)]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let places = records.iter().map(|(name, record)| {
        let place = root.path().join(name);
        std::fs::create_dir_all(&place).unwrap();
        record.write(&place.join("run.json")).unwrap();
        place
    });
    let places = places.collect();
    (root, places)
}

#[tokio::test]
async fn the_cell_of_a_pre_release_is_shown_and_does_not_count() {
    let beta = "1.38.0-beta.0";
    let failed = async |kubernetes: &str| {
        let mut record = ran(kubernetes, DIFFERS).await;
        record.lab.as_mut().unwrap().kubernetes = kubernetes.to_owned();
        record
    };
    let (holds, differs, older) = (ran("1.37", HOLDS).await, failed(beta).await, failed("1.36").await);
    let merged = |records: &[(&str, &RunRecord)]| {
        let (root, _) = placed(records);
        crate::command::authlab(root.path(), &["report", "merge", "."])
    };
    let (code, out, err) = merged(&[("one", &holds), ("two", &differs)]);
    assert_eq!(code, 0, "{out}{err}");
    for part in [
        "Differs from the expectation X4 on 1.38.0-beta.0 (pre-release): ",
        "1 passed, 1 failed, 2 skipped in 2 cells",
        "process-1.38.0-beta.0 is of a pre-release, and does not count: 1 failed\n",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    // By itself, it counts.
    let (code, out, _) = merged(&[("two", &differs)]);
    assert_eq!(code, 1, "{out}");
    assert!(!out.contains("does not count"), "{out}");
    // A release counts, whatever is beside it.
    let (code, out, _) = merged(&[("one", &older), ("two", &differs)]);
    assert_eq!(code, 1, "{out}");
    let mut not_started = differs.clone();
    not_started.scenarios.clear();
    not_started.totals = Default::default();
    not_started.error = Some("no server".to_owned());
    let (code, out, _) = merged(&[("one", &holds), ("two", &not_started)]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("process-1.38.0-beta.0 (pre-release): no server\n"), "{out}");
    assert!(
        out.ends_with("is of a pre-release, and does not count: it was not carried out\n"),
        "{out}"
    );
    not_started.cell.as_mut().unwrap().kubernetes = "1.36".to_owned();
    not_started.lab.as_mut().unwrap().kubernetes = "1.36.3".to_owned();
    let (code, out, _) = merged(&[("one", &holds), ("two", &not_started)]);
    assert_eq!(code, 4, "{out}");
}

fn refusal(root: &Path, places: &[PathBuf]) -> (String, String) {
    let error = merge::find(places).unwrap_err();
    let told = error.to_string().replace(&root.display().to_string(), "ROOT");
    (told, error.hint().unwrap_or_default())
}

#[tokio::test]
async fn cells_and_shards_from_anywhere_are_put_side_by_side() {
    let whole = ran("1.34", HOLDS).await;
    let (mut one, mut two) = (ran("1.35", HOLDS).await, ran("1.35", HOLDS).await);
    for (index, record) in [(1, &mut one), (2, &mut two)] {
        record.cell.as_mut().unwrap().shard = Some(Part { index, count: 2 });
    }
    one.scenarios.truncate(1);
    two.scenarios.remove(0);
    let (root, places) = placed(&[("a/x", &whole), ("a/y", &one)]);
    // One of them is in a pod's log, with a collector's prefix before each line.
    let log = format!("control plane: 4.9 s\n{}", in_log::write(&two).unwrap());
    let log: String = log.lines().map(|line| format!("[pod/authlab-1] {line}\n")).collect();
    let pod = root.path().join("pod.log");
    std::fs::write(&pod, log).unwrap();

    let found = merge::find(&[root.path().join("a"), pod.clone()]).unwrap();
    let table = Table::of(&found.records);
    assert_eq!(
        table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["process-1.34", "process-1.35"]
    );
    assert_eq!(findings(&table, "X4"), [Finding::Refused, Finding::Refused]);
    assert!(table.columns.iter().all(|column| column.problems.is_empty()), "{table:?}");

    let without = merge::find(&places).unwrap();
    let table = Table::of(&without.records);
    assert_eq!(table.columns[1].problems, ["missing: shard 2/2"]);
    assert!(table.columns[1].lacks_shards);
}

#[tokio::test]
async fn what_does_not_go_together_is_refused_with_file_and_field() {
    let record = ran("1.34", HOLDS).await;
    let sharded = |index, count| {
        let mut sharded = record.clone();
        sharded.cell.as_mut().unwrap().shard = Some(Part { index, count });
        sharded
    };
    let empty = |index, count| RunRecord {
        scenarios: Vec::new(),
        ..sharded(index, count)
    };
    let (root, places) = placed(&[("a", &record), ("b", &record)]);
    assert_eq!(
        refusal(root.path(), &places),
        (
            "`ROOT/b/run.json` and `ROOT/a/run.json` are both of the cell process-1.34 (field `cell`)".to_owned(),
            "name only one of them".to_owned()
        )
    );
    let (root, places) = placed(&[("a", &empty(1, 2)), ("b", &empty(1, 2))]);
    assert_eq!(
        refusal(root.path(), &places).0,
        "`ROOT/b/run.json` and `ROOT/a/run.json` are both of the cell process-1.34-1-of-2 (field `cell`)"
    );
    let (root, places) = placed(&[("a", &empty(1, 2)), ("b", &empty(2, 3))]);
    assert_eq!(
        refusal(root.path(), &places).0,
        "`ROOT/b/run.json` is shard 2/3 of the cell process-1.34, and `ROOT/a/run.json` is shard 1/2 (field `cell.shard`)"
    );
    let (root, places) = placed(&[("a", &empty(1, 2)), ("b", &record)]);
    assert_eq!(
        refusal(root.path(), &places).0,
        "`ROOT/b/run.json` is all of the cell process-1.34, and `ROOT/a/run.json` is shard 1/2 (field `cell.shard`)"
    );
    let (root, places) = placed(&[("a", &sharded(1, 2)), ("b", &sharded(2, 2))]);
    let (told, hint) = refusal(root.path(), &places);
    assert_eq!(
        told,
        "`ROOT/b/run.json` and `ROOT/a/run.json` are shards of the cell process-1.34, and both have the scenario \
         `external/trust::It has a log` (field `scenarios`)"
    );
    assert!(hint.contains("the same build of authlab"), "{hint}");

    let mut other = record.clone();
    other.schema = 3;
    other.cell.as_mut().unwrap().kubernetes = "1.35".to_owned();
    let (root, places) = placed(&[("a", &record), ("b", &other)]);
    assert!(
        refusal(root.path(), &places)
            .0
            .starts_with("`ROOT/b/run.json` has schema 3 (written by authlab "),
        "{:?}",
        refusal(root.path(), &places)
    );
    std::fs::write(
        places[1].join("run.json"),
        r#"{"schema": 1, "authlab": "x", "started": "yesterday"}"#,
    )
    .unwrap();
    let (told, _) = refusal(root.path(), &places);
    assert!(told.starts_with("`ROOT/b/run.json` is damaged: field `started`: "), "{told}");
    std::fs::write(places[1].join("run.json"), "{").unwrap();
    assert!(
        refusal(root.path(), &places)
            .0
            .starts_with("`ROOT/b/run.json` is damaged: it is not JSON")
    );
    std::fs::write(places[1].join("run.json"), "-----BEGIN AUTHLAB RECORD 00-----\n").unwrap();
    assert_eq!(
        refusal(root.path(), &places).0,
        "cannot use the record in the log `ROOT/b/run.json`"
    );

    let nothing = tempfile::tempdir().unwrap();
    let (told, hint) = refusal(nothing.path(), &[nothing.path().to_owned()]);
    assert_eq!(told, "`ROOT` has no record of a run");
    assert!(hint.contains("--report DIR"), "{hint}");
    let missing = nothing.path().join("nowhere");
    assert_eq!(refusal(nothing.path(), &[missing]).0, "cannot read `ROOT/nowhere`");
}

#[tokio::test]
async fn a_comparison_tells_behaviour_wording_and_time_apart() {
    let first = ran("1.34", HOLDS).await;
    let same = Comparison::of(std::slice::from_ref(&first), std::slice::from_ref(&first));
    assert!(same.is_same() && same.pairs[0].reasons.is_empty(), "{same:?}");

    // Other wording and another time are not another behaviour; values that differ in each run do not count at all.
    let mut words = first.clone();
    words.ms = 3000;
    let mut stamped = first.clone();
    for (record, reason) in [
        (&mut words, "x509: certificate is too old"),
        (
            &mut stamped,
            "x509: certificate has expired or is not yet valid: current time 2026-11-26T21:50:50Z",
        ),
    ] {
        for answer in record.scenarios.iter_mut().flat_map(|scenario| &mut scenario.answers) {
            answer.reason = Some(reason.to_owned());
        }
    }
    let other = Comparison::of(std::slice::from_ref(&first), &[words]);
    assert!(other.is_same());
    assert_eq!(
        (
            other.pairs[0].reasons[0].first.as_slice(),
            other.pairs[0].reasons[0].second.as_slice()
        ),
        (
            ["unauthenticated 401: x509: certificate has expired or is not yet valid".to_owned()].as_slice(),
            ["unauthenticated 401: x509: certificate is too old".to_owned()].as_slice()
        )
    );
    assert_eq!((other.pairs[0].times[0].first_ms, other.pairs[0].times[0].second_ms), (1000, 3000));
    let mut later = stamped.clone();
    for answer in later.scenarios.iter_mut().flat_map(|scenario| &mut scenario.answers) {
        answer.reason = answer.reason.as_ref().map(|reason| reason.replace("21:50", "23:11"));
    }
    assert!(Comparison::of(&[stamped], &[later]).pairs[0].reasons.is_empty());

    // With one cell each, versions are compared, whatever their names.
    let differs = ran("1.35", DIFFERS).await;
    let versions = Comparison::of(std::slice::from_ref(&first), std::slice::from_ref(&differs));
    assert!(!versions.is_same());
    let change = &versions.pairs[0].behaviours[0];
    assert_eq!(
        (change.behaviour.as_str(), change.first, change.second),
        ("X4", Finding::Refused, Finding::Differs)
    );
    // With several cells, those of the same name are compared.
    let third = ran("1.36", HOLDS).await;
    let several = Comparison::of(&[first.clone(), third.clone()], &[first, differs]);
    assert!(several.is_same());
    assert_eq!(
        (several.only_first.as_slice(), several.only_second.as_slice()),
        (["process-1.36".to_owned()].as_slice(), ["process-1.35".to_owned()].as_slice())
    );
}

#[tokio::test]
async fn only_the_whole_result_of_one_driver_is_kept() {
    let records = vec![ran("1.35", HOLDS).await, ran("1.9", HOLDS).await];
    let kept = |records: &[RunRecord]| Proved::of(&Table::of(records), records[0].started);
    let proved = kept(&records).unwrap();
    assert_eq!(proved.versions, ["1.9.9", "1.35.9"], "in the order of versions");
    assert_eq!(proved.behaviours["X4"], [Finding::Refused, Finding::Refused]);
    let again: Proved = toml::from_str(&proved.to_toml()).unwrap();
    assert_eq!(again, proved);

    let mut interrupted = records.clone();
    interrupted[1].interrupted = true;
    assert_eq!(
        kept(&interrupted),
        Err(NotKept::NotWhole {
            cell: "process-1.9".to_owned(),
            problem: "interrupted".to_owned()
        })
    );
    let mut mixed = records.clone();
    mixed[1].lab.as_mut().unwrap().cluster = "k3s".to_owned();
    mixed[1].cell.as_mut().unwrap().cluster = "k3s".to_owned();
    assert!(matches!(kept(&mixed), Err(NotKept::SeveralDrivers { .. })));
}
