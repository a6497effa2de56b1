//! Rules of the code: how files begin, how long they are, which modules may use which others, and which calls are restricted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::{Broken, FILES, TextFile};

/// The modules of the library, each with the modules that it may use. Everything else is forbidden: a new module gets a
/// line, and a module that uses more than before changes one.
const MAY_USE: &[(&str, &[&str])] = &[
    // Independent ideas.
    ("behaviour", &[]),
    ("cause", &[]),
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
    ("template", &[]),
    ("sabotage", &["event", "merge_patch", "template"]),
    // The parts of labs. None of them knows the lab or a scenario.
    ("process", &["hint", "secret", "shell_word"]),
    ("cache", &["dirs", "event", "hint", "private", "process"]),
    ("listener", &["event", "process"]),
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
    ("credential", &["pki", "secret"]),
    ("kubeconfig", &["credential", "hint", "jwt", "pki", "secret", "shell_word"]),
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
        ],
    ),
    (
        "identity_provider",
        &[
            "cache", "cause", "dirs", "engine", "event", "hint", "jwt", "listener", "owner", "pem", "pki", "private", "process", "secret",
            "tls",
        ],
    ),
    ("auth_proxy", &["cause", "jwt", "listener", "pki", "process", "secret", "tls"]),
    ("token_webhook", &["identity_provider", "jwt", "listener", "pki", "secret", "tls"]),
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
    // The parts combined.
    (
        "lab",
        &[
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
            "token_webhook",
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
            "pem",
            "pki",
            "probe",
            "process",
            "secret",
            "template",
            "token_webhook",
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

fn sources() -> impl Iterator<Item = &'static TextFile> {
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

/// The unspecified address of all interfaces, even in a string.
const EVERY_INTERFACE: &str = r"\b0\.0\.0\.0\b|Ipv4Addr::UNSPECIFIED";

/// Restricted code: a pattern, the files that may match it, and what to do instead.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        r"\b(sleep|sleep_until|interval)\(",
        &["harness/src/process/wait.rs"],
        "the one poller is `process::wait::until`: ask it a condition that says `NotYet(why)`",
    ),
    (
        r"\.accept\(\)|\bserver::conn\b",
        // Stand-ins that only tests use.
        &[
            "harness/src/listener/",
            "harness/src/engine/fake.rs",
            "harness/src/auth_proxy/tests/",
            "harness/tests/",
        ],
        "`listener::Listener` accepts connections, with limits, and does not end with a failed accept",
    ),
    (
        r"\b(e?println!|e?print!|dbg!)|\b(stdout|stderr)\(\)|process::exit\b",
        &["harness/src/cli/", "harness/build.rs", "harness/benches/", "harness/examples/"],
        "the library never prints and never exits: tell it through `event::Events`, or return it",
    ),
    (
        EVERY_INTERFACE,
        // In a container, whose port is published on loopback; and an example of an address that is not loopback.
        &[
            "harness/src/identity_provider/keycloak/container.rs",
            "harness/src/cluster/runtime.rs",
            "harness/src/loopback.rs",
        ],
        "everything listens on loopback alone, on a port that was asked for",
    ),
    (
        r"\biter_(common_name|organization)\b",
        &[],
        "`pki::Holder` reads whom a subject stands for, as API servers do",
    ),
    (r"\baws_lc_rs\b|\bnative_tls\b", &[], "ring is the one cryptography provider"),
    (
        r"#!?\[allow\(",
        &[],
        "`#[expect(lint, reason = \"…\")]` says why, and ends when it is not needed any more",
    ),
];

#[test]
fn nobody_does_what_only_some_may() {
    let mut broken = Broken::rule("some things are done in one place only");
    for (pattern, places, instead) in FORBIDDEN {
        let pattern = Regex::new(pattern).unwrap();
        // The rules themselves contain what they forbid.
        let elsewhere = |path: &str| !path.starts_with("harness/tests/tidy") && !places.iter().any(|place| path.starts_with(place));
        for file in sources().filter(|file| elsewhere(&file.path)) {
            for (number, found) in found(&pattern, file) {
                broken.by(format!("{}:{number}: `{found}`: {instead}", file.path));
            }
        }
    }
}

/// Returns the lines of `file` that match, with the match; comments do not count.
fn found<'a>(pattern: &Regex, file: &'a TextFile) -> Vec<(usize, &'a str)> {
    // A shell command in a string is not Rust code; an address in a string counts.
    let counts = |line: &str, start: usize| pattern.as_str() == EVERY_INTERFACE || !line[..start].contains('"');
    file.lines()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(number, line)| Some((number, pattern.find(line).filter(|found| counts(line, found.start()))?.as_str())))
        .collect()
}

#[test]
fn every_exception_is_needed() {
    let mut broken = Broken::rule("remove from `FORBIDDEN` (harness/tests/tidy/code.rs) a place that does not do what only it may");
    for (pattern, places, _) in FORBIDDEN {
        let pattern = Regex::new(pattern).unwrap();
        for place in *places {
            let does = sources().any(|file| file.path.starts_with(place) && !found(&pattern, file).is_empty());
            broken.unless(does, || format!("{place}: no match for `{pattern}`"));
        }
    }
}

#[test]
fn no_file_knows_one_machine_or_holds_a_key() {
    let homes = ["root", "work", "home/[a-z]", "Users/[A-Za-z]", "tmp/[A-Za-z]", "private/var"].join("|");
    let machine = Regex::new(&format!(r#"(^|[\s`"'(=:])/({homes})[\w./-]*"#)).unwrap();
    let key = Regex::new(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*(\\n)?\s*[A-Za-z0-9+/=]{40}").unwrap();
    let mut broken = Broken::rule(
        "no path of somebody's machine (ask `dirs`, or a temporary directory) and no private key (make it anew) in a tracked file",
    );
    for file in FILES.iter().filter(|file| file.path != "Cargo.lock") {
        broken.unless(!key.is_match(&file.text), || format!("{}: a private key", file.path));
        for (number, line) in file.lines() {
            if let Some(found) = machine.find(line) {
                broken.by(format!("{}:{number}: `{}`", file.path, found.as_str().trim()));
            }
        }
    }
}
