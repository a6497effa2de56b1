//! A realm as a lab's Keycloak imports it: as it was exported, but for what has to change. The main type is [`RealmImport`].

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sha2::Digest as _;

use super::super::realm::{RealmSecrets, new_secret, password};
use super::{RealmExport, flag};
use crate::secret::Secret;

/// The text in place of a secret in an export of the admin console (Keycloak's `ComponentRepresentation.SECRET_VALUE`).
const MASKED: &str = "**********";

/// The client authenticators whose key or certificate only the client has; with the others, a secret is enough.
const WITH_KEY: [&str; 4] = ["client-jwt", "client-x509", "federated-jwt", "client-secret-jwt"];

/// The component that holds the users of other directories.
const FEDERATION: &str = "org.keycloak.storage.UserStorageProvider";

/// The component that holds the keys of a realm.
pub(super) const KEYS: &str = "org.keycloak.keys.KeyProvider";

/// The settings of a key provider that are no key (Keycloak's `Attributes` in `org.keycloak.keys`).
const NO_KEY: [&str; 9] = [
    "priority",
    "enabled",
    "active",
    "algorithm",
    "keySize",
    "secretSize",
    "ecdsaEllipticCurveKey",
    "eddsaEllipticCurveKey",
    "ecdhEllipticCurveKey",
];

/// A login that the realm is imported for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The client.
    pub client: String,
    /// The scopes beside `openid`.
    pub scopes: Vec<String>,
}

/// A realm that a lab's Keycloak imports.
#[derive(Clone, Debug, PartialEq)]
pub struct RealmImport {
    /// The file of the export, as shown to the user.
    pub file: String,
    /// The realm's name.
    pub realm: String,
    /// The issuer in its tokens.
    pub issuer: String,
    /// The changes, for the user.
    pub changes: Vec<String>,
    /// The parts that cannot work in a lab, for the user.
    pub notes: Vec<String>,
    /// The same for imports of one export for the same issuer and logins, whose generated secrets differ.
    pub fingerprint: String,
    pub(in super::super) document: Secret,
    pub(in super::super) secrets: RealmSecrets,
}

impl RealmExport {
    /// Returns the realm as a lab imports it for `logins`: its tokens have the issuer `issuer`, which ends with `/realms/NAME`.
    #[must_use]
    pub fn adapted(&self, issuer: &str, logins: &BTreeSet<Login>) -> RealmImport {
        let mut hash = sha2::Sha256::new();
        hash.update(serde_json::to_vec(&(&self.document, issuer)).unwrap_or_default());
        hash.update(format!("{logins:?}"));
        let mut adapting = Adapting {
            realm: self.document.clone(),
            secrets: RealmSecrets::default(),
            changes: Vec::new(),
            notes: Vec::new(),
        };
        adapting.set_address(issuer.rsplit_once("/realms/").map_or(issuer, |(address, _)| address));
        adapting.drop_keys();
        adapting.drop_federation();
        adapting.drop_mail();
        adapting.complete_clients(logins);
        adapting.complete_users(logins);
        let Adapting {
            realm,
            secrets,
            changes,
            notes,
        } = adapting;
        RealmImport {
            file: self.file.clone(),
            realm: self.name.clone(),
            issuer: issuer.to_owned(),
            changes,
            notes,
            fingerprint: hex::encode(&hash.finalize()[..8]),
            document: Secret::new(Value::Object(realm).to_string()),
            secrets,
        }
    }
}

/// A realm on its way from the export to the import.
struct Adapting {
    realm: Map<String, Value>,
    secrets: RealmSecrets,
    changes: Vec<String>,
    notes: Vec<String>,
}

impl Adapting {
    /// Sets the address in the realm's tokens.
    fn set_address(&mut self, address: &str) {
        let attributes = self.realm.entry("attributes").or_insert_with(|| json!({}));
        if !attributes.is_object() {
            *attributes = json!({});
        }
        if attributes["frontendUrl"] != address {
            attributes["frontendUrl"] = address.into();
            self.changes.push(format!("attributes.frontendUrl is {address}"));
        }
    }

    /// Drops the mail server and what sends mail by it: a lab writes to nobody, and its refusals would reach the real users.
    fn drop_mail(&mut self) {
        let log = json!(["jboss-logging"]);
        let has_server = self.realm.remove("smtpServer").is_some();
        // Without it, Keycloak's own default is the log.
        let listens = self.realm.get("eventsListeners").is_some_and(|listeners| *listeners != log);
        if listens {
            self.realm.insert("eventsListeners".to_owned(), log);
        }
        if has_server || listens {
            self.changes.push("smtpServer and eventsListeners are left out".to_owned());
        }
    }

    /// Drops every key: nobody else's API server may accept what a lab signs. Keycloak generates new ones for the same algorithms.
    fn drop_keys(&mut self) {
        let mut dropped = false;
        for name in ["privateKey", "publicKey", "certificate", "codeSecret"] {
            dropped |= self.realm.remove(name).is_some();
        }
        if let Some(Value::Array(providers)) = self.realm.get_mut("components").and_then(|components| components.get_mut(KEYS)) {
            dropped |= !providers.is_empty();
            providers.retain_mut(|provider| match provider["providerId"].as_str() {
                Some("rsa") => {
                    provider["providerId"] = "rsa-generated".into();
                    true
                }
                Some("rsa-enc") => {
                    provider["providerId"] = "rsa-enc-generated".into();
                    true
                }
                Some(id) => id.ends_with("-generated"),
                None => false,
            });
            for provider in providers {
                if let Some(config) = provider.get_mut("config").and_then(Value::as_object_mut) {
                    config.retain(|name, value| NO_KEY.contains(&name.as_str()) && !is_unknown(value));
                }
            }
        }
        if dropped {
            self.changes.push("its keys are generated anew".to_owned());
        }
    }

    /// Drops the connections to other user directories: a lab asks nobody's LDAP.
    fn drop_federation(&mut self) {
        let components = self.realm.get_mut("components").and_then(Value::as_object_mut);
        let listed = components.and_then(|components| components.remove(FEDERATION));
        let mut names: Vec<String> = Vec::new();
        for provider in listed.iter().flat_map(|listed| listed.as_array()).flatten() {
            names.push(provider["name"].as_str().unwrap_or("without a name").to_owned());
        }
        for (list, name) in [("userFederationProviders", "displayName"), ("userFederationMappers", "")] {
            for provider in self.realm.remove(list).iter().flat_map(|listed| listed.as_array()).flatten() {
                names.extend(provider.get(name).and_then(Value::as_str).map(str::to_owned));
            }
        }
        if !names.is_empty() {
            self.changes.push(format!("without the user federation {}", names.join(", ")));
            self.notes.push(format!(
                "users of {} are not there: a lab asks no other user directory (write those whom you try into the export)",
                names.join(", ")
            ));
        }
    }

    /// Gives each confidential client whose secret is unknown another, and lets those that people log in with take a password.
    fn complete_clients(&mut self, logins: &BTreeSet<Login>) {
        let mut masked = Vec::new();
        for client in list_mut(&mut self.realm, "clients") {
            let id = client["clientId"].as_str().unwrap_or_default().to_owned();
            if logins.iter().any(|login| login.client == id) {
                let kind = client["clientAuthenticatorType"].as_str().unwrap_or_default().to_owned();
                if WITH_KEY.contains(&kind.as_str()) {
                    client["clientAuthenticatorType"] = "client-secret".into();
                    self.changes.push(format!("the client {id} shows a secret in place of {kind}"));
                }
                if !flag(client, "directAccessGrantsEnabled") {
                    client["directAccessGrantsEnabled"] = true.into();
                    self.changes
                        .push(format!("the client {id} takes passwords: directAccessGrantsEnabled is true"));
                }
            }
            let secret = match client.get("secret") {
                _ if flag(client, "publicClient") => None,
                Some(Value::String(known)) if !known.is_empty() && !is_unknown(&client["secret"]) => Some(Secret::new(known.as_str())),
                // A client that only receives tokens has none.
                None if flag(client, "bearerOnly") => None,
                _ => {
                    let secret = new_secret();
                    client["secret"] = secret.expose().into();
                    masked.push(id.clone());
                    Some(secret)
                }
            };
            self.secrets.clients.insert(id, secret);
        }
        if !masked.is_empty() {
            self.changes.push(format!("new secrets for the clients {}", masked.join(", ")));
        }
    }

    /// Gives the users who log in a password that is known here.
    fn complete_users(&mut self, logins: &BTreeSet<Login>) {
        // Case does not count for Keycloak.
        let names: BTreeSet<String> = logins.iter().map(|login| login.user.to_lowercase()).collect();
        let mut given = Vec::new();
        for user in list_mut(&mut self.realm, "users") {
            if let Some(user) = user.as_object_mut() {
                // Keycloak drops users whose directory is gone.
                user.remove("federationLink");
            }
            let name = user["username"].as_str().unwrap_or_default().to_lowercase();
            if !names.contains(&name) {
                continue;
            }
            let known = user["credentials"].as_array().into_iter().flatten().find_map(|credential| {
                let value = &credential["value"];
                let is_password = credential["type"] == "password" && credential["temporary"] != true;
                value.as_str().filter(|_| is_password && !is_unknown(value)).map(Secret::new)
            });
            let secret = known.unwrap_or_else(|| {
                given.push(name.clone());
                // Most password policies want some of each kind of character.
                Secret::new(format!("Aa1!{}", new_secret().expose()))
            });
            // Second factors are in nobody's hands here.
            user["credentials"] = password(&secret);
            if let Some(actions) = user.get_mut("requiredActions").and_then(Value::as_array_mut) {
                actions.retain(|action| action != "UPDATE_PASSWORD");
            }
            self.secrets.passwords.insert(name, secret);
        }
        if !given.is_empty() {
            self.changes.push(format!("new passwords for the users {}", given.join(", ")));
        }
    }
}

/// Returns `true` for a value that the export does not have: it is masked, or comes from a variable when it is imported.
fn is_unknown(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASKED || text.contains("${"),
        Value::Array(list) => list.iter().any(is_unknown),
        _ => false,
    }
}

fn list_mut<'a>(document: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    document
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter(|value| value.is_object())
}
