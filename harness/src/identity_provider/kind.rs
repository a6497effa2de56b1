//! The identity providers that a lab can have, and in what they differ, as data: `fixtures/identity_providers/`. The main type is [`Kind`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Driver;

/// An identity provider that authlab can start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Keycloak.
    #[default]
    Keycloak,
    /// node-oidc-provider.
    OidcProvider,
}

/// A login whose token differs from that of the others, and the request that yields it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The OAuth client.
    pub client: String,
    /// The scopes beside `openid`.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// The facts about an identity provider that scenarios and labs depend on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Its name, for people.
    pub called: String,
    /// The path of the trusted issuer, below the provider's address.
    pub issuer_path: String,
    /// The client with which people log in by a browser or a device.
    pub browser_client: String,
    /// `true` if it has the password grant, so that a program can log in without a browser.
    pub password_grant: bool,
    /// The words with which it refuses a login, by the reason: OAuth's error, a colon, and a part of its description.
    pub refusals: BTreeMap<String, String>,
    /// The logins that scenarios are about, by what is special about their tokens.
    pub logins: BTreeMap<String, LoginRequest>,
    /// The capabilities that a lab with it lacks, each with the reason.
    #[serde(default)]
    pub lacks: BTreeMap<String, String>,
}

impl Kind {
    /// Returns all of them.
    pub fn all() -> [Self; 2] {
        [Self::Keycloak, Self::OidcProvider]
    }

    /// Returns the name, as flags and files spell it; it is also the prefix of users and groups in a lab.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keycloak => "keycloak",
            Self::OidcProvider => "oidc-provider",
        }
    }

    /// Returns the facts about it.
    pub fn facts(self) -> &'static Facts {
        static KEYCLOAK: LazyLock<Facts> = LazyLock::new(|| read(include_str!("../../fixtures/identity_providers/keycloak.toml")));
        static OIDC_PROVIDER: LazyLock<Facts> =
            LazyLock::new(|| read(include_str!("../../fixtures/identity_providers/oidc_provider.toml")));
        match self {
            Self::Keycloak => &KEYCLOAK,
            Self::OidcProvider => &OIDC_PROVIDER,
        }
    }
}

fn read(text: &str) -> Facts {
    toml::from_str(text).expect("the files of identity providers are read by a test")
}

/// The identity provider that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its kind; `None` for one that already runs.
    pub kind: Option<Kind>,
    /// Its driver; `None` if authlab chooses it.
    pub driver: Option<Driver>,
}

/// The values of an option, each with what it asks for, and its meaning.
const VALUES: &[(&str, Asked, &str)] = &[
    ("process", keycloak(Some(Driver::Process)), "Keycloak as an ordinary process"),
    ("container", keycloak(Some(Driver::Container)), "Keycloak in a container"),
    (
        "existing",
        Asked {
            kind: None,
            driver: Some(Driver::Existing),
        },
        "An OpenID Connect issuer that already runs",
    ),
    ("keycloak", keycloak(None), "Keycloak, as `auto` runs it"),
    ("keycloak:process", keycloak(Some(Driver::Process)), "As `process`"),
    ("keycloak:container", keycloak(Some(Driver::Container)), "As `container`"),
    ("oidc-provider", OIDC_PROVIDER, "node-oidc-provider, which needs Node.js and npm"),
    ("oidc-provider:process", OIDC_PROVIDER, "As `oidc-provider`"),
];

const fn keycloak(driver: Option<Driver>) -> Asked {
    Asked {
        kind: Some(Kind::Keycloak),
        driver,
    }
}

const OIDC_PROVIDER: Asked = Asked {
    kind: Some(Kind::OidcProvider),
    driver: Some(Driver::Process),
};

impl Asked {
    /// Returns the values of an option, each with its meaning.
    pub fn values() -> impl Iterator<Item = (&'static str, &'static str)> {
        VALUES.iter().map(|(name, _, help)| (*name, *help))
    }

    /// Returns what the value `name` asks for.
    pub fn named(name: &str) -> Option<Self> {
        VALUES.iter().find(|(known, ..)| *known == name).map(|(_, asked, _)| *asked)
    }

    /// Returns the shortest value that asks for this.
    pub fn name(self) -> &'static str {
        let value = VALUES.iter().find(|(_, asked, _)| *asked == self);
        value.map_or("existing", |(name, ..)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_read_as_what_it_names() {
        let named = |name| Asked::named(name).map(|asked| (asked.kind, asked.driver));
        assert_eq!(named("process"), Some((Some(Kind::Keycloak), Some(Driver::Process))));
        assert_eq!(named("keycloak:process"), named("process"));
        assert_eq!(named("keycloak:container"), named("container"));
        assert_eq!(named("keycloak"), Some((Some(Kind::Keycloak), None)));
        assert_eq!(named("existing"), Some((None, Some(Driver::Existing))));
        assert_eq!(named("oidc-provider"), Some((Some(Kind::OidcProvider), Some(Driver::Process))));
        assert_eq!(named("oidc-provider:process"), named("oidc-provider"));
        for wrong in ["", "auto", "oidc-provider:container", "hydra", "keycloak:", "keycloak:existing"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
        assert_eq!(Asked::named("keycloak:process").map(Asked::name), Some("process"));
        assert_eq!(Asked::named("oidc-provider:process").map(Asked::name), Some("oidc-provider"));
    }

    #[test]
    fn all_providers_describe_the_same_things() {
        let [keycloak, other] = Kind::all().map(Kind::facts);
        // A login without which a capability is lacking is the only difference.
        let lacking: Vec<_> = keycloak.logins.keys().filter(|login| !other.logins.contains_key(*login)).collect();
        assert_eq!(lacking, ["two-audiences"]);
        assert!(other.lacks.contains_key("several_audiences"));
        assert!(keycloak.refusals.keys().eq(other.refusals.keys()));
        assert!(keycloak.lacks.is_empty());
    }
}
