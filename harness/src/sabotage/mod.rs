//! Labs in which one thing is wrong on purpose, `fixtures/sabotage/`, a file each: what is changed, and which behaviours' scenarios
//! must turn red for it.
//!
//! The main type is [`Sabotage`]. Whoever starts a server, or reads what it says, asks it what to change; [`verdict`] says whether the
//! scenarios noticed.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::{Map, Value};

mod distortion;
mod verdict;

pub use distortion::{Distortion, StandIn};
pub use verdict::{Verdict, verdict};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/sabotage");

/// One thing that is wrong on purpose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sabotage {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// One line for a person.
    pub described_as: String,
    /// The behaviours that must notice: of each, a scenario has to turn red.
    pub notices: Vec<String>,
    /// Whose scenarios may turn red besides: behaviours, tags (`@requires:issuer`), what a step
    /// says (`says refused`), or how identities begin (`auth_proxy/callers`);
    /// and who quotes a reason that is distorted. Any other is an error.
    #[serde(default)]
    pub may_notice: Vec<String>,
    /// The features of Kubernetes (`fixtures/kubernetes.toml`) without which there is nothing to sabotage.
    #[serde(default)]
    pub requires: Vec<String>,
    /// An expression over tags: only these scenarios are carried out, where all of them would take minutes.
    #[serde(default)]
    pub among: Option<String>,
    /// What is changed about API servers.
    #[serde(default)]
    pub api_server: Vec<ApiServerChange>,
    /// What is changed about pieces of `fixtures/authentication/`.
    #[serde(default)]
    pub authentication: Vec<AuthenticationChange>,
    /// What is changed about kube-controller-manager.
    #[serde(default)]
    pub controllers: ControllersChange,
    /// Objects that the cluster has besides.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// What Keycloak's realm lacks.
    #[serde(default)]
    pub keycloak: Vec<MissingMapper>,
    /// People's certificates are issued by an authority that no server knows.
    #[serde(default)]
    pub strangers_certificates: bool,
    /// What is wrong with answers and records on their way to who reads them.
    #[serde(default)]
    pub distortion: Distortion,
}

/// Flags of the API server, by the name of the setting.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiServerChange {
    /// The settings meant; all, when none is named.
    #[serde(default)]
    settings: Vec<String>,
    /// Flags that have another value, or are added. `{pki}` is the directory of the lab's authorities.
    #[serde(default)]
    flags: BTreeMap<String, String>,
    /// Flags that are left out.
    #[serde(default)]
    without: Vec<String>,
}

/// A piece of an AuthenticationConfiguration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthenticationChange {
    /// The name of the piece.
    piece: String,
    /// Fields that are left out, `claimMappings.groups`.
    #[serde(default)]
    without: Vec<String>,
    /// Fields that have another value. `{stranger}` is the certificate of an authority that signed nothing of the lab.
    #[serde(default)]
    with: Value,
}

/// kube-controller-manager.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllersChange {
    /// Controllers that do not run.
    #[serde(default)]
    missing: Vec<String>,
    /// Flags that have another value, or are added.
    #[serde(default)]
    flags: BTreeMap<String, String>,
}

/// An object, and where it is posted to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The path of its collection.
    pub path: String,
    /// The object.
    pub content: Value,
}

/// A protocol mapper that is gone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingMapper {
    /// The client that had it.
    pub client: String,
    /// Its name.
    pub mapper: String,
}

/// What can be wrong with what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SabotageError {
    /// There is no such file.
    #[error("no sabotage is called '{name}'; there are: {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A file does not say what it should.
    #[error("the sabotage '{name}' cannot be read")]
    Unreadable {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Nobody has to notice it.
    #[error("the sabotage '{name}' says of no behaviour that it must notice")]
    Unnoticed {
        /// Its name.
        name: String,
    },
}

impl Sabotage {
    /// The names of all, in order.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = FILES
            .files()
            .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// There is none of that name, or its file is damaged.
    pub fn named(name: &str) -> Result<Self, SabotageError> {
        let file = FILES.get_file(format!("{name}.toml")).ok_or_else(|| SabotageError::Unknown {
            name: name.to_owned(),
            known: Self::names(),
        })?;
        Self::read(name, file.contents_utf8().unwrap_or_default())
    }

    /// Reads what a file says.
    ///
    /// # Errors
    /// It is damaged, or nobody has to notice.
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

    /// The API server settings that it names.
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        self.api_server.iter().flat_map(|change| &change.settings).map(String::as_str)
    }

    /// The pieces of AuthenticationConfigurations that it names.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.authentication.iter().map(|change| change.piece.as_str())
    }

    /// Changes the flags (`--NAME=VALUE`) of the API server with the setting `setting`; `pki` is the directory of authorities.
    pub fn change_api_server(&self, setting: &str, arguments: &mut Vec<String>, pki: &str) {
        let meant = |change: &&ApiServerChange| change.settings.is_empty() || change.settings.iter().any(|name| name == setting);
        for change in self.api_server.iter().filter(meant) {
            for name in &change.without {
                arguments.retain(|argument| !is_flag(argument, name));
            }
            change_flags(arguments, &change.flags, pki);
        }
    }

    /// Changes the flags of kube-controller-manager.
    pub fn change_controllers(&self, arguments: &mut Vec<String>, pki: &str) {
        for argument in arguments.iter_mut().filter(|argument| is_flag(argument, "controllers")) {
            let (name, controllers) = argument.split_once('=').unwrap_or((argument, ""));
            let left = controllers
                .split(',')
                .filter(|controller| !self.controllers.missing.iter().any(|missing| missing == controller));
            *argument = format!("{name}={}", left.collect::<Vec<_>>().join(","));
        }
        change_flags(arguments, &self.controllers.flags, pki);
    }

    /// Changes an AuthenticationConfiguration that was put together from `pieces`, in their order.
    pub fn change_authentication<'a>(&self, pieces: impl Iterator<Item = &'a str>, configuration: &mut Value, stranger: &str) {
        let Some(issuers) = configuration.get_mut("jwt").and_then(Value::as_array_mut) else {
            return;
        };
        for (piece, issuer) in pieces.zip(issuers) {
            for change in self.authentication.iter().filter(|change| change.piece == piece) {
                for field in &change.without {
                    remove(issuer, field);
                }
                merge(issuer, &change.with, stranger);
            }
        }
    }
}

fn is_flag(argument: &str, name: &str) -> bool {
    argument.strip_prefix("--").is_some_and(|flag| flag.split('=').next() == Some(name))
}

fn change_flags(arguments: &mut Vec<String>, flags: &BTreeMap<String, String>, pki: &str) {
    for (name, value) in flags {
        arguments.retain(|argument| !is_flag(argument, name));
        arguments.push(format!("--{name}={}", value.replace("{pki}", pki)));
    }
}

fn remove(value: &mut Value, field: &str) {
    let (parent, last) = field.rsplit_once('.').unwrap_or(("", field));
    let pointer: String = parent
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| format!("/{part}"))
        .collect();
    if let Some(fields) = value.pointer_mut(&pointer).and_then(Value::as_object_mut) {
        fields.remove(last);
    }
}

/// Puts what `change` says into `value`, field by field (RFC 7396 without its null).
fn merge(value: &mut Value, change: &Value, stranger: &str) {
    match change {
        Value::Null => {}
        Value::Object(fields) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            for (name, field) in fields {
                merge(&mut value[name], field, stranger);
            }
        }
        Value::String(text) => *value = text.replace("{stranger}", stranger).into(),
        other => value.clone_from(other),
    }
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
            assert!(sabotage.distortion.is_sound(), "{name}: a pattern is no regular expression");
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
        sabotage.change_api_server("main", &mut arguments, "PKI");
        assert_eq!(arguments, ["--ab=2", "--gone-not=3", "--a=PKI/b", "--new=n"]);
        let mut arguments = given();
        sabotage.change_api_server("other", &mut arguments, "PKI");
        assert_eq!(arguments, given());
        let mut arguments = vec!["--controllers=one,two,three".to_owned()];
        sabotage.change_controllers(&mut arguments, "PKI");
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
        sabotage.change_authentication(["one", "two"].into_iter(), &mut configuration, "PEM");
        assert_eq!(
            configuration,
            json!({ "jwt": [piece, { "a": { "c": 2, "d": "new" }, "ca": "PEM" }] })
        );
    }
}
