//! Keycloak's distribution through Maven's own client.
//!
//! The main function is [`unpack`]. Maven knows the mirrors, proxies and
//! credentials of its user, verifies what it downloads, and unpacks it too.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::event::Events;
use crate::process::Program;

use super::options::Options;
use super::tool::{self, INHERITED, ToolError};

/// How long Maven may take, for a download of some 180 MB.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Variables that Maven and its Java read, besides the usual ones.
const MAVEN_VARIABLES: &[&str] = &[
    "JAVA_HOME",
    "JAVACMD",
    "MAVEN_OPTS",
    "MAVEN_ARGS",
    "MAVEN_HOME",
    "M2_HOME",
    "MAVEN_CONFIG",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
];

/// Maven did not bring the distribution.
#[derive(Debug, thiserror::Error)]
pub enum MavenError {
    /// There is no Maven.
    #[error("no `mvn` on PATH")]
    NoMaven,
    /// Maven failed.
    #[error("Maven did not bring {artifact}")]
    Tool {
        /// The coordinates.
        artifact: String,
        /// Why.
        #[source]
        source: ToolError,
    },
    /// The artifact holds something else than expected.
    #[error("{artifact} does not hold the directory {expected}")]
    Contents {
        /// The coordinates.
        artifact: String,
        /// What should be there.
        expected: String,
    },
    /// The staging directory cannot be used.
    #[error("could not use {}", path.display())]
    Storage {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Unpacks Keycloak `version` within `staging` and returns its directory; all output
/// goes to `log`.
pub(super) async fn unpack(version: &str, staging: &Path, log: &Path, options: &Options, events: &Events) -> Result<PathBuf, MavenError> {
    let mvn = which::which("mvn").map_err(|_| MavenError::NoMaven)?;
    let artifact = format!("org.keycloak:keycloak-quarkus-dist:{version}:zip");
    let phase = events.phase(format!("fetch Keycloak {version} with Maven"));
    // Maven makes directories in its own: those go with the staging directory.
    let (work, unpacked) = (staging.join("work"), staging.join("unpacked"));
    fs_err::create_dir(&work).map_err(|source| MavenError::Storage {
        path: work.clone(),
        source,
    })?;
    let mut target = std::ffi::OsString::from("-DoutputDirectory=");
    target.push(&unpacked);
    let program = Program::new("mvn", mvn, log)
        .inherit(INHERITED)
        .inherit(MAVEN_VARIABLES)
        .directory(&work)
        .arguments(["-B", "-q", "dependency:unpack", &format!("-Dartifact={artifact}")])
        .argument(target);
    let program = if options.offline { program.argument("-o") } else { program };
    let mut told: Option<Instant> = None;
    let result = tool::run(program, log, LIMIT, |_| {
        if told.is_none_or(|told| told.elapsed() >= Duration::from_secs(1)) {
            told = Some(Instant::now());
            phase.detail(format!("{} s", phase.elapsed().as_secs()));
        }
    })
    .await;
    let directory = unpacked.join(format!("keycloak-{version}"));
    let result = match result {
        Err(source) => Err(MavenError::Tool { artifact, source }),
        Ok(_) if !directory.is_dir() => Err(MavenError::Contents {
            artifact,
            expected: format!("keycloak-{version}"),
        }),
        Ok(_) => Ok(directory),
    };
    match &result {
        Ok(_) => phase.succeeded(),
        Err(error) => phase.failed(error),
    }
    result
}
