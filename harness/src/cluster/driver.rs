//! The drivers: the ways in which a cluster comes to be.
//!
//! The main type is [`Driver`]. Each driver's own module states its [`DriverFacts`], which answer all questions of other
//! modules; only the plan of a start looks at which driver it is.

use serde::{Deserialize, Serialize};

use super::{container_group, k3s, kind, process};
use crate::server_binaries::images::{Images, Reference};

/// The way a cluster's servers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// etcd, kube-apiserver and kube-controller-manager as ordinary processes.
    Process,
    /// The servers in containers.
    Container,
    /// k3s in a container.
    K3s,
    /// A kind cluster.
    Kind,
    /// The cluster that a kubeconfig names.
    Existing,
}

/// Returns the images that a driver's containers run, each with its name.
type NamedImages = fn(&Images) -> Vec<(&'static str, Reference)>;

/// The facts about a driver.
pub(super) struct DriverFacts {
    /// Its name, as options and files spell it.
    pub(super) name: &'static str,
    /// The cluster that it starts, in words.
    pub(super) cluster: &'static str,
    /// The text of its file in `fixtures/capabilities/`.
    pub(super) capabilities: &'static str,
    /// The images that its containers run, each with its name; `None` if it starts no container.
    pub(super) images: Option<NamedImages>,
    /// The note that is given when it is chosen by itself because processes cannot run here; `None` if it never is.
    pub(super) chosen: Option<&'static str>,
}

const EXISTING: DriverFacts = DriverFacts {
    name: "existing",
    cluster: "the cluster",
    capabilities: include_str!("../../fixtures/capabilities/existing.toml"),
    images: None,
    chosen: None,
};

impl Driver {
    pub(super) fn facts(self) -> &'static DriverFacts {
        match self {
            Self::Process => &process::DRIVER,
            Self::Container => &container_group::DRIVER,
            Self::K3s => &k3s::DRIVER,
            Self::Kind => &kind::DRIVER,
            Self::Existing => &EXISTING,
        }
    }

    /// Returns all drivers, the most able first.
    pub fn all() -> &'static [Self] {
        &[Self::Process, Self::Container, Self::K3s, Self::Kind, Self::Existing]
    }

    /// Returns its name, as options and files spell it.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns what it starts, in words.
    pub fn cluster(self) -> &'static str {
        self.facts().cluster
    }

    /// Returns whether its servers run in containers.
    pub fn runs_in_containers(self) -> bool {
        self.facts().images.is_some()
    }

    /// Returns those of `images` that it runs, each with its name.
    pub fn images(self, images: &Images) -> Vec<(&'static str, Reference)> {
        self.facts().images.map_or_else(Vec::new, |own| own(images))
    }

    /// Returns the note that is given when it is chosen by itself because processes cannot run here; `None` if it never is.
    pub fn note_when_chosen(self) -> Option<&'static str> {
        self.facts().chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "cli")]
    #[test]
    fn options_and_files_spell_its_name_alike() {
        use clap::ValueEnum as _;
        assert_eq!(Driver::all(), Driver::value_variants());
        for driver in Driver::all() {
            let option = driver.to_possible_value().expect("none is hidden");
            assert_eq!(option.get_name(), driver.name());
            assert_eq!(serde_json::to_value(driver).expect("a word"), driver.name());
        }
    }
}
