//! The directory of a report. The main type is [`ReportDirectory`], which
//! never touches a directory that holds something else.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::junit;
use super::record::RunRecord;

/// What a report consists of.
const OURS: [&str; 6] = ["run.json", "sabotage.json", "junit.xml", "cucumber.json", "index.html", "evidence"];

/// A directory that is a report, or will be.
#[derive(Debug)]
pub struct ReportDirectory(PathBuf);

/// The directory is not for reports.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It holds something else.
    #[error("`{directory}` is not a report's directory: it holds `{other}`")]
    HoldsOther {
        /// The directory.
        directory: PathBuf,
        /// What it holds.
        other: String,
    },
    /// It is no directory, or cannot be made one.
    #[error("the report's directory cannot be used")]
    Unusable(#[source] io::Error),
}

impl crate::hint::Hint for DirectoryError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::HoldsOther { .. } => Some("name a directory that does not exist, is empty, or holds an earlier report".to_owned()),
            Self::Unusable(_) => None,
        }
    }
}

impl ReportDirectory {
    /// Makes `directory`, which must be new, empty or an earlier report.
    ///
    /// # Errors
    /// It is something else, or cannot be made.
    pub fn open(directory: &Path) -> Result<Self, DirectoryError> {
        match fs::read_dir(directory) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry.map_err(DirectoryError::Unusable)?.file_name();
                    if !OURS.iter().any(|ours| name == *ours) {
                        return Err(DirectoryError::HoldsOther {
                            directory: directory.to_path_buf(),
                            other: name.to_string_lossy().into_owned(),
                        });
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(directory).map_err(DirectoryError::Unusable)?,
            Err(error) => return Err(DirectoryError::Unusable(error)),
        }
        Ok(Self(directory.to_path_buf()))
    }

    /// Writes the report, each file all or not at all.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, record: &RunRecord) -> io::Result<()> {
        record.write(&self.0.join("run.json"))?;
        write(&self.0.join("junit.xml"), junit::draw(record).map_err(io::Error::other)?.as_bytes())
    }

    /// Writes the record of sabotages.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_sabotages(&self, record: &super::sabotage::SabotageRecord) -> io::Result<()> {
        write(&self.0.join("sabotage.json"), record.to_json()?.as_bytes())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Writes `content` to `path` so that nobody ever reads half of it.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".authlab-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    // A report is for everybody, unlike other temporary files.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(permissions)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Recorder;

    #[test]
    fn a_report_is_written_into_a_new_directory_and_over_an_earlier_report() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        let path = root.path().join("a/b");
        for _ in 0..2 {
            let directory = ReportDirectory::open(&path).map_err(io::Error::other)?;
            directory.write(&Recorder::new().record())?;
        }
        let mut names: Vec<_> = std::fs::read_dir(&path)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?;
        names.sort();
        assert_eq!(names, ["junit.xml", "run.json"]);
        let record: RunRecord = serde_json::from_slice(&std::fs::read(path.join("run.json"))?)?;
        assert_eq!(record.schema, 1);
        Ok(())
    }

    #[test]
    fn a_directory_that_holds_something_else_is_refused() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        std::fs::write(root.path().join("thesis.txt"), "years of work")?;
        let error = ReportDirectory::open(root.path())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.ends_with("is not a report's directory: it holds `thesis.txt`"), "{error}");
        let file = root.path().join("thesis.txt");
        assert!(matches!(ReportDirectory::open(&file), Err(DirectoryError::Unusable(_))));
        Ok(())
    }
}
