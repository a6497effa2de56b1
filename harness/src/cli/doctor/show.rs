//! The result of `authlab doctor` for people. The main function is [`show`].

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::advice::{Finding, State};
use super::facts::Machine;
use crate::printable::printable;

const TITLE: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default();
const MISSING: Style = AnsiColor::Red.on_default().bold();

impl State {
    fn sign(self) -> (char, Style) {
        match self {
            Self::Good => ('✓', GOOD),
            Self::Unneeded => ('·', DIM),
            Self::Warning => ('!', WARNING),
            Self::Missing => ('✗', MISSING),
        }
    }
}

/// Writes what would be used, then each finding with its advice; if `quiet`, only what is wrong.
pub(super) fn show(machine: &Machine, findings: &[Finding], quiet: bool, out: &mut dyn Write) -> io::Result<()> {
    if !quiet {
        writeln!(
            out,
            "authlab {} on {} {}, {} {}",
            machine.authlab,
            machine.system,
            machine.architecture,
            machine.cores,
            if machine.cores == 1 { "core" } else { "cores" }
        )?;
        used(machine, out)?;
        writeln!(out, "\n{TITLE}What is there{TITLE:#}")?;
    }
    let is_shown = |finding: &&Finding| !quiet || matches!(finding.state, State::Warning | State::Missing);
    let width = findings
        .iter()
        .filter(is_shown)
        .map(|finding| finding.of.chars().count())
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or_default();
    for finding in findings.iter().filter(is_shown) {
        let (sign, style) = finding.state.sign();
        // Programs and servers said parts of these.
        let (of, seen) = (printable(&finding.of), printable(&finding.seen));
        let mut lines = seen.lines();
        writeln!(out, "  {style}{sign}{style:#} {:width$}  {}", of, lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(out, "    {:width$}  {line}", "")?;
        }
        if let Some(advice) = &finding.advice {
            let style = if finding.state == State::Missing { TITLE } else { DIM };
            writeln!(out, "    {:width$}  {style}→ {}{style:#}", "", printable(advice))?;
        }
    }
    if !quiet {
        cached(machine, out)?;
    }
    let missing: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.state == State::Missing)
        .map(|finding| finding.of.as_str())
        .collect();
    if missing.is_empty() {
        writeln!(out, "\n{GOOD}A run has, or can obtain, all that it needs.{GOOD:#}")
    } else {
        writeln!(out, "\n{MISSING}A run cannot work; missing: {}{MISSING:#}", missing.join(", "))
    }
}

/// The widest name of a finding that the others are aligned with: names of images are wider.
const WIDEST: usize = 26;

fn used(machine: &Machine, out: &mut dyn Write) -> io::Result<()> {
    let used = &machine.used;
    writeln!(out, "\n{TITLE}What a run uses{TITLE:#}")?;
    writeln!(
        out,
        "  cluster            {}, Kubernetes {}: {}",
        used.cluster,
        machine.kubernetes.version,
        printable(&used.cluster_because)
    )?;
    writeln!(
        out,
        "  identity provider  {}, {} {}",
        used.identity_provider, used.provider, used.provider_version
    )?;
    let labs = match used.labs.as_slice() {
        [] => "one of its own, since none is up".to_owned(),
        labs => format!("{} up; one that matches is used", labs.join(", ")),
    };
    writeln!(out, "  lab                {labs}")
}

fn cached(machine: &Machine, out: &mut dyn Write) -> io::Result<()> {
    if machine.cached.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{TITLE}In the cache{TITLE:#}")?;
    for version in &machine.cached {
        let name = format!("{} {}", version.product, version.version);
        writeln!(out, "  {name:<20} {:>8}", size(version.bytes))?;
    }
    Ok(())
}

/// Returns a number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match bytes {
        GIB.. => format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB),
        MIB.. => format!("{} MiB", bytes / MIB),
        _ => format!("{} KiB", bytes.div_ceil(1024)),
    }
}
