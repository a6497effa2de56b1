//! Files that flags name by their path on a node, found on this machine.
//!
//! The main type is [`NamedFile`].

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::document::{load, shown};
use super::flags::Reads;
use crate::diagnostic::{Diagnostic, Place};

/// A file that a flag names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(crate) flag: String,
    pub(crate) reads: Reads,
    /// The path on a node.
    pub(crate) path: String,
    /// The file that has the flag, and the place in it.
    pub(crate) file: PathBuf,
    pub(crate) place: Place,
    pub(crate) content: Located,
}

impl NamedFile {
    /// Returns the content as text.
    ///
    /// # Errors
    /// The file was not found, or cannot be read.
    pub(crate) fn text(&self) -> Result<String, Diagnostic> {
        match &self.content {
            Located::Inside(inside) => Ok(inside.text.clone()),
            Located::Mounted(path) | Located::Beside(path) | Located::Itself(path) => load(path),
            Located::Missing(looked) => {
                let looked: Vec<String> = looked.iter().map(|path| shown(path)).collect();
                let message = format!("the file {} of --{} was not found", self.path, self.flag);
                let mistake = Diagnostic::at(shown(&self.file), self.place.clone(), message).unread();
                Err(match looked.last() {
                    Some(nearest) => mistake.hint(format!("put a copy at {nearest}; looked at: {}", looked.join(", "))),
                    None => mistake,
                })
            }
        }
    }
}

/// The content of a file of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// In the file that was read.
    Inside(Inside),
    /// On this machine, by a mount.
    Mounted(PathBuf),
    /// Beside the file that was read, by its name.
    Beside(PathBuf),
    /// The file that was read.
    Itself(PathBuf),
    /// Nowhere; the paths that were looked at.
    Missing(Vec<PathBuf>),
}

/// The content of a file of a node, inside of the file that was read.
///
/// [`Inside::in_file`] leads from its lines to those of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) text: String,
    /// The place of its key.
    pub(crate) place: Place,
    /// The number of lines before its first one and the number of characters before each line, if each line of the content is a line of
    /// the file.
    pub(crate) starts: Option<(usize, usize)>,
}

impl Inside {
    /// Returns the line and column in the file of a line and column of the content; `None` if the file has it in another form.
    pub(crate) fn in_file(&self, line: usize, column: usize) -> Option<(usize, usize)> {
        self.starts.map(|(before, indent)| (before + line, indent + column))
    }
}

/// A directory or file that is seen under another path.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub(super) container: String,
    pub(super) host: String,
}

/// The places at which files of nodes may be found.
#[derive(Debug)]
pub(super) struct Files {
    /// The directory of the file that was read.
    directory: PathBuf,
    pub(super) inside: BTreeMap<String, Inside>,
    /// From the API server's container to its node.
    pub(super) of_pod: Vec<Mount>,
    /// From a node that is a container to this machine.
    pub(super) of_node: Vec<Mount>,
}

impl Files {
    /// Returns the places for the file `path`.
    pub(super) fn beside(path: &Path) -> Self {
        Self {
            directory: path.parent().map(Path::to_owned).unwrap_or_default(),
            inside: BTreeMap::new(),
            of_pod: Vec::new(),
            of_node: Vec::new(),
        }
    }

    /// Finds the file that an API server sees as `path`.
    pub(super) fn locate(&self, path: &str) -> Located {
        let on_node = through(&self.of_pod, path);
        let names = [Some(path), on_node.as_deref()];
        if let Some(inside) = names.iter().flatten().find_map(|name| self.inside.get(*name)) {
            return Located::Inside(inside.clone());
        }
        let mut looked = Vec::new();
        let mut is_there = |path: &Path| {
            let is_new = !looked.iter().any(|other| other == path);
            is_new && {
                looked.push(path.to_owned());
                path.is_file()
            }
        };
        let on_machine = through(&self.of_node, on_node.as_deref().unwrap_or(path));
        // A node that is a container shares nothing with this machine but what is mounted.
        let mounted = on_machine.clone().or_else(|| on_node.clone().filter(|_| self.of_node.is_empty()));
        if let Some(mounted) = mounted
            .map(|mounted| self.directory.join(mounted).components().collect::<PathBuf>())
            .filter(|path| is_there(path))
        {
            return Located::Mounted(mounted);
        }
        let names = [on_machine.as_deref(), on_node.as_deref(), Some(path)];
        for name in names.into_iter().flatten() {
            if let Some(beside) = self.suffixes(name).into_iter().find(|path| is_there(path)) {
                return Located::Beside(beside);
            }
        }
        Located::Missing(looked)
    }

    /// Returns the paths below the file's own directory that end like `path`, the longest first. No path leads out of the directory.
    fn suffixes(&self, path: &str) -> Vec<PathBuf> {
        let parts: Vec<_> = Path::new(path)
            .components()
            .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
            .collect();
        if parts.iter().any(|part| !matches!(part, Component::Normal(_))) {
            return Vec::new();
        }
        (0..parts.len())
            .map(|from| self.directory.join(parts[from..].iter().collect::<PathBuf>()))
            .collect()
    }
}

/// Returns the path behind the mount with the longest path that contains `path`.
fn through(mounts: &[Mount], path: &str) -> Option<String> {
    let below = |mount: &Mount| {
        let rest = Path::new(path).strip_prefix(&mount.container).ok()?;
        let host = Path::new(&mount.host);
        let whole = if rest.as_os_str().is_empty() {
            host.to_owned()
        } else {
            host.join(rest)
        };
        Some((mount.container.len(), whole.to_str()?.to_owned()))
    };
    mounts
        .iter()
        .filter_map(below)
        .max_by_key(|(length, _)| *length)
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_node_is_found_by_mount_or_name_or_named_as_missing() {
        let directory = tempfile::tempdir().unwrap();
        let below = |path: &str| directory.path().join(path);
        fs_err::create_dir_all(below("auth/etc")).unwrap();
        for file in ["auth/authn.yaml", "authn.yaml", "auth/etc/authz.yaml", "other.crt"] {
            fs_err::write(below(file), "x").unwrap();
        }
        let mount = |container: &str, host: &str| Mount {
            container: container.to_owned(),
            host: host.to_owned(),
        };
        let mut files = Files::beside(&below("kind.yaml"));
        files.of_pod = vec![mount("/etc/kubernetes/auth", "/auth"), mount("/etc/kubernetes", "/k")];
        files.of_node = vec![mount("/auth", "./auth")];
        let mounted = |path: &str| Located::Mounted(below("./").join(path));
        assert_eq!(files.locate("/etc/kubernetes/auth/authn.yaml"), mounted("./auth/authn.yaml"));
        assert_eq!(files.locate("/etc/ssl/other.crt"), Located::Beside(below("other.crt")));
        assert_eq!(files.locate("authn.yaml"), Located::Beside(below("authn.yaml")));
        // The longest name that is there.
        assert_eq!(
            files.locate("/x/auth/etc/authz.yaml"),
            Located::Beside(below("auth/etc/authz.yaml"))
        );
        let Located::Missing(looked) = files.locate("/etc/kubernetes/auth/none.yaml") else {
            panic!("there is no such file")
        };
        assert_eq!(looked.first(), Some(&below("./auth/none.yaml")));
        assert!(
            looked.contains(&below("none.yaml")) && looked.iter().all(|path| path.starts_with(directory.path())),
            "{looked:?}"
        );
        // No name leads out of the directory.
        assert!(matches!(files.locate("/x/../../../etc/hosts"), Located::Missing(looked) if looked.is_empty()));
    }

    #[test]
    fn a_missing_file_is_told_at_its_flag() {
        let file = NamedFile {
            flag: "oidc-ca-file".to_owned(),
            reads: Reads::Certificates,
            path: "/etc/ca.crt".to_owned(),
            file: PathBuf::from("kubeadm.yaml"),
            place: crate::diagnostic::Source::new("", "oidc-ca-file: /etc/ca.crt").place_at(1, 1, 12),
            content: Located::Missing(vec![PathBuf::from("etc/ca.crt"), PathBuf::from("ca.crt")]),
        };
        assert_eq!(
            file.text().unwrap_err().to_string(),
            "kubeadm.yaml:1:1: the file /etc/ca.crt of --oidc-ca-file was not found\n  1 | oidc-ca-file: /etc/ca.crt\n    | ^^^^^^^^^^^^ put a copy at ca.crt; looked at: etc/ca.crt, ca.crt"
        );
    }

    #[test]
    fn a_mount_counts_for_whole_names_only() {
        let mounts = [Mount {
            container: "/etc/kube".to_owned(),
            host: "/k".to_owned(),
        }];
        for (path, expected) in [
            ("/etc/kube/a", Some("/k/a")),
            ("/etc/kube", Some("/k")),
            ("/etc/kubernetes/a", None),
        ] {
            assert_eq!(through(&mounts, path).as_deref(), expected, "{path}");
        }
    }
}
