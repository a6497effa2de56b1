//! The versions on which each behaviour was last proved: `fixtures/proved.toml`, the source of BEHAVIOURS.md. The main type is [`Proved`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::Deserialize;

use super::table::{Finding, Table};

/// The recorded result of the matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proved {
    /// The date of the matrix run.
    pub date: String,
    /// The cluster driver.
    pub cluster: String,
    /// The patch version of each minor version, oldest first.
    pub versions: Vec<String>,
    /// The findings for each behaviour, one for each version.
    pub behaviours: BTreeMap<String, Vec<Finding>>,
}

/// An error of a report that cannot be recorded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// The report's cells differ in more than their version.
    #[error("it has the cells {} (expected one driver on several versions)", names.join(", "))]
    SeveralDrivers {
        /// The cells' names.
        names: Vec<String>,
    },
    /// A cell is incomplete.
    #[error("the cell {cell} is incomplete: {problem}")]
    NotWhole {
        /// The cell's name.
        cell: String,
        /// The problem with the cell.
        problem: String,
    },
}

impl Proved {
    /// Returns the content of `fixtures/proved.toml`.
    pub fn known() -> &'static Self {
        static KNOWN: LazyLock<Proved> =
            LazyLock::new(|| toml::from_str(include_str!("../../fixtures/proved.toml")).expect("fixtures/proved.toml is read by a test"));
        &KNOWN
    }

    /// Returns the findings of `table`, whose runs were `at` that time, in the form to record.
    ///
    /// # Errors
    /// Fails if the cells differ in more than their version, or if a cell has a problem.
    pub fn of(table: &Table, at: Timestamp) -> Result<Self, NotKept> {
        let mut columns: Vec<usize> = (0..table.columns.len()).collect();
        columns.sort_by_key(|&column| {
            let numbers = table.columns[column].kubernetes.split(['.', '+', '-']);
            numbers.map(|number| number.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>()
        });
        let of = |column: usize| &table.columns[column];
        if columns
            .windows(2)
            .any(|pair| of(pair[0]).cluster != of(pair[1]).cluster || of(pair[0]).kubernetes == of(pair[1]).kubernetes)
        {
            return Err(NotKept::SeveralDrivers {
                names: table.columns.iter().map(|column| column.name.clone()).collect(),
            });
        }
        for column in &table.columns {
            if let Some(problem) = column.problems.first() {
                return Err(NotKept::NotWhole {
                    cell: column.name.clone(),
                    problem: problem.clone(),
                });
            }
        }
        let findings = |row: &super::table::Row| columns.iter().map(|&column| row.entries[column].finding).collect();
        Ok(Self {
            date: at.strftime("%Y-%m-%d").to_string(),
            cluster: columns.first().map_or_else(String::new, |&column| of(column).cluster.clone()),
            versions: columns.iter().map(|&column| of(column).kubernetes.clone()).collect(),
            behaviours: table.rows.iter().map(|row| (row.behaviour.clone(), findings(row))).collect(),
        })
    }

    /// Returns the same with the findings of `known`, where these are about the same versions, in place of those that say that nothing was
    /// run: scenarios that take minutes are carried out every night, and not in a matrix.
    #[must_use]
    pub fn or_known(mut self, known: &Self) -> Self {
        if self.versions == known.versions {
            for (id, findings) in &mut self.behaviours {
                let before = known.behaviours.get(id).into_iter().flatten();
                for (finding, before) in findings.iter_mut().zip(before).filter(|(now, _)| **now == Finding::NotRun) {
                    *finding = *before;
                }
            }
        }
        self
    }

    /// Returns the text for `fixtures/proved.toml`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let words = |words: &mut dyn Iterator<Item = String>| words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "# The matrix' finding for each behaviour, one word per version: proved, refused (as expected), absent, differs, failed, not_run.\n\
             # `authlab matrix --kubernetes all --update` and `authlab report keep DIR` write it; BEHAVIOURS.md is made from it.\n\n\
             date = \"{}\"\ncluster = \"{}\"\nversions = [{}]\n\n[behaviours]\n",
            self.date,
            self.cluster,
            words(&mut self.versions.iter().cloned())
        );
        for (id, findings) in &self.behaviours {
            text.push_str(&format!(
                "{id} = [{}]\n",
                words(&mut findings.iter().map(|finding| finding.name().to_owned()))
            ));
        }
        text
    }

    /// Returns the minor versions, oldest first.
    pub fn minors(&self) -> impl Iterator<Item = String> {
        self.versions
            .iter()
            .map(|version| version.split('.').take(2).collect::<Vec<_>>().join("."))
    }

    /// Returns the minor versions on which `holds` is true of the finding for `behaviour`: `1.30–1.32, 1.37`; empty if there are none.
    #[must_use]
    pub fn ranges(&self, behaviour: &str, holds: impl Fn(Finding) -> bool) -> String {
        let Some(findings) = self.behaviours.get(behaviour) else {
            return String::new();
        };
        let mut ranges: Vec<(String, String)> = Vec::new();
        let mut goes_on = false;
        for (minor, finding) in self.minors().zip(findings) {
            match ranges.last_mut() {
                Some((_, last)) if goes_on && holds(*finding) => *last = minor,
                _ if holds(*finding) => ranges.push((minor.clone(), minor)),
                _ => {}
            }
            goes_on = holds(*finding);
        }
        let words = ranges
            .into_iter()
            .map(|(first, last)| if first == last { first } else { format!("{first}–{last}") });
        words.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved() -> Proved {
        use Finding::{Absent, Differs, Proved as Held, Refused};
        Proved {
            date: "2026-11-26".to_owned(),
            cluster: "process".to_owned(),
            versions: ["1.30.14", "1.31.14", "1.32.13", "1.33.13"].map(str::to_owned).to_vec(),
            behaviours: BTreeMap::from([
                ("X1".to_owned(), vec![Held, Held, Held, Held]),
                ("X2".to_owned(), vec![Absent, Absent, Refused, Refused]),
                ("X3".to_owned(), vec![Held, Differs, Held, Held]),
            ]),
        }
    }

    #[test]
    fn the_file_can_be_read_and_is_as_it_would_be_written() {
        let known = Proved::known();
        assert_eq!(known.to_toml(), include_str!("../../fixtures/proved.toml"));
        assert!(known.behaviours.values().all(|findings| findings.len() == known.versions.len()));
        let again: Proved = toml::from_str(&proved().to_toml()).expect("it was just written");
        assert_eq!(again, proved());
    }

    #[test]
    fn a_finding_stays_where_nothing_was_run() {
        use Finding::{Absent, NotRun, Proved as Held, Refused};
        let mut now = proved();
        now.behaviours.insert("X2".to_owned(), vec![NotRun, Absent, NotRun, Held]);
        assert_eq!(now.clone().or_known(&proved()).behaviours["X2"], [Absent, Absent, Refused, Held]);
        now.versions.pop();
        assert_eq!(now.clone().or_known(&proved()), now, "the findings are about other versions");
    }

    #[test]
    fn versions_side_by_side_are_one_range() {
        let proved = proved();
        let held = |id| proved.ranges(id, |finding| matches!(finding, Finding::Proved | Finding::Refused));
        assert_eq!(
            [held("X1"), held("X2"), held("X3"), held("X4")],
            ["1.30–1.33", "1.32–1.33", "1.30, 1.32–1.33", ""]
        );
        assert_eq!(proved.ranges("X2", |finding| finding == Finding::Absent), "1.30–1.31");
    }
}
