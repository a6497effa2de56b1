//! The description that another process needs to use an issuer of a running node-oidc-provider.
//!
//! The main type is [`OidcProviderDescription`]; it holds secrets and belongs in files of mode 0600 only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// One issuer of a running node-oidc-provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OidcProviderDescription {
    /// The issuer in its tokens.
    pub issuer: String,
    /// The certificate of the authority that signed its own, PEM.
    pub authority: String,
    /// Its clients, each with its secret.
    pub clients: BTreeMap<String, Secret>,
    /// The passwords of the cast.
    pub passwords: BTreeMap<String, Secret>,
    /// The secret of the accounts' administrator.
    pub administrator: Secret,
    /// Another issuer of the same server, which no API server trusts.
    pub elsewhere: Option<Box<OidcProviderDescription>>,
}
