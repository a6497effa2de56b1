//! API server settings: `fixtures/api_servers/`, a file each.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Table;

use super::authentication::tables;
use super::{Behaviours, Given, Minor, Placeholders};
use crate::secret::Secret;
use crate::template::{UnknownPlaceholder, fill};

static SETTINGS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/api_servers");

/// Flags that take several values, separated by commas.
const MANY: &[&str] = &["feature-gates", "runtime-config"];

/// The flags and files that one API server is started with, in addition to the common ones.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// A one-line description.
    pub described_as: String,
    /// The program that it is an instance of.
    #[serde(default)]
    pub program: Program,
    /// `true` if an external signer signs its service accounts' tokens (KEP-740). The signer runs beside it, and ends with it.
    #[serde(default)]
    pub external_signer: bool,
    /// `true` if the server has a CA of clients and a key of service accounts of its own, so that it accepts no credential of the lab.
    #[serde(default)]
    pub own_authorities: bool,
    /// The pieces of `fixtures/authentication/` that make up its AuthenticationConfiguration; if empty, there is no such file.
    #[serde(default)]
    pub authentication: Vec<String>,
    /// `true` if its AuthenticationConfiguration has the entries of `fixtures/token_shapes/`, too ([`ShapedIssuer`](crate::token_shape::ShapedIssuer)).
    #[serde(default)]
    pub token_shapes: bool,
    /// Further pieces for versions that have a feature, by the feature's name.
    #[serde(default)]
    authentication_with: BTreeMap<String, Vec<String>>,
    /// Further fields of its AuthenticationConfiguration, for versions that have a feature, by the feature's name.
    #[serde(default)]
    configuration_with: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    flags: BTreeMap<String, String>,
    /// Flags for versions that have a feature, by the feature's name.
    #[serde(default)]
    flags_with: BTreeMap<String, BTreeMap<String, String>>,
    /// Files, by the flag that names them.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// The flags and files of somebody else's API server, in which nothing is filled in.
    #[serde(skip)]
    pub(super) given: Option<Given>,
}

/// A program that serves an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// kube-apiserver.
    #[default]
    KubeApiserver,
    /// `fixtures/control_plane/aggregated_api.go`: an API server behind kube-apiserver.
    AggregatedApi,
}

/// An error in a setting.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// No setting has this name.
    #[error("no API server setting is named '{name}' (known: {})", known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The existing names.
        known: Vec<String>,
    },
    /// A fixture is not in the expected form.
    #[error("cannot read the fixture '{name}'")]
    Unreadable {
        /// The fixture's name.
        name: String,
        /// The cause.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The setting has no file of this flag.
    #[error("the API server setting '{setting}' has no file for --{flag}")]
    NoFile {
        /// The setting's name.
        setting: String,
        /// The flag.
        flag: String,
    },
    /// A file lacks a text that is to be replaced.
    #[error("the file for --{flag} of the API server setting '{setting}' lacks the text to replace: {text}")]
    NoText {
        /// The setting's name.
        setting: String,
        /// The flag that names the file.
        flag: String,
        /// The text.
        text: String,
    },
    /// A text uses a placeholder that the lab does not have.
    #[error(transparent)]
    Placeholder(#[from] UnknownPlaceholder),
}

impl Setting {
    /// Returns the setting named `name`.
    ///
    /// # Errors
    /// No setting has that name, or its file is damaged.
    pub fn named(name: &str) -> Result<Self, SettingError> {
        let file = SETTINGS.get_file(format!("{name}.toml")).ok_or_else(|| SettingError::Unknown {
            name: name.to_owned(),
            known: Self::names(),
        })?;
        let text = file.contents_utf8().unwrap_or_default();
        let mut setting: Self = toml::from_str(text).map_err(|source| SettingError::Unreadable {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        name.clone_into(&mut setting.name);
        Ok(setting)
    }

    /// Returns the setting of an API server named `name` that is started with `given` alone.
    #[must_use]
    pub fn given(name: &str, given: Given) -> Self {
        Self {
            name: name.to_owned(),
            described_as: "the configuration that was given".to_owned(),
            program: Program::default(),
            external_signer: false,
            own_authorities: false,
            authentication: Vec::new(),
            token_shapes: false,
            authentication_with: BTreeMap::new(),
            configuration_with: BTreeMap::new(),
            flags: BTreeMap::new(),
            flags_with: BTreeMap::new(),
            files: BTreeMap::new(),
            given: Some(given),
        }
    }

    /// Returns the names of all settings.
    pub fn names() -> Vec<String> {
        SETTINGS
            .files()
            .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
            .collect()
    }

    /// Returns the settings as they are written, with their placeholders, each with its name.
    pub fn fixtures() -> impl Iterator<Item = (&'static str, Table)> {
        tables(&SETTINGS)
    }

    /// Returns the same in a lab with `places`, for a setting that was given.
    pub(super) fn placed(&self, places: &Placeholders) -> Self {
        Self {
            given: self.given.as_ref().map(|given| given.placed(places)),
            ..self.clone()
        }
    }

    /// Returns the pieces of its AuthenticationConfiguration for `version`, in order.
    pub(super) fn pieces(&self, version: Minor) -> impl Iterator<Item = &str> {
        let further = held(&self.authentication_with, version).flatten();
        self.authentication.iter().chain(further).map(String::as_str)
    }

    /// Returns the fields of its AuthenticationConfiguration beside the issuers, for `version`.
    pub(super) fn beside_issuers(&self, version: Minor) -> Map<String, Value> {
        held(&self.configuration_with, version)
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Returns whether it has the flag `name`, or a file that this flag names.
    pub(super) fn has_flag(&self, name: &str) -> bool {
        let given = self.given.as_ref().is_some_and(|given| given.names(name));
        given || self.flags.contains_key(name) || self.files.contains_key(name)
    }

    /// Returns the file that the flag `flag` names, with its placeholders.
    pub(super) fn file(&self, flag: &str) -> Result<&str, SettingError> {
        self.files.get(flag).map(String::as_str).ok_or_else(|| SettingError::NoFile {
            setting: self.name.clone(),
            flag: flag.to_owned(),
        })
    }

    /// Lets the flag `flag` name a file with the content `text`.
    pub(super) fn set_file(&mut self, flag: &str, text: String) {
        self.files.insert(flag.to_owned(), text);
    }

    /// Returns its flags for `version`, `--NAME=VALUE`, in alphabetical order.
    ///
    /// # Errors
    /// A flag uses a placeholder that the lab does not have.
    pub fn flags(&self, version: Minor, placeholders: &Placeholders) -> Result<Vec<String>, SettingError> {
        let mut flags: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in self.flags.iter().chain(held(&self.flags_with, version).flatten()) {
            let flag = flags.entry(name).or_default();
            // Each feature adds its values to a flag that takes several.
            *flag = match flag.as_str() {
                before if MANY.contains(&name.as_str()) && !before.is_empty() => format!("{before},{value}"),
                _ => value.clone(),
            };
        }
        let own = self.given.iter().flat_map(|given| &given.flags);
        flags
            .into_iter()
            .map(|(name, value)| Ok(format!("--{name}={}", fill(&value, |name| placeholders.value(name))?)))
            .chain(own.map(|(name, value)| Ok(format!("--{name}={value}"))))
            .collect()
    }

    /// Returns its files: the flag that names each, and the content. `{secret:NAME}` stands for a secret of the lab's own
    /// ([`Authorities::secret`](super::Authorities::secret)), which `secret` returns.
    ///
    /// # Errors
    /// A file uses a placeholder or a secret that the lab does not have.
    pub fn files<E: From<SettingError>>(
        &self,
        placeholders: &Placeholders,
        secret: impl Fn(&str) -> Result<Secret, E>,
    ) -> Result<Vec<(String, Secret)>, E> {
        let filled = |(flag, text): (&String, &String)| {
            let mut unknown = None;
            let content = fill(text, |name| match name.strip_prefix("secret:") {
                Some(name) => match secret(name) {
                    Ok(secret) => Some(secret.expose().to_owned()),
                    Err(error) => {
                        unknown = Some(error);
                        None
                    }
                },
                None => placeholders.value(name),
            });
            match (content, unknown) {
                (_, Some(error)) => Err(error),
                (content, None) => Ok((flag.clone(), Secret::new(content.map_err(SettingError::from)?))),
            }
        };
        let own = self.given.iter().flat_map(|given| given.files.iter().cloned().map(Ok));
        self.files.iter().map(filled).chain(own).collect()
    }
}

/// Returns the values in `all` that apply to `version`: one for each feature that it has.
fn held<T>(all: &BTreeMap<String, T>, version: Minor) -> impl Iterator<Item = &T> {
    let has = move |feature: &str| Behaviours::known().has(feature, version);
    all.iter().filter(move |(feature, _)| has(feature)).map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_sound_on_every_version() {
        let placeholders = Placeholders::example();
        for name in Setting::names() {
            let setting = Setting::named(&name).expect("it can be read");
            let secret = |name: &str| Ok::<_, SettingError>(Secret::new(name));
            let files = setting.files(&placeholders, secret).expect("its files can be filled in");
            assert!(files.iter().all(|(_, content)| !content.expose().contains("{secret")));
            for minor in 30..=37 {
                setting.flags(Minor(minor), &placeholders).expect("its flags can be filled in");
                super::super::authentication::configuration(&setting, Minor(minor), &placeholders).expect("so can its files");
            }
        }
    }

    #[test]
    fn features_share_a_flag_that_takes_many() {
        let variant = Setting::named("variant").expect("it can be read");
        let flags = variant.flags(Minor(37), &Placeholders::example()).expect("they can be filled in");
        let gates: Vec<_> = flags.iter().filter(|flag| flag.starts_with("--feature-gates=")).collect();
        assert!(matches!(&gates[..], [all] if all.contains("=false,")), "{gates:?}");
    }

    #[test]
    fn a_server_that_allows_everything_accepts_no_credential_of_the_lab() {
        let open = Setting::names().into_iter().filter(|name| {
            let setting = Setting::named(name).expect("it can be read");
            let flags = setting.flags(Minor(37), &Placeholders::example()).expect("they can be filled in");
            flags
                .iter()
                .any(|flag| flag.starts_with("--authorization-mode=") && flag.contains("AlwaysAllow"))
        });
        let open: Vec<Setting> = open.map(|name| Setting::named(&name).expect("it can be read")).collect();
        assert!(!open.is_empty() && open.iter().all(|setting| setting.own_authorities), "{open:?}");
    }

    #[test]
    fn the_main_setting_needs_no_files() {
        // Distributions are given its flags only (`Provisions`).
        assert!(Setting::named(super::super::MAIN).expect("it can be read").files.is_empty());
    }

    #[test]
    fn an_unknown_setting_names_those_there_are() {
        let error = Setting::named("no_such").expect_err("there is none");
        assert!(error.to_string().contains("oidc_flags"), "{error}");
    }
}
