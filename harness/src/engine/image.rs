//! Images: finding, fetching and loading them. The main type is [`Image`].
//!
//! Nothing is fetched except on request ([`Image::pull`]): a half-reachable registry costs minutes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::errors::Error as Answered;
use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptions};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use hyper::body::Bytes;
use tokio::io::AsyncReadExt;

use super::error::classify;
use super::{Engine, EngineError};
use crate::event::{Events, Phase};

/// The time limit for the engine to read an archive, and for a registry to start responding.
const TRANSFER_LIMIT: Duration = Duration::from_secs(900);

/// The size in bytes of the pieces in which an archive is read.
const PIECE: usize = 1 << 20;

/// An image on the engine's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The reference by which it was requested.
    pub reference: String,
    /// The image's id: the digest of its configuration, or of its manifest.
    pub id: String,
    /// The digests under which registries know the image; empty if it was loaded from a file.
    pub digests: Vec<String>,
    /// The image's architecture, in Go's terms.
    pub architecture: String,
    /// The size in bytes.
    pub size: u64,
}

/// The result of looking for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The image exists.
    Present(Image),
    /// The image does not exist.
    Missing,
}

impl Image {
    /// Looks for `reference` on the engine's machine, and nowhere else.
    ///
    /// # Errors
    /// The engine cannot tell.
    pub async fn presence(engine: &Engine, reference: &str) -> Result<Presence, EngineError> {
        match engine.docker().inspect_image(reference).await {
            Ok(found) => Ok(Presence::Present(Self {
                reference: reference.to_owned(),
                id: found.id.unwrap_or_default(),
                digests: found.repo_digests.unwrap_or_default(),
                architecture: found.architecture.unwrap_or_default(),
                size: found.size.and_then(|size| size.try_into().ok()).unwrap_or_default(),
            })),
            Err(Answered::DockerResponseServerError { status_code: 404, .. }) => Ok(Presence::Missing),
            Err(error) => Err(classify(engine.doing(&format!("looking for the image {reference}")), error)),
        }
    }

    /// Returns an error if the image is for another architecture than the engine's: started all the same, it would end without an
    /// explanation.
    ///
    /// # Errors
    /// [`EngineError::WrongArchitecture`].
    pub fn expect_runnable(&self, engine: &Engine) -> Result<(), EngineError> {
        // An image that does not state its architecture may be tried.
        if self.architecture.is_empty() || self.architecture == engine.architecture() {
            return Ok(());
        }
        Err(EngineError::WrongArchitecture {
            image: self.reference.clone(),
            has: self.architecture.clone(),
            needs: engine.architecture().to_owned(),
        })
    }

    /// Fetches `reference` from its registry, for the engine's architecture, and reports progress.
    ///
    /// # Errors
    /// [`EngineError::ImageMissing`], with the engine's message.
    pub async fn pull(engine: &Engine, reference: &str, events: &Events) -> Result<Self, EngineError> {
        let what = format!("pulling {reference}");
        let image = events.in_phase(&what, async |phase| {
            let pulled = Self::download(engine, reference, phase).await;
            pulled.map_err(|error| unavailable(reference, classify(engine.doing(&what), error)))?;
            match Self::presence(engine, reference).await? {
                Presence::Present(image) => Ok(image),
                Presence::Missing => Err(EngineError::ImageMissing {
                    image: reference.to_owned(),
                    said: None,
                }),
            }
        });
        image.await
    }

    /// Makes the engine fetch `reference`, and reports the progress of its layers together.
    async fn download(engine: &Engine, reference: &str, phase: &Phase) -> Result<(), Answered> {
        let platform = format!("linux/{}", engine.architecture());
        let wanted = tagged(reference);
        let options = CreateImageOptionsBuilder::default().from_image(&wanted).platform(&platform).build();
        let docker = engine.patient(TRANSFER_LIMIT);
        let mut told = docker.create_image(Some(options), None, None);
        let mut layers: HashMap<String, (u64, u64)> = HashMap::new();
        while let Some(info) = told.try_next().await? {
            if let (Some(layer), Some(progress), Some("Downloading")) = (info.id, info.progress_detail, info.status.as_deref()) {
                let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
                layers.insert(layer, (bytes(progress.current), bytes(progress.total)));
                let (done, total) = layers.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
                phase.progress("downloading", Some(done), Some(total));
            }
        }
        Ok(())
    }

    /// Loads the archive `path`, in the format of `docker save`, and returns the references of the images in it.
    ///
    /// # Errors
    /// The file cannot be read, is not such an archive, or does not fit on the engine's disk.
    pub async fn load(engine: &Engine, path: &Path) -> Result<Vec<String>, EngineError> {
        let failed = |source| EngineError::File {
            path: path.to_owned(),
            source,
        };
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let unread = Arc::new(Mutex::new(None));
        let pieces = stream::try_unfold((file, unread.clone()), |(mut file, unread)| async move {
            let mut piece = Vec::with_capacity(PIECE);
            match (&mut file).take(PIECE as u64).read_to_end(&mut piece).await {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some((Bytes::from(piece), (file, unread)))),
                Err(error) => {
                    // The client would report it as a failure of the engine.
                    let kind = error.kind();
                    if let Ok(mut unread) = unread.lock() {
                        *unread = Some(error);
                    }
                    Err(std::io::Error::from(kind))
                }
            }
        });
        let loaded = Self::load_pieces(engine, pieces).await;
        match unread.lock().ok().and_then(|mut unread| unread.take()) {
            Some(error) => Err(failed(error)),
            None => loaded,
        }
    }

    /// Loads an archive that is produced while it is being loaded.
    ///
    /// # Errors
    /// As [`Image::load`].
    pub async fn load_pieces(
        engine: &Engine,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<Vec<String>, EngineError> {
        let doing = engine.doing("loading an archive of images");
        let docker = engine.patient(TRANSFER_LIMIT);
        let mut told = docker.import_image_stream(ImportImageOptions::default(), pieces, None).boxed();
        let mut references = Vec::new();
        // An engine responds with 200 before it knows the outcome: failures are reported in the body.
        while let Some(info) = told.try_next().await.map_err(|error| classify(doing, error))? {
            for line in info.stream.unwrap_or_default().lines() {
                let loaded = line
                    .trim()
                    .strip_prefix("Loaded image: ")
                    .or_else(|| line.trim().strip_prefix("Loaded image ID: "));
                references.extend(loaded.map(str::to_owned));
            }
        }
        Ok(references)
    }
}

/// Reports an image as missing, whatever kept it from being fetched, unless the engine itself is at fault.
fn unavailable(image: &str, error: EngineError) -> EngineError {
    match error {
        EngineError::Other { said, .. } | EngineError::NotThere { said, .. } => EngineError::ImageMissing {
            image: image.to_owned(),
            said: Some(said),
        },
        error => error,
    }
}

/// Returns `reference` with a tag: without one, the engine would fetch all tags.
fn tagged(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    if name.contains([':', '@']) {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, answer, introduction};
    use super::*;

    async fn engine(fake: &Fake) -> Engine {
        Engine::at(&fake.address(), false).await.unwrap()
    }

    fn fake(status: u16, path: &'static str, body: &'static str) -> Fake {
        Fake::start(move |name, _| {
            introduction(name, "1.41").unwrap_or_else(|| {
                if name.contains(path) {
                    answer(status, body)
                } else {
                    answer(404, r#"{"message": "page not found"}"#)
                }
            })
        })
    }

    #[test]
    fn a_reference_without_a_tag_gets_one() {
        assert_eq!(tagged("example:5000/etcd"), "example:5000/etcd:latest");
        assert_eq!(tagged("example:5000/etcd:3.6"), "example:5000/etcd:3.6");
        assert_eq!(tagged("etcd@sha256:00"), "etcd@sha256:00");
    }

    #[tokio::test]
    async fn an_image_is_there_or_missing() {
        let there = fake(
            200,
            "/images/etcd:3/json",
            r#"{"Id": "sha256:1", "RepoDigests": ["etcd@sha256:2"], "Architecture": "arm64", "Size": 5}"#,
        );
        let engine = engine(&there).await;
        assert_eq!(Image::presence(&engine, "etcd:4").await.unwrap(), Presence::Missing);
        let Presence::Present(image) = Image::presence(&engine, "etcd:3").await.unwrap() else {
            panic!("it is there");
        };
        assert_eq!((image.id.as_str(), image.size), ("sha256:1", 5));
        assert_eq!(image.digests, ["etcd@sha256:2"]);
        assert!(matches!(
            image.expect_runnable(&engine),
            Err(EngineError::WrongArchitecture { has, needs, .. }) if has == "arm64" && needs == "amd64"
        ));
    }

    #[tokio::test]
    async fn a_registry_that_cannot_be_reached_is_a_missing_image() {
        let fake = fake(
            500,
            "/images/create",
            r#"{"message": "Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host"}"#,
        );
        let events = Events::silent();
        let error = Image::pull(&engine(&fake).await, "r.example/x:1", &events).await.unwrap_err();
        let EngineError::ImageMissing { image, said: Some(said) } = error else {
            panic!("{error:?}")
        };
        assert_eq!(image, "r.example/x:1");
        assert!(said.message.contains("no such host"));
    }

    #[tokio::test]
    async fn a_failure_after_a_good_beginning_is_a_failure() {
        let told = r#"{"errorDetail": {"message": "write /x: no space left on device"}, "error": "write /x: no space left on device"}"#;
        let fake = fake(200, "/images/load", told);
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Image::load(&engine(&fake).await, file.path()).await.unwrap_err();
        assert!(matches!(error, EngineError::NoSpace { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn what_was_loaded_is_told() {
        let told = "{\"stream\": \"Loaded image: a/b:1\\n\"}\n{\"stream\": \"Loaded image: a/c:1\\n\"}\n";
        let fake = fake(200, "/images/load", told);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Image::load(&engine(&fake).await, file.path()).await.unwrap(), ["a/b:1", "a/c:1"]);
    }
}
