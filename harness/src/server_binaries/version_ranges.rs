//! Lists and ranges of versions: `1.30..1.32,1.37`. The main function is [`Versions::kubernetes_in`].

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
    /// The text is empty, or nothing stands between two commas.
    #[error("`{0}` names no version (expected one such as 1.30..1.37, 1.34 or 1.30,1.37)")]
    Empty(String),
}

impl Versions {
    /// Returns the pinned versions of Kubernetes that `text` names: versions and ranges separated by commas, each version once, in that
    /// order. A range `FROM..TO` includes both ends; without one of them, it extends to the oldest or the newest. `all` names all versions.
    ///
    /// # Errors
    /// A version is not pinned, or a range is invalid.
    pub fn kubernetes_in(&self, text: &str) -> Result<Vec<&Kubernetes>, NoVersions> {
        let mut meant: Vec<&Kubernetes> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let place = |asked: &str| -> Result<usize, UnknownVersion> {
                let version = self.kubernetes(asked)?.version;
                let found = self.kubernetes.iter().position(|kubernetes| kubernetes.version == version);
                Ok(found.unwrap_or_default())
            };
            let last = self.kubernetes.len() - 1;
            let (first, last) = match part.split_once("..") {
                _ if part == "all" => (0, last),
                _ if part.is_empty() => return Err(NoVersions::Empty(text.to_owned())),
                None => {
                    let place = place(part)?;
                    (place, place)
                }
                Some((from, to)) => (
                    if from.is_empty() { 0 } else { place(from)? },
                    if to.is_empty() { last } else { place(to)? },
                ),
            };
            if first > last {
                return Err(NoVersions::Backwards(part.to_owned()));
            }
            for kubernetes in &self.kubernetes[first..=last] {
                if !meant.iter().any(|other| other.version == kubernetes.version) {
                    meant.push(kubernetes);
                }
            }
        }
        Ok(meant)
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
    fn what_means_no_version_is_refused() {
        for (text, says) in [
            ("", "`` names no version"),
            ("1.30,", "`1.30,` names no version"),
            ("1.33..1.31", "the range `1.33..1.31` begins after its end"),
            ("1.29", "unknown Kubernetes version `1.29`"),
            ("1.29..1.31", "unknown Kubernetes version `1.29`"),
            ("1.30...1.31", "unknown Kubernetes version `.1.31`"),
            ("1.30-1.32", "unknown Kubernetes version `1.30-1.32`"),
        ] {
            let refusal = meant(text).expect_err(text);
            assert!(refusal.starts_with(says), "{text}: {refusal}");
        }
    }
}
