//! The packages that are compiled into the command, its tests and the library alone; and the files of the package itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use regex::Regex;

use crate::generated::Generated;
use crate::links::resolved;

use super::{Broken, FILES, root, text_of};

/// Runs cargo and returns its output.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns each package that edges of kind `edges` lead to, with its features.
fn packages(edges: &str) -> BTreeMap<String, String> {
    let tree = ["tree", "--offline", "--package", "authlab", "--no-dedupe", "--prefix", "none"];
    let text = cargo(&[&tree[..], &["--edges", edges, "--format", "{p}|{f}"]].concat());
    let pairs = text.lines().filter_map(|line| line.split_once('|'));
    pairs.map(|(package, features)| (package.to_owned(), features.to_owned())).collect()
}

/// Returns the packages that are compiled for a program that depends on authlab with these features of it alone, and on nothing else:
/// name and version.
fn compiled(features: &str) -> BTreeSet<String> {
    let tree = [
        "tree",
        "--offline",
        "--package",
        "authlab",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    // The figures are on a page: they may not depend on the machine that compares them.
    let platform = [
        "--target",
        "x86_64-unknown-linux-gnu",
        "--no-default-features",
        "--features",
        features,
    ];
    let text = cargo(&[&tree[..], &platform].concat());
    let names = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    names.collect()
}

#[test]
fn tests_use_what_was_compiled_for_the_command() {
    let mut broken = Broken::rule(
        "a feature of a package that only a dev-dependency asks for has the package, and all that use it, compiled a second time for \
         `cargo test`: ask for it in [dependencies], too, or do without",
    );
    let tests = packages("normal,build,dev");
    for (package, features) in packages("normal,build") {
        broken.unless(tests.get(&package) == Some(&features), || {
            format!(
                "{package}: {features}, and for tests: {}",
                tests.get(&package).map_or("-", String::as_str)
            )
        });
    }
}

/// The sets of features that the page has figures for, and where that set is used.
const SETS: [(&str, &str); 6] = [
    ("", "labs of processes, probes, credentials, certificates"),
    ("containers", "… and servers in containers"),
    ("report", "… and reports of events"),
    ("issuer", "… and an issuer alone"),
    ("scenarios", "… and the steps, as functions of a world"),
    ("cli", "everything: the command, and feature files with steps of your own"),
];

const FIGURES: Generated = Generated {
    page: "docs/from-rust.md",
    begin: "<!-- Crates by features: UPDATE=1 cargo test --test tidy packages -->\n",
    end: "<!-- end -->\n",
    rule: "the figures between the marks in docs/from-rust.md are made by `UPDATE=1 cargo test --test tidy packages`",
};

#[test]
fn the_page_says_how_many_crates_each_feature_compiles() {
    let mut table = "| Features | For | Crates |\n|---|---|---|\n".to_owned();
    for (features, purpose) in SETS {
        let name = match features {
            "" => "none".to_owned(),
            "cli" => "`cli` (default)".to_owned(),
            other => format!("`{other}`"),
        };
        let _ = writeln!(table, "| {name} | {purpose} | {} |", compiled(features).len());
    }
    FIGURES.check(&table);
}

/// The crates of the command that are large, or bring many others along.
const COMMAND_ONLY: [&str; 12] = [
    "bollard",
    "clap",
    "clap_complete",
    "comfy-table",
    "cucumber",
    "gherkin",
    "globset",
    "indicatif",
    "libtest-mimic",
    "maud",
    "open",
    "quick-junit",
];

#[test]
fn the_library_alone_has_none_of_the_commands_crates() {
    let mut broken = Broken::rule(
        "without its features, the library compiles nothing that only the command needs: put what uses such a crate behind the feature \
         that has it (harness/Cargo.toml)",
    );
    for package in compiled("") {
        let name = package.split(' ').next().unwrap_or_default();
        broken.unless(!COMMAND_ONLY.contains(&name), || package.clone());
    }
}

#[test]
fn every_program_of_the_package_says_which_features_it_needs() {
    let manifest: toml::Table = toml::from_str(&text_of("harness/Cargo.toml")).unwrap();
    let mut broken =
        Broken::rule("[[bin]], [[test]] and [[bench]] in harness/Cargo.toml have `required-features`, except for the test `library`");
    for kind in ["bin", "test", "bench"] {
        for target in manifest[kind].as_array().unwrap() {
            let name = target["name"].as_str().unwrap();
            broken.unless(target.get("required-features").is_some() || name == "library", || {
                format!("{kind} {name}")
            });
        }
    }
}

#[test]
fn a_package_has_every_file_that_is_compiled_in() {
    let mut broken = Broken::rule(
        "all that the library includes is in its package (`cargo package --package authlab --list`): below harness/, or in a folder that a \
         link in harness/ leads to",
    );
    let listed = cargo(&["package", "--package", "authlab", "--list", "--allow-dirty", "--offline"]);
    let is_below = |file: &str, path: &str| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let has = |path: &str| listed.lines().any(|file| is_below(file, path));
    for file in ["README.md", "LICENSE", "build.rs", "Cargo.lock", "features", "fixtures", "scripts"] {
        broken.unless(has(file), || file.to_owned());
    }
    let include = Regex::new(r#"include_(?:str|bytes|dir)!\(\s*"(\$CARGO_MANIFEST_DIR/)?([^"]+)""#).unwrap();
    for file in FILES.iter().filter(|file| file.path.starts_with("harness/src/") && file.is_rust()) {
        for found in include.captures_iter(&file.text) {
            let from = if found.get(1).is_some() {
                "harness/Cargo.toml"
            } else {
                file.path.as_str()
            };
            let path = resolved(from, &found[2]);
            broken.unless(path.strip_prefix("harness/").is_some_and(&has), || format!("{}: {path}", file.path));
        }
    }
    // The repository's own checks are of no use in the package.
    for folder in ["tests", "benches"] {
        broken.unless(!has(folder), || format!("{folder}/ is packed"));
    }
}
