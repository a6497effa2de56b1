//! One run among others: the requested cluster, versions and shard. The main type is [`Cell`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::RunRecord;

/// The properties that tell a run from the others of a matrix: those that were requested, whatever the result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Cell {
    /// The requested cluster driver; `auto` if authlab chooses it.
    pub cluster: String,
    /// The requested minor version of Kubernetes (`1.37`), or a pre-release (`1.38.0-beta.0`); empty if the cluster decides and its version is still unknown.
    pub kubernetes: String,
    /// The requested version of Keycloak; `None` if authlab chooses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keycloak: Option<String>,
    /// The requested kind of identity provider, such as `oidc-provider`; `None` for Keycloak, and if authlab chooses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<String>,
    /// The part of the scenarios; `None` if the run has all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Part>,
}

/// Returns a name for each record that tells it from the others.
#[must_use]
pub fn names(records: &[RunRecord]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let mut name = Cell::of(record).to_string();
        if names.contains(&name) {
            name = format!("{name} ({})", index + 1);
        }
        names.push(name);
    }
    names
}

/// Returns whether a run was on a pre-release of Kubernetes, by its cell or by the lab that was up.
#[must_use]
pub fn is_on_pre_release(record: &RunRecord) -> bool {
    is_of_pre_release(&Cell::of(record).to_string()) || record.lab.as_ref().is_some_and(|lab| is_of_pre_release(&lab.kubernetes))
}

/// Returns whether the cell `name` is of a pre-release of Kubernetes, which is optional in a matrix.
#[must_use]
pub fn is_of_pre_release(name: &str) -> bool {
    ["-alpha.", "-beta.", "-rc."].iter().any(|stage| name.contains(stage))
}

/// Part `index` of `count`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The number of this part, from 1.
    pub index: usize,
    /// The number of parts.
    pub count: usize,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Cell {
    /// Returns the cell of `record`. For records of earlier versions, which have no cell, it is taken from their lab.
    #[must_use]
    pub fn of(record: &RunRecord) -> Self {
        let mut cell = record.cell.clone().unwrap_or_default();
        if let Some(lab) = &record.lab {
            if cell.cluster.is_empty() {
                cell.cluster.clone_from(&lab.cluster);
            }
            if cell.kubernetes.is_empty() {
                cell.kubernetes = minor(&lab.kubernetes);
            }
        }
        cell
    }

    /// Returns the cell without its shard: all shards of a cell are one column of a table.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self {
            shard: None,
            ..self.clone()
        }
    }
}

/// Writes the cell's name, which is also that of its directory.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_unknown = |text: &'_ str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
        write!(f, "{}-{}", or_unknown(&self.cluster), or_unknown(&self.kubernetes))?;
        if let Some(keycloak) = &self.keycloak {
            write!(f, "-keycloak-{keycloak}")?;
        }
        if let Some(provider) = &self.identity_provider {
            write!(f, "-{provider}")?;
        }
        if let Some(Part { index, count }) = self.shard {
            write!(f, "-{index}-of-{count}")?;
        }
        Ok(())
    }
}

/// Returns the minor version of a server's version: `1.37` in `v1.37.2+k3s1`.
fn minor(version: &str) -> String {
    let numbers = version.trim_start_matches('v').split('.');
    numbers.take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LabReport;
    use crate::report::record::Recorder;

    #[test]
    fn a_cell_has_a_name_that_says_what_was_asked_for() {
        let mut cell = Cell {
            cluster: "process".to_owned(),
            kubernetes: "1.37".to_owned(),
            ..Cell::default()
        };
        assert_eq!(cell.to_string(), "process-1.37");
        cell.keycloak = Some("26.0".to_owned());
        cell.shard = Some(Part { index: 2, count: 4 });
        assert_eq!(cell.to_string(), "process-1.37-keycloak-26.0-2-of-4");
        assert_eq!(cell.whole().to_string(), "process-1.37-keycloak-26.0");
        assert!(!is_of_pre_release(&cell.to_string()));
        (cell.keycloak, cell.identity_provider) = (None, Some("oidc-provider".to_owned()));
        assert_eq!(cell.whole().to_string(), "process-1.37-oidc-provider");
        for pre_release in ["1.38.0-alpha.3", "1.38.0-beta.0", "1.38.0-rc.1"] {
            cell.kubernetes = pre_release.to_owned();
            assert!(is_of_pre_release(&cell.to_string()), "{cell}");
        }
    }

    #[test]
    fn an_earlier_record_is_the_cell_of_its_lab() {
        let mut record = Recorder::new().record();
        assert_eq!(Cell::of(&record).to_string(), "unknown-unknown");
        record.lab = Some(LabReport {
            cluster: "k3s".to_owned(),
            kubernetes: "v1.34.4+k3s1".to_owned(),
            identity_provider: "container".to_owned(),
        });
        assert_eq!(Cell::of(&record).to_string(), "k3s-1.34");
    }
}
