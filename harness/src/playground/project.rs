//! The content of the page as a project: `authlab.toml` and the files that it names. The main functions are [`files`], [`archive`] and
//! [`write`].

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::draft::Draft;
use super::marks::{Mark, Place};
use super::people::DraftPerson;
use crate::hint::Hint;
use crate::project::{LARGEST_NUMBER, is_a_steps_word, valid_name};
use crate::trial::Presented;

/// A file of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProjectFile {
    /// Its name, without a directory.
    pub(super) name: &'static str,
    pub(super) text: String,
}

const PROJECT: &str = "authlab.toml";
const CONFIGURATION: &str = "authentication.yaml";
const MANIFESTS: &str = "manifests.yaml";

/// The reason why a project is not saved.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSaved {
    /// Files with another content exist.
    #[error("{} already {}, with another content", names.join(" and "), if names.len() == 1 { "exists" } else { "exist" })]
    Exists {
        /// Their names.
        names: Vec<&'static str>,
    },
    /// A file is not a regular one: it may lead out of the directory.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl Hint for NotSaved {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => Some("save again, and let them be replaced".to_owned()),
            Self::NotAFile { path } => Some(format!("remove {}", path.display())),
            Self::Unwritable { .. } => None,
        }
    }
}

/// Returns the files of the project for `draft`.
///
/// # Errors
/// The people who cannot be written there.
pub(super) fn files(draft: &Draft) -> Result<Vec<ProjectFile>, Vec<Mark>> {
    let file = |name, text: &str| {
        (!text.trim().is_empty()).then(|| ProjectFile {
            name,
            text: text.to_owned(),
        })
    };
    let mut files = vec![ProjectFile {
        name: PROJECT,
        text: project(draft)?,
    }];
    files.extend(file(CONFIGURATION, &draft.configuration));
    files.extend(file(MANIFESTS, &draft.manifests));
    Ok(files)
}

/// Returns the text of `authlab.toml`.
fn project(draft: &Draft) -> Result<String, Vec<Mark>> {
    let mut mistakes = Vec::new();
    let mut server = toml::Table::new();
    if !draft.configuration.trim().is_empty() {
        server.insert("authentication-configuration".to_owned(), CONFIGURATION.into());
    }
    let flags: toml::Table = draft
        .flags
        .lines()
        .filter_map(|line| line.trim().trim_start_matches('-').split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if !flags.is_empty() {
        server.insert("flags".to_owned(), flags.into());
    }
    let (mut people, mut names, mut left_out) = (toml::Table::new(), BTreeSet::new(), Vec::new());
    for (index, person) in draft.people.iter().enumerate() {
        let name = name(&person.name, index);
        // Case does not count in features.
        if !names.insert(name.to_ascii_lowercase()) {
            mistakes.push(Mark::of(Place::Person, format!("two people are named {name}")).person(index));
            continue;
        }
        match credential(person, &name, &mut left_out) {
            Ok((key, value)) => drop(people.insert(name, toml::Table::from_iter([(key.to_owned(), value)]).into())),
            Err(mark) => mistakes.push(mark.person(index)),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut text = String::from("# Saved by authlab's playground.\n");
    for action in draft.actions.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let quoted = crate::shell_word::quoted(action);
        text.push_str(&format!("# authlab try --all --may {quoted}\n"));
    }
    for what in &left_out {
        text.push_str(&format!("# Left out, since a project cannot have it: {what}\n"));
    }
    let mut top = toml::Table::new();
    if !draft.versions.is_empty() {
        top.insert("kubernetes".to_owned(), draft.versions.join(",").into());
    }
    if !draft.manifests.trim().is_empty() {
        top.insert("manifests".to_owned(), toml::Value::Array(vec![MANIFESTS.into()]));
    }
    for (name, table) in [("api-server", server), ("people", people)] {
        if !table.is_empty() {
            top.insert(name.to_owned(), table.into());
        }
    }
    text.push_str(&top.to_string());
    Ok(text)
}

/// Returns the person's name as a project may have it: a word that steps do not use for anybody.
fn name(name: &str, index: usize) -> String {
    match valid_name(name.trim()) {
        word if word.is_empty() || is_a_steps_word(&word) => format!("person-{}", index + 1),
        word => word,
    }
}

/// Returns the key and the value of the person's credential, and adds to `left_out` what TOML does not have.
fn credential(person: &DraftPerson, name: &str, left_out: &mut Vec<String>) -> Result<(&'static str, toml::Value), Mark> {
    Ok(match person.presents.read()? {
        Presented::Token(token) => ("claims", table(&token.claims, name, left_out).into()),
        Presented::Certificate {
            common_name,
            organizations,
        } => {
            let mut certificate = toml::Table::from_iter([("common-name".to_owned(), common_name.into())]);
            if !organizations.is_empty() {
                certificate.insert("organizations".to_owned(), organizations.into());
            }
            ("certificate", certificate.into())
        }
        Presented::ServiceAccount { namespace, name } => ("service-account", format!("{namespace}/{name}").into()),
        // None on the page.
        Presented::Login(_) | Presented::Own(_) => ("claims", toml::Table::new().into()),
    })
}

/// Returns `claims` as a table, and adds to `left_out` the names of values that TOML does not have.
fn table(claims: &serde_json::Map<String, Value>, below: &str, left_out: &mut Vec<String>) -> toml::Table {
    let values = claims.iter().filter_map(|(claim, value)| {
        let written = toml_value(value, &format!("{below}.{claim}"), left_out)?;
        Some((claim.clone(), written))
    });
    values.collect()
}

fn toml_value(value: &Value, name: &str, left_out: &mut Vec<String>) -> Option<toml::Value> {
    let number = |number: &serde_json::Number| match (number.as_i64(), number.as_f64()) {
        // A project has no numbers of which readers of JSON lose digits.
        (Some(integer), _) => (-LARGEST_NUMBER..=LARGEST_NUMBER)
            .contains(&integer)
            .then_some(toml::Value::Integer(integer)),
        (None, Some(float)) if !number.is_u64() => Some(toml::Value::Float(float)),
        _ => None,
    };
    let written = match value {
        Value::Null => None,
        Value::Bool(value) => Some((*value).into()),
        Value::Number(value) => number(value),
        Value::String(text) => Some(text.as_str().into()),
        Value::Array(items) => Some(toml::Value::Array(
            items.iter().filter_map(|item| toml_value(item, name, left_out)).collect(),
        )),
        Value::Object(fields) => Some(table(fields, name, left_out).into()),
    };
    if written.is_none() {
        left_out.push(format!("{name:?} = {value}"));
    }
    written
}

/// Returns `files` as an archive (POSIX.1-1988 ustar).
pub(super) fn archive(files: &[ProjectFile]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(file.text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, Path::new("authlab-project").join(file.name), file.text.as_bytes())?;
    }
    archive.into_inner()
}

/// Writes `files` into `directory`, which is created if it is missing; with `replace`, also over files with another content.
///
/// # Errors
/// Without `replace`, such a file exists, and nothing was written; or a file cannot be written, or is not a regular one.
pub(super) fn write(directory: &Path, files: &[ProjectFile], replace: bool) -> Result<(), NotSaved> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| NotSaved::Unwritable { path, source }
    };
    DirBuilder::new().recursive(true).create(directory).map_err(unwritable(directory))?;
    let (mut missing, mut other) = (Vec::new(), Vec::new());
    for file in files {
        let path = directory.join(file.name);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(file),
            Err(error) => return Err(unwritable(&path)(error)),
            // A link would lead elsewhere.
            Ok(seen) if !seen.is_file() => return Err(NotSaved::NotAFile { path }),
            Ok(_) if !has(&path, &file.text).map_err(unwritable(&path))? => other.push(file),
            Ok(_) => {}
        }
    }
    if !other.is_empty() && !replace {
        let names = other.iter().map(|file| file.name).collect();
        return Err(NotSaved::Exists { names });
    }
    for (file, is_new) in missing
        .iter()
        .map(|file| (file, true))
        .chain(other.iter().map(|file| (file, false)))
    {
        let path = directory.join(file.name);
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(is_new)
            .truncate(!is_new)
            .custom_flags(libc::O_NOFOLLOW);
        let written = options.open(&path).and_then(|mut opened| opened.write_all(file.text.as_bytes()));
        written.map_err(unwritable(&path))?;
    }
    Ok(())
}

/// Returns whether the file `path` contains just `text`.
fn has(path: &Path, text: &str) -> io::Result<bool> {
    let mut found = Vec::new();
    File::open(path)?.take(text.len() as u64 + 1).read_to_end(&mut found)?;
    Ok(found == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::people::DraftCredential;
    use super::*;
    use crate::project::{Credential, Project};

    fn draft() -> Draft {
        let person = |name: &str, presents: DraftCredential| DraftPerson {
            name: name.to_owned(),
            presents,
        };
        let claims = |text: &str| DraftCredential::Claims(text.to_owned());
        Draft {
            configuration: "kind: AuthenticationConfiguration\n".to_owned(),
            flags: "--v=2\n".to_owned(),
            people: vec![
                person(
                    "alice",
                    claims(r#"{"sub": "a", "n": null, "big": 9007199254740993, "groups": ["x"], "realm_access": {"roles": ["y"]}}"#),
                ),
                person("bob ]\n[x", claims("{}")),
                person(
                    "carol",
                    DraftCredential::Certificate {
                        common_name: "carol \"]\n".to_owned(),
                        organizations: "ops\nadmins\n".to_owned(),
                    },
                ),
                person("the", DraftCredential::ServiceAccount("ci/deployer".to_owned())),
            ],
            actions: "get pods in it's\n".to_owned(),
            versions: vec!["1.37".to_owned(), "1.30".to_owned()],
            ..Draft::default()
        }
    }

    #[test]
    fn a_project_says_what_the_page_says() {
        let files = files(&draft()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.name).collect();
        assert_eq!(names, ["authlab.toml", "authentication.yaml"]);
        let table: toml::Table = files[0].text.parse().unwrap_or_else(|error| panic!("{error}\n{}", files[0].text));
        assert_eq!(table["kubernetes"].as_str(), Some("1.37,1.30"));
        assert_eq!(table["api-server"]["flags"]["v"].as_str(), Some("2"));
        assert_eq!(table["people"]["alice"]["claims"]["realm_access"]["roles"][0].as_str(), Some("y"));
        assert!(table["people"]["bob----x"]["claims"].as_table().is_some_and(toml::Table::is_empty));
        // And a project is what it is.
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &files, false).unwrap();
        let project = Project::read(directory.path()).unwrap_or_else(|error| panic!("{error}\n{}", files[0].text));
        match &project.person("carol").unwrap().credential {
            Credential::Certificate {
                common_name,
                organizations,
            } => {
                let organizations: Vec<_> = organizations.iter().map(|one| one.value.as_str()).collect();
                assert_eq!((common_name.value.as_str(), organizations), ("carol \"]", vec!["ops", "admins"]));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            &project.person("person-4").unwrap().credential,
            Credential::ServiceAccount { namespace, name, .. } if namespace == "ci" && name == "deployer"
        ));
        for part in ["\"alice.n\" = null", "\"alice.big\" = 9007199254740993", "authlab try --all --may"] {
            assert!(files[0].text.contains(part), "{part} is not in {}", files[0].text);
        }
        let archive = archive(&files).unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let paths: Vec<PathBuf> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        assert_eq!(
            paths,
            [
                Path::new("authlab-project/authlab.toml"),
                Path::new("authlab-project/authentication.yaml")
            ]
        );
    }

    #[test]
    fn two_people_of_one_name_are_a_mistake() {
        let mut draft = draft();
        draft.people[1].name = "Alice".to_owned();
        assert_eq!(files(&draft).unwrap_err()[0].person, Some(1));
    }

    #[test]
    fn nothing_is_replaced_unless_it_is_said_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (into, outside) = (directory.path().join("new/project"), directory.path().join("outside"));
        let saved = files(&draft()).unwrap();
        write(&into, &saved, false).unwrap();
        write(&into, &saved, false).unwrap();
        std::fs::write(into.join("authlab.toml"), "mine").unwrap();
        let error = write(&into, &saved, false).unwrap_err();
        assert_eq!(error.to_string(), "authlab.toml already exists, with another content");
        assert_eq!(std::fs::read_to_string(into.join("authlab.toml")).unwrap(), "mine");
        write(&into, &saved, true).unwrap();
        assert_eq!(std::fs::read_to_string(into.join("authlab.toml")).unwrap(), saved[0].text);
        std::fs::write(&outside, "outside").unwrap();
        std::fs::remove_file(into.join("authlab.toml")).unwrap();
        std::os::unix::fs::symlink(&outside, into.join("authlab.toml")).unwrap();
        assert!(matches!(write(&into, &saved, true), Err(NotSaved::NotAFile { .. })));
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside");
    }
}
