//! The files that a user needs in order to work in a lab by hand: kubectl of its version, and a kubeconfig.
//!
//! The main type is [`Workplace`]. All of it is in the lab's directory and is removed with it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Lab, LabError};

/// A user's files in a lab that is up.
#[derive(Clone, Debug)]
pub struct Workplace {
    /// The directory that contains them.
    pub directory: PathBuf,
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
    /// The directory in which kubectl caches API discovery (`KUBECACHEDIR`).
    pub cache: PathBuf,
}

impl Lab {
    /// Writes the files of `person`, who will use `kubeconfig`.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn workplace(&self, person: &str, kubeconfig: &Value) -> Result<Workplace, LabError> {
        let directory = self.directory_of_workplace()?;
        // A directory with nothing else in it, for the front of PATH.
        let programs = self.0.directory.below("workplace/bin")?;
        // Without a kubectl of the lab's version, the user's own is used.
        if let Some(ours) = &self.description().programs {
            link(&ours.join("kubectl"), &programs.join("kubectl"))?;
        }
        // authlab is also an exec plugin, which kubectl finds by its name.
        if let Ok(own) = std::env::current_exe() {
            link(&own, &programs.join("authlab"))?;
        }
        let workplace = Workplace {
            kubeconfig: directory.join(format!("{person}.kubeconfig")),
            cache: directory.join("cache"),
            directory,
        };
        put(&workplace.kubeconfig, &format!("{kubeconfig:#}\n"))?;
        Ok(workplace)
    }

    /// Returns the directory for such files.
    pub(super) fn directory_of_workplace(&self) -> Result<PathBuf, LabError> {
        self.0.directory.below("workplace")
    }
}

/// Links `path` to `program`; renamed into place, as a link may exist already, or another process may be creating it.
fn link(program: &Path, path: &Path) -> Result<(), LabError> {
    if std::fs::read_link(path).is_ok_and(|before| before == program) {
        return Ok(());
    }
    let unfinished = path.with_extension(std::process::id().to_string());
    let linked = std::os::unix::fs::symlink(program, &unfinished).and_then(|()| std::fs::rename(&unfinished, path));
    linked.map_err(|source| LabError::Directory {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file that only its owner can read, and renames it into place: another process may be reading the previous one.
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
    /// Returns `PATH` of this process with the lab's kubectl before everything else.
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
