//! The supported versions, read from `fixtures/versions.toml`.
//!
//! The main type is [`Versions`]: every Kubernetes minor with its pinned patch and
//! the etcd that belongs to it, and the pinned Keycloak.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A released version of Kubernetes 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion {
    /// The number after the first dot.
    pub minor: u16,
    /// The number after the second dot.
    pub patch: u16,
}

impl KubernetesVersion {
    /// Returns the minor version in its usual form: `1.37`.
    pub fn minor_version(self) -> String {
        format!("1.{}", self.minor)
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
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
#[error("`{0}` is not a Kubernetes version (expected one such as 1.37.2)")]
pub struct NotAVersion(String);

/// Parses `1.37.2` or `v1.37.2`; a suffix such as `-rc.1` or `+k3s1` does not denote a release of Kubernetes and is refused.
impl FromStr for KubernetesVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let numbers: Option<Vec<u16>> = text
            .strip_prefix('v')
            .unwrap_or(text)
            .split('.')
            .map(|number| number.parse().ok())
            .collect();
        match numbers.as_deref() {
            Some(&[1, minor, patch]) => Ok(Self { minor, patch }),
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

/// A supported Kubernetes version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// The pinned patch of its minor version.
    pub version: KubernetesVersion,
    /// The version of etcd that its own `go.mod` lists.
    pub etcd: String,
    /// The tag of etcd's image.
    pub etcd_image: String,
    /// The tag of k3s' image.
    pub k3s: String,
    /// The tag of the image of a kind node, with the image's digest.
    pub kind_node: String,
    /// The release of kind with which this image was published: the oldest that is known to start it.
    pub kind: String,
    /// Pinned checksums of official release files, by their path in the release.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
    /// The modules of its repository for which a build uses another version than the repository's own, by their path.
    #[serde(default)]
    pub modules: BTreeMap<String, String>,
}

/// A supported Keycloak version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keycloak {
    /// The version.
    pub version: String,
    /// Pinned checksums of the release's archive and of the Maven artifact, by their name.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
}

/// The release files for which no public source states a checksum.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpinned {
    /// The affected versions of Kubernetes.
    pub kubernetes: Vec<KubernetesVersion>,
    /// The affected architectures, in Go's terms.
    pub architectures: Vec<String>,
}

/// The repositories of images, without their tags.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repositories {
    /// etcd.
    pub etcd: String,
    /// kube-apiserver.
    pub kube_apiserver: String,
    /// kube-controller-manager.
    pub kube_controller_manager: String,
    /// k3s.
    pub k3s: String,
    /// A kind node.
    pub kind_node: String,
    /// Keycloak.
    pub keycloak: String,
}

/// The supported versions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Files that are not pinned below, and cannot be.
    pub unpinned: Unpinned,
    /// The repositories of images, without their tags.
    pub images: Repositories,
    /// Every supported Kubernetes, oldest first.
    pub kubernetes: Vec<Kubernetes>,
    /// The Keycloak of labs that name no other.
    pub keycloak: Keycloak,
    /// Other Keycloak versions that a lab can use.
    #[serde(default)]
    pub further_keycloaks: Vec<Keycloak>,
}

/// The requested Keycloak version is not pinned.
#[derive(Debug, thiserror::Error)]
#[error("unknown Keycloak version `{asked}` (known: {})", known.join(", "))]
pub struct UnknownKeycloak {
    /// The requested version.
    pub asked: String,
    /// The known versions.
    pub known: Vec<String>,
}

/// The requested Kubernetes version is not pinned.
#[derive(Debug, thiserror::Error)]
#[error("unknown Kubernetes version `{asked}` (known: {})", known.join(", "))]
pub struct UnknownVersion {
    /// The requested version.
    pub asked: String,
    /// The known versions.
    pub known: Vec<String>,
}

impl Versions {
    /// Returns the versions that this authlab was made for.
    pub fn pinned() -> &'static Self {
        static PINNED: LazyLock<Versions> = LazyLock::new(|| {
            let mut versions: Versions = toml::from_str(include_str!("../../../fixtures/versions.toml")).expect("covered by a test");
            versions.kubernetes.sort_by_key(|kubernetes| kubernetes.version);
            versions
        });
        &PINNED
    }

    /// Returns the newest Kubernetes: the default.
    pub fn newest(&self) -> &Kubernetes {
        self.kubernetes.last().expect("covered by a test")
    }

    /// Returns the Kubernetes that `asked` names as in [`Versions::kubernetes`]; the newest for `None`.
    ///
    /// # Errors
    /// The version is not pinned.
    pub fn kubernetes_or_newest(&self, asked: Option<&str>) -> Result<&Kubernetes, UnknownVersion> {
        asked.map_or_else(|| Ok(self.newest()), |asked| self.kubernetes(asked))
    }

    /// Returns the Keycloak that `asked` names as in [`Versions::keycloak_of`]; the default for `None`.
    ///
    /// # Errors
    /// No matching version is pinned.
    pub fn keycloak_or_default(&self, asked: Option<&str>) -> Result<&Keycloak, UnknownKeycloak> {
        asked.map_or(Ok(&self.keycloak), |asked| self.keycloak_of(asked))
    }

    /// Returns every supported Keycloak, oldest first.
    pub fn keycloaks(&self) -> Vec<&Keycloak> {
        let mut all: Vec<&Keycloak> = self.further_keycloaks.iter().chain([&self.keycloak]).collect();
        all.sort_by_key(|keycloak| {
            keycloak
                .version
                .split('.')
                .map(|part| part.parse().unwrap_or(0))
                .collect::<Vec<u32>>()
        });
        all
    }

    /// Returns the newest Keycloak that `asked` names: `26.7.4`, `26.7`, or `26` and `26.x`, which are the same.
    ///
    /// # Errors
    /// No matching version is pinned; the error lists the pinned ones.
    pub fn keycloak_of(&self, asked: &str) -> Result<&Keycloak, UnknownKeycloak> {
        let plain = asked.strip_suffix(".x").unwrap_or(asked);
        let means = |version: &str| version == plain || version.strip_prefix(plain).is_some_and(|rest| rest.starts_with('.'));
        let all = self.keycloaks();
        let found = all.iter().rev().find(|keycloak| means(&keycloak.version)).copied();
        found.ok_or_else(|| UnknownKeycloak {
            asked: asked.to_owned(),
            known: all.iter().map(|keycloak| keycloak.version.clone()).collect(),
        })
    }

    /// Returns the Kubernetes that `asked` names: a minor version (`1.37`) or a pinned one (`1.37.2`), with or without `v`.
    ///
    /// # Errors
    /// The version is not pinned; the error lists the pinned ones.
    pub fn kubernetes(&self, asked: &str) -> Result<&Kubernetes, UnknownVersion> {
        let plain = asked.strip_prefix('v').unwrap_or(asked);
        self.kubernetes
            .iter()
            .find(|kubernetes| kubernetes.version.to_string() == plain || kubernetes.version.minor_version() == plain)
            .ok_or_else(|| UnknownVersion {
                asked: asked.to_owned(),
                known: self.kubernetes.iter().map(|kubernetes| kubernetes.version.to_string()).collect(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_file_is_pinned_or_listed_among_those_that_are_not() {
        let versions = Versions::pinned();
        for kubernetes in &versions.kubernetes {
            let mut expected = std::collections::BTreeSet::new();
            for architecture in ["amd64", "arm64", "ppc64le", "s390x"] {
                if versions.unpinned.architectures.iter().any(|unpinned| unpinned == architecture) {
                    continue;
                }
                expected.insert(format!("etcd-v{}-linux-{architecture}.tar.gz", kubernetes.etcd));
                if !versions.unpinned.kubernetes.contains(&kubernetes.version) {
                    let programs = ["kube-apiserver", "kube-controller-manager", "kubectl"];
                    expected.extend(programs.map(|program| format!("linux/{architecture}/{program}")));
                }
            }
            assert!(
                kubernetes.sha256.keys().eq(&expected),
                "{}: {:?}",
                kubernetes.version,
                kubernetes.sha256.keys()
            );
        }
        for keycloak in versions.keycloaks() {
            let version = &keycloak.version;
            let expected = [format!("keycloak-{version}.tar.gz"), format!("keycloak-quarkus-dist-{version}.zip")];
            assert!(keycloak.sha256.keys().eq(&expected), "{:?}", keycloak.sha256.keys());
        }
        let kubernetes = versions.kubernetes.iter().flat_map(|kubernetes| kubernetes.sha256.values());
        let pins: Vec<&String> = kubernetes
            .chain(versions.keycloaks().into_iter().flat_map(|keycloak| keycloak.sha256.values()))
            .collect();
        assert!(
            pins.iter()
                .all(|pin| pin.len() == 64 && pin.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)))
        );
        let distinct: std::collections::BTreeSet<_> = pins.iter().collect();
        assert_eq!(distinct.len(), pins.len(), "no two files are the same");
    }

    #[test]
    fn every_minor_is_pinned_once_and_the_newest_is_the_default() {
        let versions = Versions::pinned();
        let minors: Vec<u16> = versions.kubernetes.iter().map(|kubernetes| kubernetes.version.minor).collect();
        assert_eq!(minors, (30..=37).collect::<Vec<u16>>());
        assert_eq!(versions.newest().version.minor, 37);
        assert!(versions.kubernetes.iter().all(|kubernetes| kubernetes.etcd.split('.').count() == 3));
        assert!(versions.keycloak.version.starts_with("26."));
    }

    #[test]
    fn a_version_is_found_by_minor_by_patch_and_with_a_v() {
        let newest = Versions::pinned().newest().version;
        for asked in [
            newest.to_string(),
            format!("v{newest}"),
            newest.minor_version(),
            format!("v{}", newest.minor_version()),
        ] {
            assert_eq!(Versions::pinned().kubernetes(&asked).expect("pinned").version, newest, "{asked}");
        }
    }

    #[test]
    fn an_unknown_version_lists_the_known_ones() {
        for asked in ["1.29", "1.3", "1.37.99", "2.37", "latest", "", "vv1.37"] {
            let error = Versions::pinned().kubernetes(asked).expect_err("not pinned");
            assert!(
                error.to_string().contains(&format!("`{asked}`")) && error.to_string().contains("1.30.14"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_keycloak_is_found_by_the_part_of_its_version_that_is_given() {
        let mut versions = Versions::pinned().clone();
        versions.keycloak.version = "26.7.4".to_owned();
        let further = |version: &str| Keycloak {
            version: version.to_owned(),
            sha256: BTreeMap::new(),
        };
        versions.further_keycloaks = vec![further("26.10.0"), further("26.0.8"), further("25.0.6")];
        let found = |asked: &str| versions.keycloak_of(asked).map(|keycloak| keycloak.version.clone());
        for (asked, expected) in [
            ("26.x", "26.10.0"),
            ("26", "26.10.0"),
            ("26.0", "26.0.8"),
            ("26.7.4", "26.7.4"),
            ("25.x", "25.0.6"),
        ] {
            assert_eq!(found(asked).expect("pinned"), expected, "{asked}");
        }
        for asked in ["26.1", "2", "", "x", "26.7.40"] {
            let error = found(asked).expect_err("not pinned").to_string();
            assert!(error.ends_with("(known: 25.0.6, 26.0.8, 26.7.4, 26.10.0)"), "{asked}: {error}");
        }
    }

    #[test]
    fn versions_order_by_number_and_only_releases_are_versions() {
        let version = |text: &str| text.parse::<KubernetesVersion>();
        assert!(version("1.9.10").expect("a version") < version("v1.30.2").expect("a version"));
        for text in ["1.37", "1.37.0-rc.1", "1.37.2+k3s1", "2.1.0", "1..2", "v0.0.0-master"] {
            assert!(version(text).is_err(), "{text}");
        }
    }
}
