//! Rules of the code: how files begin, how long they are, and which modules may use which others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::{Broken, FILES, TextFile};

/// The modules of the library, each with the modules that it may use; all others are forbidden to it.
const MAY_USE: &[(&str, &[&str])] = &[
    // Independent ideas.
    ("behaviour", &[]),
    ("cause", &[]),
    ("diagnostic", &["hint", "printable"]),
    ("dirs", &[]),
    ("event", &["jwt", "pem"]),
    ("hint", &[]),
    ("interrupt", &[]),
    ("jwt", &[]),
    ("loopback", &[]),
    ("merge_patch", &[]),
    ("owner", &[]),
    ("pem", &[]),
    ("printable", &[]),
    ("private", &[]),
    ("secret", &[]),
    ("shell_word", &[]),
    ("similar", &[]),
    ("template", &[]),
    ("token_shape", &["hint"]),
    ("yaml", &[]),
    ("sabotage", &["event", "merge_patch", "template"]),
    // The parts of labs. None of them knows the lab or a scenario.
    ("process", &["hint", "secret", "shell_word"]),
    ("cache", &["dirs", "event", "hint", "private", "process"]),
    ("listener", &["event", "process", "secret"]),
    ("engine", &["event", "hint", "owner", "process", "secret", "shell_word"]),
    ("pki", &["pem", "private", "secret"]),
    ("tls", &["pem", "pki", "secret"]),
    (
        "login",
        &[
            "cause",
            "hint",
            "listener",
            "loopback",
            "printable",
            "private",
            "process",
            "secret",
            "shell_word",
            "tls",
        ],
    ),
    ("configuration", &["diagnostic", "similar", "yaml"]),
    ("credential", &["pki", "secret"]),
    ("kubeconfig", &["credential", "hint", "jwt", "pki", "secret", "shell_word", "yaml"]),
    (
        "server_binaries",
        &["cache", "cause", "dirs", "event", "hint", "private", "process", "secret"],
    ),
    (
        "cluster",
        &[
            "engine",
            "event",
            "hint",
            "kubeconfig",
            "merge_patch",
            "owner",
            "pki",
            "process",
            "sabotage",
            "secret",
            "server_binaries",
            "template",
            "token_shape",
        ],
    ),
    (
        "identity_provider",
        &[
            "cache",
            "cause",
            "diagnostic",
            "dirs",
            "engine",
            "event",
            "hint",
            "jwt",
            "listener",
            "owner",
            "pem",
            "pki",
            "private",
            "process",
            "secret",
            "tls",
        ],
    ),
    (
        "issuer",
        &[
            "cause",
            "hint",
            "identity_provider",
            "jwt",
            "listener",
            "loopback",
            "pki",
            "secret",
            "tls",
            "token_shape",
        ],
    ),
    ("auth_proxy", &["cause", "jwt", "listener", "pki", "process", "secret", "tls"]),
    (
        "token_webhook",
        &["event", "identity_provider", "jwt", "listener", "pki", "secret", "tls"],
    ),
    ("access_webhook", &["event", "identity_provider", "listener", "pki", "tls"]),
    (
        "probe",
        &["cluster", "credential", "event", "kubeconfig", "pki", "process", "secret", "tls"],
    ),
    (
        "explain",
        &[
            "cause",
            "cluster",
            "credential",
            "event",
            "hint",
            "jwt",
            "kubeconfig",
            "pem",
            "pki",
            "probe",
            "secret",
            "shell_word",
            "tls",
        ],
    ),
    ("mutation", &["cluster", "sabotage"]),
    ("project", &["diagnostic", "hint", "server_binaries", "similar"]),
    // The parts combined.
    (
        "lab",
        &[
            "access_webhook",
            "auth_proxy",
            "cause",
            "cluster",
            "credential",
            "dirs",
            "engine",
            "event",
            "hint",
            "identity_provider",
            "interrupt",
            "kubeconfig",
            "listener",
            "owner",
            "pem",
            "pki",
            "private",
            "probe",
            "process",
            "sabotage",
            "secret",
            "server_binaries",
            "shell_word",
            "tls",
            "token_shape",
            "token_webhook",
        ],
    ),
    (
        "trial",
        &[
            "cluster",
            "configuration",
            "credential",
            "diagnostic",
            "event",
            "explain",
            "hint",
            "identity_provider",
            "jwt",
            "lab",
            "pki",
            "probe",
            "process",
            "project",
            "secret",
            "similar",
            "token_shape",
            "yaml",
        ],
    ),
    // Tests alone.
    (
        "foreign_input",
        &[
            "configuration",
            "credential",
            "explain",
            "kubeconfig",
            "pem",
            "pki",
            "printable",
            "probe",
            "project",
            "report",
            "secret",
            "token_shape",
            "trial",
        ],
    ),
    (
        "playground",
        &[
            "cause",
            "cluster",
            "configuration",
            "event",
            "hint",
            "jwt",
            "lab",
            "listener",
            "loopback",
            "project",
            "report",
            "server_binaries",
            "shell_word",
            "token_shape",
            "trial",
            "yaml",
        ],
    ),
    (
        "scenario",
        &[
            "auth_proxy",
            "cluster",
            "credential",
            "dirs",
            "event",
            "hint",
            "identity_provider",
            "interrupt",
            "jwt",
            "kubeconfig",
            "lab",
            "listener",
            "pem",
            "pki",
            "probe",
            "process",
            "secret",
            "similar",
            "template",
            "tls",
            "token_shape",
            "token_webhook",
            "trial",
        ],
    ),
    (
        "lesson",
        &[
            "cluster",
            "credential",
            "dirs",
            "event",
            "hint",
            "identity_provider",
            "kubeconfig",
            "lab",
            "pki",
            "probe",
            "process",
            "scenario",
            "secret",
            "shell_word",
            "template",
        ],
    ),
    (
        "walk_through",
        &["auth_proxy", "event", "hint", "lab", "pki", "probe", "process", "secret"],
    ),
    // Reports get everything from events: they know no lab and no scenario, only the catalogue that scenarios refer to.
    ("report", &["behaviour", "event", "hint", "printable", "secret", "shell_word"]),
];

/// The one module that may use all others, and that no other may use.
const TOP: &str = "cli";

/// The maximum number of lines in a file: a longer one has more than one idea.
const LONGEST: usize = 500;

pub(crate) fn sources() -> impl Iterator<Item = &'static TextFile> {
    FILES.iter().filter(|file| file.is_rust())
}

/// Returns the module of the library that a file belongs to.
fn module(path: &str) -> Option<&str> {
    let below = path.strip_prefix("harness/src/")?;
    let first = below.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// Returns a file's code without its comments and tests.
fn production(file: &TextFile) -> String {
    if file.path.contains("/tests/") || file.path.ends_with("/tests.rs") {
        return String::new();
    }
    let code = file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the modules of the library in a text: `crate::lab::…`, `crate::{event::…, lab}`, `authlab::lab`.
fn used(code: &str) -> BTreeSet<String> {
    static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?-u)\b(?:crate|authlab)::(?:(\w+)|\{)").unwrap());
    let first_word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut modules = BTreeSet::new();
    for found in PATH.captures_iter(code) {
        if let Some(module) = found.get(1) {
            modules.insert(module.as_str().to_owned());
            continue;
        }
        let (mut depth, mut start, group) = (0, 0, &code[found.get(0).unwrap().end()..]);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    modules.insert(first_word(&group[start..at]));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    modules
}

#[test]
fn paths_are_read_however_they_are_written() {
    let code = "use crate::lab::Lab;\nuse crate::{event::{Event, Events}, hint, pki::Leaf};\nlet x = crate::tls::client();";
    assert_eq!(Vec::from_iter(used(code)), ["event", "hint", "lab", "pki", "tls"]);
}

#[test]
fn every_source_says_first_what_it_is() {
    let mut broken = Broken::rule("every Rust file opens with `//!`: two or three sentences that say what it is and name its main type");
    for file in sources() {
        let opening: Vec<&str> = file
            .text
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(str::trim)
            .collect();
        broken.unless(
            opening.join(" ").trim_end().ends_with(['.', ':', '|', '`']) && !opening.is_empty(),
            || format!("{}: {:?}", file.path, file.text.lines().next().unwrap_or_default()),
        );
    }
}

#[test]
fn no_source_is_long() {
    let mut broken = Broken::rule("a Rust file has at most 500 lines: split it by idea");
    for file in sources() {
        let lines = file.text.lines().count();
        broken.unless(lines <= LONGEST, || format!("{}: {lines} lines", file.path));
    }
}

#[test]
fn modules_use_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut broken = Broken::rule(
        "a module uses only the modules that `MAY_USE` (harness/tests/tidy/code.rs) lists for it, and none uses `cli`: \
         turn the dependency round, or move what is needed to where both may see it; ARCHITECTURE.md says why",
    );
    for file in sources() {
        let Some(module) = module(&file.path).filter(|module| !["lib", "main", TOP].contains(module)) else {
            continue;
        };
        let Some(allowed) = allowed.get(module) else {
            broken.by(format!("{}: the module `{module}` is not in the list", file.path));
            continue;
        };
        // In another file of the same crate, `use crate::Something` would be a macro or a re-export: there are none.
        for other in used(&production(file)).into_iter().filter(|other| other != module) {
            broken.unless(allowed.contains(&other.as_str()), || {
                format!("{}: `{module}` uses `{other}`", file.path)
            });
        }
    }
}

#[test]
fn the_list_of_who_may_use_whom_is_no_longer_than_needed() {
    let mut uses: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in sources() {
        if let Some(module) = module(&file.path) {
            // Tests may use more, and count here, too.
            uses.entry(module).or_default().extend(used(&file.text));
        }
    }
    let mut broken = Broken::rule("remove from `MAY_USE` (harness/tests/tidy/code.rs) what is not used any more");
    for (module, allowed) in MAY_USE {
        let Some(uses) = uses.get(module) else {
            broken.by(format!("there is no module `{module}`"));
            continue;
        };
        for other in *allowed {
            broken.unless(uses.contains(*other), || format!("`{module}` does not use `{other}`"));
        }
    }
}
