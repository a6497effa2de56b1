//! The pictures of pages in the documents, `docs/pictures/`: of real runs, in a real browser, each in both themes.
//!
//! `UPDATE=1 cargo test --test browser pictures -- --include-ignored` takes all of them anew; look at them. Without `UPDATE`, those whose page needs a lab only
//! have to be there. The main function is [`take`].

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::driver::Browser;
use crate::place;
use crate::playing::{DONE, two_people, with_page, without_tokens_of_issuers};

/// The largest size of a picture, in bytes.
const LARGEST: usize = 200_000;

/// The scenario that is open in the picture of a report.
const SHOWN: &str = "An expired client certificate is refused";

/// The themes that a picture is taken in; the documents show the one that the reader's system prefers.
const THEMES: [&str; 2] = ["light", "dark"];

/// The part of a page that a picture shows.
enum Part {
    /// The part that fits on the screen.
    Screen,
    /// The whole page, smaller.
    Page { scale: f64 },
}

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// Returns the file of the picture `name` in the documents.
fn in_the_documents(name: &str, theme: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/pictures/{name}-{theme}.png"))
}

/// Takes the picture `name` of the page that `show` opens, in each theme, and with `UPDATE=1` puts it into the documents.
async fn take(browser: &Browser, name: &str, part: Part, show: impl AsyncFn(&Browser)) {
    for theme in THEMES {
        browser.theme(theme).await;
        show(browser).await;
        let drawn = place().join(format!("{name}-{theme}.png"));
        match part {
            Part::Screen => browser.picture(&drawn).await,
            Part::Page { scale } => browser.small_picture(scale, &drawn).await,
        }
        if is_update() {
            std::fs::copy(&drawn, in_the_documents(name, theme)).unwrap();
        }
        expect_a_picture(&drawn);
    }
    expect_in_the_documents(name);
}

/// Checks that the documents have the picture `name` in each theme.
fn expect_in_the_documents(name: &str) {
    for theme in THEMES {
        expect_a_picture(&in_the_documents(name, theme));
    }
}

fn expect_a_picture(file: &Path) {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(
        bytes.starts_with(b"\x89PNG") && bytes.len() <= LARGEST,
        "{} has {} bytes (expected a PNG of at most {LARGEST})",
        file.display(),
        bytes.len()
    );
}

/// Returns the command with a state directory of its own.
fn authlab(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authlab"));
    command.args(arguments).env("AUTHLAB_STATE_DIR", state).stdin(Stdio::null());
    command
}

/// Runs the command; some commands of a lesson end with 1, since a goal is not reached yet.
fn typed(state: &Path, arguments: &[&str]) {
    let ran = authlab(state, arguments).output().unwrap();
    assert!(matches!(ran.status.code(), Some(0 | 1)), "{arguments:?}: {ran:?}");
}

pub async fn the_pictures_of_a_report_are_of_a_real_run(browser: &mut Browser) {
    if !is_update() {
        return expect_in_the_documents("report");
    }
    let state = tempfile::tempdir().unwrap();
    let report = state.path().join("report");
    let state = state.path().join("state");
    typed(&state, &["run", "external_certificates", "--report", report.to_str().unwrap()]);
    browser.screen(1000, 1000).await;
    take(browser, "report", Part::Screen, async |browser| {
        browser.open(&report.join("index.html")).await;
        let scenario = format!("[...document.querySelectorAll('details.s')].find(one => one.textContent.includes('{SHOWN}'))");
        browser.value(&format!("{scenario}.open = true; {scenario}.scrollIntoView()")).await;
    })
    .await;
}

pub async fn the_pictures_of_the_playground_are_of_real_servers(browser: &mut Browser) {
    let mut draft = two_people();
    draft.people.truncate(1);
    draft.people.extend(without_tokens_of_issuers().into_iter().take(1));
    draft.versions = vec!["1.37".to_owned(), "1.30".to_owned()];
    with_page(draft, async |url| {
        browser.screen(1400, 1000).await;
        take(browser, "playground", Part::Page { scale: 0.7 }, async |browser| {
            browser.go(url).await;
            browser
                .until("document.querySelectorAll('.waiting').length === 0 && /1.30/.test(document.querySelector('#status').textContent)")
                .await;
            browser.until(DONE).await;
        })
        .await;
    })
    .await;
}

/// The lessons that learners are at in the picture, and whether they have solved them.
const CLASS: &[(&str, &str, bool)] = &[
    ("learner-1", "external-certificate", true),
    ("learner-1", "wrong-prefix", true),
    ("learner-2", "external-certificate", true),
    ("learner-2", "wrong-prefix", false),
    ("learner-3", "service-account", true),
    ("learner-4", "service-account", false),
];

/// The command that serves the board, and the lab below it; both end with this.
struct Board {
    state: tempfile::TempDir,
    child: Option<Child>,
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = authlab(self.state.path(), &["down", "--all"]).output();
    }
}

pub async fn the_pictures_of_lessons_are_of_a_class(browser: &mut Browser) {
    if !is_update() {
        return expect_in_the_documents("lessons");
    }
    let mut board = Board {
        state: tempfile::tempdir().unwrap(),
        child: None,
    };
    let state = board.state.path().to_owned();
    typed(&state, &["up", "--learners", "4"]);
    for &(learner, lesson, is_solved) in CLASS {
        let by = |command: &[&str]| typed(&state, &[&["lesson"], command, &["--learner", learner]].concat());
        by(&["start", lesson]);
        if is_solved {
            by(&["solution", "--run"]);
        }
        by(&["check"]);
    }
    let child = authlab(&state, &["lesson", "board", "--serve"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let child = board.child.insert(child);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    browser.screen(700, 300).await;
    take(browser, "lessons", Part::Screen, async |browser| {
        browser.go(address).await;
        let rows = browser.value("document.querySelectorAll('tbody tr').length").await;
        assert_eq!(rows, json!(4));
    })
    .await;
}
