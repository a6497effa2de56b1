//! `authlab server-binaries build --image`: the images that labs in containers use, made here once.
//!
//! The main type is [`ImageArguments`]. Keycloak's prepared image starts in seconds; those of the control plane stand in for the official
//! ones where no registry can be reached.

use std::io::Write;

use clap::Args;

use super::Session;
use super::error::CommandError;
use super::exit::Exit;
use super::options::RegistryOption;
use super::output::write_json;
use crate::dirs;
use crate::engine::{Engine, Image, Labels, Presence, Watcher};
use crate::hint::Hint;
use crate::identity_provider::keycloak;
use crate::server_binaries::images::{Images, OWN_PREFIX};
use crate::server_binaries::stand_in::StandIn;
use crate::server_binaries::{self, Kubernetes, Options, Versions};

/// Options to build images in place of files.
#[derive(Args, Clone, Debug)]
pub struct ImageArguments {
    /// Make container images for labs instead of files
    ///
    /// The engine gets images of the control plane, made from the cache, and of Keycloak, prepared for a fast start.
    #[arg(long)]
    pub image: bool,
    /// Kubernetes version whose images to make
    #[arg(long, value_name = "VERSION", requires = "image")]
    pub kubernetes: Vec<String>,
    /// Image of Keycloak to prepare; the official one when not given
    #[arg(long, env = "AUTHLAB_KEYCLOAK_IMAGE", value_name = "IMAGE", help_heading = "Images")]
    pub keycloak_image: Option<String>,
    /// The prefix under which the images are kept and Keycloak's image is looked for.
    #[command(flatten)]
    pub registry: RegistryOption,
}

#[derive(serde::Serialize)]
struct Made {
    of: &'static str,
    image: String,
}

/// Makes the images of `versions` and of Keycloak, and writes their names to `out`.
///
/// # Errors
/// There is no engine, an image or a program cannot be obtained, or a step of the preparation fails.
pub(super) async fn build(
    versions: &[&Kubernetes],
    arguments: &ImageArguments,
    options: &Options,
    session: &Session,
    out: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let engine = Engine::find(None).await.map_err(failed)?;
    let asked = arguments.registry.image_prefix.as_deref();
    let prefix = asked.unwrap_or(OWN_PREFIX);
    let mut made = Vec::new();
    if cfg!(target_os = "linux") {
        for kubernetes in versions {
            let images = Images::of(kubernetes, Some(prefix)).map_err(|error| CommandError::new(Exit::Usage, error))?;
            let references = stand_in(&engine, kubernetes, images, options, session).await?;
            made.extend(references.into_iter().map(|image| Made { of: "Kubernetes", image }));
        }
    } else {
        session
            .events
            .note("no control-plane images are made: the programs in the cache are not built for Linux, which containers need");
    }
    let version = &Versions::pinned().keycloak.version;
    let source = keycloak_source(&engine, arguments, versions, options, session).await?;
    let cache = dirs::cache().map_err(|error| CommandError::new(Exit::LabNotStarted, error))?;
    let labels = Labels::new("keycloak-image", cache);
    // The watcher removes the containers in use when it is dropped, also by an interrupt.
    let program = std::env::current_exe()?;
    let watcher = Watcher::start(&program, &[super::watch_containers::NAME], &engine, &labels)
        .await
        .map_err(failed)?;
    let prepared = keycloak::prepare_image(&engine, &labels, &source, prefix, version, &session.events)
        .await
        .map_err(failed)?;
    watcher.dismiss().await.map_err(failed)?;
    made.push(Made {
        of: "Keycloak",
        image: prepared.reference,
    });
    if session.output.json {
        return write_json(&made, out);
    }
    for Made { of, image } in &made {
        writeln!(out, "{of}: {image}")?;
    }
    Ok(Exit::Success)
}

async fn stand_in(
    engine: &Engine,
    kubernetes: &Kubernetes,
    images: Images,
    options: &Options,
    session: &Session,
) -> Result<Vec<String>, CommandError> {
    let binaries = server_binaries::obtain(kubernetes, options, &session.events)
        .await
        .map_err(failed)?;
    let loaded = session.events.in_phase(format!("images {}", kubernetes.version), async |phase| {
        phase.detail("packing the programs");
        let cache = dirs::cache().map_err(|error| CommandError::new(Exit::LabNotStarted, error))?;
        let written = tokio::task::spawn_blocking(move || StandIn::write(&binaries, &images, architecture(), &cache)).await;
        let written = written.map_err(std::io::Error::other)??;
        phase.detail("loading them into the engine");
        Image::load(engine, written.path()).await.map_err(failed)?;
        Ok::<_, CommandError>(written.references().to_vec())
    });
    loaded.await
}

/// Returns the first of the usual places that has Keycloak's image, and fetches it if none does.
async fn keycloak_source(
    engine: &Engine,
    arguments: &ImageArguments,
    versions: &[&Kubernetes],
    options: &Options,
    session: &Session,
) -> Result<String, CommandError> {
    let kubernetes = versions.first().copied().unwrap_or_else(|| Versions::pinned().newest());
    let official = |prefix: Option<&str>| Images::of(kubernetes, prefix).map(|images| images.keycloak.to_string());
    let asked = arguments.registry.image_prefix.as_deref();
    let places = match (&arguments.keycloak_image, asked) {
        (Some(image), _) => vec![Ok(image.clone())],
        (None, Some(prefix)) => vec![official(Some(prefix))],
        (None, None) => vec![official(None), official(Some(OWN_PREFIX))],
    };
    let places: Result<Vec<String>, _> = places.into_iter().collect();
    let places = places.map_err(|error| CommandError::new(Exit::Usage, error))?;
    for place in &places {
        if let Presence::Present(image) = Image::presence(engine, place).await.map_err(failed)? {
            image.expect_runnable(engine).map_err(failed)?;
            return Ok(image.reference);
        }
    }
    let image = places.into_iter().next().unwrap_or_default();
    if options.offline {
        return Err(failed(crate::engine::EngineError::ImageMissing { image, said: None }));
    }
    Ok(Image::pull(engine, &image, &session.events).await.map_err(failed)?.reference)
}

/// Returns this machine's architecture, by Go's name.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn failed(error: impl Hint + Send + Sync + 'static) -> CommandError {
    CommandError::hinted(Exit::LabNotStarted, error)
}
