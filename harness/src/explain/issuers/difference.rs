//! The difference between two issuer URLs that should be the same. The main function is [`difference`].

/// Describes how two issuer URLs differ; `None` if they are the same, or not alike at all.
#[must_use]
pub fn difference(said: &str, configured: &str) -> Option<&'static str> {
    if said == configured {
        return None;
    }
    if said.trim_end_matches('/') == configured.trim_end_matches('/') {
        return Some(if said.ends_with('/') {
            "the token's ends with a slash, and the configured one does not"
        } else {
            "the configured one ends with a slash, and the token's does not"
        });
    }
    if said.eq_ignore_ascii_case(configured) {
        return Some("upper and lower case differ");
    }
    let (said, configured) = (reqwest::Url::parse(said).ok()?, reqwest::Url::parse(configured).ok()?);
    let same = [
        said.scheme() == configured.scheme(),
        said.host_str() == configured.host_str(),
        said.port_or_known_default() == configured.port_or_known_default(),
        said.path().trim_end_matches('/') == configured.path().trim_end_matches('/'),
    ];
    match same {
        [false, true, _, true] => Some("one is http, and the other is https"),
        [true, false, _, true] => Some("the host differs: the issuer derives its name from the address of the request"),
        [true, true, false, true] => Some("the port differs"),
        [true, true, true, false] => Some("the path differs: it is another realm"),
        [true, true, true, true] => Some("they are written differently"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_compared_to_the_letter() {
        let configured = "https://kc.test/realms/a";
        for (said, word) in [
            ("https://kc.test/realms/a/", "slash"),
            ("https://kc.test/realms/A", "lower case"),
            ("https://kc.test:8443/realms/a", "port"),
            ("https://kc.test/realms/b", "realm"),
            ("http://kc.test/realms/a", "http"),
            ("https://localhost/realms/a", "host"),
            ("https://kc.test:443/realms/a", "written"),
        ] {
            let found = difference(said, configured).unwrap_or_default();
            assert!(found.contains(word), "{said}: {found}");
        }
        assert_eq!(difference(configured, configured), None);
        assert_eq!(difference("https://elsewhere.test/", configured), None);
    }
}
