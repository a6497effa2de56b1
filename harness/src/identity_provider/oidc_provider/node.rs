//! The Node.js that runs node-oidc-provider, and the npm that installs it. The main type is [`Node`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hint::Hint;
use crate::process::Program;

/// The oldest version that node-oidc-provider runs on: the first with `crypto.hash`.
const OLDEST: (u32, u32) = (20, 12);

/// The limit for a program to print its version.
const SAYING: Duration = Duration::from_secs(20);

/// A Node.js that can be used, and its npm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The `node` program.
    pub program: PathBuf,
    /// Its version: `20.20.2`.
    pub version: String,
}

/// An error of finding Node.js or npm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// A program is not there.
    #[error("cannot run node-oidc-provider: no `{program}` on PATH")]
    Absent {
        /// The name of the program.
        program: &'static str,
    },
    /// The version is too old.
    #[error(
        "cannot run node-oidc-provider: {} is Node.js {version} (expected {}.{} or newer)",
        program.display(), OLDEST.0, OLDEST.1
    )]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        version: String,
    },
    /// It does not say its version.
    #[error("cannot run node-oidc-provider: {} does not print its version: {why}", program.display())]
    Silent {
        /// The program.
        program: PathBuf,
        /// The reason, redacted.
        why: String,
    },
}

impl Hint for NodeError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Absent { program: "npm" } => "install npm, which node-oidc-provider is installed with, or use Keycloak".to_owned(),
            _ => format!(
                "install Node.js 22 or newer ({}.{} works), with npm, or use Keycloak",
                OLDEST.0, OLDEST.1
            ),
        })
    }
}

/// Finds Node.js on `PATH`.
///
/// # Errors
/// It is missing, too old, or does not work.
pub async fn find() -> Result<Node, NodeError> {
    let program = which::which("node").map_err(|_| NodeError::Absent { program: "node" })?;
    let said = version_of(&program).await.map_err(|why| NodeError::Silent {
        program: program.clone(),
        why,
    })?;
    checked(program, &said)
}

/// Finds npm on `PATH`.
///
/// # Errors
/// It is missing.
pub fn npm() -> Result<PathBuf, NodeError> {
    which::which("npm").map_err(|_| NodeError::Absent { program: "npm" })
}

fn checked(program: PathBuf, said: &str) -> Result<Node, NodeError> {
    let version = said.trim().trim_start_matches('v').to_owned();
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok(Node { program, version }),
        (Some(Ok(_)), Some(Ok(_))) => Err(NodeError::TooOld { program, version }),
        _ => Err(NodeError::Silent {
            program,
            why: format!("it printed {said:?}"),
        }),
    }
}

/// The variables that Node.js inherits: a version manager puts a script in its place, which looks at them.
pub(super) const ENVIRONMENT: &[&str] = &["PATH", "HOME"];

async fn version_of(program: &Path) -> Result<String, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let log = scratch.path().join("version");
    let asked = Program::new("node", program, &log).inherit(ENVIRONMENT).argument("--version");
    let mut child = asked.start().await.map_err(|error| crate::cause::with_causes(&error))?;
    let status = match tokio::time::timeout(SAYING, child.ended()).await {
        Ok(status) => status.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("it did not respond within {SAYING:?}")),
    };
    if !status.success() {
        return Err(format!("it failed ({status})"));
    }
    let said = fs_err::read_to_string(&log).map_err(|error| error.to_string())?;
    Ok(crate::secret::redact(said.trim()).chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_new_enough_or_refused_with_its_version() {
        let checked = |said| checked("/bin/node".into(), said);
        for (said, version) in [("v20.20.2\n", "20.20.2"), ("v20.12.0", "20.12.0"), ("v24.1.0", "24.1.0")] {
            assert_eq!(checked(said).expect("it is new enough").version, version);
        }
        let old = checked("v20.11.1").expect_err("it is too old");
        assert_eq!(
            old.to_string(),
            "cannot run node-oidc-provider: /bin/node is Node.js 20.11.1 (expected 20.12 or newer)"
        );
        assert!(old.hint().is_some_and(|hint| hint.contains("install Node.js 22")));
        assert!(matches!(checked("v8.17.0"), Err(NodeError::TooOld { .. })));
        let strange = checked("usage: node").expect_err("it is no version").to_string();
        assert!(
            strange.ends_with("does not print its version: it printed \"usage: node\""),
            "{strange}"
        );
    }
}
