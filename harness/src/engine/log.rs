//! A container's output, kept in a file. The main type is [`Following`].

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use bollard::query_parameters::LogsOptionsBuilder;
use futures::TryStreamExt;
use tokio::task::JoinHandle;

use super::{Container, EngineError};

/// A log that is being written. It continues without its handle, and ends with the container.
#[derive(Debug)]
pub struct Following {
    writing: JoinHandle<Result<(), EngineError>>,
}

impl Following {
    /// Waits until the container has ended and its whole output is in the file.
    ///
    /// # Errors
    /// The engine went away, or the file cannot be written.
    pub async fn ended(self) -> Result<(), EngineError> {
        match self.writing.await {
            Ok(ended) => ended,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

/// Appends the output of `container` to `path`.
pub(super) fn follow(container: &Container, path: PathBuf) -> Result<Following, EngineError> {
    // Only this user may read the file: servers print tokens that clients present to them.
    let opened = File::options().create(true).append(true).mode(0o600).open(&path);
    let mut file = opened.map_err(|source| EngineError::File {
        path: path.clone(),
        source,
    })?;
    let container = container.clone();
    let writing = tokio::spawn(async move {
        let doing = format!("following the log of the container {}", container.name());
        let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
        let mut printed = std::pin::pin!(container.engine.docker().logs(&container.id, Some(options)));
        while let Some(part) = printed.try_next().await.map_err(|error| container.failed(&doing, error))? {
            // Each part is written at once and in one piece: other tasks wait for a line to appear.
            file.write_all(part.as_ref()).map_err(|source| EngineError::File {
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    });
    Ok(Following { writing })
}
