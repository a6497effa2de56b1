//! Who owns what in an engine: labels, and filters that find by them.
//!
//! The main types are [`Labels`], which everything made here carries from its first moment on, and [`Filter`], which needs nothing
//! but the engine to find it again: no state file, no process that is still there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What every container, network and volume of authlab carries.
const MANAGED: (&str, &str) = ("authlab.managed-by", "authlab");
const LAB: &str = "authlab.lab";
const OWNER: &str = "authlab.owner";
const DIRECTORY: &str = "authlab.directory";

/// All of them.
pub(super) const OURS: [&str; 4] = [MANAGED.0, LAB, OWNER, DIRECTORY];

/// To whom something belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The lab's name.
    pub lab: String,
    /// The process that owns it.
    pub owner: u32,
    /// The lab's directory.
    pub directory: PathBuf,
}

impl Labels {
    /// The lab `lab` in `directory`, owned by this process.
    pub fn new(lab: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        Self {
            lab: lab.into(),
            owner: std::process::id(),
            directory: directory.into(),
        }
    }

    /// What an engine is given.
    pub(super) fn to_map(&self) -> HashMap<String, String> {
        [
            (MANAGED.0, MANAGED.1.to_owned()),
            (LAB, self.lab.clone()),
            (OWNER, self.owner.to_string()),
            (DIRECTORY, self.directory.to_string_lossy().into_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// What an engine gave; `None` when it is not ours.
    pub(super) fn from_map(labels: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            lab: labels.get(LAB)?.clone(),
            owner: labels.get(OWNER)?.parse().ok()?,
            directory: labels.get(DIRECTORY)?.into(),
        })
    }
}

/// Which of the things that authlab made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<String>);

impl Filter {
    /// Everything that any lab of anybody on this engine made.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![format!("{}={}", MANAGED.0, MANAGED.1)])
    }

    /// What the lab in `directory` made, whoever owned it.
    #[must_use]
    pub fn directory(directory: &Path) -> Self {
        Self::all().and(DIRECTORY, &directory.to_string_lossy())
    }

    /// What exactly this owner made for exactly this lab.
    #[must_use]
    pub fn owned(labels: &Labels) -> Self {
        Self::directory(&labels.directory)
            .and(LAB, &labels.lab)
            .and(OWNER, &labels.owner.to_string())
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push(format!("{name}={value}"));
        self
    }

    /// As the engine's list calls take it: all of the labels have to be there.
    pub(super) fn to_map(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), self.0.clone())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back_as_they_went() {
        let labels = Labels::new("blue", "state/blue");
        assert_eq!(Labels::from_map(&labels.to_map()), Some(labels));
        assert_eq!(Labels::from_map(&HashMap::new()), None);
    }

    #[test]
    fn a_filter_asks_for_labels_that_are_there() {
        let labels = Labels::new("blue", "state/blue");
        let map = labels.to_map();
        let carried: Vec<String> = map.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for filter in [Filter::all(), Filter::directory(&labels.directory), Filter::owned(&labels)] {
            assert!(filter.0.iter().all(|label| carried.contains(label)), "{filter:?}");
        }
        assert_eq!(Filter::owned(&labels).0.len(), 4);
    }
}
