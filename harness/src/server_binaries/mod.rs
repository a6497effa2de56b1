//! The servers as files: found, cached, downloaded and verified, or built.
//!
//! The main types are [`ServerBinaries`] (etcd, kube-apiserver, kube-controller-manager and kubectl of one version) and [`KeycloakHome`]
//! (an unpacked Keycloak). [`obtain`] and [`obtain_keycloak`] try one source after the other, as [`Options`] allow, and take the first that
//! succeeds.

mod cache;
mod checked;
mod download;
mod go_build;
mod go_module;
pub mod images;
mod installed;
mod inventory;
mod kubernetes_version;
pub mod look;
mod manifest;
mod maven;
mod options;
mod release;
pub mod stand_in;
mod tool;
mod version_ranges;
mod versions;

use std::path::{Path, PathBuf};

pub use cache::Product;
pub use download::DownloadError;
pub use go_build::GoBuildError;
pub use installed::{AGGREGATED_API, InstalledError, PROGRAMS, TOKEN_SIGNER};
pub use inventory::{Listed, Pruned, State, Unwanted, Verified, list, prune, verify};
pub use kubernetes_version::{KubernetesVersion, NotAVersion, Stage};
pub use manifest::{Manifest, Record};
pub use maven::MavenError;
pub use options::{ETCD_RELEASES, KEYCLOAK_RELEASES, KUBERNETES_RELEASES, Options, Reachability, Source};
pub use release::ReleaseError;
pub use tool::ToolError;
pub use version_ranges::NoVersions;
pub use versions::{Keycloak, Kubernetes, Repositories, UnknownKeycloak, UnknownVersion, Versions};

pub use crate::cache::{CacheError, Hold};
use crate::cache::{Claim, Entry, Found, Ready};
use crate::cause::with_causes;
use crate::event::Events;
use crate::hint::Hint;
use crate::process::ProcessError;

/// The programs of one Kubernetes version. They stay in the cache as long as this value or a clone of it lives.
#[derive(Clone, Debug)]
pub struct ServerBinaries {
    /// The programs' version.
    pub version: KubernetesVersion,
    /// The programs' directory, for `PATH`.
    pub directory: PathBuf,
    /// The path of etcd.
    pub etcd: PathBuf,
    /// The path of the API server.
    pub kube_apiserver: PathBuf,
    /// The path of the controller manager.
    pub kube_controller_manager: PathBuf,
    /// The path of kubectl.
    pub kubectl: PathBuf,
    /// The source of the files.
    pub source: Source,
    hold: Hold,
}

impl ServerBinaries {
    fn in_directory(version: KubernetesVersion, directory: PathBuf, source: Source, hold: Hold) -> Self {
        let [etcd, kube_apiserver, kube_controller_manager, kubectl] = PROGRAMS.map(|name| directory.join(name));
        Self {
            version,
            directory,
            etcd,
            kube_apiserver,
            kube_controller_manager,
            kubectl,
            source,
            hold,
        }
    }

    /// Returns a hold that keeps the files in the cache when this value itself cannot be kept.
    pub fn hold(&self) -> Hold {
        self.hold.clone()
    }
}

/// An unpacked Keycloak. It stays in the cache as long as this value or a clone of it lives. It is shared: to start Keycloak, write into a
/// copy.
#[derive(Clone, Debug)]
pub struct KeycloakHome {
    /// Keycloak's version.
    pub version: String,
    /// The directory that holds `bin/kc.sh`.
    pub directory: PathBuf,
    /// The source of the files.
    pub source: Source,
    hold: Hold,
}

impl KeycloakHome {
    /// Returns a hold that keeps the files in the cache when this value itself cannot be kept.
    pub fn hold(&self) -> Hold {
        self.hold.clone()
    }
}

/// An error while obtaining servers.
#[derive(Debug, thiserror::Error)]
pub enum ServerBinariesError {
    /// The directory that the user named is unusable.
    #[error("cannot use the named directory")]
    Installed(#[from] InstalledError),
    /// The cache is unusable.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// No source provides the servers.
    #[error("no source has {product}{}", tried.iter().map(|tried| format!("\n- {tried}")).collect::<String>())]
    NoSource {
        /// The product with its version.
        product: String,
        /// The sources that were tried, in order.
        tried: Vec<Tried>,
    },
}

impl Hint for ServerBinariesError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Installed(InstalledError::Missing { missing, .. }) if missing.contains(&"kube-controller-manager") => Some(
                "name a directory that also has it (the files for envtest do not), or leave out --server-binaries and let authlab obtain all files".to_owned(),
            ),
            Self::Installed(InstalledError::Version { seen, .. }) => {
                Some(format!("ask for the version in the directory ({seen}), name a directory with the requested version, or name none"))
            }
            Self::Installed(InstalledError::Scratch { .. }) => Some("set TMPDIR to an existing directory that you can write".to_owned()),
            Self::Installed(InstalledError::Silent {
                source: ToolError::Process(error @ ProcessError::Privileged { .. }),
                ..
            }) => error.hint(),
            Self::Installed(_) => Some("name another directory, or none, and let authlab obtain all files".to_owned()),
            Self::Cache(error) => error.hint(),
            Self::NoSource { tried, .. } => tried.iter().rev().find_map(|tried| tried.why.hint()).or_else(|| {
                tried.is_empty().then(|| "no source is allowed: allow one, or fetch the files while there is a network".to_owned())
            }),
        }
    }
}

impl Declined {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::GoBuild(GoBuildError::NoGo) => {
                "install Go (go.dev/dl), or name a directory with the servers: --server-binaries".to_owned()
            }
            Self::GoBuild(GoBuildError::TooOld { needed, .. }) => {
                format!("install Go {needed} or newer, or let Go fetch it: GOTOOLCHAIN=auto")
            }
            Self::GoBuild(GoBuildError::NoNetwork(_)) => "check the network, HTTPS_PROXY and GOPROXY".to_owned(),
            Self::GoBuild(GoBuildError::Tool(error)) if error.says(&["no space left on device"]) => {
                "free some space: a build needs some gigabytes in Go's caches".to_owned()
            }
            Self::Maven(MavenError::NoMaven) => "install Maven and a JDK, or name an unpacked Keycloak: --keycloak-home".to_owned(),
            Self::Maven(MavenError::Tool { source, .. }) if source.says(&["JAVA_HOME"]) => "install a JDK or correct JAVA_HOME".to_owned(),
            Self::Maven(MavenError::Tool { .. }) => {
                "check the network and Maven's settings.xml, or name an unpacked Keycloak: --keycloak-home".to_owned()
            }
            Self::Maven(MavenError::Checksum { .. }) => "remove the artifact from Maven's local repository, and fetch it again".to_owned(),
            Self::Release(ReleaseError::Download(DownloadError::Unprotected { .. })) => "name a mirror with an https:// address".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}

/// A source that failed.
#[derive(Debug)]
pub struct Tried {
    /// The source.
    pub source: Source,
    /// The reason for the failure.
    pub why: Declined,
}

/// The reason for the failure of a source.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Declined {
    /// The release files are unusable.
    Release(#[from] ReleaseError),
    /// The Go build failed.
    GoBuild(#[from] GoBuildError),
    /// Maven failed.
    Maven(#[from] MavenError),
}

/// Prints the source and the whole chain of causes, since `Tried` is an item of a list, not a link of an error chain.
impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.source, with_causes(&self.why))
    }
}

/// Obtains the programs of `kubernetes` from the first that succeeds: the named directory, the cache, the release files or a Go build.
///
/// # Errors
/// The named directory or the cache is unusable, or no source provides the programs.
pub async fn obtain(kubernetes: &Kubernetes, options: &Options, events: &Events) -> Result<ServerBinaries, ServerBinariesError> {
    if let Some(directory) = &options.directory {
        let version = installed::server_binaries(directory, kubernetes).await?;
        return Ok(ServerBinaries::in_directory(
            version,
            directory.clone(),
            Source::Named,
            Hold::nothing(),
        ));
    }
    if let Some(directory) = &options.assets {
        match installed::server_binaries(directory, kubernetes).await {
            Ok(version) => {
                return Ok(ServerBinaries::in_directory(
                    version,
                    directory.clone(),
                    Source::Named,
                    Hold::nothing(),
                ));
            }
            // Other programs use the variable, too, so an unsuitable directory is not a mistake.
            Err(error) => events.note(format!("not using KUBEBUILDER_ASSETS: {}", with_causes(&error))),
        }
    }
    let entry = cache::entry(options, Product::Kubernetes, &kubernetes.version.to_string())?;
    let ready = match entry.find_or_claim(events, || cache::inspect(&entry, events)).await? {
        Found::Ready(ready) => ready,
        Found::Missing(claim) => make(kubernetes, &entry, claim, options, events).await?,
    };
    Ok(cached(kubernetes, &entry, ready))
}

/// Obtains the programs from a Go build, and replaces those in the cache.
///
/// # Errors
/// The cache is unusable or in use, or the build fails.
pub async fn rebuild(kubernetes: &Kubernetes, options: &Options, events: &Events) -> Result<ServerBinaries, ServerBinariesError> {
    let entry = cache::entry(options, Product::Kubernetes, &kubernetes.version.to_string())?;
    let claim = entry.claim(events).await?;
    let options = Options {
        sources: vec![Source::GoBuild],
        ..options.clone()
    };
    let ready = make(kubernetes, &entry, claim, &options, events).await?;
    Ok(cached(kubernetes, &entry, ready))
}

fn cached(kubernetes: &Kubernetes, entry: &Entry, ready: Ready<Manifest>) -> ServerBinaries {
    ServerBinaries::in_directory(kubernetes.version, entry.directory(), ready.contents.source, ready.hold)
}

async fn make(
    kubernetes: &Kubernetes,
    entry: &Entry,
    claim: Claim,
    options: &Options,
    events: &Events,
) -> Result<Ready<Manifest>, ServerBinariesError> {
    let mut tried = Vec::new();
    start_log(&entry.log())?;
    if options.allows(Source::Release) {
        let staging = claim.staging()?;
        match release::kubernetes(kubernetes, staging.path(), &entry.log(), options, events).await {
            Ok(files) => return Ok(cache::publish(entry, claim, &files, Source::Release, events).await?),
            Err(error) => tried.push(skip_source(Source::Release, error.into(), events)?),
        }
    }
    if options.allows(Source::GoBuild) {
        let staging = claim.staging()?;
        match go_build::build(kubernetes, staging.path(), &entry.log(), options, events).await {
            Ok(files) => return Ok(cache::publish(entry, claim, &files, Source::GoBuild, events).await?),
            Err(error) => tried.push(Tried {
                source: Source::GoBuild,
                why: error.into(),
            }),
        }
    }
    Err(ServerBinariesError::NoSource {
        product: entry.product().to_owned(),
        tried,
    })
}

/// Obtains an unpacked Keycloak from the first that succeeds: the named home, the cache, the release file or the Maven artifact.
///
/// # Errors
/// The named home or the cache is unusable, or no source provides Keycloak.
pub async fn obtain_keycloak(keycloak: &Keycloak, options: &Options, events: &Events) -> Result<KeycloakHome, ServerBinariesError> {
    if let Some(home) = &options.keycloak_home {
        let version = installed::keycloak(home, &keycloak.version)?;
        return Ok(KeycloakHome {
            version,
            directory: home.clone(),
            source: Source::Named,
            hold: Hold::nothing(),
        });
    }
    let entry = cache::entry(options, Product::Keycloak, &keycloak.version)?;
    let ready = match entry.find_or_claim(events, || cache::inspect(&entry, events)).await? {
        Found::Ready(ready) => ready,
        Found::Missing(claim) => make_keycloak(keycloak, &entry, claim, options, events).await?,
    };
    Ok(KeycloakHome {
        version: keycloak.version.clone(),
        directory: entry.directory(),
        source: ready.contents.source,
        hold: ready.hold,
    })
}

async fn make_keycloak(
    keycloak: &Keycloak,
    entry: &Entry,
    claim: Claim,
    options: &Options,
    events: &Events,
) -> Result<Ready<Manifest>, ServerBinariesError> {
    let mut tried = Vec::new();
    start_log(&entry.log())?;
    if options.allows(Source::Release) {
        let staging = claim.staging()?;
        match release::keycloak(keycloak, staging.path(), options, events).await {
            Ok(home) => return Ok(cache::publish(entry, claim, &home, Source::Release, events).await?),
            Err(error) => tried.push(skip_source(Source::Release, error.into(), events)?),
        }
    }
    if options.allows(Source::Maven) {
        let staging = claim.staging()?;
        match maven::unpack(keycloak, staging.path(), &entry.log(), options, events).await {
            Ok(home) => return Ok(cache::publish(entry, claim, &home, Source::Maven, events).await?),
            Err(error) => tried.push(Tried {
                source: Source::Maven,
                why: error.into(),
            }),
        }
    }
    Err(ServerBinariesError::NoSource {
        product: entry.product().to_owned(),
        tried,
    })
}

/// Lets the next source be tried, unless the cache itself is at fault: a full disk is full for every source.
fn skip_source(source: Source, why: Declined, events: &Events) -> Result<Tried, ServerBinariesError> {
    match why {
        Declined::Release(ReleaseError::Storage { path, source } | ReleaseError::Download(DownloadError::Storage { path, source }))
        | Declined::GoBuild(GoBuildError::Storage { path, source })
        | Declined::Maven(MavenError::Storage { path, source }) => Err(CacheError::Storage { path, source }.into()),
        why => {
            match &why {
                // The user was told when it happened, and it is the same for all versions.
                Declined::Release(ReleaseError::Download(DownloadError::GivenUp { .. })) => {}
                Declined::Release(error) => events.note(format!("not using release files: {}", with_causes(error))),
                // These sources are the last to be tried: their failure is the error.
                Declined::GoBuild(_) | Declined::Maven(_) => {}
            }
            Ok(Tried { source, why })
        }
    }
}

/// Empties the log, once per attempt.
fn start_log(log: &Path) -> Result<(), CacheError> {
    fs_err::write(log, "").map_err(|source| CacheError::Storage {
        path: log.to_owned(),
        source,
    })
}
