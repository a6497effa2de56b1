//! Issuers as an API server is configured with them, and their own discovery documents.
//!
//! The main type is [`Issuer`]: one authenticator of an AuthenticationConfiguration (kubernetes/apiserver `pkg/apis/apiserver/types.go`).

mod configuration;
mod difference;
mod document;
mod kept;
mod keys;

pub use configuration::{of_configuration, of_entry};
pub use difference::{Difference, difference};
pub use document::{Fetched, fetch};
pub use kept::Kept;
pub use keys::{Key, KeySet};

/// The signature algorithms that a configuration file allows, and the only ones that flags can
/// (kubernetes/apiserver `plugin/pkg/authenticator/token/oidc/oidc.go`, `allowedSigningAlgs`).
pub const ALGORITHMS: [&str; 9] = ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

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
    /// The origin of the user name.
    pub username: Mapping,
    /// The origin of the groups.
    pub groups: Mapping,
    /// The origin of the UID.
    pub uid: Mapping,
    /// The claims that a token must have, with their values.
    pub required: Vec<(String, String)>,
    /// The expressions that must be true (`claimValidationRules`), each with its message.
    pub rules: Vec<(String, String)>,
    /// Further expressions that can refuse a token, by the place in the file: extra fields and `userValidationRules`.
    pub further: Vec<(String, String)>,
    /// The accepted algorithms.
    pub algorithms: Vec<String>,
    /// The form in which the server is configured.
    pub source: Source,
}

/// The origin of a part of the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    /// The server is not configured to set it.
    #[default]
    Unset,
    /// A claim, after a prefix.
    Claim {
        /// The name of the claim, to the letter: a dot in it is part of the name.
        claim: String,
        /// The prefix.
        prefix: String,
    },
    /// A CEL expression.
    Expression(String),
}

impl Mapping {
    /// Returns the mapping of `claim` after `prefix`.
    pub fn claim(claim: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self::Claim {
            claim: claim.into(),
            prefix: prefix.into(),
        }
    }
}

/// The form in which a server is configured with an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `--oidc-…` flags.
    Flags,
    /// An AuthenticationConfiguration.
    File,
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
            username: Mapping::claim("sub", format!("{url}#")),
            groups: Mapping::Unset,
            uid: Mapping::Unset,
            required: Vec::new(),
            rules: Vec::new(),
            further: Vec::new(),
            algorithms: vec!["RS256".to_owned()],
            source: Source::Flags,
        }
    }

    /// Returns the address of its discovery document (coreos/go-oidc `oidc.go`, `NewProvider`).
    #[must_use]
    pub fn discovery_url(&self) -> String {
        let usual = || {
            let url = self.url.strip_suffix('/').unwrap_or(&self.url);
            format!("{url}/.well-known/openid-configuration")
        };
        self.discovery.clone().unwrap_or_else(usual)
    }
}
