//! The description that another process needs to use a realm of a running Keycloak.
//!
//! The main type is [`KeycloakDescription`]; it holds secrets and belongs in files of mode 0600 only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::CLIENT;
use super::realm::RealmSecrets;
use crate::secret::Secret;

/// One realm of a running Keycloak.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeycloakDescription {
    /// Keycloak's URL: `https://127.0.0.1:PORT`.
    pub url: String,
    /// The realm.
    pub realm: String,
    /// The issuer in its tokens.
    pub issuer: String,
    /// The URL of the realm's configuration (OpenID Connect Discovery 1.0 §4).
    pub discovery_url: String,
    /// The certificate of the authority that signed Keycloak's, PEM.
    pub authority: String,
    /// The client that API servers expect as the audience of tokens.
    pub client_id: String,
    /// The client's secret; `None` for a public client.
    pub client_secret: Option<Secret>,
    /// Every client of the realm with its secret; `None` for a public one.
    pub clients: BTreeMap<String, Option<Secret>>,
    /// The passwords of the cast.
    pub passwords: BTreeMap<String, Secret>,
    /// Another realm of the same Keycloak, which no API server trusts.
    pub elsewhere: Option<Box<KeycloakDescription>>,
}

impl KeycloakDescription {
    pub(super) fn new(url: &str, realm: &str, authority: &str, secrets: &RealmSecrets) -> Self {
        let issuer = format!("{url}/realms/{realm}");
        Self {
            url: url.to_owned(),
            realm: realm.to_owned(),
            discovery_url: format!("{issuer}/.well-known/openid-configuration"),
            issuer,
            authority: authority.to_owned(),
            client_id: CLIENT.to_owned(),
            client_secret: secrets.clients.get(CLIENT).cloned().flatten(),
            clients: secrets.clients.clone(),
            passwords: secrets.passwords.clone(),
            elsewhere: None,
        }
    }

    /// Returns the same realm, used as another of its clients; `None` if there is no such client.
    pub fn as_client(&self, client: &str) -> Option<Self> {
        let client_secret = self.clients.get(client)?.clone();
        Some(Self {
            client_id: client.to_owned(),
            client_secret,
            ..self.clone()
        })
    }
}
