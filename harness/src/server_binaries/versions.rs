//! The supported versions, read from `fixtures/versions.toml`.
//!
//! The main type is [`Versions`]: every Kubernetes minor with its pinned patch and
//! the etcd that belongs to it, and the pinned Keycloak. Pre-releases of Kubernetes
//! are not pinned: each is known by its full version ([`Versions::kubernetes`]).

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::Deserialize;

use super::kubernetes_version::KubernetesVersion;

/// A supported Kubernetes version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// The pinned patch of its minor version, or a pre-release.
    pub version: KubernetesVersion,
    /// The version of etcd that its own `go.mod` lists. For a pre-release, that of the newest release: a build takes the one of the
    /// pre-release's `go.mod`.
    pub etcd: String,
    /// The tag of etcd's image.
    pub etcd_image: String,
    /// The tag of k3s' image; `None` for a pre-release.
    pub k3s: Option<String>,
    /// The tag of the image of a kind node, with the image's digest; `None` for a pre-release.
    pub kind_node: Option<String>,
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
#[error("unknown Kubernetes version `{asked}` (known: {}, and pre-releases of these minor versions and later ones by their full version)", known.join(", "))]
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
            let mut versions: Versions = toml::from_str(include_str!("../../fixtures/versions.toml")).expect("covered by a test");
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

    /// Returns the Kubernetes that `asked` names: a minor version (`1.37`), a pinned one (`1.37.2`), or a pre-release
    /// (`1.38.0-beta.0`) of a minor version that is not older than the pinned ones, with or without `v`.
    ///
    /// # Errors
    /// The version is neither; the error lists the pinned ones.
    pub fn kubernetes(&self, asked: &str) -> Result<&Kubernetes, UnknownVersion> {
        let oldest = self.kubernetes.first().map(|kubernetes| kubernetes.version.minor);
        match asked.parse::<KubernetesVersion>() {
            Ok(version) if version.is_pre_release() && Some(version.minor) >= oldest => Ok(pre_release(version)),
            _ => self.released(asked),
        }
    }

    /// Returns the pinned Kubernetes that `asked` names as in [`Versions::kubernetes`]; no pre-release.
    ///
    /// # Errors
    /// The version is not pinned; the error lists the pinned ones.
    pub fn released(&self, asked: &str) -> Result<&Kubernetes, UnknownVersion> {
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

/// Returns the pre-release `version`, which shares what is not its own with the newest release.
fn pre_release(version: KubernetesVersion) -> &'static Kubernetes {
    // The few that one process asks for live as long as the pinned ones.
    static ASKED: Mutex<BTreeMap<KubernetesVersion, &'static Kubernetes>> = Mutex::new(BTreeMap::new());
    let newest = Versions::pinned().newest();
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    asked.entry(version).or_insert_with(|| {
        let etcd_files = newest.sha256.iter().filter(|(file, _)| file.starts_with("etcd-"));
        Box::leak(Box::new(Kubernetes {
            version,
            k3s: None,
            kind_node: None,
            sha256: etcd_files.map(|(file, pin)| (file.clone(), pin.clone())).collect(),
            modules: BTreeMap::new(),
            ..newest.clone()
        }))
    })
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
    fn a_pre_release_is_known_by_its_full_version_alone() {
        let versions = Versions::pinned();
        let newest = versions.newest();
        for asked in ["1.38.0-beta.0", "v1.38.0-beta.0", "1.38.0-alpha.1", "1.37.3-rc.0", "1.45.0-rc.1"] {
            let found = versions.kubernetes(asked).expect("a pre-release");
            assert_eq!(found.version.to_string(), asked.trim_start_matches('v'));
            assert_eq!((&found.etcd, &found.k3s, &found.kind_node), (&newest.etcd, &None, &None));
            assert!(found.sha256.keys().all(|file| file.starts_with("etcd-")), "{:?}", found.sha256);
            assert!(versions.released(asked).is_err(), "{asked}");
        }
        for asked in [
            "1.38",
            "1.38.0",
            "1.38.0-beta",
            "1.38.0-beta.0+k3s1",
            "1.29.0-rc.1",
            "1.0.0-alpha.1",
        ] {
            let error = versions.kubernetes(asked).expect_err(asked).to_string();
            assert!(error.ends_with("later ones by their full version)"), "{error}");
        }
        assert_eq!(versions.newest().version, newest.version, "a named pre-release is not the newest");
        assert!(versions.kubernetes.iter().all(|kubernetes| !kubernetes.version.is_pre_release()));
    }
}
