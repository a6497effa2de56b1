//! The table in docs/reference/drivers.md of each driver's capabilities: from `fixtures/capabilities/` and what scenarios require.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use authlab::cluster::{Behaviours, Capabilities, Described, Driver, Minor};
use authlab::scenario::SharedScenario;
use authlab::server_binaries::Versions;

use crate::features::all_scenarios;
use crate::generated::Generated;

/// The table.
const TABLE: Generated = Generated {
    page: "docs/reference/drivers.md",
    begin: "<!-- Which driver can carry out what: UPDATE=1 cargo test --test tidy drivers -->\n",
    end: "<!-- (to here) -->\n",
    rule: "the table between the marks in docs/reference/drivers.md is made by `UPDATE=1 cargo test --test tidy drivers`",
};

/// A driver's support for one flow.
#[derive(Default)]
struct Cell {
    able: usize,
    depending: usize,
    all: usize,
    missing: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Cell {
    fn count(&mut self, scenario: &SharedScenario, described: &BTreeMap<String, Described>, features: &BTreeSet<&str>) {
        let (mut missing, mut asked) = (BTreeSet::new(), BTreeSet::new());
        // Features of newer versions of Kubernetes are the same with each driver.
        for name in scenario.requires().filter(|name| !features.contains(name)) {
            match described[name] {
                Described::Known(true) => {}
                Described::Known(false) => _ = missing.insert(name.to_owned()),
                Described::Found(_) => _ = asked.insert(name.to_owned()),
            }
        }
        self.all += 1;
        if !missing.is_empty() {
            self.missing.extend(missing);
        } else if !asked.is_empty() {
            self.depending += 1;
            self.asked.extend(asked);
        } else {
            self.able += 1;
        }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |names: &BTreeSet<String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if self.able == self.all {
            return write!(f, "all");
        }
        write!(f, "{} of {}", self.able, self.all)?;
        if self.depending > 0 {
            write!(f, "; {} more depend on {}", self.depending, names(&self.asked))?;
        }
        if !self.missing.is_empty() {
            write!(f, "; no {}", names(&self.missing))?;
        }
        Ok(())
    }
}

fn table() -> String {
    let scenarios: Vec<SharedScenario> = all_scenarios().into_iter().filter(|scenario| !scenario.is_ignored()).collect();
    let flows: BTreeSet<&str> = scenarios.iter().map(|scenario| scenario.flow.as_str()).collect();
    let features: BTreeSet<&str> = Behaviours::known().feature_names().collect();
    let newest = Minor(Versions::pinned().newest().version.minor.into());
    let described = Driver::all().iter().map(|driver| Capabilities::of(*driver, newest).table().clone());
    let described: Vec<_> = described.collect();
    let mut table = String::from("| Features | Scenarios |");
    for driver in Driver::all() {
        write!(table, " `{}` |", driver.name()).unwrap();
    }
    writeln!(table, "\n|---|---|{}", "---|".repeat(Driver::all().len())).unwrap();
    for flow in flows {
        let own: Vec<&SharedScenario> = scenarios.iter().filter(|scenario| scenario.flow == flow).collect();
        write!(table, "| {flow} | {} |", own.len()).unwrap();
        for described in &described {
            let mut cell = Cell::default();
            for scenario in &own {
                cell.count(scenario, described, &features);
            }
            write!(table, " {cell} |").unwrap();
        }
        table.push('\n');
    }
    table
}

#[test]
fn the_table_of_drivers_says_what_their_capabilities_say() {
    TABLE.check(&table());
}

#[test]
fn a_cell_says_what_is_missing_and_what_it_depends_on() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let cell = |able, depending, missing, asked| Cell {
        able,
        depending,
        all: 9,
        missing: names(missing),
        asked: names(asked),
    };
    assert_eq!(cell(9, 0, &[], &[]).to_string(), "all");
    assert_eq!(cell(8, 0, &["x"], &[]).to_string(), "8 of 9; no `x`");
    assert_eq!(
        cell(2, 3, &["x", "y"], &["z"]).to_string(),
        "2 of 9; 3 more depend on `z`; no `x`, `y`"
    );
}
