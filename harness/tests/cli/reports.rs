//! Reports drawn again from saved records: into new directories, over earlier reports, and never over anything else.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use authlab::report::directory::{Others, ReportDirectory};
use authlab::report::record::RunRecord;

use crate::stage::{Stage, said};
use crate::story;

/// A report of a run, as `run --report` writes it.
fn report(stage: &Stage, name: &str, record: &RunRecord) -> PathBuf {
    let directory = stage.state().join(name);
    ReportDirectory::open(&directory, Others::Refuse).unwrap().write(record).unwrap();
    directory
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

const WHOLE: [&str; 4] = ["cucumber.json", "index.html", "junit.xml", "run.json"];

#[test]
fn a_report_is_drawn_again_from_its_record() {
    let stage = Stage::new();
    let directory = report(&stage, "report", &story::run());
    let page = std::fs::read(directory.join("index.html")).unwrap();
    for name in ["index.html", "junit.xml", "cucumber.json"] {
        std::fs::remove_file(directory.join(name)).unwrap();
    }
    stage.authlab(&["report", "draw", text(&directory)]).success();
    assert_eq!(names(&directory), WHOLE);
    assert!(
        std::fs::read(directory.join("index.html")).unwrap() == page,
        "another page is drawn"
    );
    // Into another directory, from the record alone.
    let (record, elsewhere) = (directory.join("run.json"), stage.state().join("elsewhere"));
    let said = stage
        .authlab(&["report", "draw", text(&record), "--out", text(&elsewhere)])
        .success();
    assert_eq!(said, format!("{}\n", elsewhere.join("index.html").display()));
    assert_eq!(names(&elsewhere), WHOLE);
    assert_eq!(std::fs::read(elsewhere.join("run.json")).unwrap(), std::fs::read(record).unwrap());
}

#[test]
fn parts_of_a_report_go_into_files_that_are_not_there_yet_unless_forced() {
    let stage = Stage::new();
    let directory = report(&stage, "report", &story::run());
    for (option, begins) in [
        ("--html", "<!DOCTYPE html>"),
        ("--junit", "<?xml"),
        ("--cucumber", "["),
        ("--markdown", "## authlab: 4 passed, 1 failed, 1 skipped"),
    ] {
        let file = stage.state().join(format!("part{option}"));
        let draw = ["report", "draw", text(&directory), option, text(&file)];
        stage.authlab(&draw).success();
        assert!(std::fs::read_to_string(&file).unwrap().starts_with(begins), "{option}");
        std::fs::write(&file, "years of work").unwrap();
        let refusal = stage.authlab(&draw).refusal(2);
        assert!(refusal.contains("exists") && refusal.contains("--force"), "{refusal}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "years of work");
        stage.authlab(&[&draw[..], &["--force"]].concat()).success();
        assert!(std::fs::read_to_string(&file).unwrap().starts_with(begins), "{option}");
    }
    let record = directory.join("run.json");
    let refusal = stage.authlab(&["report", "draw", text(&record)]).refusal(2);
    assert!(refusal.contains("no output is named") && refusal.contains("--out DIR"), "{refusal}");
    let refusal = stage
        .authlab(&["report", "draw", text(&record), "--html", text(&directory)])
        .refusal(2);
    assert!(refusal.contains("is a directory"), "{refusal}");
}

#[test]
fn several_runs_are_drawn_side_by_side() {
    let stage = Stage::new();
    let one = report(&stage, "one", &story::run());
    let other = report(&stage, "other", &story::on("1.30.14"));
    let both = stage.state().join("both");
    stage
        .authlab(&["report", "draw", text(&one), text(&other), "--out", text(&both)])
        .success();
    assert_eq!(names(&both), ["cucumber.json", "index.html", "junit.xml"]);
    let junit = std::fs::read_to_string(both.join("junit.xml")).unwrap();
    assert!(junit.contains("<testsuite name=\"process-1.30: oidc\""), "{junit}");
    // A second time, over the report just written.
    stage
        .authlab(&["report", "draw", text(&one), text(&other), "--out", text(&both)])
        .success();
}

#[test]
fn a_record_that_cannot_be_used_is_named_with_its_field() {
    let stage = Stage::new();
    let directory = report(&stage, "report", &story::run());
    let record = directory.join("run.json");
    let whole = std::fs::read_to_string(&record).unwrap();
    for (damaged, says) in [
        (whole[..whole.len() / 2].to_owned(), "is damaged: it is not JSON at line "),
        (
            whole.replacen("\"outcome\": \"passed\"", "\"outcome\": \"maybe\"", 1),
            "`scenarios[0].outcome`: unknown variant `maybe`",
        ),
        (
            whole.replacen("\"schema\": 2", "\"schema\": 99", 1),
            "has schema 99 (written by authlab ",
        ),
        ("{}".to_owned(), "is not the record of a run"),
    ] {
        std::fs::write(&record, damaged).unwrap();
        let page = std::fs::read(directory.join("index.html")).unwrap();
        for command in [
            vec!["report", "draw", text(&directory)],
            vec!["report", "draw", text(&record), "--html", "/dev/null"],
        ] {
            let refusal = stage.authlab(&command).refusal(2);
            assert!(
                refusal.contains(says) && refusal.contains("run.json") && refusal.contains("hint:"),
                "{says}: {refusal}"
            );
        }
        assert_eq!(std::fs::read(directory.join("index.html")).unwrap(), page);
    }
    let refusal = stage
        .authlab(&["report", "draw", "no/such/run.json", "--html", "/dev/null"])
        .refusal(2);
    assert!(
        refusal.contains("cannot read `no/such/run.json`") && refusal.contains("--report DIR"),
        "{refusal}"
    );
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let stage = Stage::new();
    let record = report(&stage, "report", &story::run()).join("run.json");
    let website = stage.state().join("website");
    std::fs::create_dir(&website).unwrap();
    std::fs::write(website.join("index.html"), "<h1>Mine</h1>").unwrap();
    std::fs::write(website.join("thesis.txt"), "years of work").unwrap();
    let draw = ["report", "draw", text(&record), "--out", text(&website)];
    let refusal = stage.authlab(&draw).refusal(2);
    assert!(
        refusal.contains("is not a report's directory: it holds `") && refusal.contains("--force"),
        "{refusal}"
    );
    assert_eq!(names(&website), ["index.html", "thesis.txt"]);
    // A run refuses such a directory before it starts anything.
    let refusal = stage
        .authlab(&["run", "--name", "expired", "--offline", "--report", text(&website)])
        .refusal(2);
    assert!(refusal.contains("is not a report's directory"), "{refusal}");
    stage.authlab(&[&draw[..], &["--force"]].concat()).success();
    assert_eq!(std::fs::read_to_string(website.join("thesis.txt")).unwrap(), "years of work");
    assert!(
        std::fs::read_to_string(website.join("index.html"))
            .unwrap()
            .contains("scenarios failed")
    );
}

#[test]
fn without_room_nothing_is_written_and_what_was_there_stays() {
    let stage = Stage::new();
    let earlier = report(&stage, "earlier", &story::large(3));
    let kept: Vec<Vec<u8>> = WHOLE.iter().map(|name| std::fs::read(earlier.join(name)).unwrap()).collect();
    let larger = report(&stage, "larger", &story::large(300)).join("run.json");
    // No file may be larger than 100 kB, as if the disk were full; the signal for that is ignored.
    let mut command = stage.command(&[]);
    let program = command.get_program().to_owned();
    let variables: Vec<_> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "bash"])
        .arg(program);
    command.args(["report", "draw", text(&larger), "--out", text(&earlier)]);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let refusal = said(&mut command).refusal(1);
    assert!(refusal.contains("cannot write") && refusal.contains("File too large"), "{refusal}");
    assert_eq!(names(&earlier), WHOLE);
    for (name, kept) in WHOLE.iter().zip(kept) {
        assert_eq!(std::fs::read(earlier.join(name)).unwrap(), kept, "{name}");
    }
    // A device is written to, not replaced.
    let full = Path::new("/dev/full");
    if full.exists() {
        let refusal = stage.authlab(&["report", "draw", text(&earlier), "--html", "/dev/full"]).refusal(1);
        assert!(
            refusal.contains("cannot write `/dev/full`") && refusal.contains("No space left"),
            "{refusal}"
        );
        assert!(full.metadata().unwrap().file_type().is_char_device());
    }
}

#[test]
fn a_report_is_opened_in_the_browser_and_shown_as_a_path_where_there_is_none() {
    let stage = Stage::new();
    let directory = report(&stage, "report", &story::run());
    std::fs::remove_file(directory.join("index.html")).unwrap();
    let screens = ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"];
    let open = |path: &Path, screen: bool| {
        let mut command = stage.command(&["report", "open", text(path)]);
        for name in screens {
            command.env_remove(name);
        }
        if screen {
            command.env("DISPLAY", ":0");
        }
        command
    };
    let page = format!("{}\n", directory.canonicalize().unwrap().join("index.html").display());
    // The page is drawn first, since an earlier version may have drawn none.
    for path in [directory.clone(), directory.join("run.json")] {
        assert_eq!(said(&mut open(&path, false)).success(), page);
    }
    let programs = stage.state().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let browser = programs.join("xdg-open");
    let note = stage.state().join("opened");
    std::fs::write(&browser, format!("#!/bin/sh\nprintf '%s\\n' \"$1\" > '{}'\n", note.display())).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(said(open(&directory, true).env("PATH", &programs)).success(), page);
        assert_eq!(std::fs::read_to_string(&note).unwrap(), page);
        std::fs::remove_file(&browser).unwrap();
        let said = said(open(&directory, true).env("PATH", &programs));
        assert!(said.err.contains("cannot open a browser"), "{said:?}");
        assert_eq!(said.success(), page);
    }
    let refusal = stage.authlab(&["report", "open", text(&stage.state().join("nowhere"))]).refusal(2);
    assert!(refusal.contains("nowhere") && refusal.contains("--report DIR"), "{refusal}");
}

#[test]
fn github_is_told_of_failures_and_gets_a_summary() {
    let stage = Stage::new();
    let record = report(&stage, "report", &story::hostile(": 100%, a|b <b>\n::stop-commands::x")).join("run.json");
    let summary = stage.state().join("summary.md");
    std::fs::write(&summary, "# What another command wrote\n").unwrap();
    let mut draw = stage.command(&["report", "draw", text(&record), "--html", "/dev/null"]);
    draw.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let told = said(&mut draw);
    assert_eq!(told.code, 0, "{told:?}");
    let commands: Vec<&str> = told.err.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    assert_eq!(commands.len(), 1, "{commands:?}");
    for part in [
        "::error file=features/external_certificates/trust.feature,line=31,title=Mallory's certificate of another authority is refused%3A 100%25%2C a|b <b>%0A%3A%3Astop-commands%3A%3Ax::",
        "%0Awhy%0A  expected a reason with `certificate signed by unknown authority`",
    ] {
        assert!(commands[0].contains(part), "{part} is not in {}", commands[0]);
    }
    let markdown = std::fs::read_to_string(&summary).unwrap();
    for part in [
        "# What another command wrote\n## authlab: 4 passed, 1 failed, 1 skipped\n",
        "Kubernetes 1.37.2 \\(process\\), Keycloak 26.7.4 \\(process\\), 18.4 s",
        "| oidc\\: 100\\%, a\\|b &lt;b&gt; \\:\\:stop-commands\\:\\:x | 1 | 0 | 0 | 143 ms |",
        "### ❌ external\\_certificates/trust\\:\\:Mallory's certificate of another authority is refused",
        "expected a reason with `certificate signed by unknown authority`",
    ] {
        assert!(markdown.contains(part), "{part} is not in {markdown}");
    }
    // Outside of GitHub Actions there are no annotations.
    let told = stage.authlab(&["report", "draw", text(&record), "--html", "/dev/null"]);
    assert!(!told.err.contains("::error"), "{told:?}");
}
