//! Paths in the file: one file, one folder, or the manifests of a pattern. The main types are [`ProjectPath`] and [`ManifestFiles`].

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::reader::{Reader, Value};
use crate::diagnostic::Placed;
use crate::similar::similar;

/// The endings of the manifests in a folder.
const MANIFESTS: [&str; 3] = ["yaml", "yml", "json"];

/// The characters that make a path a pattern.
const WILD: [char; 4] = ['*', '?', '[', '{'];

/// The maximum number of files and folders that are searched for manifests.
const MOST: usize = 10_000;

/// A path in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectPath {
    /// The text in the file.
    pub written: String,
    /// The path below the project's folder.
    pub resolved: PathBuf,
}

/// Manifests, named by a file, a folder or a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFiles {
    /// The text in the file.
    pub written: String,
    /// The files, by name; at least one.
    pub files: Vec<PathBuf>,
}

/// The kind of file that a path must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    File,
    FileOrFolder,
    /// A file that may come later, such as a token that a CI job gets.
    Later,
}

/// Reads the path `name`.
pub(super) fn path(reader: &mut Reader<'_>, name: &str, value: &Value<'_>, expected: Expected) -> Option<Placed<ProjectPath>> {
    let written = reader.text(name, value)?;
    let resolved = reader.directory.join(&written.value);
    if expected != Expected::Later {
        let span = value.span();
        match fs::metadata(&resolved) {
            Ok(seen) if seen.is_file() || expected == Expected::FileOrFolder && seen.is_dir() => {}
            Ok(seen) => {
                let kind = if seen.is_dir() { "a directory" } else { "a pipe, socket or device" };
                reader.tell_with(span, format!("`{}` is {kind}, expected a file", written.value), means(&resolved));
                return None;
            }
            Err(error) => {
                tell_missing(reader, value, &written.value, &resolved, &error);
                return None;
            }
        }
    }
    Some(written.map(|written| ProjectPath { written, resolved }))
}

/// Reads the manifests that one entry names.
pub(super) fn manifests(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Placed<ManifestFiles>> {
    let written = reader.text("manifests", value)?;
    let resolved = reader.directory.join(&written.value);
    let found = if written.value.contains(WILD) {
        of_pattern(reader.directory, &written.value)
    } else {
        match fs::metadata(&resolved) {
            Ok(seen) if seen.is_dir() => walk(&resolved, usize::MAX, &has_ending),
            Ok(_) => Ok(vec![resolved]),
            Err(error) => {
                tell_missing(reader, value, &written.value, &resolved, &error);
                return None;
            }
        }
    };
    match found {
        Ok(files) if files.is_empty() => {
            let hint = format!(
                "{}; in a folder, files that end in .yaml, .yml or .json count",
                means(&reader.directory.join(&written.value))
            );
            reader.tell_with(value.span(), format!("no manifest in `{}`", written.value), hint);
            None
        }
        Ok(files) => Some(written.map(|written| ManifestFiles { written, files })),
        Err(why) => {
            reader.tell(value.span(), format!("cannot search `{}`: {why}", written.value));
            None
        }
    }
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| MANIFESTS.contains(&ending)) && !is_kustomizes(path)
}

/// Returns whether `path` is a file of Kustomize, which lists manifests (kustomize `api/konfig`, its recognized names).
fn is_kustomizes(path: &Path) -> bool {
    path.file_stem().is_some_and(|name| name.eq_ignore_ascii_case("kustomization"))
}

fn means(resolved: &Path) -> String {
    format!("it means {}", resolved.display())
}

fn tell_missing(reader: &mut Reader<'_>, value: &Value<'_>, written: &str, resolved: &Path, error: &io::Error) {
    let message = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => format!("no such file: `{written}`"),
        _ => format!("cannot read `{written}`: {error}"),
    };
    let hint = if written.starts_with('~') {
        "`~` is not the home directory here: write a path below the project's folder, or an absolute one".to_owned()
    } else if let Some(meant) = beside(written, resolved) {
        format!("did you mean `{meant}`? {}", means(resolved))
    } else {
        means(resolved)
    };
    reader.tell_with(value.span(), message, hint);
}

/// Returns the path of a file beside the missing one with a similar name, as a user would write it.
fn beside(written: &str, resolved: &Path) -> Option<String> {
    let name = resolved.file_name()?.to_str()?;
    let entries = fs::read_dir(resolved.parent()?).ok()?.take(MOST).filter_map(Result::ok);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let meant = similar(name, names.iter().map(String::as_str), 1).pop()?;
    Some(match written.trim_end_matches('/').rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{meant}"),
        None => meant,
    })
}

/// Returns the files below `directory` that match the pattern `written`: `*` and `?` stay within one name, `**` does not.
fn of_pattern(directory: &Path, written: &str) -> Result<Vec<PathBuf>, String> {
    let parts: Vec<&str> = written.split('/').collect();
    let plain = parts.iter().position(|part| part.contains(WILD)).unwrap_or_default();
    let (plain, pattern) = (parts[..plain].join("/"), parts[plain..].join("/"));
    let root = match plain.as_str() {
        "" if written.starts_with('/') => PathBuf::from("/"),
        plain => directory.join(plain),
    };
    let glob = GlobBuilder::new(&pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| error.to_string())?;
    let glob = glob.compile_matcher();
    let depth = if pattern.contains("**") {
        usize::MAX
    } else {
        pattern.split('/').count()
    };
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    walk(&root, depth, &|path| {
        !is_kustomizes(path) && path.strip_prefix(&root).is_ok_and(|path| glob.is_match(path))
    })
}

/// Returns the files below `root` that `is_meant`, by name. Hidden files are not looked at, and links to folders are not followed.
fn walk(root: &Path, depth: usize, is_meant: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_owned(), 1)];
    let mut looked_at = 0;
    while let Some((folder, level)) = folders.pop() {
        let cannot = |error: io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            looked_at += 1;
            if looked_at > MOST {
                return Err(format!("more than {MOST} files and folders are below {}", root.display()));
            }
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let (path, kind) = (entry.path(), entry.file_type().map_err(cannot)?);
            if kind.is_dir() {
                if level < depth {
                    folders.push((path, level + 1));
                }
            } else if is_meant(&path) && path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
