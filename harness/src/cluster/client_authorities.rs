//! The file of the authorities whose client certificates an API server accepts, changed while the server runs.
//!
//! The main type is [`TrustedAuthority`]: one more authority in that file, until dropped. kube-apiserver reloads the file when it
//! changes (kubernetes/apiserver `pkg/server/dynamiccertificates/dynamic_cafile_content.go`).

use std::path::{Path, PathBuf};

use crate::pki::{PkiError, write_private};

/// One more authority whose client certificates an API server accepts. Dropping it removes it from the file.
#[derive(Debug)]
pub struct TrustedAuthority {
    file: PathBuf,
    certificate: String,
}

impl TrustedAuthority {
    /// Adds `certificate`, PEM, to the authorities in `file`, an API server's. The other authorities stay in the file.
    /// The server takes a moment to reload it.
    ///
    /// # Errors
    /// The file cannot be rewritten.
    pub fn add(file: &Path, certificate: &str) -> Result<Self, PkiError> {
        let added = Self {
            file: file.to_owned(),
            certificate: certificate.to_owned(),
        };
        rewrite(&added.file, |text| format!("{text}{certificate}"))?;
        Ok(added)
    }
}

impl Drop for TrustedAuthority {
    fn drop(&mut self) {
        // If the lab is gone, there is nothing to restore.
        let _ = rewrite(&self.file, |text| text.replace(&self.certificate, ""));
    }
}

/// Changes a file atomically: readers see the old text or the new one, and no concurrent change is lost.
fn rewrite(path: &Path, change: impl FnOnce(String) -> String) -> Result<(), PkiError> {
    let wrong = |source| PkiError::File {
        path: path.to_owned(),
        source,
    };
    let lock = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_extension("lock"))
        .map_err(wrong)?;
    lock.lock().map_err(wrong)?;
    let text = std::fs::read_to_string(path).map_err(wrong)?;
    let new = path.with_extension("new");
    write_private(&new, &change(text))?;
    std::fs::rename(&new, path).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_taken_out_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("client-authorities.crt");
        std::fs::write(&file, "OLD\n").expect("it can be written");
        let read = || std::fs::read_to_string(&file).expect("it can be read");

        let first = TrustedAuthority::add(&file, "FIRST\n").expect("it can be added");
        let second = TrustedAuthority::add(&file, "SECOND\n").expect("so can another");
        assert_eq!(read(), "OLD\nFIRST\nSECOND\n");
        drop(first);
        assert_eq!(read(), "OLD\nSECOND\n");
        drop(second);
        assert_eq!(read(), "OLD\n");
    }
}
