//! Labs with one deliberate fault, `fixtures/sabotage/`, a file each: the change, and the behaviours whose scenarios
//! must fail because of it.
//!
//! The main type is [`Sabotage`]. Code that starts a server, or reads its output, asks it for the changes; [`verdict`] decides whether the
//! scenarios noticed.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::merge_patch::{merge, removal};
use crate::template::{UnknownPlaceholder, fill, fill_json};

mod distortion;
mod verdict;

pub use distortion::{Distortion, StandIn};
pub use verdict::{Verdict, verdict};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/sabotage");

/// One deliberate fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sabotage {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// A description in one line.
    pub described_as: String,
    /// The behaviours that must notice: a scenario of each has to fail.
    pub notices: Vec<String>,
    /// Other scenarios that may fail, by behaviour, tag (`@requires:issuer`), text of a step
    /// (`says refused`) or beginning of the identity (`auth_proxy/callers`). Scenarios
    /// that quote a distorted reason may fail, too. Any other failure is an error.
    #[serde(default)]
    pub may_notice: Vec<String>,
    /// The features of Kubernetes (`fixtures/kubernetes.toml`) without which there is nothing to sabotage.
    #[serde(default)]
    pub requires: Vec<String>,
    /// A tag expression that limits the scenarios to run, where all of them would take minutes.
    #[serde(default)]
    pub among: Option<String>,
    /// The changes to API servers.
    #[serde(default)]
    pub api_server: Vec<ApiServerChange>,
    /// The changes to pieces of `fixtures/authentication/`.
    #[serde(default)]
    pub authentication: Vec<AuthenticationChange>,
    /// The changes to kube-controller-manager.
    #[serde(default)]
    pub controllers: ControllersChange,
    /// Additional objects in the cluster.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// The mappers that Keycloak's realm lacks.
    #[serde(default)]
    pub keycloak: Vec<MissingMapper>,
    /// `true` if users' certificates are issued by a CA that no server knows.
    #[serde(default)]
    pub strangers_certificates: bool,
    /// The distortions of responses and logs on their way to their readers.
    #[serde(default)]
    pub distortion: Distortion,
}

/// Changes to the flags of API servers, selected by the name of their setting.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiServerChange {
    /// The settings that are changed; if empty, all.
    #[serde(default)]
    settings: Vec<String>,
    /// Flags that get another value, or are added. `{pki}` is the directory of the lab's CAs.
    #[serde(default)]
    flags: BTreeMap<String, String>,
    /// Flags that are removed.
    #[serde(default)]
    without: Vec<String>,
    /// Flags that are given once more, beside their own value.
    #[serde(default)]
    added: BTreeMap<String, String>,
    /// Files of the lab's CAs and keys whose content is added to the file that a flag names.
    #[serde(default)]
    joined: BTreeMap<String, Vec<String>>,
    /// Flags that get the file of another setting, by the setting's name.
    #[serde(default)]
    borrowed: BTreeMap<String, String>,
    /// Texts that are replaced in the file that a flag names.
    #[serde(default)]
    replaced: Vec<Replacement>,
    /// Further pieces of `fixtures/authentication/`.
    #[serde(default)]
    pieces: Vec<String>,
    /// Fields of the AuthenticationConfiguration beside the issuers that get another value.
    #[serde(default)]
    configuration: Map<String, Value>,
}

/// A text that is replaced in a file of an API server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The flag that names the file.
    pub file: String,
    /// The text, which the file has.
    pub text: String,
    /// The replacement.
    pub with: String,
}

/// Changes to a piece of an AuthenticationConfiguration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthenticationChange {
    /// The name of the piece.
    piece: String,
    /// Fields that are removed, such as `claimMappings.groups`.
    #[serde(default)]
    without: Vec<String>,
    /// Fields that get another value. `{stranger}` is the certificate of a CA that signed nothing in the lab.
    #[serde(default)]
    with: Map<String, Value>,
}

/// Changes to kube-controller-manager.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllersChange {
    /// Controllers that do not run.
    #[serde(default)]
    missing: Vec<String>,
    /// Flags that get another value, or are added.
    #[serde(default)]
    flags: BTreeMap<String, String>,
}

/// An object and the path that it is posted to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The path of its collection.
    pub path: String,
    /// The object.
    pub content: Value,
}

/// A protocol mapper that is removed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingMapper {
    /// The client that the mapper belongs to.
    pub client: String,
    /// The mapper's name.
    pub mapper: String,
}

/// An error of a requested sabotage.
#[derive(Debug, thiserror::Error)]
pub enum SabotageError {
    /// There is no such file.
    #[error("no sabotage is named '{name}' (known: {})", known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A file cannot be parsed.
    #[error("cannot read the sabotage '{name}'")]
    Unreadable {
        /// The sabotage's name.
        name: String,
        /// The cause.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file names no behaviour that must notice.
    #[error("the sabotage '{name}' names no behaviour that must notice it")]
    Unnoticed {
        /// The sabotage's name.
        name: String,
    },
}

impl Sabotage {
    /// Returns the names of all sabotages, in order.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = FILES
            .files()
            .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Returns the sabotage called `name`.
    ///
    /// # Errors
    /// Fails if no sabotage has that name, or if its file is damaged.
    pub fn named(name: &str) -> Result<Self, SabotageError> {
        let file = FILES.get_file(format!("{name}.toml")).ok_or_else(|| SabotageError::Unknown {
            name: name.to_owned(),
            known: Self::names(),
        })?;
        Self::read(name, file.contents_utf8().unwrap_or_default())
    }

    /// Parses the `text` of a file.
    ///
    /// # Errors
    /// Fails if the text is damaged, or if no behaviour has to notice.
    pub fn read(name: &str, text: &str) -> Result<Self, SabotageError> {
        let mut read: Self = toml::from_str(text).map_err(|source| SabotageError::Unreadable {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        if read.notices.is_empty() {
            return Err(SabotageError::Unnoticed { name: name.to_owned() });
        }
        name.clone_into(&mut read.name);
        Ok(read)
    }

    /// Returns the `change`, in the form of a file, of which nobody has said who must notice.
    ///
    /// # Errors
    /// The change is damaged.
    pub fn unforeseen(name: &str, mut change: toml::Table) -> Result<Self, SabotageError> {
        change.insert("described_as".to_owned(), name.into());
        change.insert("notices".to_owned(), toml::Value::Array(Vec::new()));
        let mut read: Self = change.try_into().map_err(|source| SabotageError::Unreadable {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        name.clone_into(&mut read.name);
        Ok(read)
    }

    /// Returns the API server settings that it names.
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        self.api_server.iter().flat_map(|change| &change.settings).map(String::as_str)
    }

    /// Returns the pieces of AuthenticationConfigurations that it names.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let further = self.api_server.iter().flat_map(|change| &change.pieces);
        let changed = self.authentication.iter().map(|change| &change.piece);
        changed.chain(further).map(String::as_str)
    }

    /// Changes the flags (`--NAME=VALUE`) of the API server with the setting `setting`; `pki` is the directory of CAs.
    ///
    /// # Errors
    /// A flag has an unknown placeholder.
    pub fn change_api_server(&self, setting: &str, arguments: &mut Vec<String>, pki: &str) -> Result<(), UnknownPlaceholder> {
        for change in self.of_setting(setting) {
            for name in &change.without {
                arguments.retain(|argument| !is_flag(argument, name));
            }
            change_flags(arguments, &change.flags, pki)?;
            for (name, value) in &change.added {
                arguments.push(flag(name, value, pki)?);
            }
        }
        Ok(())
    }

    /// Returns the changes to the API server with the setting `setting`.
    fn of_setting<'a>(&'a self, setting: &'a str) -> impl Iterator<Item = &'a ApiServerChange> {
        let meant = move |change: &&ApiServerChange| change.settings.is_empty() || change.settings.iter().any(|name| name == setting);
        self.api_server.iter().filter(meant)
    }

    /// Returns the files of the lab's CAs and keys whose content is added to the file that a flag names, each with the flag.
    pub fn joined<'a>(&'a self, setting: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let joined = self.of_setting(setting).flat_map(|change| &change.joined);
        joined.flat_map(|(flag, files)| files.iter().map(|file| (flag.as_str(), file.as_str())))
    }

    /// Returns the flags that get the file of another setting, each with the name of that setting.
    pub fn borrowed<'a>(&'a self, setting: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let borrowed = self.of_setting(setting).flat_map(|change| &change.borrowed);
        borrowed.map(|(flag, other)| (flag.as_str(), other.as_str()))
    }

    /// Returns the texts that are replaced in files.
    pub fn replaced<'a>(&'a self, setting: &'a str) -> impl Iterator<Item = &'a Replacement> {
        self.of_setting(setting).flat_map(|change| &change.replaced)
    }

    /// Returns the further pieces of an AuthenticationConfiguration.
    pub fn further_pieces<'a>(&'a self, setting: &'a str) -> impl Iterator<Item = &'a str> {
        self.of_setting(setting).flat_map(|change| &change.pieces).map(String::as_str)
    }

    /// Changes the fields of an AuthenticationConfiguration beside the issuers.
    pub fn change_configuration(&self, setting: &str, configuration: &mut Value) {
        for change in self.of_setting(setting) {
            merge(configuration, &change.configuration.clone().into());
        }
    }

    /// Changes the flags of kube-controller-manager.
    ///
    /// # Errors
    /// A flag has an unknown placeholder.
    pub fn change_controllers(&self, arguments: &mut Vec<String>, pki: &str) -> Result<(), UnknownPlaceholder> {
        for argument in arguments.iter_mut().filter(|argument| is_flag(argument, "controllers")) {
            let (name, controllers) = argument.split_once('=').unwrap_or((argument, ""));
            let left = controllers
                .split(',')
                .filter(|controller| !self.controllers.missing.iter().any(|missing| missing == controller));
            *argument = format!("{name}={}", left.collect::<Vec<_>>().join(","));
        }
        change_flags(arguments, &self.controllers.flags, pki)
    }

    /// Changes an AuthenticationConfiguration that was put together from `pieces`, in their order.
    ///
    /// # Errors
    /// A field has an unknown placeholder.
    pub fn change_authentication<'a>(
        &self,
        pieces: impl Iterator<Item = &'a str>,
        configuration: &mut Value,
        stranger: &str,
    ) -> Result<(), UnknownPlaceholder> {
        let Some(issuers) = configuration.get_mut("jwt").and_then(Value::as_array_mut) else {
            return Ok(());
        };
        for (piece, issuer) in pieces.zip(issuers) {
            for change in self.authentication.iter().filter(|change| change.piece == piece) {
                for field in &change.without {
                    merge(issuer, &removal(field));
                }
                let value = |name: &str| (name == "stranger").then(|| stranger.to_owned());
                merge(issuer, &fill_json(change.with.clone().into(), &value)?);
            }
        }
        Ok(())
    }
}

fn is_flag(argument: &str, name: &str) -> bool {
    argument.strip_prefix("--").is_some_and(|flag| flag.split('=').next() == Some(name))
}

fn change_flags(arguments: &mut Vec<String>, flags: &BTreeMap<String, String>, pki: &str) -> Result<(), UnknownPlaceholder> {
    for (name, value) in flags {
        arguments.retain(|argument| !is_flag(argument, name));
        arguments.push(flag(name, value, pki)?);
    }
    Ok(())
}

fn flag(name: &str, value: &str, pki: &str) -> Result<String, UnknownPlaceholder> {
    let value = fill(value, |name| (name == "pki").then(|| pki.to_owned()))?;
    Ok(format!("--{name}={value}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_file_can_be_read() {
        assert!(Sabotage::names().len() >= 20);
        for name in Sabotage::names() {
            let sabotage = Sabotage::named(&name).expect("it is sound");
            assert!(sabotage.distortion.is_sound(), "{name}: a pattern is not a regular expression");
        }
        let error = Sabotage::named("no_such").expect_err("there is none").to_string();
        assert!(error.contains("groups_dropped"), "{error}");
    }

    #[test]
    fn what_is_misspelled_is_refused() {
        for text in [
            "described_as = 'x'\nnotices = ['X1']\nnotice = []",
            "described_as = 'x'\nnotices = ['X1']\n[[distortion.log]]\npatern = 'x'",
            "described_as = 'x'\nnotices = []",
            "described_as = 'x'",
        ] {
            Sabotage::read("wrong", text).expect_err(text);
        }
    }

    #[test]
    fn flags_are_changed_for_the_settings_meant() {
        let sabotage = Sabotage::read(
            "toy",
            "described_as = 'x'\nnotices = ['X1']\n[[api_server]]\nsettings = ['main']\nwithout = ['gone']\nflags = { a = '{pki}/b', new = 'n' }\n[controllers]\nmissing = ['two']",
        )
        .expect("it is sound");
        let given = || ["--a=1", "--ab=2", "--gone", "--gone-not=3"].map(str::to_owned).to_vec();
        let mut arguments = given();
        sabotage
            .change_api_server("main", &mut arguments, "PKI")
            .expect("known placeholders");
        assert_eq!(arguments, ["--ab=2", "--gone-not=3", "--a=PKI/b", "--new=n"]);
        let mut arguments = given();
        sabotage
            .change_api_server("other", &mut arguments, "PKI")
            .expect("known placeholders");
        assert_eq!(arguments, given());
        let mut arguments = vec!["--controllers=one,two,three".to_owned()];
        sabotage.change_controllers(&mut arguments, "PKI").expect("known placeholders");
        assert_eq!(arguments, ["--controllers=one,three"]);
    }

    #[test]
    fn pieces_of_a_configuration_are_changed_field_by_field() {
        let sabotage = Sabotage::read(
            "toy",
            "described_as = 'x'\nnotices = ['X1']\n[[authentication]]\npiece = 'two'\nwithout = ['a.b']\nwith.a.d = 'new'\nwith.ca = '{stranger}'",
        )
        .expect("it is sound");
        let piece = json!({ "a": { "b": 1, "c": 2 } });
        let mut configuration = json!({ "jwt": [piece, piece] });
        let pieces = ["one", "two"].into_iter();
        sabotage
            .change_authentication(pieces, &mut configuration, "PEM")
            .expect("known placeholders");
        assert_eq!(
            configuration,
            json!({ "jwt": [piece, { "a": { "c": 2, "d": "new" }, "ca": "PEM" }] })
        );
    }
}
