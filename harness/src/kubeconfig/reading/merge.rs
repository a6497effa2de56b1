//! Several kubeconfigs as one, and the files that are meant (client-go `tools/clientcmd/loader.go`).
//!
//! The main type is [`Merged`]: of entries with one name, that of the first file counts.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Told;
use super::file::{Cluster, Context, Entry, File, Lines, User};
use crate::kubeconfig::Place;

/// The entries of all files.
pub(super) struct Merged {
    pub(super) current: Option<(String, Arc<Lines>)>,
    pub(super) clusters: BTreeMap<String, Entry<Cluster>>,
    pub(super) users: BTreeMap<String, Entry<User>>,
    pub(super) contexts: BTreeMap<String, Entry<Context>>,
    pub(super) files: Vec<Arc<Lines>>,
    /// Entries that do not count, since an earlier file has one of their name and other content.
    hidden: Vec<Hidden>,
}

struct Hidden {
    kind: &'static str,
    name: String,
    place: Option<Place>,
    by: PathBuf,
}

impl Merged {
    /// Reads all files with `read`. A missing one of several is skipped, as kubectl skips those of `KUBECONFIG`.
    pub(super) fn read(paths: &[PathBuf], read: &dyn Fn(&Path) -> io::Result<Vec<u8>>, told: &mut Told) -> Self {
        let mut merged = Self {
            current: None,
            clusters: BTreeMap::new(),
            users: BTreeMap::new(),
            contexts: BTreeMap::new(),
            files: Vec::new(),
            hidden: Vec::new(),
        };
        if paths.is_empty() {
            told.refuse(None, "there is no kubeconfig", "give --kubeconfig FILE, or set KUBECONFIG");
        }
        let mut missing = Vec::new();
        for path in paths {
            match read(path) {
                Ok(bytes) => merged.add(File::read(path, &bytes, told)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(path),
                Err(error) => {
                    let change = match error.kind() {
                        io::ErrorKind::FileTooLarge => super::TOO_LARGE,
                        _ => "name a file that you may read",
                    };
                    told.refuse(Some(whole(path)), super::of_file(path, &error), change);
                }
            }
        }
        let are_all_missing = missing.len() == paths.len();
        for path in missing {
            let seen = format!("stat {}: no such file or directory", path.display());
            if are_all_missing {
                told.refuse(Some(whole(path)), seen, "name a kubeconfig that is there (--kubeconfig FILE, or KUBECONFIG): without one, kubectl asks http://localhost:8080; kubeadm's is \
                    /etc/kubernetes/admin.conf");
            } else {
                told.remark(
                    Some(whole(path)),
                    format!("{seen}: kubectl skips the file"),
                    "correct the path, or remove it from the list",
                );
            }
        }
        merged
    }

    fn add(&mut self, file: File) {
        add("context", &mut self.contexts, file.contexts, &mut self.hidden);
        add("cluster", &mut self.clusters, file.clusters, &mut self.hidden);
        add("user", &mut self.users, file.users, &mut self.hidden);
        if self.current.is_none() && !file.current_context.is_empty() {
            self.current = Some((file.current_context, Arc::clone(&file.lines)));
        }
        self.files.push(file.lines);
    }

    /// Tells about entries of that name that do not count.
    pub(super) fn tell_hidden(&self, kind: &str, name: &str, told: &mut Told) {
        for hidden in self.hidden.iter().filter(|hidden| hidden.kind == kind && hidden.name == name) {
            let file = hidden
                .place
                .as_ref()
                .map(|place| place.file.display().to_string())
                .unwrap_or_default();
            told.remark(
                hidden.place.clone(),
                format!(
                    "the {kind} {name:?} is that of {}; the one of {file} is not used",
                    hidden.by.display()
                ),
                "rename one of the two, also in the contexts that name it",
            );
        }
    }
}

fn whole(path: &Path) -> Place {
    Place {
        file: path.to_owned(),
        line: None,
    }
}

fn add<T>(kind: &'static str, all: &mut BTreeMap<String, Entry<T>>, more: BTreeMap<String, Entry<T>>, hidden: &mut Vec<Hidden>) {
    for (name, entry) in more {
        if let Some(first) = all.get(&name) {
            if first.raw != entry.raw || first.directory() != entry.directory() {
                hidden.push(Hidden {
                    kind,
                    name,
                    place: entry.place(""),
                    by: first.file.path.clone(),
                });
            }
        } else {
            all.insert(name, entry);
        }
    }
}

/// Returns the files of a list such as `KUBECONFIG`: each once, without empty names.
#[must_use]
pub fn files_of(list: &OsStr) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()) {
        if !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

/// Returns the files that kubectl reads without `--kubeconfig`: those of `KUBECONFIG` (its value is `list`), else `~/.kube/config`.
#[must_use]
pub fn default_files(list: Option<&OsStr>, home: Option<&Path>) -> Vec<PathBuf> {
    match list.filter(|list| !list.is_empty()) {
        Some(list) => files_of(list),
        None => home.map(|home| home.join(".kube/config")).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_each_file_once() {
        let files = |list: &str| files_of(OsStr::new(list));
        assert_eq!(files("a:b::a"), [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(files(""), Vec::<PathBuf>::new());
        let home = Some(Path::new("/h/a"));
        assert_eq!(default_files(None, home), [PathBuf::from("/h/a/.kube/config")]);
        assert_eq!(default_files(Some(OsStr::new("")), home), [PathBuf::from("/h/a/.kube/config")]);
        assert_eq!(
            default_files(Some(OsStr::new("x:y")), home),
            [PathBuf::from("x"), PathBuf::from("y")]
        );
    }
}
