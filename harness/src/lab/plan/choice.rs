//! The drivers that a lab would have on this machine, found without fetching or starting anything. The main function is [`choose`].

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::{LabError, Planner};
use crate::cause::with_causes;
use crate::cluster::Driver;
use crate::cluster::kind::KindCommand;
use crate::event::{Event, Events};
use crate::identity_provider::{self, Kind};
use crate::lab::{Directory, LabOptions};
use crate::owner::LabId;
use crate::server_binaries::images::Images;

/// The drivers of a lab, and what those in containers start from.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The cluster's driver.
    pub cluster: Driver,
    /// The kind of the identity provider.
    pub provider: Kind,
    /// The identity provider's driver.
    pub identity_provider: identity_provider::Driver,
    /// The reasons for a choice that depends on this machine.
    pub notes: Vec<String>,
    /// The images that the drivers need, each with whether the engine has it; empty without an engine.
    pub images: Vec<(String, bool)>,
    /// The `kind` command with its version, or the reason why it cannot be used; `None` if it is not needed.
    pub kind: Option<Result<String, String>>,
}

/// Returns the drivers of the lab that `options` describe.
///
/// # Errors
/// A version that is not pinned, or an engine that was asked for by a driver's name and does not respond as one.
pub async fn choose(options: &LabOptions) -> Result<Choice, LabError> {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let events = Events::new({
        let notes = Arc::clone(&notes);
        move |event| {
            if let Event::Note { text } = event {
                notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
        }
    });
    let version = options.pinned()?;
    let prefix = options.server_binaries.image_prefix.as_deref();
    let scratch = tempfile::tempdir().map_err(|source| LabError::Directory {
        path: std::env::temp_dir(),
        source,
    })?;
    let planner = Planner {
        options,
        version,
        images: Images::of(version, prefix)?.with_keycloak(options.pinned_keycloak()?, prefix)?,
        directory: &Directory::of_another(scratch.path().to_owned(), LabId::random()),
        events: &events,
        engine: OnceCell::new(),
    };
    let cluster = planner.driver().await?;
    // Without an engine, nothing can be said about images; that there is none is said elsewhere.
    let needs_engine = cluster.runs_in_containers() || options.provider_driver() == Some(identity_provider::Driver::Container);
    let has_engine = needs_engine && planner.engine().await.is_ok();
    let mut images = Vec::new();
    if has_engine {
        for (_, image) in cluster.images(&planner.images) {
            images.push((image.to_string(), planner.has(&image).await?));
        }
    }
    let identity_provider = match options.provider_driver() {
        Some(asked) => asked,
        None if cluster.runs_in_containers() && has_engine && planner.found().await?.is_some() => identity_provider::Driver::Container,
        None => identity_provider::Driver::Process,
    };
    if identity_provider == identity_provider::Driver::Container && has_engine {
        images.push((planner.images.keycloak.to_string(), planner.found().await?.is_some()));
    }
    let kind = match cluster {
        Driver::Kind => {
            let found = KindCommand::find(options.server_binaries.kind.as_deref(), &version.kind, scratch.path()).await;
            Some(found.map(|command| command.version).map_err(|error| with_causes(&error)))
        }
        _ => None,
    };
    let notes = std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Choice {
        cluster,
        provider: options.provider(),
        identity_provider,
        notes,
        images,
        kind,
    })
}
