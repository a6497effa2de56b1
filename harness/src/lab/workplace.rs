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
        let programs = self.0.directory.below("workplace/bin")?;
        // Without one of the lab's version, the one that the person has does as well.
        if let Some(ours) = &self.description().programs {
            link(&ours.join("kubectl"), &programs.join("kubectl"))?;
        }
        // It is also an exec plugin, which kubectl finds by its name.
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

    /// Where such files are.
    pub(super) fn directory_of_workplace(&self) -> Result<PathBuf, LabError> {
        self.0.directory.below("workplace")
    }
}

/// Lets `path` lead to `program`; renamed into its place, as it may be another that is there, or somebody else's just now.
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
