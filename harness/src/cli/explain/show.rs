//! An explanation for people: the verdict, the one thing to do, and why. The main function is [`show`].
//!
//! The styles are its own; all texts are made printable here, since they come from servers, plugins and users' files.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::event::{ReasonSource, Verdict};
use crate::explain::{Basis, Effect, Explanation, Finding, Outcome};
use crate::printable::printable;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default().bold();
const TITLE: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Writes `explanation`: in a few lines, or with everything that was checked if `verbose`.
///
/// # Errors
/// It cannot be written.
pub(super) fn show(explanation: &Explanation, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    headline(explanation, out)?;
    if explanation.outcome == Outcome::Refused
        && let Some(reason) = &explanation.reason
    {
        let source = match explanation.reason_source {
            ReasonSource::Log => "its log says",
            ReasonSource::Audit => "its audit log says",
            ReasonSource::Body => "it answers",
            ReasonSource::NotObservable => "its log cannot be read here; it answers",
            ReasonSource::None => "it says",
        };
        writeln!(out, "  {source}: {}", indented(reason, 4))?;
    }
    list(&explanation.findings, explanation.outcome == Outcome::Accepted, verbose, out)?;
    if verbose && let Some(binding) = &explanation.binding {
        writeln!(
            out,
            "\n{TITLE}A binding{TITLE:#} that lets this user read the namespace `default`:\n---"
        )?;
        write!(out, "{}", printable(&serde_saphyr::to_string(binding).map_err(io::Error::other)?))?;
    }
    Ok(())
}

fn headline(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let presented = match explanation.presented.as_str() {
        "no credential" => "a request without a credential",
        presented => presented,
    };
    let server = printable(&explanation.server);
    let status = explanation.status.map(|status| format!(" ({status})")).unwrap_or_default();
    match explanation.outcome {
        Outcome::Accepted => {
            let user = explanation.user.as_deref().unwrap_or_default();
            writeln!(out, "{GOOD}Accepted:{GOOD:#} {server} authenticates {presented} as {user:?}")?;
            if !explanation.groups.is_empty() {
                writeln!(out, "  groups: {}", printable(&explanation.groups.join(", ")))?;
            }
            if let Some(uid) = &explanation.uid {
                writeln!(out, "  UID: {}", printable(uid))?;
            }
            for (key, values) in &explanation.extra {
                writeln!(out, "  {}: {}", printable(key), printable(&values.join(", ")))?;
            }
            Ok(())
        }
        Outcome::Refused => writeln!(
            out,
            "{BAD}Refused:{BAD:#} {server} does not accept {presented}: {}{status}",
            explanation.verdict.map(Verdict::words).unwrap_or_default()
        ),
        Outcome::NotJudged => writeln!(
            out,
            "{OPEN}Not judged:{OPEN:#} the answer of {server}{status} does not say whether it accepts {presented}"
        ),
        Outcome::NotAnApiServer => writeln!(
            out,
            "{OPEN}Not judged:{OPEN:#} {server} is not an API server{status}, so it is unknown whether {presented} is accepted"
        ),
        Outcome::NoAnswer => writeln!(out, "{BAD}No answer:{BAD:#} {server} could not be asked about {presented}"),
        Outcome::NotSent => writeln!(
            out,
            "{BAD}Not sent:{BAD:#} no request was made, because kubectl would not make one either"
        ),
        Outcome::NotAsked => writeln!(out, "{OPEN}Not judged:{OPEN:#} no request was made"),
    }
}

/// Writes what to do and why, from `findings`, which are ordered by importance.
pub(super) fn list(findings: &[Finding], accepted: bool, verbose: bool, out: &mut dyn Write) -> io::Result<()> {
    let of = |effect: Effect| findings.iter().filter(move |finding| finding.effect == effect);
    let causes: Vec<&Finding> = of(Effect::Cause).collect();
    if let Some(cause) = causes.first()
        && let Some(change) = cause.change.as_deref().filter(|change| !change.is_empty())
    {
        let label = if cause.basis == Basis::Likely { "Try" } else { "Do" };
        writeln!(out, "\n{TITLE}{label}:{TITLE:#} {}", indented(change, 4))?;
    }
    for (index, cause) in causes.iter().enumerate() {
        let label = match (cause.basis, index) {
            (Basis::Likely, _) => "Likely",
            (_, 0) => "Why",
            _ => "And",
        };
        one(label, cause, index > 0, out)?;
    }
    for finding in of(Effect::Unjudged) {
        one("Cannot judge", finding, true, out)?;
    }
    // Beside a cause, a note only distracts, unless it is about a line of the user's file; beside an acceptance, it matters if there is
    // something to do.
    let mut hidden = (0, 0);
    for finding in of(Effect::Note) {
        let is_to_do = finding.change.is_some();
        let matters = if accepted {
            is_to_do
        } else {
            causes.is_empty() || is_to_do && finding.place.is_some()
        };
        if verbose || matters {
            one("Note", finding, true, out)?;
        } else {
            hidden.0 += 1;
        }
    }
    for finding in of(Effect::Right) {
        if verbose {
            one("Right", finding, true, out)?;
        } else {
            hidden.1 += 1;
        }
    }
    let counted = |count: usize, one: &str, more: &str| (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { more }));
    let hidden: Vec<String> = [
        counted(hidden.0, "note", "notes"),
        counted(hidden.1, "check that passed", "checks that passed"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !hidden.is_empty() {
        writeln!(out, "\n{DIM}{}: --verbose shows them{DIM:#}", hidden.join(" and "))?;
    }
    Ok(())
}

fn one(label: &str, finding: &Finding, with_change: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut marks: Vec<String> = Vec::new();
    marks.extend(finding.behaviour.map(str::to_owned));
    if finding.effect == Effect::Cause {
        marks.push(
            match finding.basis {
                Basis::Proved => "proved by the server's own words",
                Basis::Compared => "compared here",
                Basis::Likely => "a guess",
            }
            .to_owned(),
        );
    }
    let marks = match marks.is_empty() {
        true => String::new(),
        false => format!("  {DIM}[{}]{DIM:#}", marks.join(", ")),
    };
    let place = finding
        .place
        .as_ref()
        .map(|place| printable(&format!("{place}: ")).into_owned())
        .unwrap_or_default();
    writeln!(out, "\n{TITLE}{label}:{TITLE:#} {place}{}{marks}", indented(&finding.seen, 4))?;
    if with_change && let Some(change) = finding.change.as_deref().filter(|change| !change.is_empty()) {
        writeln!(out, "    Do: {}", indented(change, 8))?;
    }
    if let Some(settle) = &finding.settle {
        let label = if finding.effect == Effect::Unjudged {
            "To find out"
        } else {
            "To be sure"
        };
        writeln!(out, "    {label}: {}", indented(settle, 8))?;
    }
    Ok(())
}

/// Indents the lines after the first one.
fn indented(text: &str, by: usize) -> String {
    printable(text).replace('\n', &format!("\n{}", " ".repeat(by)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Basis;

    fn shown(explanation: &Explanation, verbose: bool) -> String {
        let mut out = Vec::new();
        show(explanation, verbose, &mut out).expect("a buffer");
        anstream::adapter::strip_str(&String::from_utf8(out).expect("text")).to_string()
    }

    fn refused() -> Explanation {
        let mut explanation = Explanation::unanswered(
            Outcome::Refused,
            "https://127.0.0.1:6443",
            "a bearer token",
            vec![
                Finding {
                    basis: Basis::Proved,
                    ..Finding::cause(
                        "O5",
                        "the token is for [\"account\"], and the API server's audiences are [\"kubernetes\"]",
                        "make the issuer put \"kubernetes\" into `aud`",
                    )
                },
                Finding::note("O19", "the user is \"alice\""),
                Finding::right("the token's issuer is the API server's"),
            ],
        );
        explanation.status = Some(401);
        explanation.verdict = Some(crate::event::Verdict::Unauthenticated);
        explanation.reason = Some("oidc: expected audience \"kubernetes\" got [\"account\"]".to_owned());
        explanation.reason_source = ReasonSource::Log;
        explanation
    }

    #[test]
    fn the_verdict_comes_first_then_what_to_do_then_why() {
        let expected = r#"Refused: https://127.0.0.1:6443 does not accept a bearer token: unauthenticated (401)
  its log says: oidc: expected audience "kubernetes" got ["account"]

Do: make the issuer put "kubernetes" into `aud`

Why: the token is for ["account"], and the API server's audiences are ["kubernetes"]  [O5, proved by the server's own words]

1 note and 1 check that passed: --verbose shows them
"#;
        assert_eq!(shown(&refused(), false), expected);
    }

    #[test]
    fn a_line_of_the_users_file_is_shown_beside_a_cause() {
        let mut explanation = refused();
        let place = crate::kubeconfig::Place {
            file: "b".into(),
            line: Some(5),
        };
        explanation.findings.push(Finding {
            change: Some("rename one".to_owned()),
            ..Finding::remark("the user is that of a; the one of b is not used").at(Some(place))
        });
        let text = shown(&explanation, false);
        assert!(
            text.contains("\nNote: b:5: the user is that of a; the one of b is not used\n    Do: rename one\n\n1 note and"),
            "{text}"
        );
        "no credential".clone_into(&mut explanation.presented);
        assert!(shown(&explanation, false).contains("does not accept a request without a credential"));
    }

    #[test]
    fn everything_is_shown_on_request() {
        let all = shown(&refused(), true);
        assert!(all.contains("\nNote: the user is \"alice\"  [O19]\n"), "{all}");
        assert!(all.contains("\nRight: the token's issuer is the API server's\n"), "{all}");
    }

    #[test]
    fn a_guess_says_what_would_settle_it() {
        let guess = Finding::likely("a login page answers", "log in to the proxy", "`curl -v` shows the page");
        let text = shown(
            &Explanation::unanswered(Outcome::NotAnApiServer, "https://x", "a bearer token", vec![guess]),
            false,
        );
        assert!(text.starts_with("Not judged: https://x is not an API server"), "{text}");
        assert!(
            text.contains("Likely: a login page answers  [a guess]\n    To be sure: `curl -v` shows the page"),
            "{text}"
        );
    }
}
