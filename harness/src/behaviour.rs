//! The catalogue of behaviours, `fixtures/behaviours.toml`: what the scenarios' tags refer to.
//!
//! The main type is [`Catalogue`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// One promise (or refusal) of the API server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// Whether the promise is that something is accepted, refused, or a state or side effect.
    pub kind: Kind,
    /// What is promised.
    pub behaviour: String,
    /// What can be observed.
    #[serde(default)]
    pub observable: String,
    /// Where that was read.
    pub source: String,
    /// In which versions it holds.
    pub versions: String,
    /// What real servers showed, where they disagree with what was read.
    #[serde(default)]
    pub seen: Option<String>,
}

/// What kind of promise it is.
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
    /// The catalogue that is compiled in.
    pub fn known() -> &'static Self {
        static KNOWN: LazyLock<Catalogue> = LazyLock::new(|| {
            toml::from_str(include_str!("../../fixtures/behaviours.toml")).expect("fixtures/behaviours.toml is read by a test")
        });
        &KNOWN
    }

    /// The ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The behaviour with the id `id`.
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
