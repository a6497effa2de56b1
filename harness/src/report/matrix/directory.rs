//! The directory of a matrix' report. The main type is [`MatrixDirectory`]: `matrix.json`, `junit.xml`, and below `cells/` an
//! ordinary report for each cell, written when that cell ends, so that finished cells are kept whatever happens next.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use super::{CELLS, MatrixRecord, RECORD, RequestedMatrix};
use crate::hint::Hint;
use crate::report::cell::Cell;
use crate::report::directory::is_ours;
use crate::report::record::RunRecord;
use crate::report::saved::{self, SavedError};
use crate::report::{html, junit};

/// The names that a matrix' report consists of.
const OURS: [&str; 6] = [RECORD, CELLS, ASKED, LOGS, "junit.xml", "index.html"];

/// The output of the cells' processes while they run; removed afterwards, unless the matrix is killed.
const LOGS: &str = "logs";

/// The requested cells and scenarios, written before the first cell begins.
const ASKED: &str = "asked.json";

/// A directory that is a matrix' report, or will be.
#[derive(Debug)]
pub struct MatrixDirectory(PathBuf);

/// An error of a directory that cannot hold this matrix.
#[derive(Debug, thiserror::Error)]
pub enum MatrixDirectoryError {
    /// The directory holds other files.
    #[error("`{}` is not the report of a matrix: it holds `{other}`", directory.display())]
    HoldsOther {
        /// The directory.
        directory: PathBuf,
        /// The name of such a file.
        other: String,
    },
    /// The path is not a directory, or the directory cannot be read or written.
    #[error("cannot use the report's directory `{}`", directory.display())]
    Unusable {
        /// The directory.
        directory: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No matrix was begun in the directory, so there is nothing to resume.
    #[error("`{}` has no matrix to resume", directory.display())]
    NothingBegun {
        /// The directory.
        directory: PathBuf,
    },
    /// The file with the requested cells and scenarios cannot be read.
    #[error("`{}` is damaged: {problem}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The problem with it.
        problem: String,
    },
    /// Another matrix was begun in the directory.
    #[error("`{}` has another matrix: {difference}", directory.display())]
    Another {
        /// The directory.
        directory: PathBuf,
        /// The difference.
        difference: String,
    },
}

impl Hint for MatrixDirectoryError {
    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::HoldsOther { .. } => "name a directory that does not exist, is empty, or holds the report of a matrix",
                Self::Unusable { .. } => return None,
                Self::NothingBegun { .. } => "leave out `--resume` to start a matrix",
                Self::Damaged { .. } => "leave out `--resume` to start again",
                Self::Another { .. } => "repeat the options that it was started with, or leave out `--resume` to start again",
            }
            .to_owned(),
        )
    }
}

impl MatrixDirectory {
    /// Creates `directory`, which must be new, empty or an earlier matrix' report, whose cells are removed.
    ///
    /// # Errors
    /// Fails if the directory holds other files, or cannot be created.
    pub fn begin(directory: &Path, asked: &RequestedMatrix) -> Result<Self, MatrixDirectoryError> {
        let this = Self::open(directory)?;
        let unusable = |source| MatrixDirectoryError::Unusable {
            directory: directory.to_owned(),
            source,
        };
        for cell in this.cells().map_err(unusable)? {
            fs::remove_dir_all(cell).map_err(unusable)?;
        }
        fs::create_dir_all(directory.join(CELLS)).map_err(unusable)?;
        let text = serde_json::to_vec_pretty(asked).map_err(|error| unusable(error.into()))?;
        crate::report::directory::write(&directory.join(ASKED), &text).map_err(unusable)?;
        Ok(this)
    }

    /// Opens `directory`, in which the same matrix was begun.
    ///
    /// # Errors
    /// Fails if the directory holds other files, or if another matrix was begun in it.
    pub fn resume(directory: &Path, asked: &RequestedMatrix) -> Result<Self, MatrixDirectoryError> {
        let file = directory.join(ASKED);
        let Ok(text) = fs::read_to_string(&file) else {
            return Err(MatrixDirectoryError::NothingBegun {
                directory: directory.to_owned(),
            });
        };
        let mut reader = serde_json::Deserializer::from_str(&text);
        let begun: RequestedMatrix = serde_path_to_error::deserialize(&mut reader).map_err(|error| MatrixDirectoryError::Damaged {
            file,
            problem: format!("field `{}`: {}", error.path(), error.inner()),
        })?;
        if let Some(difference) = difference(&begun, asked) {
            return Err(MatrixDirectoryError::Another {
                directory: directory.to_owned(),
                difference,
            });
        }
        Self::open(directory)
    }

    fn open(directory: &Path) -> Result<Self, MatrixDirectoryError> {
        let unusable = |source| MatrixDirectoryError::Unusable {
            directory: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(unusable)?;
        // Names like `logs` are common, and the contents get removed: only one of these two files proves that this is a matrix' report.
        let is_matrix = [ASKED, RECORD].iter().any(|name| directory.join(name).is_file());
        for entry in fs::read_dir(directory).map_err(unusable)? {
            let entry = entry.map_err(unusable)?;
            if !is_matrix || !is_ours(&OURS, &entry.path()) {
                return Err(MatrixDirectoryError::HoldsOther {
                    directory: directory.to_owned(),
                    other: entry.file_name().to_string_lossy().into_owned(),
                });
            }
        }
        Ok(Self(directory.to_owned()))
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the directory that the cells' processes may write to while they run.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join(LOGS)
    }

    /// Returns the directory of a cell's report, which may not exist yet.
    #[must_use]
    pub fn cell(&self, cell: &Cell) -> PathBuf {
        self.0.join(CELLS).join(cell.to_string())
    }

    /// Returns the record of `cell` if it finished: a run that was interrupted or stopped after
    /// failures, or whose lab could not be started, counts as missing.
    ///
    /// # Errors
    /// Fails if there is a record, but it is damaged.
    pub fn finished(&self, cell: &Cell) -> Result<Option<RunRecord>, SavedError> {
        let directory = self.cell(cell);
        if !directory.join(saved::RECORD).exists() {
            return Ok(None);
        }
        let record = saved::read(&directory)?;
        Ok((!record.interrupted && record.error.is_none() && record.not_run() == 0).then_some(record))
    }

    /// Writes the matrix' report on `records`, each file completely or not at all.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self, matrix: &MatrixRecord, records: &[RunRecord]) -> io::Result<()> {
        matrix.write(&self.0.join(RECORD))?;
        let junit = junit::draw(records).map_err(io::Error::other)?;
        crate::report::directory::write(&self.0.join("junit.xml"), junit.as_bytes())?;
        crate::report::directory::write(&self.0.join("index.html"), html::draw(records).as_bytes())
    }

    /// Removes the remains of an earlier attempt at `cell`, if there are any.
    ///
    /// # Errors
    /// Fails if they cannot be removed.
    pub fn discard(&self, cell: &Cell) -> io::Result<()> {
        match fs::remove_dir_all(self.cell(cell)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn cells(&self) -> io::Result<Vec<PathBuf>> {
        match fs::read_dir(self.0.join(CELLS)) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the requested cells and scenarios of the matrix in `directory`, if that is a matrix' report.
pub(super) fn asked(directory: &Path) -> Option<RequestedMatrix> {
    #[derive(Deserialize)]
    struct Begun {
        asked: Option<RequestedMatrix>,
    }
    let read = |name: &str| fs::read(directory.join(name)).ok();
    let begun = read(ASKED).and_then(|text| serde_json::from_slice(&text).ok());
    begun.or_else(|| serde_json::from_slice::<Begun>(&read(RECORD)?).ok()?.asked)
}

/// Returns the first difference between two matrices.
fn difference(begun: &RequestedMatrix, asked: &RequestedMatrix) -> Option<String> {
    let words = |words: &[String]| if words.is_empty() { "nothing".to_owned() } else { words.join(" ") };
    if begun.cells != asked.cells {
        return Some(format!(
            "its cells are {} (requested: {})",
            words(&begun.cells),
            words(&asked.cells)
        ));
    }
    if begun.selection != asked.selection {
        return Some(format!(
            "its scenarios were selected by {}, and this selects by {}",
            words(&begun.selection),
            words(&asked.selection)
        ));
    }
    if begun != asked {
        return Some(format!(
            "it has {} scenarios, and now there are {}, or different ones: the features were changed in the meantime",
            begun.scenarios, asked.scenarios
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Recorder;

    fn asked() -> RequestedMatrix {
        RequestedMatrix {
            cells: vec!["process-1.36".to_owned(), "process-1.37".to_owned()],
            selection: vec!["--tags".to_owned(), "@oidc".to_owned()],
            scenarios: 48,
            digest: "d1".to_owned(),
        }
    }

    #[test]
    fn a_matrix_goes_on_only_with_what_it_was_begun_with() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let place = root.path().join("report");
        let refusal = |asked: &RequestedMatrix| {
            let error = MatrixDirectory::resume(&place, asked).expect_err("it is refused");
            error.to_string().replace(&place.display().to_string(), "DIR")
        };
        assert_eq!(refusal(&asked()), "`DIR` has no matrix to resume");
        MatrixDirectory::begin(&place, &asked()).expect("a new directory");
        MatrixDirectory::resume(&place, &asked()).expect("the same");
        let mut other = asked();
        other.cells.pop();
        assert_eq!(
            refusal(&other),
            "`DIR` has another matrix: its cells are process-1.36 process-1.37 (requested: process-1.36)"
        );
        let mut other = asked();
        other.selection.clear();
        assert_eq!(
            refusal(&other),
            "`DIR` has another matrix: its scenarios were selected by --tags @oidc, and this selects by nothing"
        );
        let mut other = asked();
        other.digest = "d2".to_owned();
        assert!(refusal(&other).contains("the features were changed in the meantime"));
        std::fs::write(place.join(ASKED), r#"{"cells": [7]}"#).expect("a file");
        assert!(
            refusal(&asked()).starts_with("`DIR/asked.json` is damaged: field `cells[0]`: "),
            "{}",
            refusal(&asked())
        );
    }

    #[test]
    fn beginning_removes_earlier_cells_and_nothing_else() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let matrix = MatrixDirectory::begin(root.path(), &asked()).expect("an empty directory");
        let cell = Cell {
            cluster: "process".to_owned(),
            kubernetes: "1.37".to_owned(),
            ..Cell::default()
        };
        let place = matrix.cell(&cell);
        std::fs::create_dir_all(&place).expect("a directory");
        let write = |change: &dyn Fn(&mut RunRecord)| {
            let mut record = Recorder::new().record();
            change(&mut record);
            record.write(&place.join(saved::RECORD)).expect("it is written");
        };
        let finished = || matrix.finished(&cell).expect("it can be read").is_some();
        assert!(!finished());
        write(&|record| record.interrupted = true);
        assert!(!finished(), "it was given up");
        write(&|record| record.error = Some("no server".to_owned()));
        assert!(!finished(), "its lab did not start");
        write(&|_| {});
        assert!(finished());
        MatrixDirectory::begin(root.path(), &asked()).expect("an earlier report");
        assert!(!finished());
        std::fs::write(root.path().join("thesis.txt"), "years of work").expect("a file");
        let error = MatrixDirectory::begin(root.path(), &asked()).expect_err("it is refused");
        assert!(
            error.to_string().ends_with("is not the report of a matrix: it holds `thesis.txt`"),
            "{error}"
        );
    }
}
