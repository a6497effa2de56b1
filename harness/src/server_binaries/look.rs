//! The means to obtain servers that this machine has: build tools, and servers of release files that respond. Nothing is obtained.
//!
//! The main functions are [`go`], [`maven`] and [`responds`].

use std::path::PathBuf;
use std::time::Duration;

use super::download::Mirror;
use super::go_build::GO_VARIABLES;
use super::maven::MAVEN_VARIABLES;
use super::tool::{self, INHERITED};
use crate::cause::with_causes;
use crate::process::Program;

/// The time limit for a tool to print its version.
const SAYING: Duration = Duration::from_secs(10);

/// A build tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The program.
    pub program: PathBuf,
    /// The version, as the tool prints it; or the reason why it does not.
    pub version: Result<String, String>,
}

/// Returns the Go toolchain on PATH.
pub async fn go() -> Option<Tool> {
    // Not in the working directory, whose go.mod may ask for another toolchain.
    find("go", &["env", "GOVERSION"], GO_VARIABLES).await
}

/// Returns Maven on PATH.
pub async fn maven() -> Option<Tool> {
    find("mvn", &["-B", "-q", "--version"], MAVEN_VARIABLES).await
}

async fn find(name: &str, arguments: &[&str], variables: &[&str]) -> Option<Tool> {
    let program = which::which(name).ok()?;
    let version = match tempfile::tempdir() {
        Err(error) => Err(error.to_string()),
        Ok(scratch) => {
            let log = scratch.path().join("version");
            let asked = Program::new(name, &program, &log)
                .inherit(INHERITED)
                .inherit(variables)
                .environment("GOTOOLCHAIN", "local")
                .directory(scratch.path())
                .arguments(arguments.iter().copied());
            let said = tool::run(asked, &log, SAYING, |_| ()).await;
            said.map(|said| in_short(&said)).map_err(|error| with_causes(&error))
        }
    };
    Some(Tool { program, version })
}

/// Returns the version in the output of a tool: the first word that begins with a digit, after `go` and codes for terminals.
fn in_short(said: &str) -> String {
    let words = said.split(|c: char| c.is_whitespace() || c == '\u{1b}').map(|word| {
        // A code is `[`, numbers and `m`.
        let word = word
            .strip_prefix('[')
            .and_then(|code| code.split_once('m'))
            .map_or(word, |(_, rest)| rest);
        word.trim_start_matches("go")
    });
    let mut versions = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    versions.next().unwrap_or("of an unknown version").to_owned()
}

/// Returns the innermost cause: those around it say what was done, which the caller knows.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Checks that the server at `base` responds to a request, in whatever way. Waits two seconds at most.
///
/// # Errors
/// Returns the reason why it does not.
pub async fn responds(base: &str) -> Result<(), String> {
    let mirror = Mirror::new(base).map_err(|error| innermost(&error))?;
    mirror.responds().await.map_err(|error| innermost(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_remains_of_the_first_line() {
        for (said, expected) in [
            ("go1.26.8\n", "1.26.8"),
            (
                "\nApache Maven 3.9.9 (8e8579a9e76f7d015ee5ec7bfcdc97d260186937)\nMaven home: /m\n",
                "3.9.9",
            ),
            ("\u{1b}[1mApache Maven 3.8.7\u{1b}[m\nMaven home: /m\n", "3.8.7"),
            ("\u{1b}[0m\u{1b}[0m3.8.7\n", "3.8.7"),
            ("", "of an unknown version"),
        ] {
            assert_eq!(in_short(said), expected, "{said:?}");
        }
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_does_not_respond() {
        // Port 1 of this machine; a proxy of the environment is not asked for it.
        let refused = responds("http://127.0.0.1:1/releases").await.expect_err("nobody listens");
        assert!(!refused.is_empty() && !refused.contains("error sending request"), "{refused}");
    }
}
