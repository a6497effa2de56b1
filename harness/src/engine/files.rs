//! Copying files into and out of a container, as archives, where no directory is shared: a further part of [`Container`].

use std::io::{self, Cursor, Read};
use std::path::Path;

use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures::TryStreamExt;

use super::{Container, EngineError, Said};

impl Container {
    /// Reads the file `path` in the container, whether the container is running or not.
    ///
    /// # Errors
    /// No such file exists, or the engine refuses.
    pub async fn read(&self, path: &str) -> Result<Vec<u8>, EngineError> {
        let doing = format!("reading {path} in the container {}", self.name());
        let archive = self.download(path, &doing).await?;
        let refused = |why: &str| EngineError::Other {
            doing: doing.clone(),
            said: Said::new(None, why),
        };
        let mut archive = tar::Archive::new(Cursor::new(archive));
        let mut entries = archive.entries().map_err(|error| refused(&error.to_string()))?;
        let Some(Ok(mut entry)) = entries.next() else {
            return Err(refused("the archive is empty"));
        };
        if !entry.header().entry_type().is_file() {
            return Err(refused("it is not a file"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| refused(&error.to_string()))?;
        Ok(content)
    }

    /// Copies the file or directory `path` of the container into the directory `into` of this machine.
    ///
    /// # Errors
    /// The file does not exist, the engine refuses, or the files cannot be written.
    pub async fn copy_out(&self, path: &str, into: &Path) -> Result<(), EngineError> {
        let doing = format!("copying {path} out of the container {}", self.name());
        let archive = self.download(path, &doing).await?;
        // Unpacking writes nothing outside of `into`, whatever the archive contains.
        let unpacked = tar::Archive::new(Cursor::new(archive)).unpack(into);
        unpacked.map_err(|source| EngineError::File {
            path: into.to_owned(),
            source,
        })
    }

    /// Writes `content` to the file `path` of the container, with the permissions `mode`, owned by root.
    ///
    /// # Errors
    /// The file's directory does not exist, the container's files cannot be changed, or the engine refuses.
    pub async fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<(), EngineError> {
        let doing = format!("writing {path} in the container {}", self.name());
        let (directory, name) = split(path);
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        let packed = archive.append_data(&mut header, name, content).and_then(|()| archive.into_inner());
        let packed = packed.map_err(|error| unpackable(&doing, &error))?;
        self.upload(directory, packed, &doing).await
    }

    async fn download(&self, path: &str, doing: &str) -> Result<Vec<u8>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let parts = self.engine.docker().download_from_container(&self.id, Some(options));
        let archive = parts.try_fold(Vec::new(), |mut archive, part| async move {
            archive.extend_from_slice(&part);
            Ok(archive)
        });
        archive.await.map_err(|error| self.failed(doing, error))
    }

    async fn upload(&self, directory: &str, archive: Vec<u8>, doing: &str) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::default().path(directory).build();
        let archive = bollard::body_full(archive.into());
        let uploaded = self.engine.docker().upload_to_container(&self.id, Some(options), archive).await;
        uploaded.map_err(|error| self.failed(doing, error))
    }
}

/// Splits a path in a container into its directory and its name.
fn split(path: &str) -> (&str, &str) {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => ("/", path),
    }
}

fn unpackable(doing: &str, error: &io::Error) -> EngineError {
    EngineError::Other {
        doing: doing.to_owned(),
        said: Said::new(None, &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_directory_and_a_name() {
        assert_eq!(split("/etc/ca.crt"), ("/etc", "ca.crt"));
        assert_eq!(split("/ca.crt"), ("/", "ca.crt"));
        assert_eq!(split("/etc/pki/"), ("/etc", "pki"));
    }
}
