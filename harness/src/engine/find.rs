//! Finding the engine: the places to look, and the findings where there is none.
//!
//! The main function is [`Engine::find`]. A socket is inspected and connected to before any request, since the client reports everything
//! that can be wrong with it in the same words.

use std::env;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{SystemInfo, SystemVersion};
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::{ANSWER_LIMIT, Engine, EngineError, Facts, Kind};

/// The time limit for a response at a usual place, before it is passed over.
const USUAL_LIMIT: Duration = Duration::from_secs(2);

/// The time limit for a response of an engine that was requested by its address.
const ASKED_LIMIT: Duration = Duration::from_secs(10);

/// The finding in place of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nothing exists at that path.
    NoSocket,
    /// The file at that path is not a socket.
    NotASocket,
    /// This user may not connect.
    NoRights,
    /// The socket or the machine exists, but nothing listens.
    NobodyListens,
    /// The listener does not respond.
    NoAnswer,
    /// The response is not an engine's; holds the problem with it.
    NotAnEngine(String),
    /// The address is invalid, or of a kind that authlab does not support.
    NotSpoken(String),
    /// The operating system reports another error.
    Unreachable(String),
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket => f.write_str("no such socket"),
            Self::NotASocket => f.write_str("this is a file, not a socket"),
            Self::NoRights => f.write_str("this user has no access to the socket"),
            Self::NobodyListens => f.write_str("connection refused"),
            Self::NoAnswer => f.write_str("the server does not respond"),
            Self::NotAnEngine(why) => write!(f, "the server is not a container engine ({why})"),
            Self::NotSpoken(why) | Self::Unreachable(why) => f.write_str(why),
        }
    }
}

/// A place that was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The address.
    pub address: String,
    /// The finding at the address.
    pub absent: Absent,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.absent)
    }
}

/// The parts of the environment on which the search depends.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// `DOCKER_HOST`, or the address requested instead.
    pub(super) host: Option<String>,
    /// `true` if `DOCKER_TLS_VERIFY` asks for TLS.
    pub(super) tls: bool,
    /// `XDG_RUNTIME_DIR`.
    pub(super) runtime: Option<PathBuf>,
    /// `HOME`.
    pub(super) home: Option<PathBuf>,
}

impl Surroundings {
    /// Returns the usual sockets, in order: those that Docker's and Podman's own commands use.
    pub(super) fn usual(&self) -> Vec<PathBuf> {
        // A relative directory would let the owner of the working directory choose the engine.
        let below = |base: &Option<PathBuf>, path: &str| base.as_ref().filter(|base| base.is_absolute()).map(|base| base.join(path));
        [
            Some("/var/run/docker.sock".into()),
            below(&self.runtime, "docker.sock"),
            below(&self.runtime, ".docker/run/docker.sock"),
            below(&self.home, ".docker/run/docker.sock"),
            below(&self.home, ".docker/desktop/docker.sock"),
            below(&self.runtime, "podman/podman.sock"),
            Some("/run/podman/podman.sock".into()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Engine {
    /// Finds the engine at `asked`, or at `DOCKER_HOST`, or in the first usual place that has one.
    ///
    /// # Errors
    /// [`EngineError::NoEngine`], [`EngineError::NoRights`], [`EngineError::WrongHost`] or [`EngineError::NotAnEngine`].
    pub async fn find(asked: Option<&str>) -> Result<Self, EngineError> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let surroundings = Surroundings {
            host: asked.map(str::to_owned).or_else(|| variable("DOCKER_HOST")),
            tls: variable("DOCKER_TLS_VERIFY").is_some(),
            runtime: variable("XDG_RUNTIME_DIR").map(Into::into),
            home: variable("HOME").map(Into::into),
        };
        match &surroundings.host {
            Some(host) => Self::at(host, surroundings.tls).await,
            None => Self::among(&surroundings.usual()).await,
        }
    }

    /// Connects to the engine at `host`, and at no other place.
    pub(super) async fn at(host: &str, tls: bool) -> Result<Self, EngineError> {
        let address = host.to_owned();
        match connect(host, tls, ASKED_LIMIT).await {
            Ok(engine) => Ok(engine),
            Err(Absent::NoRights) => Err(EngineError::NoRights { address }),
            Err(Absent::NotAnEngine(why)) => Err(EngineError::NotAnEngine { address, why }),
            Err(absent) => Err(EngineError::WrongHost {
                host: address,
                why: absent.to_string(),
            }),
        }
    }

    /// Connects to the first of `sockets` that has an engine.
    pub(super) async fn among(sockets: &[PathBuf]) -> Result<Self, EngineError> {
        let mut tried = Vec::new();
        for socket in sockets {
            let address = format!("unix://{}", socket.display());
            match connect(&address, false, USUAL_LIMIT).await {
                Ok(engine) => return Ok(engine),
                Err(absent) => tried.push(Attempt { address, absent }),
            }
        }
        // An engine that exists but refuses this user is the one that the user has.
        match tried.iter().find(|attempt| attempt.absent == Absent::NoRights) {
            Some(closed) => Err(EngineError::NoRights {
                address: closed.address.clone(),
            }),
            None => Err(EngineError::NoEngine { tried }),
        }
    }
}

/// Connects to the engine at `address`, or returns the finding in its place.
async fn connect(address: &str, tls: bool, limit: Duration) -> Result<Engine, Absent> {
    let docker = if let Some(socket) = address.strip_prefix("unix://") {
        look_at(Path::new(socket))?;
        reachable(limit, UnixStream::connect(socket)).await?;
        Docker::connect_with_unix(socket, limit.as_secs(), API_DEFAULT_VERSION)
    } else if let Some(place) = address.strip_prefix("tcp://").or_else(|| address.strip_prefix("http://")) {
        if tls {
            return Err(Absent::NotSpoken("TLS (DOCKER_TLS_VERIFY) is not supported".to_owned()));
        }
        reachable(limit, TcpStream::connect(place.trim_end_matches('/'))).await?;
        Docker::connect_with_http(place.trim_end_matches('/'), limit.as_secs(), API_DEFAULT_VERSION)
    } else {
        let why = "expected unix:///path, tcp://host:port or http://host:port";
        return Err(Absent::NotSpoken(why.to_owned()));
    };
    let docker = docker.map_err(|error| Absent::NotSpoken(error.to_string()))?;
    let (docker, version) = timeout(limit, introduce(docker)).await.map_err(|_| Absent::NoAnswer)??;
    // The engine has identified itself: from now on it may take longer.
    let docker = docker.with_timeout(ANSWER_LIMIT);
    let info = docker.info().await.map_err(|error| Absent::NotAnEngine(innermost(&error)))?;
    let facts = Arc::new(facts(address, version, &info));
    Ok(Engine { docker, facts })
}

/// Checks a socket as far as is possible without connecting.
fn look_at(socket: &Path) -> Result<(), Absent> {
    match std::fs::metadata(socket) {
        Ok(found) if found.file_type().is_socket() => Ok(()),
        Ok(_) => Err(Absent::NotASocket),
        Err(error) => Err(absent(&error)),
    }
}

/// Expects that the connection is accepted within `limit`.
async fn reachable<T>(limit: Duration, connecting: impl Future<Output = io::Result<T>>) -> Result<(), Absent> {
    match timeout(limit, connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(absent(&error)),
        Err(_) => Err(Absent::NoAnswer),
    }
}

fn absent(error: &io::Error) -> Absent {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Absent::NoSocket,
        io::ErrorKind::PermissionDenied => Absent::NoRights,
        io::ErrorKind::ConnectionRefused => Absent::NobodyListens,
        _ => Absent::Unreachable(error.to_string()),
    }
}

/// Negotiates the API version and asks the engine for its version.
async fn introduce(docker: Docker) -> Result<(Docker, SystemVersion), Absent> {
    let strange = |error: bollard::errors::Error| match error {
        bollard::errors::Error::RequestTimeoutError => Absent::NoAnswer,
        bollard::errors::Error::APIVersionParseError {} => Absent::NotAnEngine("it does not give its API version".to_owned()),
        error => Absent::NotAnEngine(innermost(&error)),
    };
    let docker = docker.negotiate_version().await.map_err(strange)?;
    let version = docker.version().await.map_err(strange)?;
    Ok((docker, version))
}

/// Returns the innermost cause of an error: the layers above it read the same for every failure.
fn innermost(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}

fn facts(address: &str, version: SystemVersion, info: &SystemInfo) -> Facts {
    let components = version.components.unwrap_or_default();
    let platform = version.platform.map(|platform| platform.name).unwrap_or_default();
    let system = info.operating_system.as_deref().unwrap_or_default();
    let kind = if components.iter().any(|component| component.name.contains("Podman")) {
        Kind::Podman
    } else if platform.contains("Docker Desktop") || system.contains("Docker Desktop") {
        Kind::DockerDesktop
    } else {
        Kind::Docker
    };
    let security = info.security_options.as_deref().unwrap_or_default();
    Facts {
        address: address.to_owned(),
        kind,
        version: version.version.unwrap_or_default(),
        architecture: version.arch.unwrap_or_default(),
        rootless: security.iter().any(|option| option.split(',').any(|word| word == "name=rootless")),
        // A virtual machine has its own kernel, and so has another machine.
        shares_kernel: kind != Kind::DockerDesktop
            && address.starts_with("unix://")
            && own_kernel().is_some_and(|own| version.kernel_version.as_deref() == Some(own.as_str())),
    }
}

/// Returns the release of this machine's Linux kernel (`uname -r`); `None` on other systems.
fn own_kernel() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(release.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Reach;
    use super::super::fake::{Fake, answer, engine};
    use super::*;

    fn socket(directory: &tempfile::TempDir, name: &str) -> PathBuf {
        directory.path().join(name)
    }

    async fn absent_at(address: &str) -> Absent {
        connect(address, false, USUAL_LIMIT)
            .await
            .map(|engine| engine.to_string())
            .unwrap_err()
    }

    #[test]
    fn the_usual_places_are_looked_at_in_order() {
        let surroundings = Surroundings {
            runtime: Some("/session".into()),
            home: Some("/people/alice".into()),
            ..Surroundings::default()
        };
        assert_eq!(
            surroundings.usual().iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(),
            [
                "/var/run/docker.sock",
                "/session/docker.sock",
                "/session/.docker/run/docker.sock",
                "/people/alice/.docker/run/docker.sock",
                "/people/alice/.docker/desktop/docker.sock",
                "/session/podman/podman.sock",
                "/run/podman/podman.sock",
            ]
        );
        // Without a home and a session, only the machine's own sockets remain; a relative directory belongs to the owner of the working
        // directory.
        assert_eq!(Surroundings::default().usual().len(), 2);
        let relative = Surroundings {
            runtime: Some("session".into()),
            home: Some("alice".into()),
            ..Surroundings::default()
        };
        assert_eq!(relative.usual(), Surroundings::default().usual());
    }

    #[tokio::test]
    async fn what_is_no_engine_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let none = socket(&directory, "none");
        assert_eq!(absent_at(&format!("unix://{}", none.display())).await, Absent::NoSocket);

        let file = socket(&directory, "file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(absent_at(&format!("unix://{}", file.display())).await, Absent::NotASocket);

        // The listener is gone, and the socket still exists.
        let dead = socket(&directory, "dead");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        assert_eq!(absent_at(&format!("unix://{}", dead.display())).await, Absent::NobodyListens);

        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(absent_at(&format!("tcp://{closed}")).await, Absent::NobodyListens);
        assert!(matches!(absent_at("ssh://somewhere").await, Absent::NotSpoken(_)));
        assert!(matches!(absent_at("").await, Absent::NotSpoken(_)));
        assert!(matches!(
            connect("tcp://127.0.0.1:1", true, USUAL_LIMIT).await,
            Err(Absent::NotSpoken(_))
        ));
    }

    #[tokio::test]
    async fn who_answers_something_else_is_no_engine() {
        let web = Fake::start(|_, _| answer(404, "<html>not found</html>"));
        assert!(matches!(
            Engine::at(&web.address(), false).await,
            Err(EngineError::NotAnEngine { .. })
        ));
        let json = Fake::start(|_, _| answer(200, "{}"));
        assert!(matches!(
            Engine::at(&json.address(), false).await,
            Err(EngineError::NotAnEngine { .. })
        ));
        let garbage = Fake::saying(b"SSH-2.0-something\r\n");
        assert!(matches!(
            Engine::at(&garbage.address(), false).await,
            Err(EngineError::NotAnEngine { .. })
        ));
    }

    #[tokio::test]
    async fn who_never_answers_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let path = socket(&directory, "mute");
        let _mute = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let limit = Duration::from_millis(200);
        let found = connect(&format!("unix://{}", path.display()), false, limit).await;
        assert_eq!(found.map(|engine| engine.to_string()), Err(Absent::NoAnswer));
    }

    #[tokio::test]
    async fn the_first_place_with_an_engine_wins() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (engine("1.41"), engine("1.47"));
        let places = [socket(&directory, "none"), first.path(), second.path()];
        let found = Engine::among(&places).await.unwrap();
        assert_eq!(found.address(), first.address());
        assert_eq!(found.kind(), Kind::Docker);
        assert_eq!(found.architecture(), "amd64");
        // The API version is the engine's, not the newest that the client knows.
        assert_eq!(found.docker.client_version().minor_version, 41);
    }

    #[tokio::test]
    async fn an_error_lists_every_place_that_was_tried() {
        let directory = tempfile::tempdir().unwrap();
        let places = [socket(&directory, "one"), socket(&directory, "two")];
        let error = Engine::among(&places).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("one: no such socket"), "{text}");
        assert!(text.contains("two: no such socket"), "{text}");
    }

    #[tokio::test]
    async fn an_engine_that_is_closed_to_this_user_is_not_passed_over() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(absent(&io::Error::from(io::ErrorKind::PermissionDenied)), Absent::NoRights);
        // Root may connect everywhere.
        if rustix::process::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let closed = engine("1.41");
        std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o000)).unwrap();
        let places = [closed.path(), socket(&directory, "none")];
        let error = Engine::among(&places).await.unwrap_err();
        assert!(matches!(error, EngineError::NoRights { address } if address == closed.address()));
        let error = Engine::at(&closed.address(), false).await.unwrap_err();
        assert!(matches!(error, EngineError::NoRights { .. }));
    }

    fn reach(address: &str, version: serde_json::Value, info: serde_json::Value) -> (Kind, bool, Reach) {
        let version: SystemVersion = serde_json::from_value(version).unwrap();
        let info: SystemInfo = serde_json::from_value(info).unwrap();
        let engine = Engine {
            docker: Docker::connect_with_http("127.0.0.1:1", 1, API_DEFAULT_VERSION).unwrap(),
            facts: Arc::new(facts(address, version, &info)),
        };
        (engine.kind(), engine.facts.rootless, engine.reach())
    }

    #[test]
    fn kinds_are_told_by_what_they_say_of_themselves() {
        let kernel = own_kernel().unwrap_or_default();
        let docker = serde_json::json!({"KernelVersion": kernel, "Components": [{"Name": "Engine", "Version": "1"}]});
        let plain = serde_json::json!({"SecurityOptions": ["name=seccomp,profile=default"]});
        let rootless = serde_json::json!({"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]});
        let by_name = Reach::Name("host.docker.internal");
        if cfg!(target_os = "linux") {
            assert_eq!(
                reach("unix:///x", docker.clone(), plain.clone()),
                (Kind::Docker, false, Reach::Gateway)
            );
        }
        assert_eq!(reach("tcp://x:1", docker.clone(), plain.clone()), (Kind::Docker, false, by_name));
        assert_eq!(reach("unix:///x", docker, rootless), (Kind::Docker, true, by_name));
        let vm = serde_json::json!({"KernelVersion": "6.1-linuxkit", "Platform": {"Name": "Docker Desktop 4.40"}});
        assert_eq!(reach("unix:///x", vm, plain.clone()), (Kind::DockerDesktop, false, by_name));
        let podman = serde_json::json!({"KernelVersion": kernel, "Components": [{"Name": "Podman Engine", "Version": "5"}]});
        let by_podmans_name = Reach::Name("host.containers.internal");
        assert_eq!(reach("unix:///x", podman, plain), (Kind::Podman, false, by_podmans_name));
    }
}
