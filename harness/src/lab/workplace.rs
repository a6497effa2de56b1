//! What a person needs in order to work in a lab by hand: kubectl of its version, and a kubeconfig.
//!
//! The main type is [`Workplace`]. All of it is in the lab's directory and goes with it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Lab, LabError};

/// Someone's files in a lab that is up.
#[derive(Clone, Debug)]
pub struct Workplace {
    /// The directory they are in.
    pub directory: PathBuf,
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
    /// Where kubectl may remember what the API server offers (`KUBECACHEDIR`).
    pub cache: PathBuf,
}

impl Lab {
    /// Lays out the files of `person`, who is to use `kubeconfig`.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn workplace(&self, person: &str, kubeconfig: &Value) -> Result<Workplace, LabError> {
        let directory = self.directory_of_workplace()?;
        // A directory with nothing else in it, for the front of PATH.
        let kubectl = self.0.directory.below("workplace/bin")?.join("kubectl");
        // Without one of the lab's version, the one that the person has does as well.
        if let Some(programs) = &self.description().programs {
            match std::os::unix::fs::symlink(programs.join("kubectl"), &kubectl) {
                Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(LabError::Directory { path: kubectl, source });
                }
                _ => {}
            }
        }
        let workplace = Workplace {
            kubeconfig: directory.join(format!("{person}.kubeconfig")),
            cache: directory.join("cache"),
            directory,
        };
        put(&workplace.kubeconfig, &format!("{kubeconfig:#}\n"))?;
        Ok(workplace)
    }

    /// Where such files are.
    pub(super) fn directory_of_workplace(&self) -> Result<PathBuf, LabError> {
        self.0.directory.below("workplace")
    }
}

/// Writes a file that only its owner can read, and renames it into its place: somebody may be reading the one before.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), LabError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    crate::pki::write_private(&unfinished, text)?;
    std::fs::rename(&unfinished, path).map_err(|source| LabError::Directory {
        path: path.to_owned(),
        source,
    })
}

impl Workplace {
    /// `PATH` of this process with the lab's kubectl before everything else.
    #[must_use]
    pub fn path(&self) -> OsString {
        let mut path = self.directory.join("bin").into_os_string();
        if let Some(before) = std::env::var_os("PATH").filter(|before| !before.is_empty()) {
            path.push(":");
            path.push(before);
        }
        path
    }
}
