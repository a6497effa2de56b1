//! The endpoints of an issuer. The type is [`Endpoint`].

use std::fmt;
use std::str::FromStr;

use hyper::Method;
use serde::{Deserialize, Serialize};

/// The name of the discovery document in RFC 8414.
pub(super) const OF_RFC_8414: &str = ".well-known/oauth-authorization-server";

/// An endpoint of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The discovery document (OpenID Connect Discovery 1.0 §4).
    Discovery,
    /// The keys (RFC 7517 §5).
    Keys,
    /// Tokens (RFC 6749 §3.2).
    Token,
    /// The login (RFC 6749 §3.1).
    Authorize,
    /// The claims of a token's user (OpenID Connect Core 1.0 §5.3).
    Userinfo,
    /// The state of a token (RFC 7662).
    Introspect,
    /// The end of a token (RFC 7009).
    Revoke,
    /// The logout (OpenID Connect RP-Initiated Logout 1.0).
    EndSession,
    /// The codes of a device (RFC 8628 §3.1).
    DeviceAuthorization,
    /// The page on which a device's code is entered (RFC 8628 §3.3).
    Device,
}

/// A text that is not the name of an endpoint.
#[derive(Debug, thiserror::Error)]
#[error("unknown endpoint {name:?} (known: {})", Endpoint::ALL.map(Endpoint::name).join(", "))]
pub struct UnknownEndpoint {
    name: String,
}

impl Endpoint {
    /// All endpoints.
    pub const ALL: [Self; 10] = [
        Self::Discovery,
        Self::Keys,
        Self::Token,
        Self::Authorize,
        Self::Userinfo,
        Self::Introspect,
        Self::Revoke,
        Self::EndSession,
        Self::DeviceAuthorization,
        Self::Device,
    ];

    /// Returns the name, as the control API spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::Token => "token",
            Self::Authorize => "authorize",
            Self::Userinfo => "userinfo",
            Self::Introspect => "introspect",
            Self::Revoke => "revoke",
            Self::EndSession => "end_session",
            Self::DeviceAuthorization => "device_authorization",
            Self::Device => "device",
        }
    }

    /// Returns the path below the issuer's address.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Discovery => ".well-known/openid-configuration",
            other => other.name(),
        }
    }

    /// Returns the endpoint at `path` below an issuer's address. RFC 8414 has another name for the discovery document.
    pub(super) fn at(path: &str) -> Option<Self> {
        let also = (path == OF_RFC_8414).then_some(Self::Discovery);
        also.or_else(|| Self::ALL.into_iter().find(|endpoint| endpoint.path() == path))
    }

    /// Returns whether requests with `method` are answered.
    pub(super) fn takes(self, method: &Method) -> bool {
        match self {
            Self::Discovery | Self::Keys => [Method::GET, Method::HEAD].contains(method),
            Self::Token | Self::Introspect | Self::Revoke | Self::DeviceAuthorization => method == Method::POST,
            Self::Authorize | Self::Userinfo | Self::EndSession | Self::Device => [Method::GET, Method::POST].contains(method),
        }
    }

    /// Returns whether its answers help to get a token. The others answer everybody, about a token that the caller has.
    pub(super) fn gives_tokens(self) -> bool {
        matches!(self, Self::Token | Self::Authorize | Self::DeviceAuthorization | Self::Device)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Endpoint {
    type Err = UnknownEndpoint;

    fn from_str(name: &str) -> Result<Self, UnknownEndpoint> {
        let found = Self::ALL.into_iter().find(|endpoint| endpoint.name() == name);
        found.ok_or_else(|| UnknownEndpoint { name: name.to_owned() })
    }
}
