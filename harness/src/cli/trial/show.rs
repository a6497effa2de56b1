//! The results for people, pull requests and programs. The main functions are [`text`] and [`markdown`].
//!
//! The styles are its own; all texts are made printable here, since they come from servers and users' files.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::against::Compared;
use crate::printable::printable;
use crate::secret::redact;
use crate::trial::{Configured, Decision, Identified, Outcome, Result as Said, Setup, Tried, TriedPerson};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const TITLE: Style = Style::new().bold();

/// The record of a trial, for programs.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    schema: u32,
    versions: &'a [Tried],
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'a [Tried]>,
    /// The names of both configurations.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'a Compared>,
    unmet: &'a [String],
}

impl<'a> Record<'a> {
    pub(super) fn new(versions: &'a [Tried], before: Option<(&'a [Tried], &'a Compared)>, unmet: &'a [String]) -> Self {
        let (against, compared) = before.unzip();
        Self {
            schema: 1,
            versions,
            against,
            compared,
            unmet,
        }
    }
}

/// Writes what each person is, version by version where they differ.
pub(super) fn text(
    configuration: &Configured,
    tried: &[Tried],
    before: Option<(&[Tried], &Compared)>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some((before, compared)) = before else {
        for group in Tried::by_result(tried) {
            match group.result {
                Said::DoesNotStart(said) => does_not_start(&group.to_string(), configuration, said, out)?,
                Said::People(people) => {
                    writeln!(out, "{TITLE}{}{TITLE:#}", titled(&group.to_string()))?;
                    people.iter().try_for_each(|tried| person(tried, out))?;
                }
            }
        }
        return Ok(());
    };
    writeln!(out, "{BAD}-{BAD:#} before: {}", printable(&compared.before))?;
    writeln!(out, "{GOOD}+{GOOD:#} after: {}", printable(&compared.after))?;
    for (before, after) in before.iter().zip(tried) {
        writeln!(out, "{TITLE}Kubernetes {}{TITLE:#}", after.kubernetes)?;
        match (&before.result, &after.result) {
            (Said::People(before), Said::People(after)) => {
                let mut same = 0;
                for (before, after) in before.iter().zip(after) {
                    if before == after {
                        same += 1;
                        continue;
                    }
                    writeln!(out, "  {}", printable(&after.person))?;
                    difference(before, after, out)?;
                }
                writeln!(out, "  nothing changes for {same} of {}", after.len())?;
            }
            (_, Said::DoesNotStart(said)) => does_not_start(&after.kubernetes, configuration, said, out)?,
            (Said::DoesNotStart(said), Said::People(_)) => writeln!(out, "  the API server did not start before: {}", printable(said))?,
        }
    }
    Ok(())
}

/// Returns the title of the results on `versions`, which are not known if no API server would tell anybody.
fn titled(versions: &str) -> String {
    match versions {
        "" => "Kubernetes of unknown version".to_owned(),
        versions => format!("Kubernetes {versions}"),
    }
}

fn does_not_start(versions: &str, configuration: &Configured, said: &str, out: &mut dyn Write) -> io::Result<()> {
    let file = configuration
        .file
        .as_ref()
        .map(|file| format!(" with {}", file.display()))
        .unwrap_or_default();
    writeln!(out, "{BAD}Kubernetes {versions} does not start{BAD:#}{}:", printable(&file))?;
    printable(said).lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    // Each shows its own texts printable.
    configuration
        .explained(said)
        .iter()
        .try_for_each(|diagnostic| writeln!(out, "{diagnostic}"))
}

fn person(tried: &TriedPerson, out: &mut dyn Write) -> io::Result<()> {
    match &tried.outcome {
        Outcome::Accepted(identified) => {
            writeln!(
                out,
                "  {}: {GOOD}accepted{GOOD:#} as {:?}",
                printable(&tried.person),
                identified.user
            )?;
            for (name, value) in details(identified) {
                writeln!(out, "    {}: {}", printable(&name), printable(&value))?;
            }
            for Decision { action, allowed, reason } in &tried.may {
                let (style, word) = if *allowed { (GOOD, "may") } else { (BAD, "may not") };
                let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                writeln!(out, "    {style}{word}{style:#} {}{}", printable(action), printable(&because))?;
            }
        }
        Outcome::Refused(refused) => {
            writeln!(out, "  {}: {BAD}refused{BAD:#} ({})", printable(&tried.person), refused.kind.name())?;
            let reason = refused.reason.as_deref().unwrap_or("no log with the reason can be read");
            printable(reason).lines().try_for_each(|line| writeln!(out, "    {line}"))?;
        }
    }
    tried
        .notes
        .iter()
        .try_for_each(|note| writeln!(out, "    note: {}", printable(note)))
}

fn details(identified: &Identified) -> Vec<(String, String)> {
    let mut details = vec![("groups".to_owned(), identified.groups.join(", "))];
    if !identified.uid.is_empty() {
        details.push(("UID".to_owned(), identified.uid.clone()));
    }
    details.extend(identified.extra.iter().map(|(key, values)| (key.clone(), values.join(", "))));
    details
}

/// Returns who somebody is, in one line.
fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(identified) => {
            let details = details(identified).into_iter().map(|(name, value)| format!("; {name}: {value}"));
            format!("{:?}{}", identified.user, details.collect::<String>())
        }
        Outcome::Refused(refused) => format!("refused: {}", refused.reason.as_deref().unwrap_or(refused.kind.name())),
    }
}

fn difference(before: &TriedPerson, after: &TriedPerson, out: &mut dyn Write) -> io::Result<()> {
    if before.outcome != after.outcome {
        writeln!(out, "    {BAD}-{BAD:#} {}", printable(&in_short(&before.outcome)))?;
        writeln!(out, "    {GOOD}+{GOOD:#} {}", printable(&in_short(&after.outcome)))?;
    }
    for decision in &after.may {
        let was = before.may.iter().find(|was| was.action == decision.action);
        if was.is_none_or(|was| was.allowed != decision.allowed) {
            let (was, is) = match decision.allowed {
                true => ("may not", "may"),
                false => ("may", "may not"),
            };
            writeln!(out, "    {was} → {is} {}", printable(&decision.action))?;
        }
    }
    Ok(())
}

/// Writes the same as tables, for a pull request.
pub(super) fn markdown(tried: &[Tried], before: Option<(&[Tried], &Compared)>, out: &mut dyn Write) -> io::Result<()> {
    let cell = |text: &str| printable(text).replace('|', "\\|").replace('\n', "<br>");
    if let Some((before, compared)) = before {
        let (was, is) = (cell(&compared.before), cell(&compared.after));
        writeln!(out, "| Kubernetes | person | before: {was} | after: {is} |\n|---|---|---|---|")?;
        for (before, after) in before.iter().zip(tried) {
            let version = &after.kubernetes;
            for (person, before, after) in changes(&before.result, &after.result) {
                writeln!(out, "| {version} | {} | {} | {} |", cell(&person), cell(&before), cell(&after))?;
            }
        }
        return Ok(());
    }
    writeln!(out, "| Kubernetes | person | is | may |\n|---|---|---|---|")?;
    for group in Tried::by_result(tried) {
        for (person, is, may) in rows(group.result) {
            writeln!(out, "| {group} | {} | {} | {} |", cell(&person), cell(&is), cell(&may))?;
        }
    }
    Ok(())
}

/// Returns each person for whom something changes, with what it was and may do, before and after. An API server that does not start says
/// the same of everybody.
fn changes(before: &Said, after: &Said) -> Vec<(String, String, String)> {
    let (before, after) = (rows(before), rows(after));
    let longer = if before.len() > after.len() { &before } else { &after };
    let row = |rows: &[(String, String, String)], number: usize| {
        let row = rows.get(number).or(rows.first());
        let parts = row.map(|(_, is, may)| [is.as_str(), may.as_str()]).unwrap_or_default();
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    };
    let compared = longer
        .iter()
        .enumerate()
        .map(|(number, (person, ..))| (person.clone(), row(&before, number), row(&after, number)));
    compared.filter(|(_, before, after)| before != after).collect()
}

/// Returns each person, who it is, and what it may do.
fn rows(result: &Said) -> Vec<(String, String, String)> {
    match result {
        Said::DoesNotStart(said) => vec![(String::new(), format!("the API server does not start: {said}"), String::new())],
        Said::People(people) => {
            let may = |decision: &Decision| format!("{} {}", if decision.allowed { "✓" } else { "✗" }, decision.action);
            let row = |tried: &TriedPerson| {
                let may: Vec<String> = tried.may.iter().map(may).collect();
                (tried.person.clone(), in_short(&tried.outcome), may.join("\n"))
            };
            people.iter().map(row).collect()
        }
    }
}

/// Writes the expectations that do not hold.
pub(super) fn unmet(unmet: &[String], out: &mut dyn Write) -> io::Result<()> {
    unmet
        .iter()
        .try_for_each(|told| writeln!(out, "{BAD}not as expected:{BAD:#} {}", printable(told)))
}

/// Writes what API servers are given in place of the configuration: changed lines of the file, and flags.
pub(super) fn configuration(configuration: &Configured, setup: &Setup, out: &mut dyn Write) -> io::Result<()> {
    let before = configuration.source.authentication.as_deref().unwrap_or_default();
    let after = setup.given.authentication.as_deref().unwrap_or_default();
    if setup.is_rewritten {
        writeln!(
            out,
            "The file could not be changed in place; the API servers get this, which says the same:\n\n{}",
            printable(after)
        )?;
    } else {
        let known: Vec<&str> = before.lines().collect();
        for line in after.lines() {
            let mark = if known.contains(&line) { ' ' } else { '+' };
            writeln!(out, "{mark} {}", printable(line))?;
        }
    }
    if let Some(Ok(realm)) = &setup.realm {
        writeln!(
            out,
            "Keycloak imports the realm {} of {}:",
            printable(&realm.import.realm),
            printable(&realm.import.file)
        )?;
        for change in &realm.import.changes {
            writeln!(out, "~ {}", printable(change))?;
        }
    }
    for (name, why) in &configuration.left {
        writeln!(out, "- --{} ({})", printable(name), printable(why))?;
    }
    for (name, value) in &setup.given.flags {
        writeln!(out, "  --{}={}", printable(name), printable(value))?;
    }
    for (name, _) in &setup.given.files {
        writeln!(out, "  --{} (a copy of its file)", printable(name))?;
    }
    for (name, value) in &setup.given.environment {
        // The address of a proxy may have a password.
        writeln!(out, "  {name}={}", printable(&redact(value)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Identified;

    fn tried(kubernetes: &str, people: &[(&str, &str, bool)]) -> Tried {
        let person = |(name, user, allowed): &(&str, &str, bool)| TriedPerson {
            person: (*name).to_owned(),
            outcome: Outcome::Accepted(Identified {
                user: (*user).to_owned(),
                ..Identified::default()
            }),
            notes: Vec::new(),
            may: vec![Decision {
                action: "list pods".to_owned(),
                allowed: *allowed,
                reason: String::new(),
            }],
        };
        Tried {
            kubernetes: kubernetes.to_owned(),
            issuers_not_found: Vec::new(),
            result: Said::People(people.iter().map(person).collect()),
        }
    }

    #[test]
    fn a_table_of_changes_has_each_version_and_the_rights() {
        let before = [
            tried("1.30.14", &[("alice", "a", true), ("bob", "b", true)]),
            tried("1.37.2", &[("alice", "a", true), ("bob", "b", true)]),
        ];
        let does_not_start = Tried {
            kubernetes: "1.37.2".to_owned(),
            issuers_not_found: Vec::new(),
            result: Said::DoesNotStart("no".to_owned()),
        };
        let after = [tried("1.30.14", &[("alice", "a", true), ("bob", "b", false)]), does_not_start];
        let mut out = Vec::new();
        let compared = Compared {
            before: "kubeadm.yaml".to_owned(),
            after: "authn.yaml".to_owned(),
        };
        markdown(&after, Some((&before, &compared)), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
| Kubernetes | person | before: kubeadm.yaml | after: authn.yaml |
|---|---|---|---|
| 1.30.14 | bob | \"b\"; groups: <br>✓ list pods | \"b\"; groups: <br>✗ list pods |
| 1.37.2 | alice | \"a\"; groups: <br>✓ list pods | the API server does not start: no |
| 1.37.2 | bob | \"b\"; groups: <br>✓ list pods | the API server does not start: no |
"
        );
    }
}
