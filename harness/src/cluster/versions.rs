//! The differences between versions of Kubernetes: `fixtures/kubernetes.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

/// A minor version of Kubernetes: `1.37`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(pub u32);

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// The text is not a version of Kubernetes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a version of Kubernetes (expected one such as 1.37 or v1.37.2)")]
pub struct NotAVersion(String);

impl FromStr for Minor {
    type Err = NotAVersion;

    /// Reads `1.37`, `1.37.2` and `v1.37.2`.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let plain = text.strip_prefix('v').unwrap_or(text);
        let mut parts = plain.split(['.', '-', '+']);
        match (parts.next(), parts.next().map(str::parse)) {
            (Some("1"), Some(Ok(minor))) => Ok(Self(minor)),
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

impl serde::Serialize for Minor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Minor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A feature of Kubernetes that only some of the supported versions have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    described_as: String,
    since: Minor,
    /// The last version that has it, if it was removed.
    until: Option<Minor>,
}

/// A value that differs between versions.
#[derive(Debug, Deserialize)]
struct Value {
    /// The ids of the catalogue that this belongs to, for BEHAVIOURS.md.
    #[serde(default)]
    behaviours: Vec<String>,
    /// The values, by the first version that each applies to.
    #[serde(flatten)]
    from: BTreeMap<Minor, String>,
}

/// The differences between the versions of Kubernetes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviours {
    features: BTreeMap<String, Feature>,
    values: BTreeMap<String, Value>,
}

impl Behaviours {
    /// Returns the content of `fixtures/kubernetes.toml`.
    pub fn known() -> &'static Self {
        static KNOWN: LazyLock<Behaviours> = LazyLock::new(|| {
            toml::from_str(include_str!("../../fixtures/kubernetes.toml")).expect("fixtures/kubernetes.toml is read by a test")
        });
        &KNOWN
    }

    /// Returns whether `version` has the feature; `None` when no such feature is described. `Err` has the reason why not.
    pub(super) fn feature(&self, name: &str, version: Minor) -> Option<Result<(), String>> {
        let feature = self.features.get(name)?;
        let gone = feature.until.filter(|until| version > *until);
        Some(if let Some(until) = gone {
            Err(format!(
                "{} existed until Kubernetes {until}; this is {version}",
                feature.described_as
            ))
        } else if version >= feature.since {
            Ok(())
        } else {
            Err(format!(
                "{} exists from Kubernetes {}; this is {version}",
                feature.described_as, feature.since
            ))
        })
    }

    /// Returns whether `version` has the feature `name`; `false` when no such feature is described.
    pub fn has(&self, name: &str, version: Minor) -> bool {
        matches!(self.feature(name, version), Some(Ok(())))
    }

    /// Returns the names of all features described.
    pub fn feature_names(&self) -> impl Iterator<Item = &str> {
        self.features.keys().map(String::as_str)
    }

    /// Returns the names of the features that `version` does not have.
    pub fn absent(&self, version: Minor) -> impl Iterator<Item = &str> {
        self.feature_names()
            .filter(move |name| matches!(self.feature(name, version), Some(Err(_))))
    }

    /// Returns the first version that has the feature, and the last one if it was removed; `None` when no such feature is described.
    pub fn span(&self, name: &str) -> Option<(Minor, Option<Minor>)> {
        let feature = self.features.get(name)?;
        Some((feature.since, feature.until))
    }

    /// Returns the values that belong to `behaviour`, each by the first version that it applies to.
    pub fn values_of(&self, behaviour: &str) -> impl Iterator<Item = &BTreeMap<Minor, String>> {
        let values = self
            .values
            .values()
            .filter(move |value| value.behaviours.iter().any(|id| id == behaviour));
        values.map(|value| &value.from)
    }

    /// Returns the ids of the catalogue that values belong to.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.values.values().flat_map(|value| &value.behaviours).map(String::as_str)
    }

    /// Returns the value for `version`: that of the highest version not above it.
    pub fn value(&self, name: &str, version: Minor) -> Option<&str> {
        self.values
            .get(name)?
            .from
            .range(..=version)
            .next_back()
            .map(|(_, value)| value.as_str())
    }

    /// Returns the wording in `version` of the newest version's `words`: the same, unless a value says otherwise.
    pub fn worded<'a>(&'a self, words: &'a str, version: Minor) -> &'a str {
        let is_newest = |value: &&Value| value.from.values().next_back().is_some_and(|newest| newest == words);
        self.values
            .values()
            .find(is_newest)
            .and_then(|value| value.from.range(..=version).next_back())
            .map_or(words, |(_, of_version)| of_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_people_write_them() {
        for text in ["1.37", "v1.37", "1.37.2", "v1.37.2", "v1.37.2+k3s1"] {
            assert_eq!(text.parse(), Ok(Minor(37)), "{text}");
        }
        assert!("2.0".parse::<Minor>().is_err());
        assert!("newest".parse::<Minor>().is_err());
    }

    #[test]
    fn the_nearest_version_below_decides() {
        let known = Behaviours::known();
        assert_eq!(
            known.value("authentication_configuration", Minor(33)),
            Some("apiserver.config.k8s.io/v1beta1")
        );
        assert_eq!(
            known.value("authentication_configuration", Minor(36)),
            Some("apiserver.config.k8s.io/v1")
        );
        assert!(known.feature("certificate_uid", Minor(32)).expect("described").is_err());
        assert!(known.feature("certificate_uid", Minor(33)).expect("described").is_ok());
        assert!(known.feature("no_node_binding", Minor(30)).expect("described").is_ok());
        assert!(known.feature("no_node_binding", Minor(31)).expect("described").is_err());
        assert!(known.feature("no_such_thing", Minor(33)).is_none());
        let newest = "--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file";
        assert_eq!(known.worded(newest, Minor(37)), newest);
        assert_eq!(known.worded(newest, Minor(33)), newest.replacen("nonym", "nonyn", 1));
        assert_eq!(known.worded("as ever", Minor(33)), "as ever");
        assert!(known.absent(Minor(32)).any(|name| name == "certificate_uid"));
        assert!(!known.absent(Minor(33)).any(|name| name == "certificate_uid"));
    }
}
