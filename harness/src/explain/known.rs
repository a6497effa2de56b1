//! The known facts about a server, before any request. The main type is [`Known`].

use super::issuers::Issuer;
use crate::credential::Credential;

/// The known facts about a server, before any request.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The issuers of its configuration.
    pub issuers: Vec<Issuer>,
    /// `true` if `issuers` is complete: the server does not know any other issuer.
    pub all: bool,
    /// The issuers of its service-account tokens (`--service-account-issuer`); empty if unknown.
    pub service_account_issuers: Vec<String>,
    /// Its audiences (`--api-audiences`); empty if they are not set, or unknown.
    pub api_audiences: Vec<String>,
    /// Its other authenticators of tokens; `None` if unknown.
    pub others: Option<OtherAuthenticators>,
    /// The CAs of client certificates (--client-ca-file), PEM; `None` if unknown.
    pub client_authorities: Option<String>,
    /// The allowed common names of front proxies; `None` if unknown.
    pub proxy_names: Option<Vec<String>>,
    /// The CAs of front proxies, PEM; `None` if unknown.
    pub proxy_authorities: Option<String>,
    /// The credential that lists the server's bindings; `None`: the explained credential does so itself.
    pub administrator: Option<Credential>,
}

impl Known {
    /// Returns the server's audiences, which are its service account issuers if they are not set; empty if unknown (kubernetes
    /// `pkg/kubeapiserver/options/authentication.go`).
    #[must_use]
    pub fn api_audiences(&self) -> Vec<String> {
        if self.api_audiences.is_empty() {
            self.service_account_issuers.clone()
        } else {
            self.api_audiences.clone()
        }
    }
}

/// The authenticators of a server that know tokens of any form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherAuthenticators {
    /// A file of tokens (`--token-auth-file`).
    pub file: bool,
    /// Bootstrap tokens (`--enable-bootstrap-token-auth`).
    pub bootstrap: bool,
    /// A webhook (`--authentication-token-webhook-config-file`).
    pub webhook: bool,
}
