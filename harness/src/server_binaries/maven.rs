//! Keycloak's distribution through Maven's own client.
//!
//! The main function is [`unpack`]. Maven knows the mirrors, proxies and credentials of its user, and unpacks the artifact. Maven itself
//! compares it with the checksum that its repository publishes; this module compares it with the SHA-256 pinned in
//! `fixtures/versions.toml`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::event::Events;
use crate::process::Program;

use super::manifest::{self, Record};
use super::options::Options;
use super::tool::{self, INHERITED, ToolError};
use super::versions::Keycloak;

/// The time limit for Maven, for a download of some 180 MB.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Variables that Maven and its Java runtime read, besides the usual ones.
pub(super) const MAVEN_VARIABLES: &[&str] = &[
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

/// An error while getting the distribution from Maven.
#[derive(Debug, thiserror::Error)]
pub enum MavenError {
    /// Maven is not installed.
    #[error("no `mvn` on PATH")]
    NoMaven,
    /// Maven failed.
    #[error("cannot fetch {artifact} with Maven")]
    Tool {
        /// The artifact's coordinates.
        artifact: String,
        /// The cause.
        #[source]
        source: ToolError,
    },
    /// No checksum of the artifact is pinned.
    #[error("no SHA-256 of {file} is pinned")]
    Unpinned {
        /// The file.
        file: String,
    },
    /// The artifact's checksum is wrong.
    #[error("{file} has the SHA-256 {seen} (expected {expected}, pinned)")]
    Checksum {
        /// The file.
        file: String,
        /// The pinned SHA-256.
        expected: String,
        /// The actual SHA-256.
        seen: String,
    },
    /// The artifact's contents are unexpected.
    #[error("{artifact} does not have the directory {expected}")]
    Contents {
        /// The artifact's coordinates.
        artifact: String,
        /// The expected directory.
        expected: String,
    },
    /// The staging directory cannot be used.
    #[error("cannot use {}", path.display())]
    Storage {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Unpacks `keycloak` within `staging` and returns its directory; appends all output to `log`.
pub(super) async fn unpack(
    keycloak: &Keycloak,
    staging: &Path,
    log: &Path,
    options: &Options,
    events: &Events,
) -> Result<PathBuf, MavenError> {
    let mvn = which::which("mvn").map_err(|_| MavenError::NoMaven)?;
    unpack_with(&mvn, keycloak, staging, log, options, events).await
}

async fn unpack_with(
    mvn: &Path,
    keycloak: &Keycloak,
    staging: &Path,
    log: &Path,
    options: &Options,
    events: &Events,
) -> Result<PathBuf, MavenError> {
    let version = &keycloak.version;
    let file = format!("keycloak-quarkus-dist-{version}.zip");
    let pin = keycloak
        .sha256
        .get(&file)
        .ok_or_else(|| MavenError::Unpinned { file: file.clone() })?;
    let artifact = format!("org.keycloak:keycloak-quarkus-dist:{version}:zip");
    let fetched = events.in_phase(format!("fetch Keycloak {version} with Maven"), async |phase| {
        // Maven creates directories in its working directory: those are removed with the staging directory.
        let (work, unpacked) = (staging.join("work"), staging.join("unpacked"));
        fs_err::create_dir(&work).map_err(|source| MavenError::Storage {
            path: work.clone(),
            source,
        })?;
        // Maven also copies the artifact there, for the comparison.
        let mut target = std::ffi::OsString::from("-DoutputDirectory=");
        target.push(&unpacked);
        let program = Program::new("mvn", mvn, log)
            .inherit(INHERITED)
            .inherit(MAVEN_VARIABLES)
            .directory(&work)
            .arguments([
                "-B",
                "-q",
                "dependency:copy",
                "dependency:unpack",
                &format!("-Dartifact={artifact}"),
            ])
            .argument(target);
        let program = if options.offline { program.argument("-o") } else { program };
        let mut told: Option<Instant> = None;
        let run = tool::run(program, log, LIMIT, |_| {
            if told.is_none_or(|told| told.elapsed() >= Duration::from_secs(1)) {
                told = Some(Instant::now());
                phase.detail(format!("{} s", phase.elapsed().as_secs()));
            }
        });
        run.await.map_err(|source| MavenError::Tool {
            artifact: artifact.clone(),
            source,
        })?;
        compare(&unpacked.join(&file), file, pin).await?;
        let directory = unpacked.join(format!("keycloak-{version}"));
        if !directory.is_dir() {
            return Err(MavenError::Contents {
                artifact,
                expected: format!("keycloak-{version}"),
            });
        }
        Ok(directory)
    });
    fetched.await
}

/// Expects that the artifact at `path` has the SHA-256 `expected`, and removes the artifact: it is unpacked beside it.
async fn compare(path: &Path, file: String, expected: &str) -> Result<(), MavenError> {
    let hashed = path.to_owned();
    let work = move || {
        let record = manifest::record(&hashed)?;
        fs_err::remove_file(&hashed)?;
        Ok(record)
    };
    let record = tokio::task::spawn_blocking(work).await.expect("hashing does not panic");
    match record.map_err(|source| MavenError::Storage {
        path: path.to_owned(),
        source,
    })? {
        Record::File { sha256, .. } if sha256.eq_ignore_ascii_case(expected) => Ok(()),
        seen => Err(MavenError::Checksum {
            file,
            expected: expected.to_owned(),
            seen: match seen {
                Record::File { sha256, .. } => sha256,
                link @ Record::Link { .. } => link.to_string(),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    /// Provides an artifact and its unpacked contents as Maven does, and returns the names of the files that are left.
    async fn brought(pin: Option<&[u8]>) -> Result<Vec<String>, MavenError> {
        let staging = tempfile::tempdir().expect("a directory");
        let mvn = staging.path().join("mvn");
        let script = r#"#!/bin/sh
for argument; do case "$argument" in -DoutputDirectory=*) to="${argument#-DoutputDirectory=}" ;; esac; done
mkdir -p "$to/keycloak-1.2.3/bin"
printf artifact > "$to/keycloak-quarkus-dist-1.2.3.zip"
echo kc > "$to/keycloak-1.2.3/bin/kc.sh"
"#;
        // Another process writes the file: a file that a fork of this process has open cannot be executed.
        let mut writer = std::process::Command::new("/bin/sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(&mvn)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        std::io::Write::write_all(&mut writer.stdin.take().expect("a pipe"), script.as_bytes()).expect("it reads");
        assert!(writer.wait().expect("it ends").success());
        let pin = pin.map(|artifact| {
            let file = "keycloak-quarkus-dist-1.2.3.zip".to_owned();
            (file, hex::encode(sha2::Sha256::digest(artifact)).to_uppercase())
        });
        let keycloak = Keycloak {
            version: "1.2.3".to_owned(),
            sha256: pin.into_iter().collect(),
        };
        let log = staging.path().join("log");
        let brought = unpack_with(&mvn, &keycloak, staging.path(), &log, &Options::default(), &Events::silent()).await?;
        assert!(brought.join("bin/kc.sh").is_file());
        let beside = fs_err::read_dir(brought.parent().expect("the directory it is in")).expect("readable");
        Ok(beside
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect())
    }

    #[tokio::test]
    async fn an_artifact_counts_with_the_pinned_checksum_alone() {
        assert_eq!(brought(Some(b"artifact")).await.expect("it is as pinned"), ["keycloak-1.2.3"]);
        let other = brought(Some(b"another one")).await.expect_err("it is another").to_string();
        assert!(other.starts_with("keycloak-quarkus-dist-1.2.3.zip has the SHA-256 "), "{other}");
        assert!(matches!(brought(None).await, Err(MavenError::Unpinned { .. })));
    }
}
