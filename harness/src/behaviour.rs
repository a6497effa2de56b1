//! The catalogue of behaviours, `fixtures/behaviours.toml`, which the scenarios' tags refer to.
//!
//! The main type is [`Catalogue`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// One promise (or refusal) of the API server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// The kind of promise: something is accepted, something is refused, or a state or side effect.
    pub kind: Kind,
    /// The promise.
    pub behaviour: String,
    /// The observable effect.
    #[serde(default)]
    pub observable: String,
    /// The source of the promise.
    pub source: String,
    /// The versions in which it holds.
    pub versions: String,
    /// The behaviour of real servers, where it differs from the source.
    #[serde(default)]
    pub seen: Option<String>,
}

/// The kind of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something is accepted.
    Accepted,
    /// Something is refused.
    Refused,
    /// A state or a side effect.
    State,
}

/// All behaviours, by id.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Catalogue(BTreeMap<String, Behaviour>);

impl Catalogue {
    /// Returns the catalogue that is compiled in.
    pub fn known() -> &'static Self {
        static KNOWN: LazyLock<Catalogue> = LazyLock::new(|| {
            toml::from_str(include_str!("../fixtures/behaviours.toml")).expect("fixtures/behaviours.toml is read by a test")
        });
        &KNOWN
    }

    /// Returns the ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the behaviour with the id `id`.
    pub fn behaviour(&self, id: &str) -> Option<&Behaviour> {
        self.0.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_can_be_read() {
        let expired = Catalogue::known().behaviour("X4").expect("it is in the catalogue");
        assert_eq!(expired.kind, Kind::Refused);
        assert!(Catalogue::known().ids().count() >= 247);
    }
}
