//! The realms as data: the fixtures, completed with the cast and with generated secrets.
//!
//! The main type is [`Secrets`]: every client secret and password of a prepared Keycloak. The fixtures
//! contain none; [`realms`] generates them each time.

use std::collections::BTreeMap;

use rand::distributions::{Alphanumeric, DistString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{OTHER_REALM, REALM};
use crate::secret::Secret;

const FIXTURES: [(&str, &str); 2] = [
    (REALM, include_str!("../../../fixtures/keycloak/realm.json")),
    (OTHER_REALM, include_str!("../../../fixtures/keycloak/elsewhere.json")),
];
const CAST: &str = include_str!("../../../fixtures/cast.toml");

/// The secrets of a prepared Keycloak, by realm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secrets(pub BTreeMap<String, RealmSecrets>);

/// The secrets of one realm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RealmSecrets {
    /// Every client with its secret; `None` for a public one.
    pub clients: BTreeMap<String, Option<Secret>>,
    /// The passwords of its users.
    pub passwords: BTreeMap<String, Secret>,
}

/// A realm as Keycloak imports it, with its secrets.
pub(super) struct Import {
    pub name: String,
    pub document: Secret,
}

#[derive(Deserialize)]
struct Cast {
    person: Vec<Person>,
}

#[derive(Deserialize)]
struct Person {
    name: String,
    groups: Vec<String>,
    authenticates_by: Vec<String>,
}

/// A fixture that is not what this module expects.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// A realm is not valid JSON.
    #[error("the realm {realm} is not valid JSON")]
    Json {
        /// The realm.
        realm: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The cast is not valid TOML.
    #[error("the cast is invalid")]
    Cast(#[from] toml::de::Error),
    /// A realm lacks a list.
    #[error("the realm {realm} has no list {list}")]
    List {
        /// The realm.
        realm: String,
        /// The list.
        list: &'static str,
    },
}

/// Returns the inputs of the prepared database, apart from the secrets.
pub(super) fn fixtures() -> impl Iterator<Item = &'static str> {
    FIXTURES.iter().map(|(_, text)| *text).chain([CAST])
}

/// Generates a secret that nobody can guess: 32 letters and digits.
pub(super) fn new_secret() -> Secret {
    Secret::new(Alphanumeric.sample_string(&mut rand::thread_rng(), 32))
}

/// Returns the realms with the cast in them and with new secrets.
pub(super) fn realms() -> Result<(Vec<Import>, Secrets), RealmError> {
    let mut secrets = Secrets::default();
    let mut imports = Vec::new();
    for (name, text) in FIXTURES {
        let mut realm: Value = serde_json::from_str(text).map_err(|source| RealmError::Json {
            realm: name.to_owned(),
            source,
        })?;
        if name == REALM {
            add_cast(&mut realm)?;
        }
        secrets.0.insert(name.to_owned(), complete(name, &mut realm)?);
        imports.push(Import {
            name: name.to_owned(),
            document: Secret::new(realm.to_string()),
        });
    }
    Ok((imports, secrets))
}

/// Adds the members of the cast that log in at Keycloak as users, and their groups as realm roles.
fn add_cast(realm: &mut Value) -> Result<(), RealmError> {
    let people = toml::from_str::<Cast>(CAST)?.person;
    let people: Vec<Person> = people
        .into_iter()
        .filter(|person| person.authenticates_by.iter().any(|way| way == "keycloak"))
        .collect();
    let mut roles: Vec<&String> = people.iter().flat_map(|person| &person.groups).collect();
    roles.sort();
    roles.dedup();
    list(REALM, realm, "/roles/realm")?.extend(roles.into_iter().map(|role| json!({"name": role})));
    list(REALM, realm, "/users")?.extend(people.iter().map(|person| user(&person.name, &person.groups)));
    Ok(())
}

/// Returns a user as Keycloak imports it, complete, so that no required action stands between
/// the user and a token.
pub(super) fn user(name: &str, roles: &[String]) -> Value {
    json!({
        "username": name,
        "enabled": true,
        "email": format!("{name}@authlab.test"),
        "emailVerified": true,
        "firstName": name,
        "lastName": "Authlab",
        "realmRoles": roles,
    })
}

/// Returns `secret` as the password of a user.
pub(super) fn password(secret: &Secret) -> Value {
    json!([{"type": "password", "value": secret.expose(), "temporary": false}])
}

/// Gives every client that is not public a secret, and every user a password.
fn complete(name: &str, realm: &mut Value) -> Result<RealmSecrets, RealmError> {
    let mut secrets = RealmSecrets::default();
    for client in list(name, realm, "/clients")? {
        let id = client["clientId"].as_str().unwrap_or_default().to_owned();
        let public = client["publicClient"].as_bool().unwrap_or(false);
        let secret = (!public).then(new_secret);
        if let Some(secret) = &secret {
            client["secret"] = secret.expose().into();
        }
        secrets.clients.insert(id, secret);
    }
    for user in list(name, realm, "/users")? {
        if user.get("serviceAccountClientId").is_some() {
            continue;
        }
        let secret = new_secret();
        user["credentials"] = password(&secret);
        secrets
            .passwords
            .insert(user["username"].as_str().unwrap_or_default().to_owned(), secret);
    }
    Ok(secrets)
}

fn list<'a>(realm: &str, value: &'a mut Value, pointer: &'static str) -> Result<&'a mut Vec<Value>, RealmError> {
    value
        .pointer_mut(pointer)
        .and_then(Value::as_array_mut)
        .ok_or_else(|| RealmError::List {
            realm: realm.to_owned(),
            list: pointer,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixtures_hold_no_secret_and_every_import_has_new_ones() {
        for (name, text) in FIXTURES {
            for word in ["\"secret\"", "\"credentials\"", "PRIVATE KEY", "\"value\""] {
                assert!(!text.contains(word), "{name} holds {word}");
            }
        }
        let (imports, first) = realms().expect("the fixtures are sound");
        let (_, second) = realms().expect("the fixtures are sound");
        let secret = |secrets: &Secrets| secrets.0[REALM].clients["kubernetes"].clone().expect("a confidential client");
        assert_ne!(secret(&first).expose(), secret(&second).expose());
        assert!(first.0[REALM].clients["browser-login"].is_none(), "a public client has no secret");
        assert!(imports[0].document.expose().contains(secret(&first).expose()));
    }

    #[test]
    fn the_cast_is_in_the_realm_with_its_groups_as_roles() {
        let (imports, secrets) = realms().expect("the fixtures are sound");
        let realm: Value = serde_json::from_str(imports[0].document.expose()).expect("an import is JSON");
        let users = realm["users"].as_array().expect("a list");
        let alice = users
            .iter()
            .find(|user| user["username"] == "alice")
            .expect("alice logs in at Keycloak");
        assert_eq!(alice["realmRoles"], json!(["platform-team"]));
        assert_eq!(alice["credentials"][0]["value"], secrets.0[REALM].passwords["alice"].expose());
        assert!(
            !users.iter().any(|user| user["username"] == "deployer"),
            "a service account is not a user of Keycloak"
        );
        let roles: Vec<_> = realm["roles"]["realm"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|role| role["name"].clone())
            .collect();
        assert_eq!(roles, ["da-admins", "platform-team"]);
    }
}
