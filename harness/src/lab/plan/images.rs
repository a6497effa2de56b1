//! Images, as the engine has them or fetches them. The main method is [`Planner::obtain`].

use super::Planner;
use crate::engine::{EngineError, Image, Presence};
use crate::server_binaries::images::Reference;

impl Planner<'_> {
    /// Returns the name by which the engine has `image`, which is fetched if it is missing: an image that was loaded from a file has lost its
    /// digest.
    pub(super) async fn obtain(&self, image: &Reference) -> Result<String, EngineError> {
        let engine = self.engine().await?;
        let (pinned, loaded) = (image.to_string(), image.without_digest().to_string());
        let names = [Some(&pinned), image.digest().is_some().then_some(&loaded)];
        for name in names.into_iter().flatten() {
            if let Presence::Present(image) = Image::presence(engine, name).await? {
                image.expect_runnable(engine)?;
                return Ok(image.reference);
            }
        }
        if self.options.server_binaries.offline {
            return Err(EngineError::ImageMissing { image: pinned, said: None });
        }
        Image::pull(engine, &pinned, self.events).await?.expect_runnable(engine)?;
        Ok(pinned)
    }

    /// Returns whether the engine has `image`.
    pub(super) async fn has(&self, image: &Reference) -> Result<bool, EngineError> {
        let presence = Image::presence(self.engine().await?, &image.to_string()).await?;
        Ok(matches!(presence, Presence::Present(_)))
    }

    /// Returns whether the engine has all of `images`, and there are any.
    pub(super) async fn has_all(&self, images: &[(&str, Reference)]) -> Result<bool, EngineError> {
        for (_, image) in images {
            if !self.has(image).await? {
                return Ok(false);
            }
        }
        Ok(!images.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::OnceCell;

    use super::*;
    use crate::cluster::Driver;
    use crate::engine::Engine;
    use crate::engine::fake::{Fake, answer, introduction};
    use crate::event::Events;
    use crate::lab::{Directory, LabOptions};
    use crate::owner::LabId;
    use crate::server_binaries::Versions;
    use crate::server_binaries::images::Images;

    #[tokio::test]
    async fn an_image_that_is_not_there_is_not_looked_for_offline_whatever_the_driver() {
        let fake = Fake::start(|name, _| introduction(name, "1.41").unwrap_or_else(|| answer(404, r#"{"message": "no such image"}"#)));
        let engine = Engine::find(Some(&fake.address())).await.expect("it answers");
        let version = Versions::pinned().newest();
        let mut options = LabOptions::default();
        options.server_binaries.offline = true;
        let place = tempfile::tempdir().expect("a directory");
        let planner = Planner {
            options: &options,
            version,
            images: Images::of(version, None).expect("it is pinned"),
            directory: &Directory::of_another(place.path().to_owned(), LabId::random()),
            events: &Events::silent(),
            engine: OnceCell::new_with(Some(engine)),
        };
        let in_containers = Driver::all().iter().filter(|driver| driver.runs_in_containers());
        for driver in in_containers {
            for (_, image) in driver.images(&planner.images) {
                let refused = planner.obtain(&image).await.expect_err("it is not there");
                assert!(matches!(refused, EngineError::ImageMissing { .. }), "{driver:?}: {refused}");
            }
        }
    }
}
