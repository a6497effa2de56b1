//! `fixtures/upstream.toml`: upstream's own tests and release notes about authentication, each with the behaviours that our scenarios
//! show of it, or the reason why no scenario is about it. docs/reference/upstream.md is made from it.
//!
//! Where Go's module cache has upstream's source, no test and no note may be missing.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use authlab::behaviour::Catalogue;
use authlab::server_binaries::Versions;
use serde::Deserialize;

use crate::fixtures::{ledger, proved};
use crate::{Broken, text_of};

#[path = "upstream/page.rs"]
mod page;
#[path = "upstream/source.rs"]
mod source;

use source::{Changelog, Module};

const DATA: &str = "fixtures/upstream.toml";

/// Upstream's tests and release notes, with an answer to each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    /// The version whose tests are listed.
    kubernetes: String,
    /// Folders and files below `test/integration`.
    places: Vec<String>,
    /// A release note with one of these words, in small letters, is listed.
    words: Vec<String>,
    #[serde(rename = "test")]
    tests: Vec<Test>,
    #[serde(rename = "note")]
    notes: Vec<Note>,
}

/// A test function.
#[derive(Deserialize)]
struct Test {
    /// The file, below `test/integration`.
    file: String,
    name: String,
    #[serde(flatten)]
    answer: Answer,
}

/// A case of a test.
#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    answer: Answer,
}

/// An entry of upstream's release notes.
#[derive(Deserialize)]
struct Note {
    version: String,
    /// The number of the pull request.
    pull: u32,
    /// The entry in few words.
    says: String,
    #[serde(flatten)]
    answer: Answer,
}

/// The answer to what upstream tests or announces.
#[derive(Deserialize)]
#[serde(try_from = "toml::Table")]
enum Answer {
    /// The ids of behaviours whose scenarios show it, and the part of it that they do not show.
    Shown(Vec<String>, Option<String>),
    /// The reason why no scenario is about it.
    Not(String),
    /// An answer for each case.
    Cases(Vec<Case>),
}

/// The fields of an answer in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    behaviours: Option<Vec<String>>,
    except: Option<String>,
    not: Option<String>,
    cases: Option<Vec<Case>>,
}

impl TryFrom<toml::Table> for Answer {
    type Error = String;

    fn try_from(table: toml::Table) -> Result<Self, String> {
        let fields: Fields = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        match (fields.behaviours, fields.except, fields.not, fields.cases) {
            (Some(ids), except, None, None) if !ids.is_empty() => Ok(Self::Shown(ids, except)),
            (None, None, Some(reason), None) if !reason.is_empty() => Ok(Self::Not(reason)),
            (None, None, None, Some(cases)) if !cases.is_empty() => Ok(Self::Cases(cases)),
            _ => Err("an answer has either `behaviours` (and perhaps `except`), or `not`, or a test's `cases`".to_owned()),
        }
    }
}

impl Answer {
    /// Returns the answer, or that of each case, none of which has cases of its own.
    fn each(&self) -> Vec<&Self> {
        match self {
            Self::Cases(cases) => cases.iter().map(|case| &case.answer).collect(),
            answer => vec![answer],
        }
    }
}

/// Returns the data.
fn known() -> &'static Upstream {
    static KNOWN: LazyLock<Upstream> =
        LazyLock::new(|| toml::from_str(&text_of(DATA)).unwrap_or_else(|error| panic!("{DATA} cannot be read: {error}")));
    &KNOWN
}

#[test]
fn every_answer_names_behaviours_that_scenarios_prove() {
    let (known, proved, ledger) = (known(), proved(), ledger());
    let mut broken = Broken::rule(
        "fixtures/upstream.toml names ids of fixtures/behaviours.toml, each proved by a scenario or in fixtures/uncovered.txt",
    );
    let tests = known.tests.iter().map(|test| (test.name.clone(), &test.answer));
    let notes = known.notes.iter().map(|note| (format!("#{}", note.pull), &note.answer));
    for (name, answer) in tests.chain(notes) {
        for answer in answer.each() {
            match answer {
                Answer::Shown(ids, _) => {
                    for id in ids {
                        broken.unless(Catalogue::known().behaviour(id).is_some(), || format!("{name}: {id} is not known"));
                        broken.unless(proved.contains(id) || ledger.contains(id), || {
                            format!("{name}: no scenario proves {id}")
                        });
                    }
                }
                Answer::Not(_) => {}
                Answer::Cases(_) => broken.by(format!("{name}: a case has no cases")),
            }
        }
    }
}

#[test]
fn every_test_stands_once_and_below_a_place() {
    let known = known();
    let mut broken =
        Broken::rule("fixtures/upstream.toml has each test once, in a file below one of its `places`, and each release note once");
    let mut seen = BTreeSet::new();
    for test in &known.tests {
        broken.unless(seen.insert((&test.file, &test.name)), || format!("{} stands twice", test.name));
        broken.unless(page::place_of(&test.file, &known.places).is_some(), || test.file.clone());
    }
    let mut seen = BTreeSet::new();
    for note in &known.notes {
        broken.unless(seen.insert(note.pull), || format!("#{} stands twice", note.pull));
    }
    let newest = Versions::pinned().newest().version.to_string();
    broken.unless(known.kubernetes == newest, || {
        format!(
            "it lists the tests of {}, and the newest version is {newest}: read that one's",
            known.kubernetes
        )
    });
}

#[test]
fn no_test_of_upstream_is_without_an_answer() {
    let known = known();
    let Some(module) = Module::of(&known.kubernetes) else {
        return;
    };
    let mut broken = Broken::rule("fixtures/upstream.toml has the tests that upstream has, and all cases of a test or none of them");
    let files = module.test_files(&known.places);
    broken.unless(!files.is_empty(), || "upstream has no test at all".to_owned());
    let mut upstream = BTreeSet::new();
    for (file, tests) in &files {
        for (name, cases) in tests {
            upstream.insert((file, name));
            let answer = known.tests.iter().find(|test| &test.file == file && &test.name == name);
            let Some(Test { answer, .. }) = answer else {
                broken.by(format!("{file}: {name} is missing"));
                continue;
            };
            if let Answer::Cases(ours) = answer {
                let ours: BTreeSet<&String> = ours.iter().map(|case| &case.name).collect();
                let theirs: BTreeSet<&String> = cases.iter().collect();
                for case in theirs.difference(&ours) {
                    broken.by(format!("{file}: {name}: the case \"{case}\" is missing"));
                }
                for case in ours.difference(&theirs) {
                    broken.by(format!("{file}: {name}: upstream has no case \"{case}\""));
                }
            }
        }
    }
    for test in known.tests.iter().filter(|test| !upstream.contains(&(&test.file, &test.name))) {
        broken.by(format!("{}: upstream has no test {}", test.file, test.name));
    }
}

#[test]
fn no_release_note_about_authentication_is_without_an_answer() {
    let known = known();
    let mut broken = Broken::rule("fixtures/upstream.toml has every release note with one of its `words`, and no other");
    for kubernetes in &Versions::pinned().kubernetes {
        let minor = kubernetes.version.minor_version();
        let Some(changelog) = Module::of(&kubernetes.version.to_string()).and_then(|module| module.changelog(&minor)) else {
            continue;
        };
        let upstream = Changelog::read(&changelog).about(&known.words);
        broken.unless(!upstream.is_empty(), || format!("{minor} has no note at all"));
        for (pull, (version, text)) in &upstream {
            match known.notes.iter().find(|note| note.pull == *pull) {
                None => broken.by(format!("{version}: #{pull} is missing: {text}")),
                Some(note) => broken.unless(&note.version == version, || {
                    format!("#{pull} is of {version}, not of {}", note.version)
                }),
            }
        }
        let prefix = format!("{minor}.");
        let ours = known.notes.iter().filter(|note| note.version.starts_with(&prefix));
        for note in ours.filter(|note| !upstream.contains_key(&note.pull)) {
            broken.by(format!("{}: #{} is not a note with one of the words", note.version, note.pull));
        }
    }
}
