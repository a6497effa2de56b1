//! A user's project: `authlab.toml`, which says what the user's API servers are started with, who the people are, and where the features are.
//!
//! The main type is [`Project`]. Reading it starts nothing and prints nothing; every mistake of the file is told at once. Values keep their
//! places, so that a mistake that only shows later can point at its line.

mod claims;
mod keys;
mod paths;
mod people;
mod reader;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Diagnostics, Place, Placed, decode};
use crate::server_binaries::{Kubernetes, Versions};
use crate::similar::similar;

pub use claims::LARGEST as LARGEST_NUMBER;
pub use paths::{ManifestFiles, ProjectPath};
pub use people::{Credential, KeycloakLogin, NotAnAccount, Person, Token, account, is_a_steps_word, valid_name};

/// The name of the file.
pub const FILE_NAME: &str = "authlab.toml";

/// The folder of the features of a project that names none.
pub const FEATURES: &str = "features";

/// The maximum number of bytes of the file.
const LARGEST: u64 = 1024 * 1024;

/// A user's project.
#[derive(Clone, Debug)]
pub struct Project {
    /// The file, as shown to the user.
    pub shown: String,
    /// The folder of the file, absolute: all paths are relative to it.
    pub directory: PathBuf,
    /// The versions that `matrix` covers; other commands take the newest of them.
    pub kubernetes: Option<Placed<KubernetesVersions>>,
    /// The configuration of the user's API servers.
    pub api_server: ApiServer,
    /// The manifests that are applied before anything is asked, in the order of the file.
    pub manifests: Vec<Placed<ManifestFiles>>,
    /// The user's Keycloak.
    pub keycloak: Option<Keycloak>,
    /// The user's features.
    pub features: Features,
    /// The people, by name.
    pub people: BTreeMap<String, Person>,
    /// The options of `authlab check`.
    pub check: Check,
}

/// A list or range of versions, as `matrix --kubernetes` takes it.
#[derive(Clone, Debug)]
pub struct KubernetesVersions {
    /// The text in the file.
    pub written: String,
    /// The versions, in the order of the text; at least one.
    pub versions: Vec<&'static Kubernetes>,
}

/// The configuration of API servers.
#[derive(Clone, Debug, Default)]
pub struct ApiServer {
    /// The AuthenticationConfiguration. It takes the place of one in `from`.
    pub authentication_configuration: Option<Placed<ProjectPath>>,
    /// The AuthorizationConfiguration. It takes the place of one in `from`.
    pub authorization_configuration: Option<Placed<ProjectPath>>,
    /// The flags, in the order of the file, names without dashes. They take the place of those in `from`.
    pub flags: Vec<(Placed<String>, String)>,
    /// The file of another tool that configures the API server: kubeadm's, kind's, k3s', RKE2's, Talos', or a Cluster API object.
    pub from: Option<Placed<ProjectPath>>,
}

/// The user's Keycloak.
#[derive(Clone, Debug)]
pub struct Keycloak {
    /// The export of the realm: a file, or a folder with a file for the realm and others for its users.
    pub realm: Placed<ProjectPath>,
    /// The issuer in the realm's tokens; without it, the issuer of the configuration whose URL ends with `/realms/NAME`.
    pub issuer: Option<Placed<String>>,
}

/// The user's features.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// Files and folders; see [`Project::feature_paths`] for the default.
    pub paths: Vec<Placed<ProjectPath>>,
    /// The user's own tags, without `@`, each with its meaning.
    pub tags: BTreeMap<String, Placed<String>>,
}

/// The options of `authlab check`.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// The names of the warnings that are switched off.
    pub off: Vec<Placed<String>>,
}

impl Project {
    /// Finds the project of the directory `from`, in it or in the nearest directory above that has one, and reads it.
    ///
    /// # Errors
    /// The file is not a file, belongs to another user in a directory that everybody can write, or has mistakes.
    pub fn find(from: &Path) -> Result<Option<Self>, Diagnostics> {
        for directory in from.ancestors() {
            let file = directory.join(FILE_NAME);
            let Ok(seen) = fs::symlink_metadata(&file) else { continue };
            let shown = file.strip_prefix(from).unwrap_or(&file).display().to_string();
            // Anybody can put a file into /tmp, and its flags would start servers as this user.
            let open = fs::metadata(directory).is_ok_and(|directory| directory.mode() & 0o002 != 0);
            let me = rustix::process::geteuid().as_raw();
            if open && seen.uid() != me {
                let mistake = format!(
                    "belongs to another user (uid {}, not {me}), in a directory that everybody can write",
                    seen.uid()
                );
                return Err(Diagnostic::of_file(&shown, mistake)
                    .hint(format!("if it is meant: --project {shown}"))
                    .into());
            }
            return Self::open(&file, shown).map(Some);
        }
        Ok(None)
    }

    /// Reads the project `path`: the file, or a folder that has one.
    ///
    /// # Errors
    /// There is no such file, or it has mistakes.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
        Self::open(&file, file.display().to_string())
    }

    fn open(file: &Path, shown: String) -> Result<Self, Diagnostics> {
        let bytes = read_limited(file).map_err(|why| {
            let mistake = Diagnostic::of_file(&shown, why);
            if file.exists() {
                mistake
            } else {
                mistake.hint("write a project to begin with: authlab init")
            }
        })?;
        let text = decode(&shown, bytes)?;
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        Self::of_text(&text, shown, directory)
    }

    /// Reads `text`, the file that is shown as `shown`, in the folder `directory`.
    ///
    /// # Errors
    /// Every mistake of the text.
    pub fn of_text(text: &str, shown: String, directory: PathBuf) -> Result<Self, Diagnostics> {
        sections::project(text, shown, directory)
    }

    /// Creates a mistake at a place of the file.
    pub fn mistake(&self, place: &Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.shown, place.clone(), message)
    }

    /// Returns the versions that `matrix` covers; without any in the file, all.
    #[must_use]
    pub fn versions(&self) -> Vec<&'static Kubernetes> {
        match &self.kubernetes {
            Some(kubernetes) => kubernetes.value.versions.clone(),
            None => Versions::pinned().kubernetes.iter().collect(),
        }
    }

    /// Returns the newest of these versions, which commands with one version use: a pre-release only if there is nothing else.
    #[must_use]
    pub fn newest(&self) -> &'static Kubernetes {
        let newest = self.versions().into_iter().max_by_key(|kubernetes| {
            let version = kubernetes.version;
            (!version.is_pre_release(), version)
        });
        newest.unwrap_or_else(|| Versions::pinned().newest())
    }

    /// Returns the files and folders of the features: those of the file, or else `features`, if it exists.
    #[must_use]
    pub fn feature_paths(&self) -> Vec<PathBuf> {
        if self.features.paths.is_empty() {
            let default = self.directory.join(FEATURES);
            return default.is_dir().then_some(default).into_iter().collect();
        }
        self.features.paths.iter().map(|path| path.value.resolved.clone()).collect()
    }

    /// Returns the person `name`.
    ///
    /// # Errors
    /// Nobody has this name.
    pub fn person(&self, name: &str) -> Result<&Person, UnknownPerson> {
        self.people.get(name).ok_or_else(|| UnknownPerson {
            name: name.to_owned(),
            file: self.shown.clone(),
            known: self.people.keys().cloned().collect(),
        })
    }
}

/// Nobody in the project has the name.
#[derive(Debug, thiserror::Error)]
#[error("nobody in {file} is named `{name}` (known: {})", if known.is_empty() { "nobody".to_owned() } else { known.join(", ") })]
pub struct UnknownPerson {
    name: String,
    file: String,
    known: Vec<String>,
}

impl crate::hint::Hint for UnknownPerson {
    fn hint(&self) -> Option<String> {
        match similar(&self.name, self.known.iter().map(String::as_str), 1).pop() {
            Some(name) => Some(format!("did you mean `{name}`?")),
            None => Some(format!("add a table [people.{}]", self.name)),
        }
    }
}

/// Returns the bytes of a file, or why they cannot be read.
fn read_limited(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => format!("cannot read the file: {error}"),
    };
    // A pipe might never end, and a directory has no text.
    let seen = fs::metadata(path).map_err(cannot)?;
    if !seen.is_file() {
        let kind = if seen.is_dir() { "a directory" } else { "a pipe, socket or device" };
        return Err(format!("is {kind}, expected a file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err("is larger than 1 MiB".to_owned());
    }
    Ok(bytes)
}
