//! The documents name only things that exist: the code map, paths, variables of options, exit codes, pinned versions.

use std::collections::BTreeSet;

use authlab::cluster::Driver;
use authlab::server_binaries::Versions;
use regex::Regex;
use serde_json::Value;

use crate::{Broken, FILES, root, text_of};

/// Returns the documents, and every page of `docs/`.
fn documents() -> impl Iterator<Item = &'static str> {
    let known = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "features/README.md",
    ];
    let pages = FILES.iter().map(|file| file.path.as_str());
    known
        .into_iter()
        .chain(pages.filter(|path| path.starts_with("docs/") && path.ends_with(".md")))
}

/// Returns the code spans of a Markdown text, outside of code blocks.
fn code_words(text: &str) -> Vec<String> {
    let mut in_block = false;
    let prose = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    });
    prose
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Returns the part of a Markdown text below the heading `title`, up to the next heading of the same depth.
fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let heading = format!("\n## {title}\n");
    let (_, below) = text
        .split_once(&heading)
        .unwrap_or_else(|| panic!("there is no heading `## {title}`"));
    below.split("\n## ").next().unwrap_or_default()
}

#[test]
fn the_code_map_is_the_code() {
    let text = text_of("ARCHITECTURE.md");
    let mapped: BTreeSet<String> = section(&text, "Code map")
        .lines()
        .filter_map(|line| line.strip_prefix("- `harness/src/")?.split('`').next())
        .map(|path| path.trim_end_matches('/').to_owned())
        .collect();
    let there: BTreeSet<String> = FILES
        .iter()
        .filter_map(|file| file.path.strip_prefix("harness/src/")?.split('/').next())
        .map(str::to_owned)
        .collect();
    let mut broken =
        Broken::rule("the list below `## Code map` in ARCHITECTURE.md has a line (- `harness/src/…`) for each module, and no other");
    for missing in there.difference(&mapped) {
        broken.by(format!("{missing} has no line"));
    }
    for gone in mapped.difference(&there) {
        broken.by(format!("{gone} is not there any more"));
    }
}

#[test]
fn paths_in_documents_lead_somewhere() {
    let path = Regex::new(r"^(\.ci|\.github|docs|features|fixtures|harness|scripts)/[\w./-]*$").unwrap();
    let mut broken = Broken::rule("a path between backticks in a document is there: correct it (a NAME in capitals stands for any)");
    for document in documents() {
        for word in code_words(&text_of(document)) {
            let is_example = word.split('/').any(|part| {
                part.split('.')
                    .next()
                    .is_some_and(|stem| stem.len() > 1 && !stem.contains(|c: char| !c.is_ascii_uppercase() && c != '_') && stem != "README")
            });
            broken.unless(!path.is_match(&word) || is_example || root().join(&word).exists(), || {
                format!("{document}: `{word}`")
            });
        }
    }
}

#[test]
fn every_variable_is_explained() {
    let variable = Regex::new(r"\bAUTHLAB_[A-Z_]*[A-Z]\b").unwrap();
    let names = |text: &str| -> BTreeSet<String> { variable.find_iter(text).map(|found| found.as_str().to_owned()).collect() };
    let read: BTreeSet<String> = FILES
        .iter()
        .filter(|file| file.path.starts_with("harness/src/"))
        .flat_map(|file| names(&file.text))
        .collect();
    let explained = names(&text_of("docs/reference/options.md"));
    let mut broken = Broken::rule("docs/reference/options.md explains every AUTHLAB_… variable that the code reads or sets, and no other");
    for missing in read.difference(&explained) {
        broken.by(format!("{missing} is not explained"));
    }
    for gone in explained.difference(&read) {
        broken.by(format!("{gone} is not there any more"));
    }
}

#[test]
fn every_way_of_authenticating_is_in_the_table() {
    let table = text_of("docs/reference/features.md");
    let mut broken = Broken::rule("the table in docs/reference/features.md has a row (`folder/`) for each folder of features");
    let folders: BTreeSet<&str> = FILES
        .iter()
        .filter_map(|file| file.path.strip_prefix("features/")?.split_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    for folder in folders {
        broken.unless(table.contains(&format!("| `{folder}/`")), || folder.to_owned());
    }
}

#[test]
fn the_lab_matrix_is_what_is_pinned() {
    let versions = Versions::pinned();
    let pinned: Vec<String> = versions.kubernetes.iter().map(|version| version.version.minor_version()).collect();
    let workflow: Value = serde_saphyr::from_str(&text_of(".github/workflows/lab.yml")).unwrap();
    let matrix = &workflow["jobs"]["run"]["strategy"]["matrix"];
    let words = |list: &Value| -> Vec<String> {
        let words = list.as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let listed = words(&matrix["kubernetes"]);
    let mut broken = Broken::rule(
        "the matrix in .github/workflows/lab.yml has each driver that makes a cluster with the oldest, a middle and the newest version of \
         fixtures/versions.toml, and `process` with every version",
    );
    let ends = [pinned.first(), pinned.last()];
    broken.unless(listed.len() == 3 && ends == [listed.first(), listed.last()], || {
        format!("it has {listed:?}, pinned are {pinned:?}")
    });
    let drivers: Vec<&str> = Driver::all()
        .iter()
        .map(|driver| driver.name())
        .filter(|&name| name != "existing")
        .collect();
    broken.unless(words(&matrix["cluster"]) == drivers, || format!("drivers are {drivers:?}"));
    let mut with_process = listed;
    for further in matrix["include"].as_array().unwrap() {
        broken.unless(further["cluster"] == "process", || further.to_string());
        with_process.push(further["kubernetes"].as_str().unwrap().to_owned());
    }
    with_process.sort();
    broken.unless(with_process == pinned, || {
        format!("with `process` it has {with_process:?}, pinned are {pinned:?}")
    });
    let newest = &versions.newest().kind;
    let kind = Regex::new(r"sigs\.k8s\.io/kind@v(\d+\.\d+)").unwrap();
    for path in [".github/workflows/lab.yml", "harness/src/cluster/kind/command.rs"] {
        let text = text_of(path).replace("{KNOWN}", newest);
        broken.unless(kind.captures(&text).is_some_and(|found| &found[1] == newest), || {
            format!("{path} gets another kind than the newest node's image was published with, {newest}")
        });
    }
}

#[test]
fn actions_are_pinned() {
    let pinned = Regex::new(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v[\d.]+$").unwrap();
    let mut broken = Broken::rule("an action is pinned by its commit, with its version as a comment: a tag can be moved");
    let has_workflows =
        |path: &str| path == "action.yml" || path.starts_with(".github/workflows/") || (path.starts_with("docs/") && path.ends_with(".md"));
    // Our own Action: the one of this commit, or of the release that `release.rs` compares.
    let is_ours = |line: &str| line.contains("uses: ./") || line.contains("uses: authlab/authlab@v");
    for file in FILES.iter().filter(|file| has_workflows(&file.path)) {
        for (number, line) in file.lines().filter(|(_, line)| line.contains("uses:") && !is_ours(line)) {
            broken.unless(pinned.is_match(line.trim_end()), || {
                format!("{}:{number}: {}", file.path, line.trim())
            });
        }
    }
}
