//! BEHAVIOURS.md: every behaviour of the catalogue, since which version it exists, where it changed, and on which versions it was
//! proved last. From `fixtures/behaviours.toml`, `fixtures/kubernetes.toml` and `fixtures/proved.toml`.

use std::collections::BTreeSet;
use std::fmt::Write;

use authlab::behaviour::Catalogue;
use authlab::cluster::{Behaviours, Minor};
use authlab::report::proved::Proved;
use authlab::report::table::{Finding, in_order};
use authlab::scenario::SharedScenario;
use authlab::server_binaries::Versions;

use crate::features::all_scenarios;
use crate::{Broken, root, text_of};

const DOCUMENT: &str = "BEHAVIOURS.md";

/// Returns the oldest supported version.
fn oldest() -> Minor {
    Minor(Versions::pinned().kubernetes.first().unwrap().version.minor.into())
}

/// Returns the features of Kubernetes that every scenario of a behaviour requires: without them it cannot exist.
fn features_of<'a>(id: &str, scenarios: &'a [SharedScenario]) -> BTreeSet<&'a str> {
    let mut own = scenarios
        .iter()
        .filter(|scenario| scenario.behaviours.iter().any(|behaviour| behaviour == id))
        .map(|scenario| {
            let names = scenario.requires().filter(|name| Behaviours::known().span(name).is_some());
            names.collect::<BTreeSet<&str>>()
        });
    let first = own.next().unwrap_or_default();
    own.fold(first, |all, names| all.intersection(&names).copied().collect())
}

fn since(features: &BTreeSet<&str>) -> String {
    let spans = features.iter().filter_map(|name| Behaviours::known().span(name));
    let (mut first, mut last) = (oldest(), None::<Minor>);
    for (since, until) in spans {
        first = first.max(since);
        last = last.min(until).or(last).or(until);
    }
    let since = if first > oldest() {
        first.to_string()
    } else {
        format!("{} or before", oldest())
    };
    match last {
        Some(last) => format!("{since}, until {last}"),
        None => since,
    }
}

fn changed_in(id: &str) -> String {
    let later = Behaviours::known()
        .values_of(id)
        .flat_map(|value| value.keys().skip(1))
        .copied()
        .collect::<BTreeSet<Minor>>();
    later.iter().map(Minor::to_string).collect::<Vec<_>>().join(", ")
}

fn proved_on(id: &str, proved: &Proved, is_covered: bool) -> String {
    let mut parts = Vec::new();
    let held = proved.ranges(id, |finding| matches!(finding, Finding::Proved | Finding::Refused));
    if !held.is_empty() {
        parts.push(held);
    }
    for finding in [Finding::Absent, Finding::Differs, Finding::Failed, Finding::NotRun] {
        let on = proved.ranges(id, |other| other == finding);
        if !on.is_empty() {
            let words = finding.words();
            parts.push(if finding.is_bad() {
                format!("**{words}**: {on}")
            } else {
                format!("{words}: {on}")
            });
        }
    }
    if parts.is_empty() {
        let words = if is_covered {
            "not since there is a scenario"
        } else {
            "no scenario yet"
        };
        parts.push(words.to_owned());
    }
    parts.join("; ")
}

/// Formats a text as a cell of a Markdown table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

fn document() -> String {
    let (catalogue, proved, scenarios) = (Catalogue::known(), Proved::known(), all_scenarios());
    let mut ids: Vec<&str> = catalogue.ids().collect();
    ids.sort_by_key(|id| in_order(id));
    let mut text = String::from(
        "# Behaviours\n\n\
         The promises of Kubernetes about authentication, and the versions on which real servers were seen to keep them.\n\
         Made from `fixtures/behaviours.toml`, `fixtures/kubernetes.toml` and `fixtures/proved.toml`: `UPDATE=1 cargo test --test tidy behaviours`.\n\n",
    );
    writeln!(
        text,
        "Proved last on {}, with the driver `{}`, on Kubernetes {}: `authlab matrix --update`.",
        proved.date,
        proved.cluster,
        proved.versions.join(", ")
    )
    .unwrap();
    text.push_str("\n| Id | Behaviour | Since | Changed in | Proved on |\n|---|---|---|---|---|\n");
    for id in ids {
        let known = catalogue.behaviour(id).unwrap();
        let is_covered = scenarios
            .iter()
            .any(|scenario| scenario.behaviours.iter().any(|behaviour| behaviour == id));
        let since = if is_covered {
            since(&features_of(id, &scenarios))
        } else {
            String::new()
        };
        writeln!(
            text,
            "| <a id=\"{}\"></a>{id} | {} | {since} | {} | {} |",
            id.to_lowercase(),
            cell(&known.behaviour),
            changed_in(id),
            proved_on(id, proved, is_covered)
        )
        .unwrap();
    }
    text
}

#[test]
fn behaviours_in_the_document_are_those_of_the_data() {
    let mut broken = Broken::rule("BEHAVIOURS.md is made by `UPDATE=1 cargo test --test tidy behaviours`");
    let document = document();
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(root().join(DOCUMENT), document).unwrap();
        return;
    }
    let there = text_of(DOCUMENT);
    for (there, expected) in there.lines().zip(document.lines()).filter(|(there, expected)| there != expected) {
        broken.by(format!("it says   {there}\n  should be {expected}"));
    }
    broken.unless(there.lines().count() == document.lines().count(), || {
        format!("it has {} lines, should have {}", there.lines().count(), document.lines().count())
    });
}

#[test]
fn every_difference_between_versions_is_explained() {
    let (proved, scenarios) = (Proved::known(), all_scenarios());
    let mut broken = Broken::rule(
        "where versions differ in fixtures/proved.toml, fixtures/kubernetes.toml has the line that says why: a feature whose `since` or \
         `until` is that version, and that the scenarios require; or a value for what differs from the expectation",
    );
    let pinned = Versions::pinned()
        .kubernetes
        .iter()
        .map(|kubernetes| kubernetes.version.minor_version());
    broken.unless(pinned.eq(proved.minors()), || {
        format!(
            "kept is the result on {}, not on every version that is pinned",
            proved.versions.join(", ")
        )
    });
    for (id, findings) in &proved.behaviours {
        broken.unless(Catalogue::known().behaviour(id).is_some(), || {
            format!("{id} is not in the catalogue")
        });
        if !scenarios.iter().any(|scenario| scenario.behaviours.contains(id)) {
            continue;
        }
        let features = features_of(id, &scenarios);
        for (minor, finding) in proved.minors().zip(findings) {
            let version: Minor = minor.parse().unwrap();
            let lacks = |name: &&str| {
                Behaviours::known()
                    .span(name)
                    .is_some_and(|(since, until)| version < since || until.is_some_and(|until| version > until))
            };
            let explained = features.iter().any(lacks);
            match finding {
                Finding::Proved | Finding::Refused => {}
                Finding::Absent => broken.unless(explained, || {
                    format!("{id} is absent on {minor}: no feature that all of its scenarios ask for says so")
                }),
                // The ledger lists them with the reason, or they are proved every night.
                Finding::NotRun
                    if scenarios
                        .iter()
                        .filter(|scenario| scenario.behaviours.contains(id))
                        .all(|one| one.is_ignored()) => {}
                Finding::Differs | Finding::Failed | Finding::NotRun => {
                    broken.by(format!("{id} on {minor}: {}", finding.words()));
                }
            }
        }
    }
}

#[test]
fn values_are_a_part_of_behaviours_that_are_known() {
    let mut broken = Broken::rule("`behaviours` of a value in fixtures/kubernetes.toml are ids of fixtures/behaviours.toml");
    for id in Behaviours::known().ids() {
        broken.unless(Catalogue::known().behaviour(id).is_some(), || id.to_owned());
    }
    broken.unless(Behaviours::known().ids().next().is_some(), || "there is none at all".to_owned());
}
