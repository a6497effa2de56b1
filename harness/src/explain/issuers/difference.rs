//! The difference between two issuer URLs that should be the same. The main function is [`difference`].

use reqwest::Url;

/// The difference between two issuer URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The difference, in words.
    pub how: &'static str,
    /// `false` if the two may as well be two issuers that have nothing to do with each other.
    pub is_one_issuer: bool,
}

/// The last labels of names that are resolved within a network alone.
const INTERNAL: [&str; 5] = ["svc", "local", "internal", "localhost", "lan"];

/// Describes how two issuer URLs differ; `None` if they are the same, or not alike at all.
#[must_use]
pub fn difference(said: &str, configured: &str) -> Option<Difference> {
    if said == configured {
        return None;
    }
    let sure = |how| Some(Difference { how, is_one_issuer: true });
    let perhaps = |how| Some(Difference { how, is_one_issuer: false });
    if said.trim_end_matches('/') == configured.trim_end_matches('/') {
        return sure(if said.ends_with('/') {
            "the token's ends with a slash, and the configured one does not"
        } else {
            "the configured one ends with a slash, and the token's does not"
        });
    }
    if said.eq_ignore_ascii_case(configured) {
        return sure("upper and lower case differ");
    }
    let (said, configured) = (Url::parse(said).ok()?, Url::parse(configured).ok()?);
    let (here, there) = (path(&said), path(&configured));
    let same = [
        said.scheme() == configured.scheme(),
        said.host_str() == configured.host_str(),
        said.port_or_known_default() == configured.port_or_known_default(),
        here == there,
    ];
    match same {
        [false, true, _, true] => sure("one is http, and the other is https"),
        [true, true, true, true] => sure("they are written differently"),
        [true, true, false, true] => perhaps("the port differs: the issuer may derive its name from the address of the request"),
        [true, false, _, true] if !here.is_empty() || are_related(&said, &configured) => {
            perhaps("the host differs: the issuer may derive its name from the address of the request")
        }
        [true, true, true, false] if are_alike(&here, &there) => perhaps("the path differs: it may be another realm of the same server"),
        _ => None,
    }
}

/// Returns the parts of a path, without empty ones.
fn path(url: &Url) -> Vec<&str> {
    url.path().split('/').filter(|part| !part.is_empty()).collect()
}

/// Returns `true` for two paths with the same beginning but for the last part, and for one with a prefix before the other
/// (`/auth/realms/a` and `/realms/a`).
fn are_alike(one: &[&str], other: &[&str]) -> bool {
    let (Some((_, beginning)), Some((_, others))) = (one.split_last(), other.split_last()) else {
        return false;
    };
    beginning == others || one.ends_with(other) || other.ends_with(one)
}

/// Returns `true` for a host and one below it, and for one name inside and outside of a network (`dex.dex.svc` and `dex.example.com`).
fn are_related(one: &Url, other: &Url) -> bool {
    let (Some(one), Some(other)) = (one.domain(), other.domain()) else {
        return false;
    };
    let is_below = |low: &str, high: &str| {
        let rest = low.strip_suffix(high);
        high.contains('.') && rest.is_some_and(|rest| rest.ends_with('.'))
    };
    let first = |host: &str| host.split('.').next().map(str::to_owned);
    let is_internal = |host: &str| !host.contains('.') || host.rsplit('.').next().is_some_and(|last| INTERNAL.contains(&last));
    is_below(one, other) || is_below(other, one) || (first(one) == first(other) && (is_internal(one) || is_internal(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_compared_to_the_letter() {
        let configured = "https://kc.test/realms/a";
        for (said, word, is_one_issuer) in [
            ("https://kc.test/realms/a/", "slash", true),
            ("https://kc.test/realms/A", "lower case", true),
            ("https://kc.test:8443/realms/a", "port", false),
            ("https://kc.test/realms/b", "realm", false),
            ("https://kc.test/auth/realms/a", "path", false),
            ("http://kc.test/realms/a", "http", true),
            ("https://localhost/realms/a", "host", false),
            ("https://kc.test:443/realms/a", "written", true),
        ] {
            let found = difference(said, configured).expect("a difference");
            assert!(
                found.how.contains(word) && found.is_one_issuer == is_one_issuer,
                "{said}: {found:?}"
            );
        }
        assert_eq!(difference(configured, configured), None);
        assert_eq!(difference("https://elsewhere.test/", configured), None);
    }

    #[test]
    fn two_issuers_are_not_taken_for_one() {
        for (said, configured, are_alike) in [
            ("https://accounts.google.com", "https://dev-1.okta.com", false),
            ("https://dev-1.okta.com", "https://dev-2.okta.com", false),
            ("https://gitlab.example/project/a", "https://gitlab.example", false),
            ("https://gitlab.example/project/a", "https://gitlab.example/group", false),
            ("https://auth.a.example", "https://auth.b.example", false),
            ("https://10.0.0.1", "https://10.0.0.2", false),
            ("https://com", "https://a.com", false),
            ("https://notkc.test", "https://kc.test", false),
            ("https://sso.kc.test", "https://kc.test", true),
            ("https://dex.dex.svc.cluster.local", "https://dex.example.com", true),
            ("https://dex:5556", "https://dex.example.com", true),
            ("https://10.0.0.1/dex", "https://dex.example.com/dex", true),
        ] {
            for (said, configured) in [(said, configured), (configured, said)] {
                assert_eq!(difference(said, configured).is_some(), are_alike, "{said} {configured}");
            }
        }
    }
}
