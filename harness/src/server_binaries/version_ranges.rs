//! Lists and ranges of versions: `1.30..1.32,1.37`. The main function is [`Versions::kubernetes_in`].

use super::kubernetes_version::KubernetesVersion;
use super::versions::{Kubernetes, UnknownVersion, Versions};

/// An error in a list of versions.
#[derive(Debug, thiserror::Error)]
pub enum NoVersions {
    /// A version in the text is not pinned.
    #[error(transparent)]
    Unknown(#[from] UnknownVersion),
    /// A range begins after its end.
    #[error("the range `{0}` begins after its end")]
    Backwards(String),
    /// A range begins or ends with a pre-release.
    #[error("the range `{0}` has a pre-release as an end (expected it by itself, after a comma)")]
    PreRelease(String),
    /// The text is empty, or nothing stands between two commas.
    #[error("`{0}` names no version (expected one such as 1.30..1.37, 1.34 or 1.30,1.37)")]
    Empty(String),
}

impl Versions {
    /// Returns the versions of Kubernetes that `text` names: versions and ranges separated by commas, each version once, in that
    /// order. A range `FROM..TO` includes both ends; without one of them, it extends to the oldest or the newest. `all` names all pinned
    /// versions. No range includes a pre-release, which is named by itself.
    ///
    /// # Errors
    /// A version is not known, or a range is invalid.
    pub fn kubernetes_in(&self, text: &str) -> Result<Vec<&Kubernetes>, NoVersions> {
        let mut meant: Vec<&Kubernetes> = Vec::new();
        for part in text.split(',').map(str::trim) {
            for kubernetes in self.part(part, text)? {
                if !meant.iter().any(|other| other.version == kubernetes.version) {
                    meant.push(kubernetes);
                }
            }
        }
        Ok(meant)
    }

    /// Returns what `part` of `text` names: a version or a range.
    fn part(&self, part: &str, text: &str) -> Result<Vec<&Kubernetes>, NoVersions> {
        if part == "all" {
            return Ok(self.kubernetes.iter().collect());
        }
        if part.is_empty() {
            return Err(NoVersions::Empty(text.to_owned()));
        }
        let Some((from, to)) = part.split_once("..") else {
            return Ok(vec![self.kubernetes(part)?]);
        };
        let end = |asked: &str| -> Result<Option<KubernetesVersion>, NoVersions> {
            if asked.is_empty() {
                return Ok(None);
            }
            match self.kubernetes(asked)?.version {
                version if version.is_pre_release() => Err(NoVersions::PreRelease(part.to_owned())),
                version => Ok(Some(version)),
            }
        };
        let (from, to) = (end(from)?, end(to)?);
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(NoVersions::Backwards(part.to_owned()));
        }
        let is_within = |version| from.is_none_or(|from| from <= version) && to.is_none_or(|to| version <= to);
        Ok(self.kubernetes.iter().filter(|kubernetes| is_within(kubernetes.version)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(text: &str) -> Result<Vec<u16>, String> {
        let versions = Versions::pinned().kubernetes_in(text);
        versions
            .map(|versions| versions.iter().map(|kubernetes| kubernetes.version.minor).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn versions_are_named_by_themselves_in_lists_and_in_ranges() {
        for (text, expected) in [
            ("1.34", vec![34]),
            ("v1.37", vec![37]),
            ("1.30,1.37", vec![30, 37]),
            ("1.30..1.33", vec![30, 31, 32, 33]),
            ("1.36..", vec![36, 37]),
            ("..1.31", vec![30, 31]),
            ("..", (30..=37).collect()),
            ("all", (30..=37).collect()),
            ("1.37, 1.30..1.32, 1.31", vec![37, 30, 31, 32]),
            ("1.34..1.34", vec![34]),
        ] {
            assert_eq!(meant(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_pre_release_is_in_a_list_where_it_is_named_and_in_no_range() {
        let versions = |text: &str| -> Vec<String> {
            let meant = Versions::pinned().kubernetes_in(text).expect(text);
            meant.iter().map(|kubernetes| kubernetes.version.request()).collect()
        };
        assert_eq!(versions("1.38.0-beta.0"), ["1.38.0-beta.0"]);
        assert_eq!(
            versions("1.36..,v1.38.0-beta.0,1.37.0-rc.1,1.38.0-beta.0"),
            ["1.36", "1.37", "1.38.0-beta.0", "1.37.0-rc.1"]
        );
        for text in ["all", "..", "1.30..1.37", "1.36.."] {
            assert!(versions(text).iter().all(|version| !version.contains('-')), "{text}");
        }
    }

    #[test]
    fn what_means_no_version_is_refused() {
        for (text, says) in [
            ("", "`` names no version"),
            ("1.30,", "`1.30,` names no version"),
            ("1.33..1.31", "the range `1.33..1.31` begins after its end"),
            ("1.29", "unknown Kubernetes version `1.29`"),
            ("1.37..1.38", "unknown Kubernetes version `1.38`"),
            ("1.36..1.38.0-beta.0", "the range `1.36..1.38.0-beta.0` has a pre-release as an end"),
            ("1.37.0-rc.0..", "the range `1.37.0-rc.0..` has a pre-release as an end"),
            ("1.29.0-rc.0", "unknown Kubernetes version `1.29.0-rc.0`"),
            ("1.38.0-beta.0+k3s1", "unknown Kubernetes version `1.38.0-beta.0+k3s1`"),
            ("1.29..1.31", "unknown Kubernetes version `1.29`"),
            ("1.30...1.31", "unknown Kubernetes version `.1.31`"),
            ("1.30-1.32", "unknown Kubernetes version `1.30-1.32`"),
        ] {
            let refusal = meant(text).expect_err(text);
            assert!(refusal.starts_with(says), "{text}: {refusal}");
        }
    }
}
