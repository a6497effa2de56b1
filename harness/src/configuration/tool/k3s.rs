//! k3s' and RKE2's `config.yaml`: `kube-apiserver-arg`, also in the files of `config.yaml.d`, where a later key replaces an earlier one
//! unless it ends with `+` (k3s `pkg/configfilearg/parser.go`). The main function is [`read`].

use std::path::{Path, PathBuf};

use super::reading::{Reading, entries, scalar};
use crate::configuration::document::{load, not_yaml, place};
use crate::configuration::documents::{parsed, split};
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::yaml::{Content, Node};

struct Value {
    text: String,
    file: PathBuf,
    place: Place,
}

/// Reads the file and those in its directory `….d`.
pub(super) fn read(reading: &mut Reading<'_>, root: &Node) -> Result<(), Vec<Diagnostic>> {
    let (mut arguments, mut mounts) = (Vec::new(), Vec::new());
    let mut add = |root: &Node, source: &Source<'_>, path: &Path| {
        for (key, node) in entries(root) {
            let values = match key.trim_end_matches('+') {
                "kube-apiserver-arg" => &mut arguments,
                // RKE2's, whose API server is a Pod.
                "kube-apiserver-extra-mount" => &mut mounts,
                _ => continue,
            };
            if !key.ends_with('+') {
                values.clear();
            }
            values.extend(listed(node).into_iter().map(|(value, node)| Value {
                text: value,
                file: path.to_owned(),
                place: place(source, node),
            }));
        }
    };
    add(root, &Source::new("", reading.text), reading.path());
    for path in drop_ins(reading.path()) {
        let text = load(&path).map_err(|mistake| vec![mistake])?;
        if let Some(part) = split(&text).first() {
            let root = parsed(part).map_err(|error| vec![not_yaml(&path, &text, &error)])?;
            add(&root, &Source::new("", &text), &path);
        }
    }
    for argument in arguments {
        let text = argument.text.trim_start_matches("--");
        let (name, value) = text.split_once('=').unwrap_or((text, "true"));
        reading.flag_of(name, value.to_owned(), argument.file, argument.place);
    }
    for mount in mounts {
        let mut parts = mount.text.split(':');
        if let (Some(host), Some(container)) = (parts.next(), parts.next()) {
            reading.pod_mount(container, host);
        }
    }
    Ok(())
}

/// Returns the items of a list, or the one value.
fn listed(node: &Node) -> Vec<(String, &Node)> {
    let items = match &node.content {
        Content::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    items.into_iter().filter_map(|node| Some((scalar(node)?, node))).collect()
}

/// Returns the files of the directory beside the file, in the order of their names.
fn drop_ins(path: &Path) -> Vec<PathBuf> {
    let mut directory = path.as_os_str().to_owned();
    directory.push(".d");
    let is_yaml = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        matches!(ending.as_deref(), Some("yaml" | "yml")) && path.is_file()
    };
    let Ok(files) = fs_err::read_dir(Path::new(&directory)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).filter(is_yaml).collect();
    files.sort();
    files
}
