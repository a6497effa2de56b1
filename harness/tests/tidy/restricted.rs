//! Restricted code: calls and words that only some files may have ([`FORBIDDEN`]).

use regex::Regex;

use crate::code::sources;
use crate::{Broken, TextFile};

/// The unspecified address of all interfaces, even in a string.
const EVERY_INTERFACE: &str = r"\b0\.0\.0\.0\b|Ipv4Addr::UNSPECIFIED";

/// Restricted code: a pattern, the files that may match it, and what to do instead.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        r"\b(sleep|sleep_until|interval)\(",
        // authlab-testcontainers stands alone, with a poller of its own.
        &["harness/src/process/wait.rs", "harness/testcontainers/src/containers/start.rs"],
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
        &[
            "harness/src/cli/",
            "harness/build.rs",
            "harness/benches/",
            "harness/examples/",
            "harness/testcontainers/examples/",
        ],
        "the library never prints and never exits: tell it through `event::Events`, or return it",
    ),
    (
        EVERY_INTERFACE,
        // In a container, whose port is published on loopback; and an example of an address that is not loopback.
        &[
            "harness/testcontainers/src/description/keycloak.rs",
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
    let mut broken = Broken::rule("remove from `FORBIDDEN` (harness/tests/tidy/restricted.rs) a place that does not do what only it may");
    for (pattern, places, _) in FORBIDDEN {
        let pattern = Regex::new(pattern).unwrap();
        for place in *places {
            let does = sources().any(|file| file.path.starts_with(place) && !found(&pattern, file).is_empty());
            broken.unless(does, || format!("{place}: no match for `{pattern}`"));
        }
    }
}
