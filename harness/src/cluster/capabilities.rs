//! What a cluster can do, as data: `fixtures/capabilities/`, a file per driver.

use std::collections::BTreeMap;

use super::{Behaviours, Driver, Minor};

/// What scenarios may ask of a cluster of one driver and version.
#[derive(Clone, Debug)]
pub struct Capabilities {
    driver: Driver,
    version: Minor,
    described: BTreeMap<String, bool>,
}

/// A scenario asks for something that nobody described. Never taken for "no".
#[derive(Debug, thiserror::Error)]
#[error("no capability or feature is called '{name}'; described are: {}", known.join(", "))]
pub struct UnknownCapability {
    name: String,
    known: Vec<String>,
}

/// Why a scenario cannot be carried out here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet(pub String);

impl Capabilities {
    /// Those of `driver` with Kubernetes `version`.
    pub fn of(driver: Driver, version: Minor) -> Self {
        let text = match driver {
            Driver::Process => include_str!("../../../fixtures/capabilities/process.toml"),
        };
        let described = toml::from_str(text).expect("the capability files are read by a test");
        Self {
            driver,
            version,
            described,
        }
    }

    /// Whether `name`, a capability of the driver or a feature of the version, is there.
    ///
    /// # Errors
    /// Nobody described it.
    pub fn check(&self, name: &str) -> Result<Result<(), Unmet>, UnknownCapability> {
        if let Some(feature) = Behaviours::known().feature(name, self.version) {
            return Ok(feature.map_err(Unmet));
        }
        match self.described.get(name) {
            Some(true) => Ok(Ok(())),
            Some(false) => Ok(Err(Unmet(format!("the cluster driver '{}' lacks '{name}'", self.driver.name())))),
            None => Err(UnknownCapability {
                name: name.to_owned(),
                known: self.names(),
            }),
        }
    }

    /// Every name that a scenario may ask for, whatever the driver: all files describe the same.
    pub fn described() -> Vec<String> {
        Self::of(Driver::Process, Minor(0)).names()
    }

    /// Every name that a scenario may ask for.
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
    fn what_is_not_described_is_an_error() {
        let capabilities = Capabilities::of(Driver::Process, Minor(30));
        assert_eq!(capabilities.check("server_log").expect("described"), Ok(()));
        let unmet = capabilities
            .check("certificate_uid")
            .expect("described")
            .expect_err("1.30 lacks it");
        assert!(unmet.0.contains("from Kubernetes 1.33"), "{unmet:?}");
        let error = capabilities.check("server_logg").expect_err("nobody described it");
        assert!(error.to_string().contains("server_log"), "{error}");
    }
}
