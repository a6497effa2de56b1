//! The status of all labs: those that are up with their servers, and the leftovers of others.
//!
//! The main type is [`LabStatus`]. It contains no secret and may be shown to anyone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::description::{ContainerDescription, LabDescription};
use super::directory::{self, Found, Marker, Ownership};
use super::{LabError, processes};
use crate::engine::{Container, Engine};
use crate::owner::Owner;

/// The status of a lab, from its directory.
#[derive(Clone, Debug, Serialize)]
pub struct LabStatus {
    /// The lab's name.
    pub name: String,
    /// The lab's state.
    pub state: LabState,
    /// The reason why authlab leaves it alone: it is not a lab's directory, or its owner may live where this machine cannot see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Its directory.
    pub directory: PathBuf,
    /// The process id of its owner, while the owner lives.
    pub owner: Option<u32>,
    /// `true` if others can attach to it; a lab that a run started for itself ends with that run.
    pub stays_up: bool,
    /// The full version of Kubernetes, once it is written down.
    pub kubernetes: Option<String>,
    /// The time at which it was ready.
    pub started: Option<jiff::Timestamp>,
    /// The API servers' addresses, by setting.
    pub api_servers: BTreeMap<String, String>,
    /// Keycloak's issuer URL, once it is ready.
    pub keycloak: Option<String>,
    /// The identity provider, once it is ready.
    pub identity_provider: Option<ProviderStatus>,
    /// The base URL of the harness' issuer.
    pub issuer: Option<String>,
    /// The auth proxies' addresses, by name.
    pub auth_proxies: BTreeMap<String, String>,
    /// Its servers, and its owner.
    pub servers: Vec<ServerStatus>,
    /// The memory of everything that runs, in bytes, if it can be read.
    pub memory: Option<u64>,
}

/// The identity provider of a lab.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderStatus {
    /// Its name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its issuer URL.
    pub issuer: String,
}

/// The state of a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LabState {
    /// It has an owner and is not ready.
    Starting,
    /// It has an owner and is ready.
    Up,
    /// Its owner ended without clearing up.
    Crashed,
    /// It has ended; its logs were kept.
    Kept,
    /// Something else is in its place, or it cannot be examined.
    Unknown,
}

/// A server's process or container, or the owner's process.
#[derive(Clone, Debug, Serialize)]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Its process id on this machine; `None` if it has none, as in a container that does not run.
    pub pid: Option<u32>,
    /// The id of its container, if it is in one.
    pub container: Option<String>,
    /// `true` if it runs; a container whose engine does not respond counts as not running.
    pub alive: bool,
    /// `true` if a signal stopped it (SIGSTOP), so that it answers nobody until it is continued (SIGCONT); never for a container.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// The memory it uses, in bytes, if it can be read.
    pub memory: Option<u64>,
    /// Its log, if its owner wrote down where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// The flags of the running process, for API servers that are visible; redacted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// Returns the status of every lab, by name, and of the leftovers of others.
///
/// # Errors
/// There is no directory for labs, or a description cannot be read.
pub async fn status() -> Result<Vec<LabStatus>, LabError> {
    futures::future::try_join_all(directory::found()?.into_iter().map(status_of)).await
}

impl LabStatus {
    /// Returns the status of the lab `name`, whether it exists or not.
    ///
    /// # Errors
    /// As [`status`], or the name cannot be a lab's.
    pub async fn of(name: &str) -> Result<Self, LabError> {
        let found = directory::find(name)?;
        let nothing = || {
            Ok::<_, LabError>(Found {
                name: name.to_owned(),
                path: directory::place(name)?,
                ownership: Ownership::Unknown,
                doubt: Some("there is no such lab".to_owned()),
            })
        };
        status_of(found.map_or_else(nothing, Ok)?).await
    }
}

async fn status_of(found: Found) -> Result<LabStatus, LabError> {
    let Found {
        name,
        path,
        ownership,
        mut doubt,
    } = found;
    let description = match ownership {
        Ownership::Owned => LabDescription::load(&path)?,
        // The description may be damaged, and does not matter.
        Ownership::Crashed | Ownership::Kept | Ownership::Unknown => None,
    };
    if let (Ownership::Crashed, Ok(Some(marker))) = (ownership, Marker::read(&path)) {
        let elsewhere = marker.owner.expect_ended_with_its_lock(&Owner::here()).err();
        doubt = elsewhere.map(|of| format!("it was made by {of}"));
    }
    let state = match (ownership, &description) {
        (Ownership::Owned, Some(_)) => LabState::Up,
        (Ownership::Owned, None) => LabState::Starting,
        (Ownership::Crashed, _) => LabState::Crashed,
        (Ownership::Kept, _) => LabState::Kept,
        (Ownership::Unknown, _) => LabState::Unknown,
    };
    let owner = directory::owner(&path);
    let servers = match ownership {
        Ownership::Unknown => Vec::new(),
        _ => servers(&path, owner, description.as_ref()).await,
    };
    let memory = servers.iter().filter_map(|server| server.memory).reduce(std::ops::Add::add);
    let mut status = LabStatus {
        name,
        state,
        doubt,
        directory: path,
        owner,
        stays_up: false,
        kubernetes: None,
        started: None,
        api_servers: BTreeMap::new(),
        keycloak: None,
        identity_provider: None,
        issuer: None,
        auth_proxies: BTreeMap::new(),
        servers,
        memory,
    };
    if let Some(description) = description {
        status.stays_up = description.control.is_some();
        status.kubernetes = Some(description.kubernetes);
        status.started = Some(description.started);
        status.api_servers = description
            .api_servers
            .into_iter()
            .map(|(name, server)| (name, server.url))
            .collect();
        let ready = description.keycloak.is_some() || description.oidc_provider.is_some();
        status.identity_provider = description.provider.filter(|_| ready).map(|provider| ProviderStatus {
            name: provider.facts().called.clone(),
            version: description.provider_version.clone().unwrap_or_default(),
            issuer: description.keycloak_issuer.clone(),
        });
        status.keycloak = description.keycloak.map(|keycloak| keycloak.issuer);
        status.issuer = Some(description.issuer);
        status.auth_proxies = description
            .auth_proxies
            .into_iter()
            .map(|(name, proxy)| (name, proxy.url))
            .collect();
    }
    Ok(status)
}

/// Returns the owner, the servers in the description, and those that run without being in it.
async fn servers(path: &Path, owner: Option<u32>, description: Option<&LabDescription>) -> Vec<ServerStatus> {
    let mut seen = processes::servers(path);
    let process = |name: String, pid, alive, state: processes::State, flags| ServerStatus {
        name,
        pid: Some(pid),
        container: None,
        alive,
        stopped: state.stopped,
        memory: state.memory,
        log: None,
        flags,
    };
    let owner = owner.map(|pid| process("authlab".to_owned(), pid, true, processes::state(pid), Vec::new()));
    let mut servers: Vec<_> = owner.into_iter().collect();
    for written in description.map(|description| description.processes.as_slice()).unwrap_or_default() {
        let runs = seen.iter().position(|seen| seen.pid == written.pid).map(|index| seen.remove(index));
        let state = runs.as_ref().map(|seen| seen.state).unwrap_or_default();
        let flags = runs.as_ref().map(processes::Seen::flags).unwrap_or_default();
        servers.push(ServerStatus {
            log: written.log.clone(),
            ..process(written.name.clone(), written.pid, runs.is_some(), state, flags)
        });
    }
    let contained = match description {
        Some(description) => containers(description).await,
        None => Vec::new(),
    };
    // A container's program is a process of this machine, too, if the two share a kernel; and the processes that it starts (a node of kind,
    // the API server) are included in its memory.
    let inside = contained.iter().any(|server| server.pid.is_some());
    seen.retain(|seen| contained.iter().all(|server| server.pid != Some(seen.pid)) && !(inside && seen.is_contained()));
    servers.extend(contained);
    for seen in seen {
        let flags = seen.flags();
        servers.push(process(seen.program, seen.pid, true, seen.state, flags));
    }
    servers
}

/// Returns the lab's containers, as their engine reports them.
async fn containers(description: &LabDescription) -> Vec<ServerStatus> {
    if description.containers.is_empty() {
        return Vec::new();
    }
    let engine = Engine::find(description.engine.as_deref()).await.ok();
    let status = async |written: &ContainerDescription| {
        let container = match &engine {
            Some(engine) => Container::named(engine, &written.id).await.ok(),
            None => None,
        };
        let pid = match &container {
            Some(container) => container.pid().await.ok().flatten(),
            None => None,
        };
        let here = pid.filter(|_| engine.as_ref().is_some_and(Engine::shares_kernel));
        ServerStatus {
            name: written.name.clone(),
            pid: here,
            container: Some(written.id.clone()),
            alive: pid.is_some(),
            stopped: false,
            memory: match &container {
                Some(container) if pid.is_some() => container.memory().await.ok().flatten(),
                _ => None,
            },
            log: None,
            flags: here.map(processes::flags).unwrap_or_default(),
        }
    };
    futures::future::join_all(description.containers.iter().map(status)).await
}
