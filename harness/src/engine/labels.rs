//! The owners of an engine's things: labels, and filters that find things by them.
//!
//! The main types are [`Labels`], which everything made here carries from its creation on, and [`Filter`], which needs only the engine to
//! find things again: no state file and no surviving process.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::owner::{LabId, Owner};

/// The label that every container, network and volume of authlab carries.
const MANAGED: (&str, &str) = ("authlab.managed-by", "authlab");
const LAB: &str = "authlab.lab";
const ID: &str = "authlab.id";
const DIRECTORY: &str = "authlab.directory";
const OWNER: &str = "authlab.owner";
const USER: &str = "authlab.user";
const MACHINE: &str = "authlab.machine";
const BOOT: &str = "authlab.boot";
const PID_NAMESPACE: &str = "authlab.pid-namespace";

/// The names of all labels of authlab.
pub(super) const OURS: [&str; 9] = [MANAGED.0, LAB, ID, DIRECTORY, OWNER, USER, MACHINE, BOOT, PID_NAMESPACE];

/// The owner of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The lab's name.
    pub lab: String,
    /// The lab's random id: the only label that another lab cannot share.
    pub id: LabId,
    /// The process that owns the lab.
    pub owner: Owner,
    /// The lab's directory.
    pub directory: PathBuf,
}

impl Labels {
    /// Labels things of the lab `lab` in `directory`, owned by this process, with a new id.
    pub fn new(lab: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        Self {
            lab: lab.into(),
            id: LabId::random(),
            owner: Owner::here(),
            directory: directory.into(),
        }
    }

    /// Replaces the new id with the one that the lab already has.
    #[must_use]
    pub fn with_id(mut self, id: LabId) -> Self {
        self.id = id;
        self
    }

    /// Returns the labels as an engine takes them.
    pub(super) fn to_map(&self) -> HashMap<String, String> {
        let always = [
            (MANAGED.0, MANAGED.1.to_owned()),
            (LAB, self.lab.clone()),
            (ID, self.id.to_string()),
            (DIRECTORY, self.directory.to_string_lossy().into_owned()),
            (OWNER, self.owner.pid.to_string()),
            (USER, self.owner.user.to_string()),
        ];
        let where_known = [
            (MACHINE, &self.owner.machine),
            (BOOT, &self.owner.boot),
            (PID_NAMESPACE, &self.owner.pid_namespace),
        ];
        let known = where_known.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        always
            .into_iter()
            .chain(known)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Reads labels from an engine; `None` if they are not authlab's.
    pub(super) fn from_map(labels: &HashMap<String, String>) -> Option<Self> {
        let known = |name: &str| labels.get(name).filter(|value| !value.is_empty()).cloned();
        Some(Self {
            lab: labels.get(LAB)?.clone(),
            id: labels.get(ID)?.parse().ok()?,
            directory: labels.get(DIRECTORY)?.into(),
            owner: Owner {
                pid: labels.get(OWNER)?.parse().ok()?,
                user: labels.get(USER)?.parse().ok()?,
                machine: known(MACHINE),
                boot: known(BOOT),
                pid_namespace: known(PID_NAMESPACE),
            },
        })
    }
}

/// Returns `true` for the labels of a thing that authlab made.
pub(super) fn are_ours(labels: &HashMap<String, String>) -> bool {
    labels.get(MANAGED.0).is_some_and(|value| value == MANAGED.1)
}

/// A filter for the things that authlab made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<String>);

impl Filter {
    /// Matches everything that any user's labs made on this engine.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![format!("{}={}", MANAGED.0, MANAGED.1)])
    }

    /// Matches everything of the lab with this id, and of no other.
    #[must_use]
    pub fn lab(id: &LabId) -> Self {
        Self::all().and(ID, id.as_str())
    }

    /// Matches everything that carries these labels.
    #[must_use]
    pub fn owned(labels: &Labels) -> Self {
        Self::lab(&labels.id)
    }

    /// Returns the id of the lab that the filter is limited to, if any.
    pub(super) fn id(&self) -> Option<LabId> {
        let of_one = |label: &String| label.strip_prefix(ID)?.strip_prefix('=')?.parse().ok();
        self.0.iter().find_map(of_one)
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push(format!("{name}={value}"));
        self
    }

    /// Returns the filter as the engine's list calls take it: things must have all of the labels.
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
        assert_eq!(Labels::from_map(&labels.to_map()), Some(labels.clone()));
        let nowhere = Labels {
            owner: Owner {
                machine: None,
                boot: None,
                pid_namespace: None,
                ..labels.owner.clone()
            },
            ..labels
        };
        assert_eq!(Labels::from_map(&nowhere.to_map()), Some(nowhere));
        assert_eq!(Labels::from_map(&HashMap::new()), None);
    }

    #[test]
    fn two_labs_of_one_name_in_one_directory_are_told_apart() {
        let (one, other) = (Labels::new("blue", "state/blue"), Labels::new("blue", "state/blue"));
        assert_ne!(Filter::owned(&one), Filter::owned(&other));
        for labels in [&one, &other] {
            let carried: Vec<String> = labels.to_map().iter().map(|(name, value)| format!("{name}={value}")).collect();
            let means = |filter: Filter| filter.0.iter().all(|label| carried.contains(label));
            assert!(means(Filter::all()));
            assert_eq!(means(Filter::owned(&one)), *labels == one);
        }
    }
}
