//! Changes of an AuthenticationConfiguration, most of them invalid: `fixtures/configuration_changes.toml`.
//!
//! The main type is [`ConfigurationChange`]. It creates the whole file, which is valid except for the change.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::authentication::issuer;
use super::{Behaviours, Minor, Placeholders, Setting, SettingError};
use crate::merge_patch::{merge, removal};

/// The piece of `fixtures/authentication/` that changes are laid over.
const SOUND: &str = "es256";

/// A change of an AuthenticationConfiguration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationChange {
    /// The text that completes the step "Dana replaces the configuration by one that …".
    name: String,
    /// The authenticators, each laid over a valid one.
    #[serde(default)]
    jwt: Vec<Map<String, Value>>,
    /// The fields to remove from the valid ones, with dots between a field and its subfield.
    #[serde(default)]
    without: Vec<String>,
    /// The pieces of `fixtures/authentication/` that are added as authenticators, unchanged.
    #[serde(default)]
    pieces: Vec<String>,
    /// The fields to lay over the whole configuration.
    #[serde(default)]
    top: Map<String, Value>,
}

impl ConfigurationChange {
    /// Returns the change named `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        all().iter().find(|change| change.name == name)
    }

    /// Returns the names of all changes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        all().iter().map(|change| change.name.as_str())
    }

    /// Returns `true` if it adds issuers as authenticators of their own, which an API server looks for before it accepts them.
    pub fn adds_issuers(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Returns the file that replaces the one of `setting`. No two are identical: an API server does not reload a file whose
    /// bytes it has just read.
    ///
    /// # Errors
    /// A fixture refers to something that does not exist.
    pub fn file(&self, setting: &Setting, version: Minor, placeholders: &Placeholders) -> Result<String, SettingError> {
        let mut jwt = Vec::new();
        for over in &self.jwt {
            let mut authenticator = issuer(SOUND, placeholders)?;
            for path in &self.without {
                merge(&mut authenticator, &removal(path));
            }
            merge(&mut authenticator, &placeholders.fill_json(over.clone().into())?);
            jwt.push(authenticator);
        }
        for piece in &self.pieces {
            jwt.push(issuer(piece, placeholders)?);
        }
        let mut file: Value = setting.beside_issuers(version).into();
        let api = Behaviours::known()
            .value("authentication_configuration", version)
            .unwrap_or_default();
        merge(
            &mut file,
            &serde_json::json!({ "apiVersion": api, "kind": "AuthenticationConfiguration", "jwt": jwt }),
        );
        merge(&mut file, &placeholders.fill_json(self.top.clone().into())?);
        Ok(format!("{file:#}\n{}\n", unique()))
    }
}

/// Returns a unique run of blanks: JSON may end with any white space.
fn unique() -> String {
    let number = rand::random::<u64>();
    (0..u64::BITS).map(|bit| if number >> bit & 1 == 1 { ' ' } else { '\t' }).collect()
}

fn all() -> &'static [ConfigurationChange] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        change: Vec<ConfigurationChange>,
    }
    static ALL: LazyLock<Vec<ConfigurationChange>> = LazyLock::new(|| {
        let text = include_str!("../../fixtures/configuration_changes.toml");
        let file: File = toml::from_str(text).expect("fixtures/configuration_changes.toml is read by a test");
        file.change
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_makes_a_file_on_every_version_and_has_a_name_of_its_own() {
        let setting = Setting::named("structured").expect("it is there");
        for change in all() {
            for minor in 30..=37 {
                let file = change
                    .file(&setting, Minor(minor), &Placeholders::example())
                    .expect("it can be made");
                serde_json::from_str::<Value>(&file).expect("it is JSON");
            }
            let same = all().iter().filter(|other| other.name == change.name).count();
            assert_eq!(same, 1, "{}", change.name);
        }
    }

    #[test]
    fn a_change_says_what_it_says_and_nothing_else() {
        let setting = Setting::named("structured").expect("it is there");
        let file = |name: &str| -> Value {
            let change = ConfigurationChange::named(name).expect("there is such a change");
            let text = change.file(&setting, Minor(37), &Placeholders::example()).expect("it can be made");
            serde_json::from_str(&text).expect("it is JSON")
        };
        let without = file("takes the user name from a claim without a prefix");
        assert_eq!(
            without["jwt"][0]["claimMappings"]["username"],
            serde_json::json!({ "claim": "username" })
        );
        assert_eq!(without["jwt"][0]["issuer"]["url"], "https://127.0.0.1:2/es256");
        assert_eq!(without["anonymous"]["enabled"], true);
        let twice = file("names an issuer twice");
        assert_eq!(twice["jwt"][0], twice["jwt"][1]);
    }
}
