//! The capabilities of a cluster, as data: `fixtures/capabilities/`, a file per driver.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Behaviours, Driver, Minor};
use crate::event::{Skip, SkipKind};

/// The capabilities that scenarios may require of a cluster with one driver and version.
#[derive(Clone, Debug)]
pub struct Capabilities {
    driver: Driver,
    version: Minor,
    described: BTreeMap<String, Described>,
    observed: BTreeMap<String, Observed>,
}

/// A capability as a driver's file describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Described {
    /// The capability is present, or not.
    Known(bool),
    /// The capability depends on the individual cluster.
    Found(Asked),
}

/// The only value of [`Described::Found`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// The cluster is asked before the first scenario begins.
    Asked,
}

/// The capability of a cluster that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// `true` if the cluster has the capability.
    pub able: bool,
    /// The observation behind it, for people.
    pub why: String,
}

/// A scenario requires a capability that no file describes. Never treated as "no".
#[derive(Debug, thiserror::Error)]
#[error("no capability or feature is named '{name}' (known: {})", known.join(", "))]
pub struct UnknownCapability {
    name: String,
    known: Vec<String>,
}

fn lacks(because: String) -> Skip {
    Skip {
        kind: SkipKind::Capability,
        because,
    }
}

impl Capabilities {
    /// Returns the capabilities of `driver` with Kubernetes `version`.
    pub fn of(driver: Driver, version: Minor) -> Self {
        let described = toml::from_str(driver.facts().capabilities).expect("the capability files are read by a test");
        Self {
            driver,
            version,
            described,
            observed: BTreeMap::new(),
        }
    }

    /// Returns these capabilities with the cluster's answers, which are known better than what its driver's file says.
    #[must_use]
    pub fn observed(mut self, observed: BTreeMap<String, Observed>) -> Self {
        self.observed = observed;
        self
    }

    /// Returns these capabilities without those that the identity provider `called` lacks, each with the reason.
    #[must_use]
    pub fn without(mut self, called: &str, lacking: &BTreeMap<String, String>) -> Self {
        for (name, why) in lacking {
            let why = format!("{called}: {why}");
            self.observed.insert(name.clone(), Observed { able: false, why });
        }
        self
    }

    /// Returns the capabilities as the driver's file describes them.
    pub fn table(&self) -> &BTreeMap<String, Described> {
        &self.described
    }

    /// Returns whether `name`, a capability of the driver or a feature of the version, is present.
    ///
    /// # Errors
    /// No file describes it.
    pub fn check(&self, name: &str) -> Result<Result<(), Skip>, UnknownCapability> {
        if let Some(feature) = Behaviours::known().feature(name, self.version) {
            return Ok(feature.map_err(|because| Skip {
                kind: SkipKind::Version,
                because,
            }));
        }
        match (self.described.get(name), self.observed.get(name)) {
            (Some(_), Some(Observed { able: true, .. })) | (Some(Described::Known(true)), None) => Ok(Ok(())),
            (Some(_), Some(Observed { why, .. })) => Ok(Err(lacks(format!("this cluster lacks '{name}': {why}")))),
            (Some(Described::Known(false)), None) => Ok(Err(lacks(format!("the cluster driver '{}' lacks '{name}'", self.driver.name())))),
            (Some(Described::Found(_)), None) => Ok(Err(lacks(format!("this cluster was not checked for '{name}'")))),
            (None, _) => Err(UnknownCapability {
                name: name.to_owned(),
                known: self.names(),
            }),
        }
    }

    /// Returns whether all of `names` are present; if not, the first one that is missing.
    ///
    /// # Errors
    /// No file describes one of them.
    pub fn check_all<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Result<(), Skip>, UnknownCapability> {
        let mut names: Vec<&str> = names.into_iter().collect();
        // A feature that the version lacks is the reason with every driver, whatever that lacks.
        names.sort_by_key(|name| Behaviours::known().span(name).is_none());
        for name in names {
            if let Err(unmet) = self.check(name)? {
                return Ok(Err(unmet));
            }
        }
        Ok(Ok(()))
    }

    /// Returns every name that a scenario may require, whatever the driver: all files describe the same names.
    pub fn described() -> Vec<String> {
        Self::of(Driver::Process, Minor(0)).names()
    }

    /// Returns every name that a scenario may require.
    fn names(&self) -> Vec<String> {
        self.described
            .keys()
            .map(String::as_str)
            .chain(Behaviours::known().feature_names())
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_answered_decides_where_its_driver_cannot_know() {
        let observed = |able| {
            let why = "signer: nobody signs".to_owned();
            BTreeMap::from([("certificate_signer".to_owned(), Observed { able, why })])
        };
        let check = |capabilities: &Capabilities| capabilities.check("certificate_signer").expect("described");
        let unasked = Capabilities::of(Driver::Existing, Minor(37));
        assert!(check(&unasked).is_err(), "nothing is taken for granted");
        assert_eq!(check(&unasked.clone().observed(observed(true))), Ok(()));
        let lacks = check(&unasked.observed(observed(false))).expect_err("it answered no");
        assert!(lacks.because.contains("nobody signs"), "{lacks:?}");
    }

    #[test]
    fn what_is_not_described_is_an_error() {
        let capabilities = Capabilities::of(Driver::Process, Minor(30));
        assert_eq!(capabilities.check("server_log").expect("described"), Ok(()));
        let unmet = capabilities
            .check("certificate_uid")
            .expect("described")
            .expect_err("1.30 lacks it");
        assert!(unmet.because.contains("from Kubernetes 1.33"), "{unmet:?}");
        let error = capabilities.check("server_logg").expect_err("nobody described it");
        assert!(error.to_string().contains("server_log"), "{error}");
    }
}
