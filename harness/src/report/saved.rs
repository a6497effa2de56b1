//! Reading of records that were written earlier. The main item is [`read`].

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::Value;

use super::earlier;
use super::record::{RunRecord, SCHEMA};
use crate::hint::Hint;
use crate::printable::make_texts_printable;

/// The record's name in a report's directory.
pub const RECORD: &str = "run.json";

/// An error of a record that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file cannot be read at all.
    #[error("cannot read `{file}`")]
    Unreadable {
        /// The record.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is truncated, or was never JSON.
    #[error("`{file}` is damaged: it is not JSON at line {line}, column {column}")]
    NotJson {
        /// The record.
        file: PathBuf,
        /// The line where parsing failed.
        line: usize,
        /// The column in that line.
        column: usize,
        /// The cause.
        source: serde_json::Error,
    },
    /// The file is JSON, but not a record of authlab.
    #[error("`{file}` is not the record of a run: it has no whole number `schema`")]
    NoRecord {
        /// The file.
        file: PathBuf,
    },
    /// The record was written by a newer version, or not by authlab at all.
    #[error("`{file}` has schema {found} (written by authlab {by}); authlab {ours} reads schemas {oldest} to {SCHEMA}", ours = env!("CARGO_PKG_VERSION"), oldest = earlier::OLDEST)]
    OtherSchema {
        /// The record.
        file: PathBuf,
        /// The record's schema.
        found: u64,
        /// The version that wrote it, according to the record.
        by: String,
    },
    /// A field is missing or has an unexpected value.
    #[error("`{file}` is damaged: {}", at(field, problem))]
    Field {
        /// The record.
        file: PathBuf,
        /// The path of the field from the top.
        field: String,
        /// The problem with it.
        problem: String,
    },
}

fn at(field: &str, problem: &str) -> String {
    // A field that is missing at the top level has no path.
    if field == "." {
        problem.to_owned()
    } else {
        format!("field `{field}`: {problem}")
    }
}

impl Hint for SavedError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("name a {RECORD}, or the directory of a report: `authlab run --report DIR` writes one"))
            }
            Self::Unreadable { .. } => None,
            Self::NoRecord { .. } => Some(format!("name a {RECORD} that `authlab run --report DIR` wrote")),
            Self::OtherSchema { found, .. } if *found > u64::from(SCHEMA) => Some("draw it with the version of authlab that wrote it, or a newer one".to_owned()),
            Self::OtherSchema { .. } | Self::NotJson { .. } | Self::Field { .. } => {
                Some("a record is written completely or not at all, so this one was changed later: fetch it again, or repeat the run with `--report DIR`".to_owned())
            }
        }
    }
}

/// Reads the record at `path`, a file or a report's directory.
///
/// # Errors
/// Fails if the record cannot be read, is damaged, or has a schema that this version does not know.
pub fn read(path: &Path) -> Result<RunRecord, SavedError> {
    let file = file(path);
    let text = fs::read(&file).map_err(|error| SavedError::Unreadable {
        file: file.clone(),
        source: error,
    })?;
    parse(&file, &text)
}

/// Parses `text`, the content of `file`, as a record.
///
/// # Errors
/// Fails if the record is damaged, or has a schema that this version does not know.
pub fn parse(file: &Path, text: &[u8]) -> Result<RunRecord, SavedError> {
    let file = file.to_owned();
    let mut value: Value = serde_json::from_slice(text).map_err(|error| SavedError::NotJson {
        file: file.clone(),
        line: error.line(),
        column: error.column(),
        source: error,
    })?;
    // Another version, or another program, may have written the file.
    make_texts_printable(&mut value);
    let schema = value.get("schema").and_then(Value::as_u64);
    let found = schema.ok_or_else(|| SavedError::NoRecord { file: file.clone() })?;
    if !(earlier::OLDEST..=u64::from(SCHEMA)).contains(&found) {
        let by = value.get("authlab").and_then(Value::as_str).unwrap_or("of an unknown version");
        return Err(SavedError::OtherSchema {
            by: by.to_owned(),
            file,
            found,
        });
    }
    earlier::upgrade(&mut value, found);
    serde_path_to_error::deserialize(value).map_err(|error| SavedError::Field {
        file,
        field: error.path().to_string(),
        problem: error.inner().to_string(),
    })
}

/// Returns the record's file at `path`, a file or a report's directory.
#[must_use]
pub fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(RECORD) } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Recorder;

    fn refused(text: &str) -> (String, String) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join(RECORD), text).expect("a file in it");
        let error = read(directory.path()).expect_err("it is refused");
        let place = directory.path().display().to_string();
        (error.to_string().replace(&place, "DIR"), error.hint().unwrap_or_default())
    }

    fn record() -> Value {
        serde_json::to_value(Recorder::new().record()).expect("a record is JSON")
    }

    #[test]
    fn a_record_is_read_by_its_file_and_by_its_directory() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(RECORD);
        let mut written = Recorder::new();
        written.failed("because");
        written.record().write(&path).expect("it is written");
        for name in [&path, directory.path()] {
            assert_eq!(read(name).expect("it is read").error.as_deref(), Some("because"));
        }
    }

    #[test]
    fn what_a_saved_record_says_does_not_act_on_a_terminal() {
        let mut written = Recorder::new();
        written.failed("because \u{1b}[2J");
        let text = serde_json::to_vec(&written.record()).expect("a record is JSON");
        let read = parse(Path::new(RECORD), &text).expect("it is read");
        assert_eq!(read.error.as_deref(), Some("because \u{fffd}[2J"));
    }

    #[test]
    fn a_damaged_record_names_its_file_and_field_and_what_to_do() {
        let whole = record().to_string();
        let (error, hint) = refused(&whole[..whole.len() / 2]);
        assert!(
            error.starts_with("`DIR/run.json` is damaged: it is not JSON at line 1, column "),
            "{error}"
        );
        assert!(hint.contains("fetch it again"), "{hint}");

        let mut damaged = record();
        damaged["scenarios"] = serde_json::json!([{"id": "a::b", "outcome": "maybe"}]);
        let (error, hint) = refused(&damaged.to_string());
        assert!(
            error.starts_with("`DIR/run.json` is damaged: field `scenarios[0].outcome`: unknown variant `maybe`"),
            "{error}"
        );
        assert!(hint.contains("repeat the run"), "{hint}");

        let mut damaged = record();
        damaged.as_object_mut().expect("an object").remove("totals");
        assert_eq!(refused(&damaged.to_string()).0, "`DIR/run.json` is damaged: missing field `totals`");
    }

    #[test]
    fn what_is_no_record_of_this_schema_is_refused() {
        for text in ["{}", "[1]", "{\"schema\": \"one\"}"] {
            let (error, hint) = refused(text);
            assert_eq!(error, "`DIR/run.json` is not the record of a run: it has no whole number `schema`");
            assert!(hint.contains("--report DIR"), "{hint}");
        }
        let mut newer = record();
        newer["schema"] = (SCHEMA + 1).into();
        newer["authlab"] = "9.9.9".into();
        let (error, hint) = refused(&newer.to_string());
        assert!(
            error.starts_with("`DIR/run.json` has schema 3 (written by authlab 9.9.9); authlab "),
            "{error}"
        );
        assert!(hint.contains("the version of authlab that wrote it"), "{hint}");
    }

    #[test]
    fn a_record_of_an_earlier_version_needs_no_steps_and_no_requests() {
        let mut earlier = record();
        earlier["schema"] = 1.into();
        earlier["scenarios"] = serde_json::json!([{
            "id": "a/b::c", "flow": "a", "feature": "B", "rule": null, "name": "c", "place": "features/a/b.feature:1", "tags": [], "behaviours": [],
            "outcome": "passed", "skipped_because": null, "failure": null, "ms": 1, "answers": []
        }]);
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join(RECORD), earlier.to_string()).expect("a file in it");
        let record = read(directory.path()).expect("it is read");
        assert!(record.scenarios[0].steps.is_empty() && record.scenarios[0].exchanges.is_empty());
    }
}
