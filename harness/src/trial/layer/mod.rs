//! The configuration of API servers in one place: another tool's file, a project, or a command line. The main type is [`Layer`].
//!
//! Every flag comes in here, and `fixtures/api_server_flags.toml` says what becomes of it: a lab's API server never listens elsewhere, uses
//! another etcd, writes another file or asks a real issuer, whatever somebody's flags say.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::check::{Bundle, Lines};
use super::configured::shown;
use crate::configuration::document::{Document, load};
use crate::configuration::files::{Inside, Located};
use crate::configuration::flags::{self, Class, Reads};
use crate::configuration::tool;
use crate::diagnostic::{Diagnostic, Place};
use crate::identity_provider::issuer::is_inescapable;
use crate::yaml::Node;

/// The flag that names the AuthenticationConfiguration.
pub(super) const AUTHENTICATION: &str = "authentication-config";

/// The flag that names the AuthorizationConfiguration.
pub(super) const AUTHORIZATION: &str = "authorization-config";

/// The flag that names the front proxies that may be.
const PROXY_NAMES: &str = "requestheader-allowed-names";

/// The configuration of API servers in one place.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// The AuthenticationConfiguration, and its place if it is inside of another file.
    pub(super) authentication: Option<(Document, Option<Inside>)>,
    /// The flags that API servers get, without those that name files.
    pub(super) flags: Vec<(String, String)>,
    /// The content of files, by the flag that names them.
    pub(super) files: Vec<(String, String)>,
    pub(super) notes: Vec<Diagnostic>,
    /// The places of flags: the file as it is shown, and the place in it.
    pub(super) places: Vec<(String, (String, Place))>,
    /// Flags that API servers are tried without, each with the reason.
    pub(super) left: Vec<(String, String)>,
    /// The files of authorities that flags name, as far as they are there.
    pub(super) authorities: Vec<Bundle>,
    /// Whether only front proxies with certain names are allowed, if that is said.
    pub(super) has_proxy_names: Option<bool>,
}

/// A text, and the file that has it.
struct Text {
    path: PathBuf,
    text: String,
    inside: Option<Inside>,
}

/// A flag that somebody set.
struct Set<'a> {
    name: &'a str,
    value: &'a str,
    /// The file that has it, and the place there; without one, it is an option.
    at: Option<(String, Place)>,
}

impl Set<'_> {
    fn diagnostic(&self, message: String) -> Diagnostic {
        match &self.at {
            Some((file, place)) => Diagnostic::at(file, place.clone(), message),
            None => Diagnostic::of_file(format!("--flag {}", self.name), message),
        }
    }

    fn refused(&self, message: String, hint: Option<String>) -> Vec<Diagnostic> {
        vec![self.diagnostic(message).hinted(hint)]
    }
}

impl Layer {
    /// Takes the AuthenticationConfiguration from the file `path`.
    ///
    /// # Errors
    /// The file cannot be read, or is no AuthenticationConfiguration.
    pub fn authentication(&mut self, path: &Path) -> Result<(), Vec<Diagnostic>> {
        let text = load(path).map_err(|mistake| vec![mistake])?;
        self.authentication_text(path, text)
    }

    /// Takes the AuthenticationConfiguration `text`, whose file is shown as `path`.
    ///
    /// # Errors
    /// It is no AuthenticationConfiguration.
    pub fn authentication_text(&mut self, path: &Path, text: String) -> Result<(), Vec<Diagnostic>> {
        self.file(AUTHENTICATION, Reads::AuthenticationConfiguration, Text::of(path, text))
    }

    /// Takes the AuthorizationConfiguration from the file `path`.
    ///
    /// # Errors
    /// The file cannot be read, or is no AuthorizationConfiguration.
    pub fn authorization(&mut self, path: &Path) -> Result<(), Vec<Diagnostic>> {
        let text = load(path).map_err(|mistake| vec![mistake])?;
        self.file(AUTHORIZATION, Reads::AuthorizationConfiguration, Text::of(path, text))
    }

    /// Sets the flag `name`, which stands `at` a place of a file, or is an option. A file that it names is read below `directory`.
    ///
    /// # Errors
    /// No API server has the flag or answers with it, or its file cannot be read.
    pub fn flag(&mut self, name: &str, value: &str, at: Option<(String, Place)>, directory: &Path) -> Result<(), Vec<Diagnostic>> {
        let name = &flags::normalized(name);
        let is_remarked = true;
        self.set(&Set { name, value, at }, is_remarked, || {
            let path = shown(&directory.join(value));
            let text = load(&path)?;
            Ok(Text::of(&path, text))
        })
    }

    /// Returns the flag `name` as API servers get it where there are no files; `None` if the lab needs none.
    ///
    /// # Errors
    /// No API server of a lab gets it, or it names a file.
    pub fn without_files(name: &str, value: &str) -> Result<Option<(String, String)>, Diagnostic> {
        let (name, mut layer) = (&flags::normalized(name), Self::default());
        let flag = Set { name, value, at: None };
        let none = || Err(flag.diagnostic(format!("--{name} names a file, and there is none here")));
        let set = layer.set(&flag, true, none);
        let refused = set.err().into_iter().flatten().chain(layer.notes).next();
        refused.map_or_else(|| Ok(layer.flags.pop()), Err)
    }

    /// Returns what a tool's file says, without the flags `named`, which are set elsewhere, and the mistakes in it.
    pub(super) fn of_tool(found: tool::Found, named: &BTreeSet<String>) -> (Self, Vec<Diagnostic>) {
        let (mut layer, mut mistakes) = (Self::default(), Vec::new());
        layer.notes = found.notes;
        for flag in found.flags.iter().filter(|flag| !named.contains(&flag.name)) {
            let file = found.files.iter().find(|file| file.flag == flag.name && file.path == flag.value);
            let (name, value) = (flag.name.as_str(), flag.value.as_str());
            let at = Some((flag.file.display().to_string(), flag.place.clone()));
            // A whole cluster's flags: those that are not for the lab are listed on request.
            let set = layer.set(&Set { name, value, at }, false, || match file {
                Some(file) => Ok(Text {
                    text: file.text()?,
                    path: match &file.content {
                        Located::Mounted(path) | Located::Beside(path) | Located::Itself(path) => shown(path),
                        Located::Inside(_) | Located::Missing(_) => file.file.clone(),
                    },
                    inside: match &file.content {
                        Located::Inside(inside) => Some(inside.clone()),
                        _ => None,
                    },
                }),
                None => Ok(Text::of(&flag.file, String::new())),
            });
            mistakes.extend(set.err().into_iter().flatten());
        }
        let of_tool = |(name, why)| (name, format!("{}: {why}", found.tool));
        layer.left = layer.left.into_iter().map(of_tool).collect();
        (layer, mistakes)
    }

    /// Sets a flag as the table says; `text` reads the file that it names.
    fn set(&mut self, flag: &Set<'_>, is_remarked: bool, text: impl FnOnce() -> Result<Text, Diagnostic>) -> Result<(), Vec<Diagnostic>> {
        let Set { name, value, .. } = *flag;
        let Some(known) = flags::known(name) else {
            let meant = flags::resembling(name).map(|meant| format!("did you mean {meant}?"));
            return Err(flag.refused(format!("no API server has the flag --{name}"), meant));
        };
        if name == PROXY_NAMES {
            // No name, or an empty one, allows all (kubernetes/apiserver `pkg/authentication/request/x509`, `verifySubject`).
            self.has_proxy_names = Some(value.split(',').any(|name| !name.is_empty()));
        }
        match known.class {
            Class::Refused => Err(flag.refused(format!("nobody can be tried with --{name}: {}", known.why), None)),
            Class::Replaced | Class::Left | Class::Redirected => {
                self.left.push((name.to_owned(), known.why.clone()));
                if known.is_told || (is_remarked && known.class != Class::Redirected) {
                    let note = format!("API servers are tried without --{name}: {}", known.why);
                    self.notes.push(flag.diagnostic(note));
                }
                if known.reads == Some(Reads::Certificates) {
                    // They may be on a node only: they are looked at, and not used.
                    self.authorities.extend(text().ok().and_then(|text| text.authorities(name)));
                }
                Ok(())
            }
            Class::Taken if name == "oidc-issuer-url" && is_inescapable(value) => {
                let told = format!("no stand-in can take the place of {value}: API servers use no proxy for the machine itself");
                let hint = "write the issuer into an AuthenticationConfiguration, where its discovery can be led elsewhere";
                Err(flag.refused(told, Some(hint.to_owned())))
            }
            Class::Taken => {
                self.places.extend(flag.at.clone().map(|at| (name.to_owned(), at)));
                match known.reads {
                    None => {
                        let given = self.without_item(known, flag).unwrap_or_else(|| value.to_owned());
                        self.flags.push((name.to_owned(), given));
                    }
                    // No file, as without the flag.
                    Some(_) if value.is_empty() => {}
                    Some(reads) => self.file(name, reads, text().map_err(|mistake| vec![mistake])?)?,
                }
                Ok(())
            }
        }
    }

    /// Returns the list without the item that is left out, and remarks on it; `None` for another value.
    fn without_item(&mut self, known: &flags::Known, flag: &Set<'_>) -> Option<String> {
        let (without, instead) = known.without.as_deref().zip(known.instead.as_deref())?;
        let (gone, rest): (Vec<&str>, Vec<&str>) = flag.value.split(',').partition(|item| *item == without);
        if gone.is_empty() {
            return None;
        }
        let given = if rest.is_empty() { instead.to_owned() } else { rest.join(",") };
        let note = format!(
            "API servers are tried with --{}={given}, without {without}: a lab asks nobody outside",
            flag.name
        );
        self.notes.push(flag.diagnostic(note));
        Some(given)
    }

    /// Takes the file that the flag `name` names.
    fn file(&mut self, name: &str, reads: Reads, text: Text) -> Result<(), Vec<Diagnostic>> {
        let text = match reads {
            Reads::AuthenticationConfiguration => {
                let (mut document, inside) = text.document("AuthenticationConfiguration")?;
                self.notes.append(&mut document.warnings);
                self.authentication = Some((document, inside));
                return Ok(());
            }
            Reads::AuthorizationConfiguration => {
                let (mut document, _) = text.document("AuthorizationConfiguration")?;
                self.notes.append(&mut document.warnings);
                match without_webhooks(&document.root) {
                    Some(text) => {
                        let note = "API servers are tried without the authorizers of type Webhook: a lab asks nobody outside";
                        self.notes.push(Diagnostic::of_file(document.path.display().to_string(), note));
                        text
                    }
                    None => document.text,
                }
            }
            _ => text.text,
        };
        // An API server reads one file for a flag, the last.
        self.files.retain(|(known, _)| known != name);
        self.files.push((name.to_owned(), text));
        Ok(())
    }

    /// Returns `true` if it has the file that the flag `name` names.
    pub(super) fn has_file(&self, name: &str) -> bool {
        (name == AUTHENTICATION && self.authentication.is_some()) || self.files.iter().any(|(flag, _)| flag == name)
    }
}

impl Text {
    fn of(path: &Path, text: String) -> Self {
        Self {
            path: path.to_owned(),
            text,
            inside: None,
        }
    }

    /// Returns it as the authorities that the flag `name` names; `None` if it is empty, as where a file is not known.
    fn authorities(self, name: &str) -> Option<Bundle> {
        let lines = self.inside.as_ref().map_or(Lines::After(0), |inside| {
            inside
                .starts
                .map_or(Lines::In(inside.place.line), |(before, _)| Lines::After(before))
        });
        (!self.text.is_empty()).then(|| Bundle {
            field: format!("--{name}"),
            file: Some(self.path.display().to_string()),
            text: self.text,
            lines,
            issuer: None,
        })
    }

    /// Reads it as a document of one kind; its mistakes and warnings have the lines of the file.
    fn document(self, kind: &str) -> Result<(Document, Option<Inside>), Vec<Diagnostic>> {
        let Self { path, text, inside } = self;
        let placed = |mut told: Diagnostic| {
            if let (Some(place), Some(inside)) = (&mut told.place, &inside) {
                match inside.in_file(place.line, place.column) {
                    Some((line, column)) => (place.line, place.column) = (line, column),
                    None => told.place = Some(inside.place.clone()),
                }
            }
            told
        };
        match Document::of_text(&path, text, &[kind]) {
            Ok(mut document) => {
                document.warnings = std::mem::take(&mut document.warnings).into_iter().map(placed).collect();
                Ok((document, inside))
            }
            Err(mistakes) => Err(mistakes.into_iter().map(placed).collect()),
        }
    }
}

/// Returns an AuthorizationConfiguration without its webhooks, as JSON; `None` if it has none. Where nobody else decides, nothing is allowed, as
/// if each webhook had no opinion.
fn without_webhooks(root: &Node) -> Option<String> {
    let mut value = root.json();
    let authorizers = value.get_mut("authorizers")?.as_array_mut()?;
    let before = authorizers.len();
    authorizers.retain(|authorizer| authorizer.get("type").and_then(Value::as_str) != Some("Webhook"));
    if authorizers.len() == before {
        return None;
    }
    if authorizers.is_empty() {
        authorizers.push(json!({ "type": "AlwaysDeny", "name": "nobody" }));
    }
    Some(value.to_string())
}
