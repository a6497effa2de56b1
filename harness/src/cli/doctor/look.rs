//! The look at this machine. The main function is [`at_this_machine`]: its parts are asked side by side, each with a limit of time.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use super::facts::{Cached, Content, Host, Image, Limits, Machine, Place, Servers, There, Tool, Used};
use crate::cache::size_of;
use crate::cause::with_causes;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::matrix::capacity::available_memory;
use crate::cluster::Driver;
use crate::dirs::{self, NoDirectory};
use crate::engine::{Engine, EngineError};
use crate::event::Events;
use crate::hint::Hint;
use crate::identity_provider::oidc_provider::{self, node};
use crate::identity_provider::{self, Kind, keycloak::java};
use crate::lab::{self, Choice, LabOptions};
use crate::server_binaries::{self, Listed, Options, Product, State, look};

/// The proxy that Go uses without GOPROXY (go.dev/ref/mod#environment-variables).
const GO_PROXY: &str = "https://proxy.golang.org";
/// The repository that Maven uses without a mirror.
const MAVEN_CENTRAL: &str = "https://repo.maven.apache.org/maven2";

/// Looks at this machine, for a lab of `options`.
///
/// # Errors
/// A version that is not pinned.
pub(super) async fn at_this_machine(options: &LabOptions) -> Result<Machine, CommandError> {
    let kubernetes = options.pinned().map_err(|error| CommandError::new(Exit::Usage, error))?;
    let keycloak = options.pinned_keycloak().map_err(|error| CommandError::new(Exit::Usage, error))?;
    let sources = &options.server_binaries;
    let provider = options.provider();
    let (choice, engine, go, maven, java, node, hosts) = tokio::join!(
        lab::choose(options),
        Engine::find(None),
        look::go(),
        look::maven(),
        java(&keycloak.version),
        node(),
        hosts(sources)
    );
    // An engine with faults is something to tell, and no reason to tell nothing else.
    let (choice, not_chosen) = match choice {
        Ok(choice) => (choice, None),
        Err(error) => (first(options), Some((with_causes(&error), error.hint()))),
    };
    let listed = server_binaries::list(sources);
    let at_version = |product: Product, version: &str| match &listed {
        Ok(listed) => there(listed, product, version),
        Err(error) => There::Unknown { why: with_causes(error) },
    };
    let kubernetes_there = match named_servers(options).await {
        Some(there) => there,
        None => at_version(Product::Kubernetes, &kubernetes.version.to_string()),
    };
    let keycloak_there = match named_keycloak(options).await {
        Some(there) => there,
        None => at_version(Product::Keycloak, &keycloak.version),
    };
    let cached = listed.as_deref().unwrap_or_default().iter();
    let labs = lab::labs();
    let state = match &labs {
        Err(error) => unusable(dirs::state().ok(), with_causes(error), error.hint()),
        Ok(_) => place(dirs::state(), "AUTHLAB_STATE_DIR"),
    };
    let cache = match &listed {
        Err(error) => unusable(dirs::cache().ok(), with_causes(error), error.hint()),
        Ok(_) => place(sources.cache.clone().map_or_else(dirs::cache, Ok), "AUTHLAB_CACHE_DIR"),
    };
    Ok(Machine {
        authlab: env!("CARGO_PKG_VERSION").to_owned(),
        system: std::env::consts::OS.to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: available_memory(),
        used: Used {
            cluster: choice.cluster.name().to_owned(),
            cluster_because: match not_chosen {
                Some(_) => "no choice was possible".to_owned(),
                None => because(options, &choice),
            },
            not_chosen,
            provider: choice.provider.facts().called.clone(),
            provider_version: match choice.provider {
                Kind::Keycloak => keycloak.version.clone(),
                Kind::OidcProvider => oidc_provider::version().to_owned(),
            },
            identity_provider: choice.identity_provider.name().to_owned(),
            labs: labs.unwrap_or_default().into_iter().map(|lab| lab.name).collect(),
        },
        kubernetes: Servers {
            version: kubernetes.version.to_string(),
            there: kubernetes_there,
        },
        keycloak: Servers {
            version: keycloak.version.clone(),
            there: keycloak_there,
        },
        offline: sources.offline,
        go: tool("go", go),
        maven: tool("mvn", maven),
        java,
        node: (provider == Kind::OidcProvider).then_some(node),
        kubectl: match which::which("kubectl") {
            Ok(program) => Tool::there(program.display().to_string()),
            Err(_) => Tool::absent("no `kubectl` on PATH"),
        },
        kind: choice.kind.map(|kind| match kind {
            Ok(version) => Tool::there(version),
            Err(why) => Tool::absent(why),
        }),
        engine: match engine {
            Ok(engine) => Tool::there(engine.to_string()),
            // The sockets that were tried would fill a screen.
            Err(EngineError::NoEngine { .. }) => Tool::absent("no container engine responds"),
            Err(error) => Tool::absent(with_causes(&error).lines().next().unwrap_or_default()),
        },
        images: choice.images.into_iter().map(|(name, there)| Image { name, there }).collect(),
        hosts,
        cache,
        state,
        cached: cached
            .filter(|listed| listed.state == State::Cached)
            .map(|listed| Cached {
                product: listed.product.to_string(),
                version: listed.version.clone(),
                bytes: listed.bytes.unwrap_or_default(),
            })
            .collect(),
        limits: Limits {
            open_files: getrlimit(Resource::Nofile).current,
            inotify_instances: number("/proc/sys/fs/inotify/max_user_instances"),
            inotify_watches: number("/proc/sys/fs/inotify/max_user_watches"),
        },
    })
}

/// Returns the drivers that `options` ask for, and those of a machine without an engine in place of a choice.
fn first(options: &LabOptions) -> Choice {
    Choice {
        cluster: options.cluster.unwrap_or(Driver::Process),
        provider: options.provider(),
        identity_provider: options.provider_driver().unwrap_or(identity_provider::Driver::Process),
        notes: Vec::new(),
        images: Vec::new(),
        kind: None,
    }
}

/// Returns why the cluster's driver is used.
fn because(options: &LabOptions, choice: &Choice) -> String {
    match (options.cluster, choice.notes.as_slice()) {
        (Some(_), _) => "as --cluster says".to_owned(),
        (None, []) if choice.cluster == Driver::Process => "processes support the most scenarios".to_owned(),
        (None, notes) => notes.join("; "),
    }
}

fn tool(name: &str, found: Option<look::Tool>) -> Tool {
    match found {
        None => Tool::absent(format!("no `{name}` on PATH")),
        Some(look::Tool {
            program,
            version: Ok(version),
        }) => Tool::there(format!("{version} ({})", program.display())),
        Some(look::Tool { version: Err(why), .. }) => Tool::absent(why.lines().next().unwrap_or_default()),
    }
}

async fn java(keycloak: &str) -> Tool {
    let named = std::env::var_os("AUTHLAB_JAVA").filter(|path| !path.is_empty()).map(PathBuf::from);
    match java::find(named.as_deref(), java::tested(keycloak)).await {
        Ok(java) => Tool::there(format!("{} ({})", java.version, java.program.display())),
        Err(error) => Tool::absent(with_causes(&error)),
    }
}

/// Returns Node.js, which is of no use without npm.
async fn node() -> Tool {
    let found = async { Ok::<_, node::NodeError>((node::find().await?, node::npm()?)) };
    match found.await {
        Ok((node, npm)) => Tool::there(format!("{} ({}, {})", node.version, node.program.display(), npm.display())),
        Err(error) => Tool::absent(with_causes(&error)),
    }
}

/// Asks the servers of release files and modules whether they respond.
async fn hosts(options: &Options) -> Vec<Host> {
    if options.offline {
        return Vec::new();
    }
    let proxy = std::env::var("GOPROXY").ok();
    // A list, of which the first counts. Where that is `direct`, `off` or a file, Go asks no proxy, and neither does this.
    let proxy = match proxy.as_deref().filter(|list| !list.is_empty()) {
        None => Some(GO_PROXY),
        Some(list) => list.split([',', '|']).next().filter(|first| first.starts_with("http")),
    };
    let mut asked = vec![
        (Content::KubernetesReleases, options.release_mirror.as_str()),
        (Content::EtcdReleases, options.etcd_mirror.as_str()),
        (Content::KeycloakReleases, options.keycloak_mirror.as_str()),
        (Content::MavenArtifacts, MAVEN_CENTRAL),
    ];
    asked.extend(proxy.map(|address| (Content::GoModules, address)));
    futures::future::join_all(asked.into_iter().map(async |(what, address)| Host {
        what,
        address: crate::secret::redact(address).into_owned(),
        why_not: look::responds(address).await.err(),
    }))
    .await
}

/// Returns the state of the servers in a directory that the user named; `None` if none is named.
async fn named_servers(options: &LabOptions) -> Option<There> {
    let sources = &options.server_binaries;
    let kubernetes = options.pinned().ok()?;
    if let Some(directory) = &sources.directory {
        let found = server_binaries::obtain(kubernetes, sources, &Events::silent()).await;
        return Some(named(directory, found.err()));
    }
    // A directory for other programs is used if it can be.
    let directory = sources.assets.clone()?;
    let only = Options {
        directory: Some(directory.clone()),
        ..sources.clone()
    };
    let found = server_binaries::obtain(kubernetes, &only, &Events::silent()).await;
    found.is_ok().then_some(There::Named { directory })
}

async fn named_keycloak(options: &LabOptions) -> Option<There> {
    let sources = &options.server_binaries;
    let home = sources.keycloak_home.as_ref()?;
    let found = server_binaries::obtain_keycloak(options.pinned_keycloak().ok()?, sources, &Events::silent()).await;
    Some(named(home, found.err()))
}

fn named(directory: &Path, error: Option<server_binaries::ServerBinariesError>) -> There {
    match error {
        None => There::Named {
            directory: directory.to_owned(),
        },
        Some(error) => There::NamedUnusable { why: with_causes(&error) },
    }
}

fn there(listed: &[Listed], product: Product, version: &str) -> There {
    let found = listed.iter().find(|listed| listed.product == product && listed.version == version);
    match found {
        Some(listed) if listed.state == State::Cached => There::Cached {
            source: listed.source,
            bytes: listed.bytes,
        },
        Some(listed) if listed.state == State::Damaged => There::Damaged,
        _ => There::Absent,
    }
}

fn place(path: Result<PathBuf, NoDirectory>, variable: &str) -> Place {
    let path = match path {
        Ok(path) => path,
        Err(error) => return unusable(None, error.to_string(), Some(format!("set {variable}"))),
    };
    // A directory that does not exist yet is made in the nearest one that does.
    let Some(there) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return unusable(Some(path), "the path has no directory".to_owned(), Some(format!("set {variable}")));
    };
    if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() || !there.is_dir() {
        let why = format!("cannot write to {}", there.display());
        return unusable(Some(path), why, Some(format!("set {variable} to a directory that can be written")));
    }
    Place {
        bytes: if path.exists() { size_of(&path) } else { 0 },
        free: statvfs(there).ok().map(|system| system.f_bavail.saturating_mul(system.f_frsize)),
        path: Some(path),
        why_not: None,
        remedy: None,
    }
}

fn unusable(path: Option<PathBuf>, why: String, remedy: Option<String>) -> Place {
    Place {
        path,
        bytes: 0,
        free: None,
        why_not: Some(why),
        remedy,
    }
}

fn number(file: &str) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}
