//! Running the commands of a page. A page that begins with `authlab up` has a state directory of its own; all others use the lab that
//! the tests share. All commands of a page go into one shell.

use std::io::Write as _;
use std::process::{Command, Stdio};

use regex::Regex;

use super::{Block, Typed, pages, root};
use crate::stage::{Stage, shared};

/// Commands that no test runs, each with the reason, as on its page. A page that adds one needs an entry here.
const NOT_RUN: &[(&str, &str)] = &[
    ("docs/install.md", "it downloads a release"),
    ("docs/issuer.md", "it serves until Ctrl-C"),
    ("docs/oidc.md", "it opens a browser"),
    ("docs/own-features.md", "it needs the files of the example"),
    ("docs/own-features.md", "it needs a project"),
    ("docs/own-features.md", "it needs a project"),
    ("docs/own-features.md", "it writes into your features"),
    ("docs/playground.md", "it serves a page until Ctrl-C"),
    ("docs/playground.md", "it serves pages until Ctrl-C"),
    ("docs/quick-start.md", "it builds for minutes"),
    ("docs/quick-start.md", "it opens a browser"),
    ("docs/training.md", "it ends with Ctrl-C"),
    ("docs/windows.md", "it needs the image"),
];

/// Separates the outputs of commands.
const MARK: &str = "[authlab-documents]";

/// Returns a shell without the tests' own environment, with everything that a user who installed authlab has.
fn shell(stage: &Stage, directory: &std::path::Path) -> Command {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_authlab"));
    let programs = program.parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(programs.to_path_buf()).chain(std::env::split_paths(&path));
    let mut shell = Command::new("bash");
    for (name, value) in stage.command(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    // Inside of cargo, these variables of the outer cargo would make the inner one rebuild much of this package.
    let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    let of_cargo = |name: &str| ["CARGO", "OUT_DIR", "RUSTC_BOOTSTRAP"].contains(&name) || own.iter().any(|all| name.starts_with(all));
    for (name, _) in std::env::vars_os().filter(|(name, _)| of_cargo(&name.to_string_lossy())) {
        shell.env_remove(name);
    }
    shell
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("SHELL", "bash")
        // Use the existing build.
        .env("CARGO_TARGET_DIR", programs.parent().unwrap())
        .env("CARGO_TERM_QUIET", "true")
        .env_remove("KUBECONFIG")
        .current_dir(directory);
    shell
}

/// Returns the output of each command of a page, and its exit code.
fn type_all(stage: &Stage, commands: &[Typed]) -> Vec<(i32, String)> {
    let directory = tempfile::tempdir().unwrap();
    // cargo runs in the project's directory, everything else in a new one.
    let mut script = format!("exec 2>&1\ncargo() (cd '{}' && command cargo \"$@\")\n", root().display());
    for typed in commands {
        script.push_str(&format!("{}\nprintf '\\n%s %s\\n' '{MARK}' $?\n", typed.command));
    }
    let mut child = shell(stage, directory.path())
        // Read line by line: a shell inside of the shell continues with the next line.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // It may have ended before it read all lines.
        let _ = stdin.write_all(script.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut printed = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(&format!("\n{MARK} ")) {
        let (code, after) = after.split_once('\n').unwrap();
        printed.push((code.parse().unwrap(), before.to_owned()));
        rest = after;
    }
    printed
}

/// Collapses columns, which are as wide as their content.
fn plain(text: &str) -> String {
    let wide = Regex::new(r"(\S) {2,}").unwrap();
    let lines = text
        .trim_end()
        .lines()
        .map(|line| wide.replace_all(line.trim_end(), "$1  ").into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns whether `printed` is as a page shows it: `…` matches anything in a line, and as a line of its own any number of lines.
fn is_as_shown(shown: &[String], printed: &str) -> bool {
    let mut pattern = String::from("^");
    for line in plain(&shown.join("\n")).lines() {
        if line == "…" {
            pattern.push_str(r"(?:.*\n)*?");
            continue;
        }
        let parts: Vec<String> = line.split('…').map(regex::escape).collect();
        pattern.push_str(&parts.join(".*"));
        pattern.push_str(r"\n");
    }
    pattern.push('$');
    Regex::new(&pattern).unwrap().is_match(&(plain(printed) + "\n"))
}

/// Returns the differences between a page and its actual output.
fn wrong(stage: &Stage, page: &str) -> Vec<String> {
    let blocks: Vec<Block> = Block::all(page).into_iter().filter(|block| block.info == "console").collect();
    let places: Vec<&str> = blocks
        .iter()
        .flat_map(|block| std::iter::repeat_n(block.place.as_str(), block.commands().len()))
        .collect();
    let commands: Vec<Typed> = blocks.iter().flat_map(Block::commands).collect();
    let printed = type_all(stage, &commands);
    let mut wrong = Vec::new();
    for ((place, typed), (code, printed)) in places.iter().zip(&commands).zip(&printed) {
        let told = |what: &str| format!("{place}: {what}\n$ {}\n{printed}", typed.command);
        // An output of only `…` would match any error, too.
        if *code != 0 && typed.shown.iter().all(|line| line == "…") {
            wrong.push(told(&format!("it ended with exit code {code}, and the page does not show that")));
        } else if !typed.shown.is_empty() && !is_as_shown(&typed.shown, printed) {
            wrong.push(told(&format!(
                "the page shows something else:\n{}\nprinted was:",
                typed.shown.join("\n")
            )));
        }
    }
    if printed.len() < commands.len() {
        let typed = &commands[printed.len()];
        wrong.push(format!(
            "{}: the shell ended before its end: {}",
            places[printed.len()],
            typed.command
        ));
    }
    wrong
}

/// Returns whether a page starts its own lab.
fn starts_a_lab(page: &str) -> bool {
    let blocks = Block::all(page);
    let typed = blocks.iter().filter(|block| block.info == "console").flat_map(Block::commands);
    typed.into_iter().any(|typed| typed.command.starts_with("authlab up"))
}

fn expect_nothing_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Returns whether commands are typed from a page.
fn is_typed(page: &str) -> bool {
    Block::all(page).iter().any(|block| block.info == "console")
}

/// A test for each page, so that they are carried out side by side.
macro_rules! what_pages_tell_to_type_does_what_they_show {
    ($($test:ident: $page:literal,)*) => {
        $(
            #[test]
            fn $test() {
                expect_nothing_wrong(&wrong(&shared().stage, $page));
            }
        )*

        #[test]
        fn each_page_has_a_test() {
            let typed: Vec<String> = pages("docs").into_iter().filter(|page| is_typed(page) && !starts_a_lab(page)).collect();
            assert_eq!(typed, [$($page),*]);
        }
    };
}

what_pages_tell_to_type_does_what_they_show! {
    the_page_about_the_proxy: "docs/auth-proxy.md",
    the_page_about_continuous_integration: "docs/continuous-integration.md",
    the_page_about_the_library: "docs/from-rust.md",
    the_page_about_the_installation: "docs/install.md",
    the_page_about_the_issuer: "docs/issuer.md",
    the_page_about_oidc: "docs/oidc.md",
    the_page_about_service_accounts: "docs/service-accounts.md",
}

#[test]
fn a_page_that_starts_a_lab_ends_it_and_leaves_nothing() {
    let pages: Vec<String> = pages("docs").into_iter().filter(|page| starts_a_lab(page)).collect();
    let expected = ["docs/quick-start.md", "docs/training.md"];
    assert_eq!(pages, expected, "each costs the time of a lab's start");
    for page in pages {
        let stage = Stage::new();
        expect_nothing_wrong(&wrong(&stage, &page));
        assert!(stage.labs().is_empty(), "{page} leaves {:?}", stage.labs());
    }
}

#[test]
fn what_is_not_typed_here_says_why_and_is_counted() {
    let mut found = Vec::new();
    for page in pages("docs") {
        for block in Block::all(&page)
            .iter()
            .filter(|block| block.info != "console" && block.is_console())
        {
            let why = block.not_run_because();
            let why = why.unwrap_or_else(|| panic!("{}: expected `console` or `console not-run-here: WHY`", block.place));
            found.push((page.clone(), why.to_owned()));
        }
    }
    let found: Vec<(&str, &str)> = found.iter().map(|(page, why)| (page.as_str(), why.as_str())).collect();
    assert_eq!(found, NOT_RUN, "{} blocks are not typed by any test", found.len());
}

#[test]
fn what_is_shown_is_compared_line_by_line() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(is_as_shown(&shown("a 1 b\nc"), "a 1 b\nc\n"));
    assert!(is_as_shown(&shown("a … b"), "a anything (at all) b"));
    assert!(is_as_shown(&shown("NAME      AGE"), "NAME  AGE"));
    assert!(is_as_shown(&shown("a\n…\nz"), "a\nb\nc\nz"));
    assert!(is_as_shown(&shown("a\n…"), "a\n"));
    assert!(!is_as_shown(&shown("a … b"), "a\nb"));
    assert!(!is_as_shown(&shown("a"), "a\nb"));
    assert!(!is_as_shown(&shown("a\n…\nz"), "a\nb"));
    assert!(!is_as_shown(&shown("a.c"), "abc"));
}
