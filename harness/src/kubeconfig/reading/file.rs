//! One kubeconfig in the fields of client-go, each text empty where the file has none.
//!
//! The main type is [`File`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::Told;
use super::check::check;
use crate::kubeconfig::{Place, Trouble};
use crate::secret::Secret;
use crate::yaml;

/// A file's entries.
pub(super) struct File {
    pub(super) current_context: String,
    pub(super) clusters: BTreeMap<String, Entry<Cluster>>,
    pub(super) users: BTreeMap<String, Entry<User>>,
    pub(super) contexts: BTreeMap<String, Entry<Context>>,
    /// The whole file.
    pub(super) lines: Arc<Lines>,
}

/// Where everything stands in a file, and what kubectl ignores in it.
pub(super) struct Lines {
    pub(super) path: PathBuf,
    lines: BTreeMap<String, usize>,
    remarks: Vec<(String, Trouble)>,
}

/// An entry with a name, and where it stands.
pub(super) struct Entry<T> {
    pub(super) value: T,
    /// The fields as they are in the file, to compare two entries of one name.
    pub(super) raw: Value,
    pub(super) file: Arc<Lines>,
    path: String,
    inside: &'static str,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Whole {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    current_context: String,
    clusters: Vec<Value>,
    users: Vec<Value>,
    contexts: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Cluster {
    pub(super) server: String,
    pub(super) tls_server_name: String,
    pub(super) insecure_skip_tls_verify: bool,
    pub(super) certificate_authority: String,
    /// Decoded.
    pub(super) certificate_authority_data: String,
    pub(super) proxy_url: String,
    pub(super) disable_compression: bool,
    pub(super) extensions: Vec<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) extension: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct User {
    pub(super) client_certificate: String,
    /// Decoded.
    pub(super) client_certificate_data: String,
    pub(super) client_key: String,
    /// Decoded.
    pub(super) client_key_data: Option<Secret>,
    pub(super) token: Option<Secret>,
    #[serde(rename = "tokenFile")]
    pub(super) token_file: String,
    #[serde(rename = "as")]
    pub(super) impersonate: String,
    pub(super) as_uid: String,
    pub(super) as_groups: Vec<String>,
    pub(super) as_user_extra: BTreeMap<String, Vec<String>>,
    pub(super) username: String,
    pub(super) password: Option<Secret>,
    pub(super) auth_provider: Option<Provider>,
    pub(super) exec: Option<Exec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) config: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exec {
    pub(super) api_version: String,
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<Variable>,
    pub(super) install_hint: String,
    pub(super) provide_cluster_info: bool,
    pub(super) interactive_mode: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Context {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) namespace: String,
}

impl File {
    /// Reads the content of the file `path`; what kubectl refuses is told, and the rest is kept.
    pub(super) fn read(path: &Path, bytes: &[u8], told: &mut Told) -> Self {
        let at = |line| {
            Some(Place {
                file: path.to_owned(),
                line: Some(line),
            })
        };
        let root = match yaml::decoded(bytes) {
            Ok(text) => yaml::parse(&text).unwrap_or_else(|error| {
                let change = if text.lines().any(|line| line.trim_start_matches(' ').starts_with('\t')) {
                    "indent its lines with spaces instead of tabs"
                } else {
                    "correct this line and those before it: the file is not YAML"
                };
                told.refuse(at(error.line), format!("yaml: {}", error.why), change);
                yaml::Node::none()
            }),
            Err(error) => {
                let change = if error.is_utf16 {
                    "write the file again in UTF-8 (PowerShell: `Out-File -Encoding utf8`): it is UTF-16 without the byte order mark that kubectl needs"
                } else {
                    "write the file again in UTF-8, without control characters"
                };
                told.refuse(at(error.line), format!("yaml: {}", error.why), change);
                yaml::Node::none()
            }
        };
        let checked = check(&root, path, told);
        let whole: Whole = serde_json::from_value(checked.value).unwrap_or_default();
        if !matches!((whole.kind.as_str(), whole.api_version.as_str()), ("" | "Config", "" | "v1")) {
            let or = |value: &str, usual: &str| if value.is_empty() { usual.to_owned() } else { value.to_owned() };
            let (kind, version) = (or(&whole.kind, "Config"), or(&whole.api_version, "v1"));
            let line = checked.lines.get("kind").or_else(|| checked.lines.get("apiVersion"));
            told.refuse(
                at(line.copied().unwrap_or(1)),
                format!("no kind {kind:?} is registered for version {version:?}"),
                "give a kubeconfig, which has `apiVersion: v1` and `kind: Config`",
            );
        }
        let lines = Arc::new(Lines {
            path: path.to_owned(),
            lines: checked.lines,
            remarks: checked.remarks,
        });
        Self {
            current_context: whole.current_context,
            clusters: entries(whole.clusters, "clusters", "cluster", &lines),
            users: entries(whole.users, "users", "user", &lines),
            contexts: entries(whole.contexts, "contexts", "context", &lines),
            lines,
        }
    }
}

/// Returns the entries by their names: of two with one name, which kubectl refuses, the first.
fn entries<T: Default + for<'de> Deserialize<'de>>(
    all: Vec<Value>,
    list: &str,
    inside: &'static str,
    file: &Arc<Lines>,
) -> BTreeMap<String, Entry<T>> {
    let mut entries = BTreeMap::new();
    for (index, mut entry) in all.into_iter().enumerate() {
        let name = entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let raw = entry.get_mut(inside).map(Value::take).unwrap_or_default();
        entries.entry(name).or_insert_with(|| Entry {
            value: serde_json::from_value(raw.clone()).unwrap_or_default(),
            raw,
            file: Arc::clone(file),
            path: format!("{list}.{index}"),
            inside,
        });
    }
    entries
}

impl<T> Entry<T> {
    /// Returns the place of the field, or of the entry if the file does not have the field.
    pub(super) fn place(&self, field: &str) -> Option<Place> {
        let (inside, lines) = (self.inside, &self.file.lines);
        let line = lines
            .get(&format!("{}.{inside}.{field}", self.path))
            .or_else(|| lines.get(&self.path));
        Some(Place {
            file: self.file.path.clone(),
            line: line.copied(),
        })
    }

    /// Returns the path of `name` beside the file that the entry is in (client-go `ResolvePaths`).
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Returns the directory of the file that the entry is in.
    pub(super) fn directory(&self) -> &Path {
        self.file.path.parent().unwrap_or(Path::new(""))
    }

    /// Returns what kubectl ignores in the entry.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Trouble> + '_ {
        let within = |path: &str| path == self.path || path.starts_with(&format!("{}.", self.path));
        self.file
            .remarks
            .iter()
            .filter(move |(path, _)| within(path))
            .map(|(_, remark)| remark.clone())
    }
}

impl Lines {
    /// Returns what kubectl ignores outside of all entries.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Trouble> + '_ {
        self.remarks
            .iter()
            .filter(|(path, _)| path.is_empty())
            .map(|(_, remark)| remark.clone())
    }

    /// Returns the place of a field outside of all entries, or the whole file.
    pub(super) fn place(&self, field: &str) -> Place {
        Place {
            file: self.path.clone(),
            line: self.lines.get(field).copied(),
        }
    }
}
