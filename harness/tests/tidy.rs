//! The rules that a machine can check: the layout of the code, the wording of the features, the ledger
//! of behaviours that no scenario proves yet, and the documents that name things.
//!
//! Nothing is started. Each rule is a test that collects every violation ([`Broken`]) and says what to do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

#[path = "tidy/behaviours.rs"]
mod behaviours;
#[path = "tidy/checks.rs"]
mod checks;
#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/drivers.rs"]
mod drivers;
#[path = "tidy/features.rs"]
mod features;
#[path = "tidy/fixtures.rs"]
mod fixtures;
#[path = "tidy/generated.rs"]
mod generated;
#[path = "tidy/help.rs"]
mod help;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/machines.rs"]
mod machines;
#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/release.rs"]
mod release;
#[path = "tidy/requirements.rs"]
mod requirements;
#[path = "tidy/restricted.rs"]
mod restricted;
#[path = "tidy/sabotaged_settings.rs"]
mod sabotaged_settings;
#[path = "tidy/scripts.rs"]
mod scripts;
#[path = "tidy/site.rs"]
mod site;
#[path = "tidy/token_shapes.rs"]
mod token_shapes;
#[path = "tidy/upstream.rs"]
mod upstream;
#[path = "tidy/words.rs"]
mod words;

/// Returns the project's root.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A text file of the project.
struct TextFile {
    /// Its path from the root, with `/`.
    path: String,
    text: String,
}

impl TextFile {
    /// Returns whether the file is Rust code.
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Returns the lines, numbered from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Every text file that is, or is about to be, under version control.
static FILES: LazyLock<Vec<TextFile>> = LazyLock::new(|| {
    let mut paths = known_to_git().unwrap_or_else(|| below(root()));
    paths.sort();
    paths
        .into_iter()
        // The links in harness/ lead to files that are here under their own names.
        .filter(|path| !root().join(path).is_symlink())
        .filter_map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).ok()?;
            Some(TextFile { path, text })
        })
        .collect()
});

/// Returns the files that git lists, including new ones; `None` without git, or outside of a repository.
fn known_to_git() -> Option<Vec<String>> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()?;
    let text = String::from_utf8(listed.stdout).ok()?;
    let paths: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    (listed.status.success() && !paths.is_empty()).then_some(paths)
}

/// Returns every file below `folder`, except those that git would ignore. Links are not followed.
fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(place) = pending.pop() {
        for entry in std::fs::read_dir(&place).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if path.is_symlink() || [".git", "target"].iter().any(|ignored| entry.file_name() == *ignored) {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(path) = path.strip_prefix(folder) {
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found
}

/// Returns the text of a file that has to exist.
fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} cannot be read ({error}): it has to be there"))
}

/// The violations of one rule. It fails the test when it is dropped with a violation in it.
struct Broken {
    rule: &'static str,
    found: Vec<String>,
}

impl Broken {
    /// Creates an empty list for `rule`, which also says what to do.
    fn rule(rule: &'static str) -> Self {
        Self { rule, found: Vec::new() }
    }

    /// Adds the violation `what`.
    fn by(&mut self, what: impl Into<String>) {
        self.found.push(what.into());
    }

    /// Adds the violation `what`, unless `holds`.
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.by(what());
        }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.found.is_empty(), "{}\n  {}\n", self.rule, self.found.join("\n  "));
        }
    }
}

#[test]
fn a_rule_that_is_broken_fails_its_test() {
    let broken = std::panic::catch_unwind(|| Broken::rule("be sound").unless(false, || "a file".to_owned()));
    let message = broken.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(*message, "be sound\n  a file\n");
}

#[test]
fn the_walk_without_git_finds_the_same_sources() {
    let walked = below(root());
    let mut broken = Broken::rule("`below` must find what git knows");
    for file in FILES.iter().filter(|file| file.is_rust()) {
        broken.unless(walked.contains(&file.path), || file.path.clone());
    }
}
