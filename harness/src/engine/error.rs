//! The errors of a container engine, and hints for resolving them.
//!
//! The main type is [`EngineError`]. Engines report most failures in words, and the same status code means many things; [`classify`] is the
//! one place that reads those words.

use std::io;
use std::path::PathBuf;

use bollard::errors::Error as Answered;

use super::find::Attempt;
use crate::hint::Hint;
use crate::shell_word::quoted;

/// An error while using a container engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// None of the usual places has an engine that responds.
    #[error("cannot find a container engine: {}", listed(tried))]
    NoEngine {
        /// The places that were searched, and the finding at each.
        tried: Vec<Attempt>,
    },
    /// An engine exists, but this user may not connect to it.
    #[error("the container engine at {address} refuses access to this user")]
    NoRights {
        /// The engine's address.
        address: String,
    },
    /// The requested address has no engine.
    #[error("cannot find a container engine at {host}: {why}")]
    WrongHost {
        /// The address as the user gave it.
        host: String,
        /// The finding at the address.
        why: String,
    },
    /// The response is not an engine's.
    #[error("the server at {address} is not a container engine: {why}")]
    NotAnEngine {
        /// The address.
        address: String,
        /// The problem with the response.
        why: String,
    },
    /// The engine responded before and does not any more.
    #[error("lost the connection to the container engine at {address}: {doing} failed")]
    Gone {
        /// The engine's address.
        address: String,
        /// The operation that failed.
        doing: String,
        /// The cause.
        #[source]
        source: Box<Answered>,
    },
    /// The image is not on this machine, and could not or must not be fetched.
    #[error("image not found: {image}")]
    ImageMissing {
        /// The image's reference.
        image: String,
        /// The engine's message about the failed fetch; `None` if no fetch was tried.
        #[source]
        said: Option<Said>,
    },
    /// The image is for another processor architecture.
    #[error("the image {image} is for {has} (expected {needs}, which the container engine runs)")]
    WrongArchitecture {
        /// The image's reference.
        image: String,
        /// The image's architecture.
        has: String,
        /// The engine's architecture.
        needs: String,
    },
    /// A port to be published is in use.
    #[error("a port is already in use: {doing} failed")]
    PortTaken {
        /// The operation that failed.
        doing: String,
        /// The engine's message.
        #[source]
        said: Said,
    },
    /// The engine's disk is full.
    #[error("the container engine has no space left: {doing} failed")]
    NoSpace {
        /// The operation that failed.
        doing: String,
        /// The engine's message.
        #[source]
        said: Said,
    },
    /// The image lacks the program, or the program cannot be executed.
    #[error("the image does not have the program to run: {doing} failed")]
    ProgramMissing {
        /// The operation that failed.
        doing: String,
        /// The engine's message.
        #[source]
        said: Said,
    },
    /// A container or network of that name already exists.
    #[error("the name is already in use: {doing} failed")]
    NameTaken {
        /// The operation that failed.
        doing: String,
        /// The engine's message.
        #[source]
        said: Said,
    },
    /// The object of the operation does not exist any more.
    #[error("not found: {doing} failed")]
    NotThere {
        /// The operation that failed.
        doing: String,
        /// The engine's message.
        #[source]
        said: Said,
    },
    /// A container exited on its own.
    #[error("the container {name} exited (exit code {code}{}){}", if *out_of_memory { ", out of memory" } else { "" }, below(tail))]
    Ended {
        /// The container's name.
        name: String,
        /// The exit code of its program.
        code: i64,
        /// `true` if the kernel killed it for lack of memory.
        out_of_memory: bool,
        /// The last lines of the container's log, redacted.
        tail: Vec<String>,
    },
    /// The engine refused for another reason.
    #[error("the container engine refused: {doing} failed")]
    Other {
        /// The operation that failed.
        doing: String,
        /// The engine's message.
        #[source]
        said: Said,
    },
    /// A file on this machine cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The process that would clean up after this one could not be started.
    #[error("cannot start the watcher that removes containers")]
    Watcher(#[source] io::Error),
}

/// An engine's message, verbatim but redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The HTTP status; `None` if the message came in the middle of a stream that had begun well.
    pub status: Option<u16>,
    /// The text.
    pub message: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.message.trim();
        match (self.status, message) {
            (Some(status), "") => write!(f, "status {status}, without a message"),
            (Some(status), message) => write!(f, "{message} (status {status})"),
            (None, message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Said {}

impl Said {
    pub(super) fn new(status: Option<u16>, message: &str) -> Self {
        let message = crate::secret::redact(message).into_owned();
        Self { status, message }
    }
}

fn listed(tried: &[Attempt]) -> String {
    if tried.is_empty() {
        return "there is no place to look for one".to_owned();
    }
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn below(tail: &[String]) -> String {
    if tail.is_empty() {
        return "; its log is empty".to_owned();
    }
    format!("; its log ends with\n{}", tail.join("\n"))
}

impl Hint for EngineError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoEngine { .. } => {
                "start Docker or Podman (`systemctl --user start podman.socket`), or set DOCKER_HOST to its address, as unix:///path or tcp://host:port".to_owned()
            }
            Self::NoRights { .. } => {
                "join the group that owns the socket (often `docker`) and log in again, or use an engine of your own (rootless Docker, Podman)".to_owned()
            }
            Self::WrongHost { .. } | Self::NotAnEngine { .. } => {
                "correct DOCKER_HOST (`docker context inspect` shows the address in use), or unset it to search the usual places".to_owned()
            }
            Self::Gone { .. } => {
                "start the container engine again; then `authlab down --all` clears what was left there".to_owned()
            }
            Self::ImageMissing { image, .. } => {
                format!("fetch it with `docker pull {}`, or load it from a file with `docker load -i FILE`", quoted(image))
            }
            Self::WrongArchitecture { image, needs, .. } => {
                format!("fetch the right one with `docker pull --platform {} {}`", quoted(&format!("linux/{needs}")), quoted(image))
            }
            Self::PortTaken { .. } => "try again: another port is chosen then".to_owned(),
            Self::NoSpace { .. } => "free some space where the engine keeps its data: `docker system df` shows its use, `docker image prune` removes unused images".to_owned(),
            Self::NameTaken { .. } => "clear what an earlier lab left with `authlab down --all`".to_owned(),
            Self::ProgramMissing { .. } => "check that this is the right image: `docker image inspect IMAGE`".to_owned(),
            Self::NotThere { .. } | Self::Ended { .. } | Self::Other { .. } | Self::File { .. } | Self::Watcher(_) => return None,
        })
    }
}

/// Words by which engines report a failure; the status codes beside them differ between versions and kinds. The first match wins: a full
/// disk shows in the middle of any other failure.
const WORDS: &[(&str, Failure)] = &[
    ("no space left on device", Failure::NoSpace),
    ("port is already allocated", Failure::PortTaken),
    ("address already in use", Failure::PortTaken),
    ("executable file not found", Failure::ProgramMissing),
    ("exec format error", Failure::ProgramMissing),
    ("no such image", Failure::ImageMissing),
    ("image not known", Failure::ImageMissing),
    ("does not match the specified platform", Failure::ImageMissing),
    ("is already in use", Failure::NameTaken),
    ("already exists", Failure::NameTaken),
];

#[derive(Clone, Copy)]
enum Failure {
    NoSpace,
    PortTaken,
    ProgramMissing,
    ImageMissing,
    NameTaken,
}

/// The current operation and its objects: all that an error's text needs.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    /// The engine's address.
    pub(super) address: &'a str,
    /// The operation, as a noun: `the start of the container x`.
    pub(super) what: &'a str,
    /// The image that the operation needs, if any.
    pub(super) image: Option<&'a str>,
}

/// Classifies `error` by its status and its words.
pub(super) fn classify(doing: Doing<'_>, error: Answered) -> EngineError {
    let what = doing.what.to_owned();
    let (status, message) = match &error {
        Answered::DockerResponseServerError { status_code, message } => (Some(*status_code), message.as_str()),
        Answered::DockerStreamError { error } | Answered::DockerContainerWaitError { error, .. } => (None, error.as_str()),
        _ if denied(&error) => {
            return EngineError::NoRights {
                address: doing.address.to_owned(),
            };
        }
        _ if cut(&error) => {
            return EngineError::Gone {
                address: doing.address.to_owned(),
                doing: what,
                source: Box::new(error),
            };
        }
        _ => {
            return EngineError::Other {
                doing: what,
                said: Said::new(None, &error.to_string()),
            };
        }
    };
    let said = Said::new(status, message);
    let words = message.to_lowercase();
    let failure = WORDS.iter().find(|(sign, _)| words.contains(sign)).map(|(_, failure)| *failure);
    match (failure, doing.image) {
        (Some(Failure::NoSpace), _) => EngineError::NoSpace { doing: what, said },
        (Some(Failure::PortTaken), _) => EngineError::PortTaken { doing: what, said },
        (Some(Failure::ProgramMissing), _) => EngineError::ProgramMissing { doing: what, said },
        (Some(Failure::NameTaken), _) => EngineError::NameTaken { doing: what, said },
        (Some(Failure::ImageMissing), Some(image)) => EngineError::ImageMissing {
            image: image.to_owned(),
            said: Some(said),
        },
        _ if status == Some(404) => EngineError::NotThere { doing: what, said },
        _ => EngineError::Other { doing: what, said },
    }
}

/// Returns whether the connection failed or was cut: the engine did not respond.
fn cut(error: &Answered) -> bool {
    matches!(
        error,
        Answered::HyperLegacyError { .. }
            | Answered::HyperResponseError { .. }
            | Answered::IOError { .. }
            | Answered::RequestTimeoutError
            | Answered::SocketNotFoundError(_)
    )
}

/// Returns whether the operating system refused the connection for lack of permission.
fn denied(error: &Answered) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status_code: u16, message: &str) -> EngineError {
        let doing = Doing {
            address: "unix:///x",
            what: "the start of the container api",
            image: Some("example/api:1"),
        };
        classify(
            doing,
            Answered::DockerResponseServerError {
                status_code,
                message: message.to_owned(),
            },
        )
    }

    #[test]
    fn what_engines_say_is_told_apart() {
        // The wording of Docker 20.10.
        let name =
            r#"Conflict. The container name "/x" is already in use by container "abc". You have to remove (or rename) that container"#;
        assert!(matches!(answered(409, name), EngineError::NameTaken { .. }));
        assert!(matches!(
            answered(409, "network with name n1 already exists"),
            EngineError::NameTaken { .. }
        ));
        assert!(matches!(
            answered(404, "No such image: example/api:1"),
            EngineError::ImageMissing { .. }
        ));
        assert!(matches!(
            answered(
                500,
                "driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:32772 failed: port is already allocated"
            ),
            EngineError::PortTaken { .. }
        ));
        assert!(matches!(
            answered(
                500,
                "driver failed …: Error starting userland proxy: listen tcp4 127.0.0.1:34107: bind: address already in use"
            ),
            EngineError::PortTaken { .. }
        ));
        assert!(matches!(
            answered(
                400,
                r#"failed to create shim task: OCI runtime create failed: … exec: "nosuch": executable file not found in $PATH"#
            ),
            EngineError::ProgramMissing { .. }
        ));
        assert!(matches!(
            answered(
                500,
                "failed to update store for object type *libnetwork.endpoint: …: no space left on device"
            ),
            EngineError::NoSpace { .. }
        ));
        assert!(matches!(answered(404, "No such container: x"), EngineError::NotThere { .. }));
        assert!(matches!(answered(500, "something new"), EngineError::Other { .. }));
    }

    #[test]
    fn a_failure_in_the_middle_of_a_stream_is_read_too() {
        let doing = Doing {
            address: "unix:///x",
            what: "loading an archive",
            image: None,
        };
        let error = "Error processing tar file(exit status 1): write /x: no space left on device".to_owned();
        assert!(matches!(
            classify(doing, Answered::DockerStreamError { error }),
            EngineError::NoSpace { .. }
        ));
    }

    #[test]
    fn every_state_that_a_person_can_change_has_a_hint() {
        let missing = answered(404, "No such image: example/api:1");
        assert!(missing.hint().unwrap().contains("docker pull example/api:1"));
        assert!(missing.hint().unwrap().contains("docker load -i FILE"));
        assert!(answered(500, "no space left on device").hint().is_some());
        assert!(answered(500, "something new").hint().is_none());
    }

    #[test]
    fn secrets_in_an_answer_do_not_come_through() {
        let EngineError::Other { said, .. } = answered(500, "invalid environment: password=hunter22") else {
            panic!("something else");
        };
        assert_eq!(said.to_string(), "invalid environment: password=[redacted] (status 500)");
    }
}
