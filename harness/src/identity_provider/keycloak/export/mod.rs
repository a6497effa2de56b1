//! Somebody's realm: its export, read from files, and what a lab's Keycloak imports of it.
//!
//! The main types are [`RealmExport`], the realm as it was exported, and [`RealmImport`], the same with the little that a lab has to change.

mod adapted;
mod mappers;
mod reading;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use adapted::{Login, RealmImport};
pub use mappers::Mapper;
pub use reading::read;

/// The realm that every Keycloak has of its own.
pub const MASTER: &str = "master";

/// The realm of an export (Keycloak's `RealmRepresentation`).
#[derive(Clone, Debug, PartialEq)]
pub struct RealmExport {
    /// The file, as shown to the user.
    pub file: String,
    /// The realm's name.
    pub name: String,
    document: Map<String, Value>,
}

impl RealmExport {
    /// Returns the names of its clients.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        texts(&self.document, "clients", "clientId")
    }

    /// Returns the names of its users, without those of service accounts.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        let people = list(&self.document, "users").filter(|user| user.get("serviceAccountClientId").is_none());
        people.filter_map(|user| user.get("username")?.as_str())
    }

    /// Returns `true` if it has the user `name`; case does not count for Keycloak.
    #[must_use]
    pub fn has_user(&self, name: &str) -> bool {
        self.users().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Returns the client `id`.
    fn client(&self, id: &str) -> Option<&Value> {
        list(&self.document, "clients").find(|client| client["clientId"] == id)
    }
}

/// Returns the objects of the list `name` of `document`.
fn list<'a>(document: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    document.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the text `name` of each object in the list `list_name` of `document`.
fn texts<'a>(document: &'a Map<String, Value>, list_name: &str, name: &'static str) -> impl Iterator<Item = &'a str> {
    list(document, list_name).filter_map(move |object| object.get(name)?.as_str())
}

/// Returns the boolean `name` of `object`; `false` if it has none.
fn flag(object: &Value, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}
