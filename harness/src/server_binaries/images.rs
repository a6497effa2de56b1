//! The servers as images: the ones that a lab needs, and their names.
//!
//! The main types are [`Reference`] (a name such as `registry.k8s.io/etcd:3.6.5-0`, with or without a digest) and [`Images`] (the images of
//! one Kubernetes version, from `fixtures/versions.toml`). A private registry replaces every public one in the same way:
//! [`Reference::with_prefix`].

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Keycloak, Kubernetes, Versions};

/// The name of an image (`github.com/distribution/reference`: domain, path, tag, digest), always with its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// The text is not a valid name of an image.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the name of an image (expected one such as registry.k8s.io/etcd:3.6.5-0)")]
pub struct NotAReference(String);

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let wrong = || NotAReference(text.to_owned());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let sound = |digest: &str| digest.strip_prefix("sha256:").is_some_and(|hash| hash.len() == 64 && is_hex(hash));
        if digest.as_deref().is_some_and(|digest| !sound(digest)) {
            return Err(wrong());
        }
        // A colon before the last slash belongs to a port.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let (registry, repository) = match path.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest.to_owned()),
            Some(_) => ("docker.io", path.to_owned()),
            None => ("docker.io", format!("library/{path}")),
        };
        let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let host = registry.split(':').all(plain);
        if !host || !repository.split('/').all(plain) || tag.as_deref().is_some_and(|tag| !plain(tag)) {
            return Err(wrong());
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag,
            digest,
        })
    }
}

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Reference {
    /// Returns the digest that pins the image, if there is one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Returns the reference without its digest: the name under which a saved and loaded image is found.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        Self {
            digest: None,
            ..self.clone()
        }
    }

    /// Returns the same image in a private registry: `prefix` replaces the registry, whichever that is. The digest stays, since a copy has
    /// the same.
    ///
    /// # Errors
    /// The name with `prefix` in front is not valid.
    pub fn with_prefix(&self, prefix: Option<&str>) -> Result<Self, NotAReference> {
        let Some(prefix) = prefix
            .map(|prefix| prefix.trim_end_matches('/'))
            .filter(|prefix| !prefix.is_empty())
        else {
            return Ok(self.clone());
        };
        let moved = Self {
            registry: prefix.to_owned(),
            ..self.clone()
        };
        moved.to_string().parse()
    }
}

/// The prefix of images that are made on this machine when no registry is named: nobody mistakes them for the official ones.
pub const OWN_PREFIX: &str = "localhost/authlab";

/// The images of one Kubernetes version and of Keycloak.
#[derive(Clone, Debug)]
pub struct Images {
    /// etcd.
    pub etcd: Reference,
    /// kube-apiserver.
    pub kube_apiserver: Reference,
    /// kube-controller-manager.
    pub kube_controller_manager: Reference,
    /// k3s; `None` for a pre-release, of which there is no image.
    pub k3s: Option<Reference>,
    /// A kind node; `None` for a pre-release, of which there is no image.
    pub kind_node: Option<Reference>,
    /// Keycloak.
    pub keycloak: Reference,
}

impl Images {
    /// Returns the images of `kubernetes`, in the registry `prefix` if there is one.
    ///
    /// # Errors
    /// `prefix` is not a valid registry.
    pub fn of(kubernetes: &Kubernetes, prefix: Option<&str>) -> Result<Self, NotAReference> {
        let versions = Versions::pinned();
        let at = |repository: &str, tag: &str| format!("{repository}:{tag}").parse::<Reference>()?.with_prefix(prefix);
        let version = format!("v{}", kubernetes.version);
        let places = &versions.images;
        Ok(Self {
            etcd: at(&places.etcd, &kubernetes.etcd_image)?,
            kube_apiserver: at(&places.kube_apiserver, &version)?,
            kube_controller_manager: at(&places.kube_controller_manager, &version)?,
            k3s: kubernetes.k3s.as_ref().map(|tag| at(&places.k3s, tag)).transpose()?,
            kind_node: kubernetes.kind_node.as_ref().map(|tag| at(&places.kind_node, tag)).transpose()?,
            keycloak: at(&places.keycloak, &versions.keycloak.version)?,
        })
    }

    /// Returns the same images, with Keycloak in another version.
    ///
    /// # Errors
    /// `prefix` is not a valid registry.
    pub fn with_keycloak(mut self, keycloak: &Keycloak, prefix: Option<&str>) -> Result<Self, NotAReference> {
        let name = format!("{}:{}", Versions::pinned().images.keycloak, keycloak.version);
        self.keycloak = name.parse::<Reference>()?.with_prefix(prefix)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_read_and_written() {
        for text in [
            "registry.k8s.io/etcd:3.6.5-0",
            "quay.io/keycloak/keycloak:26.7.4",
            "localhost/authlab/kube-apiserver:v1.37.2",
            "registry.example:5000/a/b",
        ] {
            assert_eq!(reference(text).to_string(), text);
        }
        assert_eq!(
            reference("rancher/k3s:v1.37.1-k3s1").to_string(),
            "docker.io/rancher/k3s:v1.37.1-k3s1"
        );
        assert_eq!(reference("busybox").to_string(), "docker.io/library/busybox");
        for text in [
            "",
            "a b",
            "x/y:z:w/",
            "etcd@sha256:12",
            "https://registry.example/x",
            "a//b",
            "x:y$",
        ] {
            assert_eq!(text.parse::<Reference>(), Err(NotAReference(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_private_registry_takes_the_place_of_every_public_one() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (public, private) in [
            ("registry.k8s.io/etcd:3.6.5-0", "registry.example/mirror/etcd:3.6.5-0"),
            (
                "quay.io/keycloak/keycloak:26.7.4",
                "registry.example/mirror/keycloak/keycloak:26.7.4",
            ),
            ("rancher/k3s:v1.37.1-k3s1", "registry.example/mirror/rancher/k3s:v1.37.1-k3s1"),
        ] {
            for prefix in ["registry.example/mirror", "registry.example/mirror/"] {
                let moved = reference(&format!("{public}@{digest}")).with_prefix(Some(prefix)).unwrap();
                assert_eq!(moved.without_digest().to_string(), private);
                assert_eq!(moved.digest(), Some(digest.as_str()), "a copy has the same digest");
            }
            assert_eq!(reference(public).with_prefix(None), Ok(reference(public)));
            assert_eq!(reference(public).with_prefix(Some("")), Ok(reference(public)));
        }
        let port = reference("registry.k8s.io/etcd:3.6.5-0")
            .with_prefix(Some("localhost:5000/x"))
            .unwrap();
        assert_eq!(port.to_string(), "localhost:5000/x/etcd:3.6.5-0");
        assert!(reference("quay.io/a/b:1").with_prefix(Some("https://registry.example")).is_err());
    }

    #[test]
    fn every_version_has_its_images() {
        for kubernetes in &Versions::pinned().kubernetes {
            let minor = kubernetes.version.minor_version();
            let images = Images::of(kubernetes, None).unwrap();
            let (k3s, kind_node) = (images.k3s.expect("its tag is pinned"), images.kind_node.expect("its tag is pinned"));
            assert!(kind_node.digest().is_some(), "kind asks for a digest: {minor}");
            for image in [&k3s, &kind_node, &images.kube_apiserver] {
                assert!(image.to_string().contains(&format!(":v{minor}.")), "{image}");
            }
        }
    }

    #[test]
    fn a_pre_release_has_images_of_its_own_servers_alone() {
        let images = Images::of(Versions::pinned().kubernetes("1.38.0-beta.0").unwrap(), None).unwrap();
        assert_eq!(images.kube_apiserver.to_string(), "registry.k8s.io/kube-apiserver:v1.38.0-beta.0");
        assert_eq!((images.k3s, images.kind_node), (None, None));
    }
}
