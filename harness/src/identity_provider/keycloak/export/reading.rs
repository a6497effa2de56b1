//! Reading exports: one realm, a list of realms, or a folder of `kc.sh export --dir`. The main function is [`read`].

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::RealmExport;
use crate::diagnostic::{Diagnostic, Source, decode, kind_of_json};

/// The maximum number of bytes of a file: some ten thousand users.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The end of the name of a realm's file in a folder, before which its name stands (Keycloak's `DirExportProvider`).
const REALM: &str = "-realm.json";

/// The remedy for a file that is no export of a realm.
const EXPORT: &str =
    "export it with `kc.sh export --realm NAME --file realm.json`, or in the admin console: Realm settings, Action, Partial export";

/// Reads the realms in `path`, a file or a folder, which is shown as `shown`; at least one.
///
/// # Errors
/// A file cannot be read, is not JSON, or has no realm.
pub fn read(path: &Path, shown: &Path) -> Result<Vec<RealmExport>, Diagnostic> {
    if !path.is_dir() {
        return of_file(path, shown);
    }
    let mut realms = Vec::new();
    for name in names(path, |name| name.ends_with(REALM)) {
        realms.extend(of_file(&path.join(&name), &shown.join(&name))?);
    }
    if realms.is_empty() {
        let told = format!("no file in the folder has a name that ends with {REALM}");
        return Err(Diagnostic::of_file(shown.display().to_string(), told).hint("name the file of the realm"));
    }
    Ok(realms)
}

fn of_file(path: &Path, shown: &Path) -> Result<Vec<RealmExport>, Diagnostic> {
    let file = shown.display().to_string();
    let documents = match json(path, &file)? {
        Value::Array(realms) => realms,
        one => vec![one],
    };
    if documents.is_empty() {
        return Err(Diagnostic::of_file(file, "the list of realms is empty").hint(EXPORT));
    }
    let mut realms = Vec::new();
    for document in documents {
        realms.push(realm(document, &file)?);
    }
    // Keycloak writes users into files of their own, beside that of the realm.
    if let ([only], Some(name)) = (&mut realms[..], path.file_name().and_then(|name| name.to_str()))
        && let (Some(name), Some(folder)) = (name.strip_suffix(REALM), path.parent())
    {
        add_users(only, folder, shown.parent().unwrap_or(Path::new("")), name)?;
    }
    Ok(realms)
}

/// Adds the users of `NAME-users-0.json` and so on, and those of NAME-federated-users-0.json are left out: they are elsewhere.
fn add_users(realm: &mut RealmExport, folder: &Path, shown: &Path, name: &str) -> Result<(), Diagnostic> {
    let begins = format!("{name}-users-");
    for name in names(folder, |name| name.starts_with(&begins) && name.ends_with(".json")) {
        let mut users = json(&folder.join(&name), &shown.join(&name).display().to_string())?;
        let Some(Value::Array(users)) = users.get_mut("users").map(Value::take) else {
            continue;
        };
        let known = realm.document.entry("users").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(known) = known {
            known.extend(users);
        }
    }
    Ok(())
}

/// Returns the realm in `document`.
fn realm(document: Value, file: &str) -> Result<RealmExport, Diagnostic> {
    let Value::Object(document) = document else {
        let told = format!("has {}, expected the export of a realm: an object", kind_of_json(&document));
        return Err(Diagnostic::of_file(file, told).hint(EXPORT));
    };
    match document.get("realm").and_then(Value::as_str) {
        // It becomes a segment of URLs, and part of a file's name.
        Some(name) if name.contains(['/', '\\', '?', '#', '\0']) || name.starts_with('.') => {
            Err(Diagnostic::of_file(file, format!("{name:?} is not the name of a realm")))
        }
        Some(name) if !name.is_empty() => Ok(RealmExport {
            file: file.to_owned(),
            name: name.to_owned(),
            document,
        }),
        _ => Err(Diagnostic::of_file(file, format!("has no realm in it: {}", instead(&document))).hint(EXPORT)),
    }
}

/// Returns what `document` is instead of a realm.
fn instead(document: &Map<String, Value>) -> &'static str {
    match document {
        _ if document.contains_key("clientId") => "it is the export of a client",
        _ if document.contains_key("realm") => "`realm` is not a name",
        _ if document.contains_key("users") => "it has users, and no name `realm`",
        _ => "the name `realm` is missing",
    }
}

/// Reads a file as JSON.
fn json(path: &Path, file: &str) -> Result<Value, Diagnostic> {
    let wrong = |why: String| Diagnostic::of_file(file, why);
    let seen = fs::metadata(path).map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    if !seen.is_file() {
        return Err(wrong("is a pipe, socket or device, expected a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(format!("cannot read the file: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong("is larger than 64 MiB".to_owned()).hint("export the realm with fewer users: those that people log in as"));
    }
    let text = decode(file, bytes)?;
    if text.trim().is_empty() {
        return Err(wrong("is empty, expected the export of a realm".to_owned()).hint(EXPORT));
    }
    serde_json::from_str(&text).map_err(|error| {
        let why = error.to_string();
        // The place is shown with its line.
        let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
        Source::new(file, &text).mistake_at(error.line(), error.column().max(1), format!("not JSON: {why}"))
    })
}

/// Returns the names in `folder` that are meant, in order: a number decides before its digits do.
fn names(folder: &Path, is_meant: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| is_meant(name));
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.into_iter().map(PathBuf::from).collect()
}
