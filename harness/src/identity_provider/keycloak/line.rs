//! Differences between the versions of Keycloak in building and starting them, as data (`fixtures/keycloak/lines.toml`).
//!
//! The main type is [`Line`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde::Deserialize;

/// The oldest Java that every supported Keycloak works with.
pub(super) const OLDEST_JAVA: u32 = 17;

/// The first two parts of a version: `(26, 7)`.
type Minor = (u32, u32);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Lines {
    features_off: BTreeMap<String, String>,
    newest_java: BTreeMap<String, u32>,
    renamed: Vec<Renamed>,
    cache_at_start: String,
}

/// An option that had another name before a version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    option: String,
    r#in: String,
    before: String,
}

static LINES: LazyLock<Lines> =
    LazyLock::new(|| toml::from_str(include_str!("../../../fixtures/keycloak/lines.toml")).expect("covered by a test"));

/// A version of Keycloak, as far as it decides how that is built and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line(Minor);

impl Line {
    /// Returns the line of the full `version`, such as `26.7.4`. A version that cannot be read counts as the newest.
    pub(super) fn of(version: &str) -> Self {
        Self(minor(version).unwrap_or((u32::MAX, 0)))
    }

    /// Returns the line of an image, by its tag.
    pub(super) fn of_image(reference: &str) -> Self {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let tag = name.split('@').next().and_then(|name| name.split_once(':'));
        Self::of(tag.map_or("", |(_, tag)| tag))
    }

    /// Returns the features that are switched off in a build, a list with commas.
    pub(super) fn features_off(self) -> String {
        let known = LINES.features_off.iter().filter(|(_, since)| self.is_since(since));
        known.map(|(feature, _)| feature.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Returns the feature versions of Java that it is tested with.
    pub(super) fn java(self) -> RangeInclusive<u32> {
        let newest = LINES.newest_java.iter().filter(|(since, _)| self.is_since(since));
        OLDEST_JAVA..=newest.map(|(_, newest)| *newest).max().unwrap_or(OLDEST_JAVA)
    }

    /// Returns `true` if `--cache` is an option of a start; before, it was one of a build.
    pub(super) fn is_cache_chosen_at_start(self) -> bool {
        self.is_since(&LINES.cache_at_start)
    }

    /// Returns the start options `options` by the names that this version has for them.
    pub(super) fn named(self, options: Vec<OsString>) -> Vec<OsString> {
        options.into_iter().map(|option| self.named_one(option)).collect()
    }

    fn named_one(self, option: OsString) -> OsString {
        let older = LINES.renamed.iter().filter(|renamed| !self.is_since(&renamed.r#in));
        let text = option.to_string_lossy();
        let renamed = older.filter_map(|renamed| {
            Some(format!(
                "{}={}",
                renamed.before,
                text.strip_prefix(&renamed.option)?.strip_prefix('=')?
            ))
        });
        renamed.map(OsString::from).next().unwrap_or_else(|| option.clone())
    }

    fn is_since(self, since: &str) -> bool {
        minor(since).is_some_and(|since| self.0 >= since)
    }
}

fn minor(version: &str) -> Option<Minor> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_binaries::Versions;

    #[test]
    fn every_version_in_the_data_can_be_read_and_begins_with_a_supported_one() {
        let supported: Vec<Minor> = Versions::pinned()
            .keycloaks()
            .iter()
            .filter_map(|keycloak| minor(&keycloak.version))
            .collect();
        let since = LINES.features_off.values().chain(LINES.newest_java.keys());
        let since = since.chain(LINES.renamed.iter().map(|renamed| &renamed.r#in));
        for since in since.chain([&LINES.cache_at_start]) {
            assert!(
                minor(since).is_some_and(|since| supported.contains(&since)),
                "{since} of {supported:?}"
            );
        }
    }

    #[test]
    fn an_older_version_gets_only_what_it_knows() {
        let (old, new) = (Line::of("24.0.5"), Line::of("26.7.4"));
        let is_off = |line: Line, feature: &str| line.features_off().split(',').any(|off| off == feature);
        assert!(is_off(new, "workflows") && !is_off(old, "workflows") && is_off(old, "dpop"));
        assert_eq!((old.java(), new.java()), (17..=21, 17..=25));
        let options = || {
            vec![
                OsString::from("--hostname=https://127.0.0.1:1"),
                OsString::from("--hostname-strict=false"),
            ]
        };
        assert_eq!(new.named(options()), options());
        assert_eq!(
            old.named(options()),
            ["--hostname-url=https://127.0.0.1:1", "--hostname-strict=false"]
        );
    }

    #[test]
    fn a_version_of_nobodys_is_taken_for_the_newest() {
        assert_eq!(Line::of("999.0.0-SNAPSHOT").java(), Line::of("nightly").java());
        assert_eq!(Line::of_image("quay.io/keycloak/keycloak:24.0.5@sha256:00"), Line::of("24.0.5"));
        assert_eq!(Line::of_image("localhost:5000/keycloak"), Line::of("nightly"));
    }
}
