//! Why nobody can notice some changes. The main type is [`Reasons`].

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use crate::sabotage::SabotageError;

/// The lines of `fixtures/sabotaged_settings.toml` about settings, and those of `fixtures/surviving_mutations.toml` about single changes.
#[derive(Debug)]
pub struct Reasons {
    settings: BTreeMap<String, Value>,
    mutations: BTreeMap<String, String>,
}

/// The beginning of the name of all changes in one place.
const ALL: &str = "* of ";

/// `fixtures/surviving_mutations.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Survivors {
    survives: BTreeMap<String, String>,
}

impl Reasons {
    /// Reads both files, which are part of the program.
    ///
    /// # Errors
    /// One is damaged.
    pub fn read() -> Result<Self, SabotageError> {
        let settings = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sabotaged_settings.toml"));
        let survivors = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/surviving_mutations.toml"));
        let unreadable = |name: &'static str| {
            move |source| SabotageError::Unreadable {
                name: name.to_owned(),
                source: Box::new(source),
            }
        };
        let parts: toml::Table = toml::from_str(settings).map_err(unreadable("sabotaged_settings"))?;
        let survivors: Survivors = toml::from_str(survivors).map_err(unreadable("surviving_mutations"))?;
        let of_part = |(part, settings): (String, Value)| match settings {
            Value::Table(settings) => settings
                .into_iter()
                .map(|(name, about)| (format!("{part}.{name}"), about))
                .collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            settings: parts.into_iter().flat_map(of_part).collect(),
            mutations: survivors.survives,
        })
    }

    /// Returns whether the setting is listed. Objects are no setting of a server.
    #[must_use]
    pub fn knows(&self, setting: &str) -> bool {
        setting == "objects" || self.settings.contains_key(setting)
    }

    /// Returns whether the setting has no bearing on who somebody is or what they may do.
    #[must_use]
    pub fn has_no_bearing(&self, setting: &str) -> bool {
        self.settings.get(setting).is_some_and(|about| about.get("no_bearing").is_some())
    }

    /// Returns the reason why no scenario can notice the change named `name`, if one is written down for it, or for its whole place.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&str> {
        let place = name.split_once(" of ").and_then(|(_, rest)| rest.split_once(": "));
        let everywhere = place.and_then(|(place, _)| self.mutations.get(&format!("{ALL}{place}")));
        self.mutations.get(name).or(everywhere).map(String::as_str)
    }

    /// Returns the names of the changes, and of the places (`* of PLACE`), that have a reason.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.mutations.keys().map(String::as_str)
    }
}
