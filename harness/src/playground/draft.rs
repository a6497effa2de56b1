//! The content of the page, and what it asks for. The main types are [`Draft`] and [`Question`].

use serde::{Deserialize, Serialize};

use super::marks::{Mark, Place};
use super::people::{DraftCredential, DraftPerson};
use super::shapes;
use crate::configuration::flags::normalized;
use crate::hint::Hint as _;
use crate::server_binaries::{Kubernetes, KubernetesVersion, Versions};
use crate::token_shape::TokenShape;
use crate::trial::manifest::{self, Manifest, ManifestError};
use crate::trial::{Action, Layer, Person, Setup, Source};

/// The most people, and the most actions, of one request.
const MOST: usize = 100;

/// The shape with which a page begins that was given nothing.
const FIRST: &str = "keycloak";

/// The flags that a learner may set: others name files that the API server would read or write as the user who serves the class, or
/// addresses that it would ask.
const OF_LEARNERS: [&str; 11] = [
    "anonymous-auth",
    "api-audiences",
    "feature-gates",
    "oidc-client-id",
    "oidc-groups-claim",
    "oidc-groups-prefix",
    "oidc-issuer-url",
    "oidc-required-claim",
    "oidc-signing-algs",
    "oidc-username-claim",
    "oidc-username-prefix",
];

/// The content of the page: texts as the user wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draft {
    /// The AuthenticationConfiguration; blank for none.
    pub configuration: String,
    /// Flags of the API servers: `NAME=VALUE` on each line.
    pub flags: String,
    /// Objects that are created before anybody is tried: YAML with several documents.
    pub manifests: String,
    /// The people.
    pub people: Vec<DraftPerson>,
    /// The actions that are reviewed for each of them: one on each line.
    pub actions: String,
    /// The minor versions of Kubernetes.
    pub versions: Vec<String>,
}

/// Everything that the page asks for, read.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The AuthenticationConfiguration as the user wrote it.
    pub(super) configuration: String,
    /// The flags as the user wrote them.
    pub(super) flags: String,
    /// The setup of the API servers.
    pub(super) setup: Setup,
    /// The objects, and their text, which tells whether they changed.
    pub(super) manifests: Vec<Manifest>,
    pub(super) manifests_text: String,
    pub(super) people: Vec<Person>,
    pub(super) actions: Vec<Action>,
    pub(super) versions: Vec<&'static Kubernetes>,
}

impl Draft {
    /// Returns the content of a page that was given neither a configuration nor manifests: a sound example.
    #[must_use]
    pub fn example() -> Self {
        let shape = TokenShape::named(FIRST).ok();
        Self {
            configuration: shape.and_then(shapes::configuration).unwrap_or_default(),
            people: vec![DraftPerson {
                name: "alice".to_owned(),
                presents: DraftCredential::Claims(shape.map(shapes::claims).unwrap_or_default()),
            }],
            actions: "get pods in default\n".to_owned(),
            ..Self::default()
        }
    }

    /// Reads all of it; the content of a learner's page if `is_learners`.
    ///
    /// # Errors
    /// Every mistake.
    pub(super) fn read(&self, is_learners: bool) -> Result<Question, Vec<Mark>> {
        let mut mistakes = Vec::new();
        let mut flags: Vec<(String, String)> = Vec::new();
        for (line, text) in lines(&self.flags) {
            let name = normalized(text.split('=').next().unwrap_or_default());
            if is_learners && !OF_LEARNERS.contains(&name.as_str()) {
                mistakes.push(Mark {
                    hint: Some(format!("a learner may set {}", OF_LEARNERS.join(", "))),
                    ..Mark::at(Place::Flags, line, format!("--{name} is not a flag for learners"))
                });
                continue;
            }
            match flag(text) {
                Ok(flag) => flags.extend(flag),
                Err(mark) => mistakes.push(mark.on(line)),
            }
        }
        let actions = lines(&self.actions).filter_map(|(line, text)| {
            let read = text.parse::<Action>();
            read.map_err(|error| mistakes.push(Mark::at(Place::Actions, line, error.to_string())))
                .ok()
        });
        let actions: Vec<Action> = actions.collect();
        let mut people = Vec::new();
        for (index, person) in self.people.iter().enumerate() {
            match person.read(index) {
                Ok(person) => people.push(person),
                Err(mark) => mistakes.push(mark),
            }
        }
        let manifests = manifest::read(MANIFESTS, &self.manifests).unwrap_or_else(|error| {
            mistakes.push(Mark::of_manifests(&error));
            Vec::new()
        });
        let asked = manifests.iter().filter(|manifest| manifest.leads_elsewhere());
        let note = "API servers would send real requests elsewhere because of it, and a lab asks nobody outside";
        mistakes.extend(asked.map(|manifest| Mark::at(Place::Manifests, manifest.line, note)));
        let mut versions = Vec::new();
        for asked in &self.versions {
            if asked.parse::<KubernetesVersion>().is_ok_and(KubernetesVersion::is_pre_release) {
                mistakes.push(Mark::of(
                    Place::Versions,
                    format!("the playground has no pre-releases of Kubernetes, such as {asked}"),
                ));
                continue;
            }
            match Versions::pinned().released(asked) {
                Ok(version) if versions.iter().any(|known: &&Kubernetes| known.version == version.version) => {}
                Ok(version) => versions.push(version),
                Err(error) => mistakes.push(Mark::of(Place::Versions, error.to_string())),
            }
        }
        if versions.is_empty() && self.versions.is_empty() {
            mistakes.push(Mark::of(Place::Versions, "no version of Kubernetes is chosen"));
        }
        for (place, many, what) in [(Place::Person, people.len(), "people"), (Place::Actions, actions.len(), "actions")] {
            if many > MOST {
                mistakes.push(Mark::of(
                    place,
                    format!("{many} {what} are too many for the playground (at most {MOST})"),
                ));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let setup = Setup::of(&Source {
            authentication: Some(self.configuration.clone()).filter(|text| !text.trim().is_empty()),
            flags,
            ..Source::default()
        });
        Ok(Question {
            configuration: self.configuration.clone(),
            flags: self.flags.clone(),
            setup,
            manifests,
            manifests_text: self.manifests.clone(),
            people,
            actions,
            versions,
        })
    }
}

/// The name of the manifests in errors.
pub(super) const MANIFESTS: &str = "manifests";

/// Returns the lines of `text` that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Reads a flag, with its dashes or without; `None` if the lab has what stands in for its value.
fn flag(text: &str) -> Result<Option<(String, String)>, Mark> {
    let split = text.split_once('=').filter(|(name, _)| !name.trim_matches(['-', ' ']).is_empty());
    let Some((name, value)) = split else {
        return Err(Mark::of(Place::Flags, format!("expected NAME=VALUE, found {text:?}")));
    };
    Layer::without_files(name, value).map_err(|mistake| Mark {
        hint: mistake.hint,
        ..Mark::of(Place::Flags, mistake.message)
    })
}

impl Mark {
    /// Returns the mark of an object that cannot be created.
    pub(super) fn of_manifests(error: &ManifestError) -> Self {
        match error {
            ManifestError::Unreadable { line, why, .. } => Self::at(Place::Manifests, *line, why.as_str()),
            ManifestError::UnknownKind {
                line, kind, api_version, ..
            } => Self::at(
                Place::Manifests,
                *line,
                format!("the API server has no kind {kind} in {api_version}"),
            ),
            ManifestError::Refused { line, what, said, .. } => {
                Self::at(Place::Manifests, *line, format!("the API server refuses {what}: {said}"))
            }
            other => Self::of(Place::Manifests, crate::cause::with_causes(other)),
        }
    }

    /// Returns the mark of somebody who cannot be tried.
    pub(super) fn of_trial(error: &crate::trial::TrialError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::of(Place::Server, crate::cause::with_causes(error))
        }
    }
}
