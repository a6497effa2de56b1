//! Outputs compared with files: `snapshots/NAME.snap`, beside the tests. Text that differs in each run is replaced.
//!
//! The main function is [`assert_shown`]. `INSTA_UPDATE=always cargo test` writes the files anew; look at the difference.

use std::path::{Path, PathBuf};

/// Patterns of text that differs in each run, and replacements. The first ones are replaced first.
const FILTERS: &[(&str, &str)] = &[
    (r"\b(127\.0\.0\.1|localhost|\[::1\]):[2-9]\d{4}\b", "$1:PORT"),
    (r"\b(127\.0\.0\.1|localhost|\[::1\]):1\d{4}\b", "$1:PORT"),
    (
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00| \+0000 UTC( m=[+-][\d.]+)?)",
        "TIME",
    ),
    (r"\(\d+ (d|h|min|s)\)", "(A WHILE)"),
    (r"\bSN=\d+", "SN=N"),
    (r"\b(SKID|AKID)=[0-9A-Fa-f:]*", "$1=HEX"),
    // Keycloak's key ids.
    (r#"\\?"[\w-]{43}\\?""#, "\"KEY\""),
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "TIME"),
    (r"\b(\d+ (d|h|min|minutes|s) )+ago\b", "A WHILE ago"),
    (r"\bin \d+ (min|minutes|s)\b", "in A WHILE"),
    (r"\b\d+ s from now\b", "A WHILE from now"),
    (r"\b(rs|ps|es)(256|384|512)-[\w-]{12}", "$1$2-KEY"),
    (r"which is /\S*/sh\b", "which is /bin/sh"),
    (r"\b([0-9A-Fa-f]{2}:){15,}[0-9A-Fa-f]{2}\b", "HEX"),
    ("11111111-2222-3333-4444-555555555555", "TENANT"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"\b([0-9a-f]{16,}|[0-9A-F]{16,})\b", "HEX"),
];

/// Compares `text` with the file `name`; `home` is a directory whose name is random.
pub fn assert_shown(name: &str, text: &str, home: &Path, directory: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(PathBuf::from(directory));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, replacement) in FILTERS {
        settings.add_filter(pattern, *replacement);
    }
    // Before the others: a random name may look like any of them.
    let text = text.replace(home.to_str().unwrap(), "HOME");
    settings.bind(|| insta::assert_snapshot!(name, text));
}
