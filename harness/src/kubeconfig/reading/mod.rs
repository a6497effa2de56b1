//! Kubeconfigs, read as kubectl reads them (client-go `tools/clientcmd`): the same files, precedence, types and refusals.
//!
//! The main functions are [`read`] and [`read_with`]. Every fault is told at once with its line, in kubectl's words: kubectl's JSON decoder
//! stops at the first.

mod check;
mod cluster;
mod fields;
mod file;
mod merge;
mod provider;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
mod user;

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{ClientConfig, LARGEST, Place, Trouble, read_limited};
use crate::yaml;
use merge::Merged;
pub use merge::{default_files, files_of};
pub(in crate::kubeconfig) use user::is_header;

/// A function that reads a file.
pub type Reader<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Returns the value of JSON or YAML as Go reads it; `None` if it is neither.
pub(in crate::kubeconfig) fn json_of(bytes: &[u8]) -> Option<serde_json::Value> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(bytes).ok();
    }
    Some(yaml::parse(&yaml::decoded(bytes).ok()?).ok()?.json())
}

/// The change that helps for a file above the limit.
const TOO_LARGE: &str = "name the file that is meant: kubeconfigs, certificates, keys and tokens are far smaller";

/// The server that kubectl asks if the kubeconfig names none.
const ELSEWHERE: &str = "http://localhost:8080";

/// The messages about kubeconfigs.
#[derive(Default)]
struct Told {
    troubles: Vec<Trouble>,
    remarks: Vec<Trouble>,
}

impl Told {
    fn refuse(&mut self, place: Option<Place>, seen: impl Into<String>, change: impl Into<String>) {
        self.troubles.push(Trouble {
            is_refused: true,
            ..remark(place, seen, change)
        });
    }

    fn remark(&mut self, place: Option<Place>, seen: impl Into<String>, change: impl Into<String>) {
        self.remarks.push(remark(place, seen, change));
    }
}

fn remark(place: Option<Place>, seen: impl Into<String>, change: impl Into<String>) -> Trouble {
    Trouble {
        place,
        seen: seen.into(),
        change: change.into(),
        is_refused: false,
        behaviour: None,
    }
}

/// Reads the context `context`, or else the current one, of `files`; see [`files_of`] and [`default_files`].
///
/// # Errors
/// Everything for which kubectl refuses the files or the context, or asks another server than theirs; and then what is only worth
/// knowing (`is_refused` tells them apart).
pub fn read(files: &[PathBuf], context: Option<&str>) -> Result<ClientConfig, Vec<Trouble>> {
    read_with(files, context, &|path| read_limited(path, LARGEST), Timestamp::now())
}

/// Reads the same with `read` as the files, at the time `now`.
///
/// # Errors
/// Those of [`read`].
pub fn read_with(files: &[PathBuf], context: Option<&str>, read: Reader<'_>, now: Timestamp) -> Result<ClientConfig, Vec<Trouble>> {
    let mut told = Told::default();
    let merged = Merged::read(files, read, &mut told);
    // Without any file there is nothing to say about contexts.
    let config = if merged.files.is_empty() {
        None
    } else {
        chosen(&merged, context, read, now, &mut told)
    };
    match config {
        Some(config) if told.troubles.is_empty() => Ok(ClientConfig {
            remarks: told.remarks,
            ..config
        }),
        _ => {
            told.troubles.append(&mut told.remarks);
            Err(told.troubles)
        }
    }
}

/// The contexts of kubeconfigs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contexts {
    /// The names.
    pub names: Vec<String>,
    /// The name of the current one, which may not be among them.
    pub current: Option<String>,
}

/// Returns the contexts of `files`, which are read with `read`.
///
/// # Errors
/// Everything for which kubectl refuses one of the files.
pub fn contexts(files: &[PathBuf], read: Reader<'_>) -> Result<Contexts, Vec<Trouble>> {
    let mut told = Told::default();
    let merged = Merged::read(files, read, &mut told);
    if told.troubles.is_empty() {
        Ok(Contexts {
            names: merged.contexts.into_keys().collect(),
            current: merged.current.map(|(name, _)| name),
        })
    } else {
        Err(told.troubles)
    }
}

/// Reads the parts of the chosen context (client-go `tools/clientcmd/client_config.go` and `validation.go`).
fn chosen(merged: &Merged, wanted: Option<&str>, read: Reader<'_>, now: Timestamp, told: &mut Told) -> Option<ClientConfig> {
    let known = listed(merged.contexts.keys());
    let wanted = wanted.filter(|name| !name.is_empty());
    let (name, place) = match (wanted, &merged.current) {
        (Some(name), _) => (name, None),
        (None, Some((name, file))) => (name.as_str(), Some(file.place("current-context"))),
        (None, None) => {
            // After a fault of the whole file, its contexts are not known.
            if told.troubles.is_empty() {
                told.refuse(
                    merged.files.first().map(|file| file.place("current-context")),
                    format!("there is no current-context: kubectl asks {ELSEWHERE}, without a credential"),
                    format!("give --context NAME, or run `kubectl config use-context NAME`; the contexts are {known}"),
                );
            }
            return None;
        }
    };
    let Some(context) = merged.contexts.get(name) else {
        let seen = match wanted {
            Some(name) => format!("context {name:?} does not exist"),
            None => format!("context was not found for specified context: {name}"),
        };
        if told.troubles.is_empty() || !merged.contexts.is_empty() {
            told.refuse(place, seen, format!("name one of the contexts {known}"));
        }
        return None;
    };
    let (cluster_name, user_name) = (&context.value.cluster, &context.value.user);
    for (kind, name) in [("context", name), ("cluster", cluster_name), ("user", user_name)] {
        merged.tell_hidden(kind, name, told);
    }
    told.remarks.extend(merged.files.iter().flat_map(|file| file.remarks()));
    told.remarks.extend(context.remarks());
    let cluster = merged.clusters.get(cluster_name);
    let cluster = if let Some(entry) = cluster {
        cluster::read(cluster_name, entry, read, told)
    } else {
        let names = listed(merged.clusters.keys());
        let what = if cluster_name.is_empty() {
            format!("the context {name:?} names no cluster")
        } else {
            format!("the context {name:?} names the cluster {cluster_name:?}, which is not there")
        };
        told.refuse(
            context.place("cluster"),
            format!("{what}: kubectl asks {ELSEWHERE}, without a credential"),
            format!("name one of the clusters {names}"),
        );
        super::ClusterConfig::default()
    };
    let user = merged.users.get(user_name);
    if user.is_none() {
        let names = listed(merged.users.keys());
        let what = if user_name.is_empty() {
            format!("the context {name:?} names no user")
        } else {
            format!("the context {name:?} names the user {user_name:?}, which is not there")
        };
        told.remark(
            context.place("user"),
            format!("{what}: kubectl asks for a user name and a password"),
            format!("name one of the users {names}"),
        );
    }
    let user = user.map(|entry| user::read(user_name, entry, &cluster, read, now, told));
    Some(ClientConfig {
        context: name.to_owned(),
        namespace: Some(context.value.namespace.clone()).filter(|name| !name.is_empty()),
        cluster,
        user: user.unwrap_or_default(),
        remarks: Vec::new(),
    })
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if names.is_empty() {
        "(there are none)".to_owned()
    } else {
        names.join(", ")
    }
}

/// Returns `true` if kubectl speaks TLS with that address, and so presents credentials (client-go `rest.DefaultServerURL`).
fn is_tls(server: &str) -> bool {
    server.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) && server.len() > 8
}

/// Returns an error of a file in Go's words, with the path.
fn of_file(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("open {path}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("open {path}: permission denied"),
        io::ErrorKind::IsADirectory => format!("read {path}: is a directory"),
        _ => format!("read {path}: {error}"),
    }
}

/// Returns the change that helps for a file that is not there, or cannot be read for `error`.
fn other_path(name: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return TOO_LARGE.to_owned();
    }
    let bytes = name.as_bytes();
    if name.starts_with("~/") {
        return format!("give the whole path: kubectl takes ~ for the name of a directory (`echo {name}` shows it)");
    }
    if bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/') {
        let drive = bytes[0].to_ascii_lowercase() as char;
        let rest = name[3..].replace('\\', "/");
        return format!("give a path of this system: this one is of Windows (in WSL, it is /mnt/{drive}/{rest})");
    }
    if name.contains('\\') {
        return "give a path of this system, with / instead of \\".to_owned();
    }
    "name a file that is there; a path without / at its beginning is relative to the kubeconfig".to_owned()
}
