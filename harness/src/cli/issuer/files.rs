//! The files of an issuer that runs, in a directory for this user alone, which ends with it. The main type is [`Files`].

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::issuer::Server;
use crate::private;

/// The files of an issuer that runs. Dropping it removes them.
#[derive(Debug)]
pub(super) struct Files {
    directory: TempDir,
    /// The copy of the authority that the user asked for, and its text.
    copy: Option<(PathBuf, String)>,
    has_authority: bool,
    has_configuration: bool,
}

/// The beginning of a file that may be replaced: a certificate, such as that of an earlier run.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl Files {
    /// Writes the files of `server`, and a copy of its authority to `copy`.
    pub(super) fn write(server: &Server, copy: Option<&Path>) -> io::Result<Self> {
        let mut files = Self {
            directory: directory()?,
            copy: None,
            has_authority: false,
            has_configuration: false,
        };
        let secret = server.control_secret().expose();
        private::write(&files.secret(), secret)?;
        private::write(&files.header(), &format!("Authorization: Bearer {secret}\n"))?;
        if let Some(authority) = server.authority() {
            private::write(&files.path("ca.pem"), authority)?;
            files.has_authority = true;
            if let Some(copy) = copy {
                write_copy(copy, authority)?;
                files.copy = Some((copy.to_owned(), authority.to_owned()));
            }
        }
        // Tokens of some shapes are accepted by no configuration.
        if let Ok(configuration) = server.authentication_configuration() {
            private::write(&files.path("authentication-configuration.yaml"), &configuration)?;
            files.has_configuration = true;
        }
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the file with the authority: the copy, if there is one. `None` without TLS.
    pub(super) fn authority(&self) -> Option<PathBuf> {
        let copy = self
            .copy
            .as_ref()
            .map(|(path, _)| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        copy.or_else(|| self.has_authority.then(|| self.path("ca.pem")))
    }

    /// Returns the file with the AuthenticationConfiguration, if there is one.
    pub(super) fn configuration(&self) -> Option<PathBuf> {
        self.has_configuration.then(|| self.path("authentication-configuration.yaml"))
    }

    /// Returns the file with the control secret.
    pub(super) fn secret(&self) -> PathBuf {
        self.path("control-secret")
    }

    /// Returns the file with the header that curl sends to the control API.
    pub(super) fn header(&self) -> PathBuf {
        self.path("control-header")
    }
}

/// Creates a directory for this user alone: without its mode, the user's mask would decide.
fn directory() -> io::Result<TempDir> {
    let alone = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("authlab-issuer-").permissions(alone).tempdir()
}

impl Drop for Files {
    fn drop(&mut self) {
        let Some((path, text)) = &self.copy else { return };
        if fs::read_to_string(path).is_ok_and(|now| now == *text) {
            // A file that cannot be removed holds a certificate, and nothing else.
            let _stays = fs::remove_file(path);
        }
    }
}

fn write_copy(path: &Path, authority: &str) -> io::Result<()> {
    match fs::read_to_string(path) {
        Ok(text) if !text.starts_with(CERTIFICATE) => {
            let why = format!("{} exists, and is not a certificate", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::write(path, authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_replaced_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ca.pem");
        let authority = format!("{CERTIFICATE}\n");
        write_copy(&path, &authority).unwrap();
        write_copy(&path, &authority).unwrap();
        fs::write(&path, "a letter").unwrap();
        assert!(write_copy(&path, &authority).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
    }
}
