//! The configuration that is tried, read from files and from a project. The main type is [`Configured`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::check::Bundle;
use super::layer::{AUTHENTICATION, AUTHORIZATION, Layer};
use super::manifest::{self, Manifest, ManifestError};
use super::{RealmSource, Source, people};
use crate::configuration::document::{Document, load};
use crate::configuration::files::Inside;
use crate::configuration::flags;
use crate::configuration::refusal::{Mistake, mistakes, with_lines_of};
use crate::configuration::tool;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::event::Events;
use crate::identity_provider::keycloak::export;
use crate::project::Project;

/// Two ways to say the same thing, which an API server refuses together (kube-apiserver `pkg/kubeapiserver/options`, `authentication.go` and
/// `authorization.go`).
struct Ways {
    /// The flag that names a file.
    file: &'static str,
    /// The beginnings of the flags that say it without a file.
    flags: &'static [&'static str],
    /// The flag without which the others say nothing.
    first: &'static str,
}

const WAYS: [Ways; 2] = [
    Ways {
        file: AUTHENTICATION,
        flags: &["oidc-"],
        first: "oidc-issuer-url",
    },
    Ways {
        file: AUTHORIZATION,
        flags: &["authorization-mode"],
        first: "authorization-mode",
    },
];

impl Ways {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|beginning| flag.starts_with(beginning))
    }
}

/// The configuration of somebody's API servers, and what is there before anybody is tried.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    /// The configuration of API servers.
    pub source: Source,
    /// The file of the AuthenticationConfiguration, as it is shown.
    pub file: Option<PathBuf>,
    /// The objects that are there.
    pub manifests: Vec<Manifest>,
    /// Remarks: oddities that an API server does not mention, and parts that authlab cannot judge.
    pub notes: Vec<Diagnostic>,
    /// Flags that API servers are tried without, each with the reason.
    pub left: Vec<(String, String)>,
    /// The files of authorities that flags name, as far as they are there: API servers are tried with others.
    pub authorities: Vec<Bundle>,
    /// `true` if flags allow only front proxies with certain names.
    pub has_proxy_names: bool,
    /// The AuthenticationConfiguration with the place of each value.
    document: Option<Document>,
    /// The place of the AuthenticationConfiguration, if it is inside of another file.
    inside: Option<Inside>,
    /// The places of the flags that stand in a file: the file as it is shown, and the place in it.
    places: BTreeMap<String, (String, Place)>,
}

impl Configured {
    /// Reads the files that `project` names.
    ///
    /// # Errors
    /// Every file that cannot be read, and every mistake in them that can be told before a server starts.
    pub fn of_project(project: &Project) -> Result<Self, Diagnostics> {
        let (mut own, mut mistakes) = (Layer::default(), Vec::new());
        let api_server = &project.api_server;
        let mut named: BTreeSet<String> = api_server.flags.iter().map(|(name, _)| flags::normalized(&name.value)).collect();
        if let Some(path) = &api_server.authentication_configuration {
            named.insert(AUTHENTICATION.to_owned());
            mistakes.extend(own.authentication(&shown(&path.value.resolved)).err().into_iter().flatten());
        }
        if let Some(path) = &api_server.authorization_configuration {
            named.insert(AUTHORIZATION.to_owned());
            mistakes.extend(own.authorization(&shown(&path.value.resolved)).err().into_iter().flatten());
        }
        for (name, value) in &api_server.flags {
            let at = Some((project.shown.clone(), name.place.clone()));
            mistakes.extend(own.flag(&name.value, value, at, &project.directory).err().into_iter().flatten());
        }
        let mut configured = Self::default();
        if let Some(from) = &api_server.from {
            match tool::read(&shown(&from.value.resolved)) {
                Ok(found) => {
                    let (layer, more) = Layer::of_tool(found, &named);
                    configured.lay(layer);
                    mistakes.extend(more);
                }
                Err(more) => mistakes.extend(more),
            }
        }
        configured.lay(own);
        for entry in &project.manifests {
            for file in &entry.value.files {
                mistakes.extend(configured.add_manifests(&shown(file)).err());
            }
        }
        if let Some(keycloak) = &project.keycloak {
            let path = &keycloak.realm.value.resolved;
            match export::read(path, &shown(path)) {
                Ok(exports) => {
                    if !project.people.values().any(|person| people::login(person).is_some()) {
                        let told = project.mistake(&keycloak.realm.place, "nobody in the project logs in at the realm");
                        configured
                            .notes
                            .push(told.hint("give somebody a login: [people.NAME] with keycloak = {}"));
                    }
                    configured.source.realm = Some(RealmSource {
                        exports: exports.into(),
                        issuer: keycloak.issuer.as_ref().map(|issuer| issuer.value.clone()),
                        logins: project.people.values().filter_map(people::login).collect(),
                    });
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        Diagnostics::none_of(mistakes)?;
        Ok(configured)
    }

    /// Returns the configuration before a change to `self`: that of the file `path`, and of `flags`, with the same objects and realm.
    ///
    /// A tool's file is all that was there. A file with one part of a configuration takes the place of that part. Without a file, flags
    /// that name an issuer are all `--oidc-…` flags that were there, and those with authorizers likewise; another flag changes itself alone.
    ///
    /// # Errors
    /// The file cannot be read or is no configuration, or a flag is one that no API server has.
    pub fn before(&self, path: Option<&Path>, flags: &[(String, String)]) -> Result<Self, Diagnostics> {
        let mut mistakes = Vec::new();
        let mut before = Self {
            notes: Vec::new(),
            ..self.clone()
        };
        match path.map(tool::read) {
            Some(Ok(found)) => {
                if !found.tool.is_one_part() {
                    before = Self {
                        manifests: self.manifests.clone(),
                        source: Source {
                            realm: self.source.realm.clone(),
                            ..Source::default()
                        },
                        ..Self::default()
                    };
                }
                let (layer, more) = Layer::of_tool(found, &BTreeSet::new());
                before.lay(layer);
                mistakes.extend(more);
            }
            Some(Err(more)) => mistakes.extend(more),
            None => {}
        }
        let mut layer = Layer::default();
        for (name, value) in flags {
            mistakes.extend(layer.flag(name, value, None, Path::new("")).err().into_iter().flatten());
        }
        for ways in WAYS.iter().filter(|_| path.is_none()) {
            if layer.flags.iter().any(|(name, _)| name == ways.first) {
                before.source.flags.retain(|(name, _)| !ways.has(name));
                before.source.files.retain(|(name, _)| !ways.has(name));
            }
        }
        before.lay(layer);
        Diagnostics::none_of(mistakes)?;
        Ok(before)
    }

    /// Lays `layer` above what is there. A flag displaces the one of the same name with all of its values; a file displaces the flags that
    /// an API server refuses beside it, and the first of these flags the file.
    pub fn lay(&mut self, layer: Layer) {
        for ways in &WAYS {
            let has_first = layer.flags.iter().any(|(name, _)| name == ways.first);
            match layer.has_file(ways.file) {
                true => self.displace_flags(ways),
                false if has_first => self.displace_file(ways),
                false => {}
            }
        }
        let named: BTreeSet<String> = layer.flags.iter().chain(&layer.files).map(|(name, _)| name.clone()).collect();
        self.source.flags.retain(|(name, _)| !named.contains(name));
        self.source.files.retain(|(name, _)| !named.contains(name));
        self.source.flags.extend(layer.flags);
        self.source.files.extend(layer.files);
        self.notes.extend(layer.notes);
        self.left.extend(layer.left);
        let replaced: BTreeSet<String> = layer.authorities.iter().map(|bundle| bundle.field.clone()).collect();
        self.authorities.retain(|bundle| !replaced.contains(&bundle.field));
        self.authorities.extend(layer.authorities);
        self.has_proxy_names = layer.has_proxy_names.unwrap_or(self.has_proxy_names);
        // An option has no place, and hides that of the flag that it displaces.
        self.places.retain(|name, _| !named.contains(name));
        self.places.extend(layer.places);
        if let Some((document, inside)) = layer.authentication {
            self.source.authentication = Some(document.text.clone());
            self.file = Some(document.path.clone());
            self.document = Some(document);
            self.inside = inside;
        }
    }

    /// Takes away the flags that say what a file of the next layer says.
    fn displace_flags(&mut self, ways: &Ways) {
        let Source { flags, files, .. } = &mut self.source;
        let gone: BTreeSet<String> = flags
            .iter()
            .chain(&*files)
            .map(|(name, _)| name.clone())
            .filter(|name| ways.has(name))
            .collect();
        flags.retain(|(name, _)| !gone.contains(name));
        files.retain(|(name, _)| !gone.contains(name));
        if !gone.is_empty() {
            let all: Vec<String> = gone.iter().map(|name| format!("--{name}")).collect();
            let note = format!("takes the place of {}: an API server refuses them beside it", all.join(", "));
            self.notes.push(Diagnostic::of_file(format!("--{}", ways.file), note));
            let why = format!("--{} takes its place", ways.file);
            self.left.extend(gone.into_iter().map(|name| (name, why.clone())));
        }
    }

    /// Takes away the file that says what the flags of the next layer say.
    fn displace_file(&mut self, ways: &Ways) {
        let is_gone = match ways.file {
            AUTHENTICATION => {
                (self.file, self.document, self.inside) = (None, None, None);
                self.source.authentication.take().is_some()
            }
            name => {
                let before = self.source.files.len();
                self.source.files.retain(|(known, _)| known != name);
                self.source.files.len() < before
            }
        };
        if is_gone {
            let note = format!("takes the place of --{}: an API server refuses it beside the flag", ways.file);
            self.notes.push(Diagnostic::of_file(format!("--{}", ways.first), note));
            self.left.push((ways.file.to_owned(), format!("--{} takes its place", ways.first)));
        }
    }

    /// Tells the remarks to `events`.
    pub fn tell(&self, events: &Events) {
        self.notes.iter().for_each(|note| events.note(note.to_string()));
    }

    /// Returns `true` if it says nothing about API servers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Source {
            authentication,
            flags,
            files,
            ..
        } = &self.source;
        authentication.is_none() && flags.is_empty() && files.is_empty() && self.authorities.is_empty()
    }

    /// Reads the objects in the file `path`.
    ///
    /// # Errors
    /// The file cannot be read, or has something that is no object of Kubernetes.
    pub fn add_manifests(&mut self, path: &Path) -> Result<(), Diagnostic> {
        let text = load(path)?;
        let file = path.display().to_string();
        match manifest::read(&file, &text) {
            Ok(found) => {
                let (asked, kept): (Vec<_>, Vec<_>) = found.into_iter().partition(Manifest::leads_elsewhere);
                self.manifests.extend(kept);
                let note = "is not created: API servers would send real requests elsewhere because of it, and a lab asks nobody outside";
                let source = crate::diagnostic::Source::new(&file, &text);
                self.notes
                    .extend(asked.iter().map(|manifest| source.mistake_at(manifest.line, 1, note)));
            }
            Err(ManifestError::Unreadable { line, why, hint, .. }) => {
                return Err(crate::diagnostic::Source::new(&file, &text).mistake_at(line, 1, why).hinted(hint));
            }
            Err(error) => return Err(Diagnostic::of_file(file, error.to_string())),
        }
        Ok(())
    }

    /// Returns the line in the user's file of a line of the AuthenticationConfiguration, which may be inside of another file.
    #[must_use]
    pub fn line_in_file(&self, line: usize) -> usize {
        match &self.inside {
            Some(inside) => inside.in_file(line, 1).map_or(inside.place.line, |(line, _)| line),
            None => line,
        }
    }

    /// Returns the mistakes that an API server's words are about: their places in the user's file, their meaning, and the change to make.
    #[must_use]
    pub fn explained(&self, words: &str) -> Vec<Diagnostic> {
        let found = mistakes(self.document.as_ref(), words).into_iter();
        // Words that explain themselves are not repeated without a place.
        let told = found.filter(|mistake| mistake.place.is_some() || mistake.advice.is_some());
        told.map(|mistake| self.diagnostic(mistake)).collect()
    }

    fn diagnostic(&self, mistake: Mistake) -> Diagnostic {
        let Mistake { words, place, advice } = mistake;
        let (message, hint) = match advice {
            Some(advice) => (advice.explanation, Some(advice.change)),
            None => (words.clone(), None),
        };
        let at = self.document.as_ref().zip(place).and_then(|(document, place)| {
            let mut at = crate::diagnostic::Source::new("", &document.text).place_at(place.line, place.column, 1);
            if let Some(inside) = &self.inside {
                // Its own lines are nobody's where the file has it in another form.
                (at.line, at.column) = inside.in_file(place.line, place.column)?;
            }
            Some(at)
        });
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let flag = flag_named(&words).or_else(|| self.document.is_none().then(|| flag_of_field(&words))?);
        let diagnostic = match (file, at, flag) {
            (Some(file), Some(at), _) => Diagnostic::at(file, at, message),
            (_, _, Some(flag)) => match self.places.get(flag) {
                Some((file, place)) => Diagnostic::at(file, place.clone(), message),
                None => Diagnostic::of_file(format!("--{flag}"), message),
            },
            (file, _, None) => Diagnostic::of_file(file.unwrap_or_else(|| "the flags".to_owned()), message),
        };
        diagnostic.hinted(hint)
    }

    /// Returns an API server's words with the name and the lines of the user's file: it got `given`, as `authentication.json`.
    #[must_use]
    pub fn in_users_words(&self, said: &str, given: Option<&str>) -> String {
        let said = match (&self.source.authentication, given) {
            (Some(written), Some(given)) => with_lines_of(said, written, given),
            _ => said.to_owned(),
        };
        match &self.file {
            Some(file) => said.replace("authentication.json", &file.display().to_string()),
            None => said,
        }
    }
}

/// The flags that an API server makes a field of an AuthenticationConfiguration of, and whose mistakes have its name (kube-apiserver
/// `pkg/kubeapiserver/options/authentication.go`, `ToAuthenticationConfig`).
const FLAGS_OF_FIELDS: [(&str, &str); 8] = [
    ("issuer.url", "oidc-issuer-url"),
    ("issuer.audiences", "oidc-client-id"),
    ("issuer.certificateAuthority", "oidc-ca-file"),
    ("username.claim", "oidc-username-claim"),
    ("username.prefix", "oidc-username-prefix"),
    ("groups.claim", "oidc-groups-claim"),
    ("groups.prefix", "oidc-groups-prefix"),
    ("claimValidationRules", "oidc-required-claim"),
];

/// Returns the flag of which an API server made the field that its words are about.
fn flag_of_field(words: &str) -> Option<&'static str> {
    FLAGS_OF_FIELDS
        .iter()
        .find(|(field, _)| words.contains(field))
        .map(|(_, flag)| *flag)
}

/// Returns the flag that an API server's words name.
fn flag_named(words: &str) -> Option<&str> {
    if words.starts_with("unrecognized feature gate") {
        return Some("feature-gates");
    }
    let named = words.split("--").nth(1)?;
    let end = named.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    Some(&named[..end.unwrap_or(named.len())]).filter(|name| !name.is_empty())
}

/// Returns `path` as it is shown: relative to the working directory, if it is below.
pub(super) fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}
