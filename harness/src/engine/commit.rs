//! Making images from containers: a further part of [`Container`] and of [`Image`].

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as Answered;
use bollard::models::{ContainerConfig, ImageConfig};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, RemoveImageOptionsBuilder, UploadToContainerOptionsBuilder, WaitContainerOptions,
};
use futures::TryStreamExt;
use tokio::time::timeout;

use super::error::classify;
use super::labels::OURS;
use super::{Container, Engine, EngineError, Image, Presence, Said};

/// The time limit for an engine to write a container's files as an image.
const COMMIT_LIMIT: Duration = Duration::from_secs(600);

impl Container {
    /// Waits until the container's program has exited on its own; returns the exit code.
    ///
    /// # Errors
    /// The program does not exit within `limit`, or the engine is gone.
    pub async fn ended(&self, limit: Duration) -> Result<i64, EngineError> {
        let doing = format!("waiting for the end of the container {}", self.name());
        let docker = self.engine.patient(limit);
        let mut waiting = std::pin::pin!(docker.wait_container(&self.id, None::<WaitContainerOptions>));
        let late = || EngineError::Other {
            doing: doing.clone(),
            said: Said::new(None, &format!("it did not exit within {limit:?}")),
        };
        match timeout(limit, waiting.try_next()).await.map_err(|_| late())? {
            Ok(ended) => Ok(ended.map(|ended| ended.status_code).unwrap_or_default()),
            // The client reports a nonzero exit code as an error.
            Err(Answered::DockerContainerWaitError { code, .. }) => Ok(code),
            Err(error) => Err(self.failed(&doing, error)),
        }
    }

    /// Unpacks `archive` in `directory` of the container, with the owners and permissions in the archive.
    ///
    /// # Errors
    /// The directory does not exist, the container's files cannot be changed, or the engine refuses.
    pub async fn unpack(&self, directory: &str, archive: Vec<u8>) -> Result<(), EngineError> {
        let doing = format!("unpacking files in the container {}", self.name());
        let options = UploadToContainerOptionsBuilder::default().path(directory).build();
        let docker = self.engine.patient(COMMIT_LIMIT);
        let unpacked = docker
            .upload_to_container(&self.id, Some(options), bollard::body_full(archive.into()))
            .await;
        unpacked.map_err(|error| self.failed(&doing, error))
    }

    /// Saves the container's files as an image that starts like the image `like`: under `reference`, or only under the returned id. An
    /// image has no owner, so it does not carry the container's labels.
    ///
    /// # Errors
    /// The image `like` does not exist, the disk is full, or the engine refuses.
    pub async fn commit(&self, reference: Option<&str>, like: &str) -> Result<Image, EngineError> {
        let doing = format!("keeping the container {} as an image", self.name());
        let failed = |error| self.failed(&doing, error);
        let like = self.engine.docker().inspect_image(like).await.map_err(failed)?;
        let options = CommitContainerOptionsBuilder::default().container(&self.id).pause(false);
        let options = match reference.and_then(split) {
            Some((name, tag)) => options.repo(name).tag(tag),
            None => options,
        };
        let committed = self
            .engine
            .patient(COMMIT_LIMIT)
            .commit_container(options.build(), started_as(like.config.unwrap_or_default()))
            .await;
        let id = committed.map_err(failed)?.id;
        match Image::presence(&self.engine, reference.unwrap_or(&id)).await? {
            Presence::Present(image) => Ok(image),
            Presence::Missing => Err(EngineError::NotThere {
                said: Said::new(None, &format!("the engine does not find {id}, which it has just created")),
                doing,
            }),
        }
    }
}

impl Image {
    /// Removes `reference`. It is not an error if it is already gone, or if other images are built on it: it loses only its name then.
    ///
    /// # Errors
    /// A container uses the image, or the engine refuses.
    pub async fn remove(engine: &Engine, reference: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::default().noprune(true).build();
        match engine.docker().remove_image(reference, Some(options), None).await {
            Ok(_) | Err(Answered::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(classify(engine.doing(&format!("the removal of the image {reference}")), error)),
        }
    }
}

/// Splits `name:tag`; `None` without a tag, for an image that is not meant to be found.
fn split(reference: &str) -> Option<(&str, &str)> {
    let (name, tag) = reference.rsplit_once(':')?;
    (!tag.contains('/')).then_some((name, tag))
}

/// Copies the start configuration of `like` verbatim. The engine fills missing settings from the container; labels cannot be removed, so
/// they are emptied.
fn started_as(like: ImageConfig) -> ContainerConfig {
    let mut labels: HashMap<String, String> = OURS.iter().map(|&label| (label.to_owned(), String::new())).collect();
    labels.extend(like.labels.unwrap_or_default());
    ContainerConfig {
        user: like.user,
        exposed_ports: like.exposed_ports,
        env: like.env,
        cmd: like.cmd,
        volumes: like.volumes,
        working_dir: like.working_dir,
        entrypoint: like.entrypoint,
        stop_signal: like.stop_signal,
        labels: Some(labels),
        ..ContainerConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_and_a_tag() {
        assert_eq!(split("localhost:5000/a/b:1"), Some(("localhost:5000/a/b", "1")));
        assert_eq!(split("localhost:5000/a/b"), None);
    }

    #[test]
    fn an_image_belongs_to_nobody() {
        let like = ImageConfig {
            user: Some("1000".to_owned()),
            labels: Some(HashMap::from([("version".to_owned(), "1".to_owned())])),
            ..ImageConfig::default()
        };
        let config = started_as(like);
        let labels = config.labels.expect("it has labels");
        assert_eq!(config.user.as_deref(), Some("1000"));
        assert_eq!(labels["version"], "1");
        assert!(OURS.iter().all(|label| labels[*label].is_empty()), "{labels:?}");
    }
}
