//! The recorded terminals in `docs/pictures/`: each is drawn from the output of commands that this test types, with its colours.
//!
//! `UPDATE=1 cargo test --test cli recordings` records them anew; look at them. Without `UPDATE`, each drawing has to be the one in the
//! documents, except for times, ports and the width of columns. The main type is [`Recording`].

use std::path::{Path, PathBuf};
use std::process::Command;

use anstyle::{Color, RgbColor};
use anstyle_svg::{Palette, Term};
use regex::Regex;

use crate::stage::{Stage, class, shared};

/// The commands of one picture, typed in a new directory.
struct Recording {
    /// The picture is `docs/pictures/NAME.svg`.
    name: &'static str,
    /// The content in words, for readers who do not see the picture.
    title: &'static str,
    /// Files that are there before the first command.
    files: &'static [(&'static str, &'static str)],
    /// Commands that are not shown.
    before: &'static [&'static str],
    /// Each command with its exit code.
    commands: &'static [(&'static str, i32)],
}

const RUN: Recording = Recording {
    name: "run",
    title: "A run of scenarios about service accounts: the reason of each refusal, and a table of the results",
    files: &[],
    before: &[],
    commands: &[("authlab run service_accounts/validity --why", 0)],
};

const TRY: Recording = Recording {
    name: "try",
    title: "Two people are tried under a project's configuration: one may create deployments, the other may not",
    files: &[],
    before: &["authlab init"],
    commands: &[("authlab try --all --may 'create deployments.apps in team-a'", 0)],
};

const CHECK: Recording = Recording {
    name: "check",
    title: "Three errors in a configuration, each with its line, the request that showed it, the server's answer and a change",
    files: &[(
        "authn.yaml",
        "\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://login.example.com
    audiences: [kubernetes]
  claimMappings:
    username: {claim: sub, prefix: \"\"}
    groups: {claim: groups, prefix: \"\"}
  claimValidationRules:
  - {claim: email_verified, requiredValue: \"true\"}
",
    )],
    before: &[],
    commands: &[
        ("cat authn.yaml", 0),
        ("authlab check --authentication-configuration authn.yaml", 1),
    ],
};

const EXPLAIN: Recording = Recording {
    name: "explain",
    title: "A certificate that its holder signed is refused: the line of the server's log, the remedy and the cause",
    files: &[],
    before: &[],
    commands: &[
        (
            "openssl req -x509 -nodes -newkey rsa:2048 -keyout alice.key -out alice.crt -subj /CN=alice/O=platform-team",
            0,
        ),
        ("authlab explain --certificate alice.crt --key alice.key", 1),
    ],
};

const LESSON: Recording = Recording {
    name: "lesson",
    title: "A lesson: its task, a check that says which goal is missed and what was seen, and a hint",
    files: &[],
    before: &[],
    commands: &[
        ("authlab lesson start wrong-prefix", 0),
        ("authlab lesson check", 1),
        ("authlab lesson hint", 0),
    ],
};

/// The number of columns of the terminal.
const COLUMNS: usize = 100;

const BACKGROUND: RgbColor = RgbColor(0x14, 0x18, 0x1b);
const TEXT: RgbColor = RgbColor(0xe4, 0xe8, 0xea);

/// The colours of the terminal: those of a report's page in its dark theme, the bright ones like the others.
const COLORS: [RgbColor; 8] = [
    BACKGROUND,
    RgbColor(0xff, 0x9f, 0x97),
    RgbColor(0x7f, 0xd6, 0xa4),
    RgbColor(0xe5, 0xc6, 0x6c),
    RgbColor(0x8f, 0xbc, 0xff),
    RgbColor(0xcd, 0xb3, 0xff),
    RgbColor(0x79, 0xd0, 0xe4),
    TEXT,
];

impl Recording {
    /// Types the commands, and returns the terminal's content.
    fn typed(&self, stage: &Stage, environment: &[(&str, &str)]) -> String {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in self.files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        for line in self.before {
            type_line(stage, directory.path(), environment, line, 0);
        }
        let typed = self.commands.iter().map(|(line, code)| {
            let printed = type_line(stage, directory.path(), environment, line, *code);
            format!("\x1b[1;32m$\x1b[0m \x1b[1m{line}\x1b[0m\n{}\n", printed.trim_end())
        });
        typed.collect::<Vec<_>>().join("\n")
    }

    /// Compares the drawing with the one in the documents, or with `UPDATE=1` puts it there.
    fn check(&self, stage: &Stage, environment: &[(&str, &str)]) {
        let now = draw(self.title, &self.typed(stage, environment));
        for part in ["eyJ", "PRIVATE KEY"] {
            assert!(!now.contains(part), "{}: {part}", self.name);
        }
        let file = folder().join(format!("{}.svg", self.name));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &now).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        let (now, kept) = (same_each_time(&now), same_each_time(&kept));
        let differs = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
        assert!(
            now == kept,
            "docs/pictures/{}.svg differs from what is printed now; if that is meant: UPDATE=1 cargo test --test cli recordings\n{differs:?}",
            self.name
        );
    }
}

/// Returns the folder of the pictures.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures")
}

/// Returns the standard output of a command line, which ends with `code`; progress, on standard error, is left out.
fn type_line(stage: &Stage, directory: &Path, environment: &[(&str, &str)], line: &str, code: i32) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_authlab"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(program.parent().unwrap().to_owned()).chain(std::env::split_paths(&path));
    let mut shell = Command::new("bash");
    for (name, value) in stage.command(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .args(["-c", line])
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("AUTHLAB_COLOR", "always")
        .envs(environment.iter().copied())
        .env_remove("KUBECONFIG")
        .current_dir(directory);
    let said = crate::stage::said(&mut shell);
    assert_eq!(said.code, code, "{line}: {said:?}");
    shortened(&said.out.replace(stage.state().to_str().unwrap(), "~/.local/state/authlab"))
}

/// Replaces numbers that no reader compares, and whose length may differ.
fn shortened(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, shown) in [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…"),
        (r"\b(SN=)\d+", "$1…"),
        (r"\b((SKID|AKID)=)[0-9A-F:]+", "$1…"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, shown).into_owned();
    }
    text
}

/// Breaks lines where the terminal does; escape sequences need no column.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let (mut column, mut is_escape) = (0, false);
        for c in line.chars() {
            is_escape |= c == '\x1b';
            if !is_escape {
                if column == COLUMNS {
                    wrapped.push('\n');
                    column = 0;
                }
                column += 1;
            }
            wrapped.push(c);
            is_escape &= c != 'm';
        }
        wrapped.push('\n');
    }
    wrapped
}

/// Draws the terminal with `text` in it.
fn draw(title: &str, text: &str) -> String {
    let palette = Palette(std::array::from_fn(|index| COLORS[index % COLORS.len()]));
    let terminal = Term::new()
        .palette(palette)
        .fg_color(Color::Rgb(TEXT))
        .bg_color(Color::Rgb(BACKGROUND))
        .min_width_px(COLUMNS * 84 / 10);
    let svg = terminal.render_svg(wrapped(text).trim_end());
    // Scaled as a whole on narrow pages, and named for readers who do not see it.
    let size = Regex::new(r#"^<svg width="(\d+)px" height="(\d+)px""#).unwrap();
    let svg = size.replace(&svg, |size: &regex::Captures| {
        let (width, height) = (&size[1], &size[2]);
        format!(r#"<svg role="img" aria-label="{title}" width="{width}" height="{height}" viewBox="0 0 {width} {height}""#)
    });
    // Dimmed text has to be read, too.
    svg.replace(".dimmed { opacity: 0.4; }", ".dimmed { opacity: 0.7; }")
}

/// Replaces the parts of a drawing that differ between runs.
fn same_each_time(svg: &str) -> String {
    let mut svg = svg.to_owned();
    for (pattern, name) in [
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"\b\d+(\.\d+)? (ms|s|min)\b", "TIME"),
        // The time of a row in a table, and the widths of its columns.
        (r"(\d +\d+ +\d+) +\d+ *<", "$1 TIME<"),
        (r"[─═]{3,}", "───"),
        (r" {2,}", " "),
        (r"\b(Kubernetes 1\.\d+)\.\d+", "$1"),
    ] {
        svg = Regex::new(pattern).unwrap().replace_all(&svg, name).into_owned();
    }
    svg
}

#[test]
fn a_run_is_recorded() {
    RUN.check(&shared().stage, &[("AUTHLAB_LAB", "default")]);
}

#[test]
fn a_trial_is_recorded() {
    TRY.check(&Stage::new(), &[]);
}

#[test]
fn a_check_is_recorded() {
    CHECK.check(&Stage::new(), &[]);
}

#[test]
fn an_explanation_is_recorded() {
    EXPLAIN.check(&shared().stage, &[]);
}

#[test]
fn a_lesson_is_recorded() {
    LESSON.check(&class().stage, &[("AUTHLAB_LEARNER", "learner-1")]);
}

#[test]
fn every_drawing_is_of_a_recording() {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut kept: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".svg").map(str::to_owned))
        .collect();
    kept.sort();
    let mut expected = [&RUN, &TRY, &CHECK, &EXPLAIN, &LESSON].map(|recording| recording.name);
    expected.sort_unstable();
    assert_eq!(kept, expected);
}

#[test]
fn a_line_is_broken_after_the_last_column() {
    let long = "x".repeat(COLUMNS);
    assert_eq!(wrapped(&format!("\x1b[1m{long}\x1b[0m")), format!("\x1b[1m{long}\x1b[0m\n"));
    assert_eq!(wrapped(&format!("{long}\x1b[31my\n\nz")), format!("{long}\x1b[31m\ny\n\nz\n"));
}

#[test]
fn times_and_columns_do_not_count() {
    let drawn = |time: &str| {
        let line = "─".repeat(10 + time.len());
        let text = format!(" oidc  1  0  0  {time}\n{line}\nhttp://127.0.0.1:4{time} in {time} s");
        same_each_time(&draw("A table", &text))
    };
    assert_eq!(drawn("12"), drawn("345"));
    assert_ne!(drawn("12"), same_each_time(&draw("A table", "oidc")));
}
