//! The directory of a report. The main type is [`ReportDirectory`], which
//! never touches files that do not belong to a report.

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::record::RunRecord;
use super::{cucumber, html, junit};

/// The names that a report consists of.
const OURS: [&str; 6] = ["run.json", "sabotage.json", "junit.xml", "cucumber.json", "index.html", "evidence"];

/// A directory that is a report, or will be.
#[derive(Debug)]
pub struct ReportDirectory(PathBuf);

/// The treatment of other files in the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others {
    /// Refuse the directory.
    #[default]
    Refuse,
    /// Leave them as they are; write only the files of a report.
    LetBe,
}

/// An error of a directory that cannot hold a report.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The directory holds other files.
    #[error("`{directory}` is not a report's directory: it holds `{other}`")]
    HoldsOther {
        /// The directory.
        directory: PathBuf,
        /// The name of such a file.
        other: String,
    },
    /// The path is not a directory, or the directory cannot be created.
    #[error("cannot use the report's directory")]
    Unusable(#[source] io::Error),
}

impl crate::hint::Hint for DirectoryError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::HoldsOther { .. } => Some(
                "name a directory that does not exist, is empty, or holds an earlier report; with --force, the report's own files are \
                 written into this one, and no other file is touched"
                    .to_owned(),
            ),
            Self::Unusable(_) => None,
        }
    }
}

impl ReportDirectory {
    /// Creates `directory`, which must be new, empty or an earlier report, unless `others` allows other files.
    ///
    /// # Errors
    /// Fails if the directory holds other files, or cannot be created.
    pub fn open(directory: &Path, others: Others) -> Result<Self, DirectoryError> {
        match fs::read_dir(directory) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(DirectoryError::Unusable)?;
                    if others == Others::Refuse && !is_ours(&OURS, &entry.path()) {
                        return Err(DirectoryError::HoldsOther {
                            directory: directory.to_path_buf(),
                            other: entry.file_name().to_string_lossy().into_owned(),
                        });
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(directory).map_err(DirectoryError::Unusable)?,
            Err(error) => return Err(DirectoryError::Unusable(error)),
        }
        Ok(Self(directory.to_path_buf()))
    }

    /// Writes the record and all files drawn from it: every file completely, or none of them.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self, record: &RunRecord) -> io::Result<()> {
        let mut files = vec![("run.json", record.to_json()?)];
        files.extend(drawn(std::slice::from_ref(record))?);
        self.write_all(&files)
    }

    /// Writes the files drawn from `records`, but not the records.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn draw(&self, records: &[RunRecord]) -> io::Result<()> {
        self.write_all(&drawn(records)?)
    }

    fn write_all(&self, files: &[(&str, String)]) -> io::Result<()> {
        // Write all of them to disk before the first replaces an old file.
        let mut staged = Vec::new();
        for (name, content) in files {
            staged.push((stage(&self.0, content.as_bytes())?, self.0.join(name)));
        }
        for (file, path) in staged {
            file.persist(path).map_err(|error| error.error)?;
        }
        Ok(())
    }

    /// Writes the record of sabotages.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write_sabotages(&self, record: &super::sabotage::SabotageRecord) -> io::Result<()> {
        write(&self.0.join("sabotage.json"), record.to_json()?.as_bytes())
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

fn drawn(records: &[RunRecord]) -> io::Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("junit.xml", junit::draw(records).map_err(io::Error::other)?),
        ("cucumber.json", cucumber::draw(records)?),
        ("index.html", html::draw(records)),
    ])
}

/// Returns whether `path` has one of the names in `ours`; an `index.html` must also contain the mark of an authlab page.
pub(super) fn is_ours(ours: &[&str], path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    if name == "index.html" {
        let mut beginning = String::new();
        let read = fs::File::open(path).and_then(|file| file.take(1024).read_to_string(&mut beginning));
        return read.is_ok() && beginning.contains(html::MARK);
    }
    ours.iter().any(|ours| name == *ours)
}

/// Writes `content` to `path` so that no reader ever sees half of it. Writes to anything but a regular file (a pipe, a device) directly.
///
/// # Errors
/// Fails if the file cannot be written; its old content is then unchanged.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            let mut place = fs::OpenOptions::new().write(true).open(path)?;
            place.write_all(content)?;
            place.flush()
        }
        there => {
            // A symbolic link stays one.
            let path = if there.is_ok() { fs::canonicalize(path)? } else { path.to_owned() };
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            stage(folder, content)?.persist(&path).map_err(|error| error.error)?;
            Ok(())
        }
    }
}

/// Writes `content` to a file in `folder` under a temporary name.
fn stage(folder: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".authlab-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    // A report is readable for all users, unlike other temporary files.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(permissions)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::Recorder;

    fn names(path: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_report_is_written_into_a_new_directory_and_over_an_earlier_report() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        let path = root.path().join("a/b");
        for _ in 0..2 {
            let directory = ReportDirectory::open(&path, Others::Refuse).map_err(io::Error::other)?;
            directory.write(&Recorder::new().record())?;
        }
        assert_eq!(names(&path), ["cucumber.json", "index.html", "junit.xml", "run.json"]);
        let record: RunRecord = serde_json::from_slice(&std::fs::read(path.join("run.json"))?)?;
        assert_eq!(record.schema, crate::report::record::SCHEMA);
        Ok(())
    }

    #[test]
    fn a_directory_that_holds_something_else_is_refused() -> io::Result<()> {
        for name in ["thesis.txt", "index.html"] {
            let root = tempfile::tempdir()?;
            let file = root.path().join(name);
            std::fs::write(&file, "years of work")?;
            let error = ReportDirectory::open(root.path(), Others::Refuse)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(
                error.ends_with(&format!("is not a report's directory: it holds `{name}`")),
                "{error}"
            );
            assert!(matches!(
                ReportDirectory::open(&file, Others::LetBe),
                Err(DirectoryError::Unusable(_))
            ));
        }
        Ok(())
    }

    #[test]
    fn when_told_to_a_report_is_written_beside_something_else_which_stays() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        std::fs::write(root.path().join("thesis.txt"), "years of work")?;
        let directory = ReportDirectory::open(root.path(), Others::LetBe).map_err(io::Error::other)?;
        directory.write(&Recorder::new().record())?;
        assert_eq!(
            names(root.path()),
            ["cucumber.json", "index.html", "junit.xml", "run.json", "thesis.txt"]
        );
        assert_eq!(std::fs::read_to_string(root.path().join("thesis.txt"))?, "years of work");
        Ok(())
    }

    #[test]
    fn a_file_behind_a_link_is_replaced_and_the_link_stays() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        std::fs::write(&file, "old")?;
        std::os::unix::fs::symlink(&file, &link)?;
        write(&link, b"new")?;
        assert_eq!(std::fs::read_to_string(&file)?, "new");
        assert!(std::fs::symlink_metadata(&link)?.is_symlink());
        Ok(())
    }
}
