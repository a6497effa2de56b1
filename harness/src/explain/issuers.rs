//! Issuers as an API server is configured with them, and their own discovery documents.
//!
//! The main type is [`Issuer`]: one authenticator of an AuthenticationConfiguration (kubernetes/apiserver `pkg/apis/apiserver/types.go`).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::cause::with_causes;

/// One issuer that an API server trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The exact URL of the issuer.
    pub url: String,
    /// The URL of its discovery document, if that is not below `url`.
    pub discovery: Option<String>,
    /// The audiences, one of which a token must have.
    pub audiences: Vec<String>,
    /// The CA of its certificate, PEM.
    pub authority: Option<String>,
    /// The claim for the user name, and its prefix; `None` if an expression determines it.
    pub username: Option<(String, String)>,
    /// The claim for the groups, and its prefix; `None` if there are no groups or an expression determines them.
    pub groups: Option<(String, String)>,
    /// The accepted algorithms, if they are limited (`--oidc-signing-algs`).
    pub algorithms: Option<Vec<String>>,
}

/// An issuer's own description of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The issuer's URL in its discovery document.
    pub issuer: String,
    /// The ids of its keys.
    pub keys: Vec<String>,
}

impl Issuer {
    /// Returns the issuer `url` for `audience`, with the URL and the claim `sub` as the user name (the default of the `--oidc-*` flags).
    #[must_use]
    pub fn by_flags(url: &str, audience: &str) -> Self {
        Self {
            url: url.to_owned(),
            discovery: None,
            audiences: vec![audience.to_owned()],
            authority: None,
            username: Some(("sub".to_owned(), format!("{url}#"))),
            groups: None,
            algorithms: Some(vec!["RS256".to_owned()]),
        }
    }
}

/// Parses the issuers of an AuthenticationConfiguration.
///
/// # Errors
/// The text is not a valid configuration; the error says why.
pub fn of_configuration(text: &str) -> Result<Vec<Issuer>, String> {
    let file: Value = serde_saphyr::from_str(text).map_err(|_| "it is not YAML".to_owned())?;
    if file.get("kind").and_then(Value::as_str) != Some("AuthenticationConfiguration") {
        return Err("it is not an AuthenticationConfiguration".to_owned());
    }
    let texts = |value: Option<&Value>| -> Vec<String> {
        let all = value.and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let mapping = |jwt: &Value, name: &str| {
        let mapping = jwt.pointer(&format!("/claimMappings/{name}"))?;
        let claim = mapping.get("claim")?.as_str().filter(|claim| !claim.is_empty())?;
        let prefix = mapping.get("prefix").and_then(Value::as_str).unwrap_or_default();
        Some((claim.to_owned(), prefix.to_owned()))
    };
    let jwts = file.get("jwt").and_then(Value::as_array).into_iter().flatten();
    let issuers = jwts.filter_map(|jwt| {
        let issuer = jwt.get("issuer")?;
        let text = |name: &str| issuer.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Issuer {
            url: text("url")?,
            discovery: text("discoveryURL"),
            audiences: texts(issuer.get("audiences")),
            authority: text("certificateAuthority"),
            username: mapping(jwt, "username"),
            groups: mapping(jwt, "groups"),
            algorithms: None,
        })
    });
    Ok(issuers.collect())
}

/// Fetches the issuer's discovery document and keys (OpenID Connect Discovery 1.0 §4). No credential is sent.
///
/// # Errors
/// The issuer cannot be read, with the reason as text.
pub async fn fetch(issuer: &Issuer, patience: Duration) -> Result<Fetched, String> {
    #[derive(Deserialize)]
    struct Configuration {
        issuer: String,
        jwks_uri: String,
    }
    #[derive(Deserialize)]
    struct Keys {
        keys: Vec<Key>,
    }
    #[derive(Deserialize)]
    struct Key {
        kid: Option<String>,
    }
    let http = crate::tls::https(issuer.authority.as_deref(), patience).map_err(|error| with_causes(&error))?;
    let usual = format!("{}/.well-known/openid-configuration", issuer.url.trim_end_matches('/'));
    let url = issuer.discovery.as_deref().unwrap_or(&usual);
    let said: Configuration = read(&http, url).await?;
    let keys: Keys = read(&http, &said.jwks_uri).await?;
    Ok(Fetched {
        issuer: said.issuer,
        keys: keys.keys.into_iter().filter_map(|key| key.kid).collect(),
    })
}

async fn read<T: serde::de::DeserializeOwned>(http: &reqwest::Client, url: &str) -> Result<T, String> {
    let answer = http.get(url).send().await.map_err(|error| with_causes(&error.without_url()))?;
    if !answer.status().is_success() {
        return Err(format!("{url} answers {}", answer.status()));
    }
    answer
        .json()
        .await
        .map_err(|error| format!("{url}: {}", with_causes(&error.without_url())))
}

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

    #[test]
    fn a_configuration_is_read_as_the_server_reads_it() {
        let text = "kind: AuthenticationConfiguration\njwt:\n- issuer: {url: https://a.test, audiences: [k]}\n  \
            claimMappings: {username: {claim: email, prefix: 'a:'}, groups: {expression: claims.g}}\n";
        let issuers = of_configuration(text).expect("it is sound");
        assert_eq!(issuers[0].username, Some(("email".to_owned(), "a:".to_owned())));
        assert_eq!((issuers.len(), &issuers[0].groups), (1, &None));
        assert!(of_configuration("kind: Config").is_err());
    }
}
