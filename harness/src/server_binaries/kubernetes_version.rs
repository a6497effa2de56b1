//! A version of Kubernetes, parsed and ordered. The main type is [`KubernetesVersion`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of Kubernetes 1: a release, or a pre-release of one. The order is that of semantic versions (semver.org, item 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion {
    /// The number after the first dot.
    pub minor: u16,
    /// The number after the second dot.
    pub patch: u16,
    /// Its maturity.
    pub stage: Stage,
}

/// The maturity of a version, with the number of a pre-release; the least mature is the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// `-alpha.N`
    Alpha(u16),
    /// `-beta.N`
    Beta(u16),
    /// `-rc.N`
    Candidate(u16),
    /// A release, without a suffix.
    Release,
}

impl KubernetesVersion {
    /// Returns the minor version in its usual form: `1.37`.
    pub fn minor_version(self) -> String {
        format!("1.{}", self.minor)
    }

    /// Returns whether this is a pre-release.
    pub fn is_pre_release(self) -> bool {
        self.stage != Stage::Release
    }

    /// Returns the text that requests this version: the minor version, and of a pre-release the whole version, since no shorter text means
    /// it.
    pub fn request(self) -> String {
        if self.is_pre_release() {
            self.to_string()
        } else {
            self.minor_version()
        }
    }

    /// Returns the version of the modules that are released from the same repository, such as `k8s.io/api`: `0.37.2`.
    pub(super) fn of_staging(self) -> String {
        format!("0.{}.{}{}", self.minor, self.patch, self.stage)
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}.{}{}", self.minor, self.patch, self.stage)
    }
}

/// Writes the suffix; nothing for a release.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alpha(number) => write!(f, "-alpha.{number}"),
            Self::Beta(number) => write!(f, "-beta.{number}"),
            Self::Candidate(number) => write!(f, "-rc.{number}"),
            Self::Release => Ok(()),
        }
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for KubernetesVersion {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}

/// The text is not a valid Kubernetes version.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a Kubernetes version (expected one such as 1.37.2 or 1.38.0-beta.0)")]
pub struct NotAVersion(String);

/// Parses `1.37.2` and `1.38.0-beta.0`, with or without `v`. A suffix such as `+k3s1` or `-eks-abc` does not denote a version of Kubernetes
/// itself and is refused.
impl FromStr for KubernetesVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        parsed(text.strip_prefix('v').unwrap_or(text)).ok_or_else(|| NotAVersion(text.to_owned()))
    }
}

fn parsed(text: &str) -> Option<KubernetesVersion> {
    let (numbers, stage) = match text.split_once('-') {
        None => (text, Stage::Release),
        Some((numbers, suffix)) => {
            let (word, count) = suffix.split_once('.')?;
            let count = number(count)?;
            let stage = match word {
                "alpha" => Stage::Alpha(count),
                "beta" => Stage::Beta(count),
                "rc" => Stage::Candidate(count),
                _ => return None,
            };
            (numbers, stage)
        }
    };
    let (minor, patch) = numbers.strip_prefix("1.")?.split_once('.')?;
    Some(KubernetesVersion {
        minor: number(minor)?,
        patch: number(patch)?,
        stage,
    })
}

/// Reads a number of a semantic version, which has digits alone and no leading zero.
fn number(text: &str) -> Option<u16> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> KubernetesVersion {
        text.parse().expect(text)
    }

    #[test]
    fn versions_are_read_and_written() {
        for text in ["1.37.2", "1.9.10", "1.38.0-alpha.3", "1.38.0-beta.0", "1.38.1-rc.12"] {
            assert_eq!(version(text).to_string(), text);
            assert_eq!(version(&format!("v{text}")), version(text));
            let json = serde_json::to_string(&version(text)).expect("a string");
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<KubernetesVersion>(&json).expect("a version"), version(text));
        }
    }

    #[test]
    fn a_pre_release_comes_before_its_release_and_after_the_minor_before() {
        let ordered = [
            "1.9.10",
            "1.30.2",
            "1.37.2",
            "1.38.0-alpha.1",
            "1.38.0-alpha.10",
            "1.38.0-beta.0",
            "1.38.0-beta.1",
            "1.38.0-rc.0",
            "1.38.0",
            "1.38.1-rc.0",
            "1.38.1",
        ];
        let versions = ordered.map(version);
        assert!(versions.is_sorted_by(|one, other| one < other), "{versions:?}");
        let mut mixed = versions;
        mixed.reverse();
        mixed.sort();
        assert_eq!(mixed, versions);
    }

    #[test]
    fn only_a_pre_release_is_requested_by_its_whole_version() {
        for (text, request, staging) in [
            ("1.37.2", "1.37", "0.37.2"),
            ("1.38.0-beta.0", "1.38.0-beta.0", "0.38.0-beta.0"),
            ("1.38.0", "1.38", "0.38.0"),
        ] {
            assert_eq!(version(text).request(), request);
            assert_eq!(version(text).of_staging(), staging);
            assert_eq!(version(text).is_pre_release(), text.contains('-'));
        }
        assert_eq!(version("1.38.0-beta.0").minor_version(), "1.38");
    }

    #[test]
    fn what_is_no_version_of_kubernetes_is_refused() {
        for text in [
            "1.37",
            "1.37.2+k3s1",
            "1.38.0-rc.1+k3s1",
            "1.37.1-eks-abc",
            "1.38.0-beta",
            "1.38.0-beta.",
            "1.38.0-beta.01",
            "1.38.0-beta.+1",
            "1.38.0-beta.0.1",
            "1.38.0-gamma.1",
            "1.38.0-",
            "1.38-beta.0",
            "1.037.2",
            "1.+37.2",
            "2.1.0",
            "1..2",
            "v0.0.0-master",
            "vv1.37.2",
            "",
        ] {
            let error = text.parse::<KubernetesVersion>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}` is not a Kubernetes version")), "{error}");
        }
    }
}
