//! Installed servers, in a directory that the user named.
//!
//! The main functions are [`server_binaries`] and [`keycloak`]: they report missing files and other versions, and change nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::wait::{self, Condition, WaitError};
use crate::process::{ProcessError, Program};

use super::kubernetes_version::KubernetesVersion;
use super::tool::{self, INHERITED, ToolError};
use super::versions::Kubernetes;

/// The programs of a Kubernetes version.
pub const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// The API server behind kube-apiserver (`fixtures/control_plane/aggregated_api.go`).
pub const AGGREGATED_API: &str = "aggregated-api";

/// The external signer of service accounts' tokens (`fixtures/control_plane/token_signer.go`).
pub const TOKEN_SIGNER: &str = "token-signer";

/// The programs that only a Go build has: Kubernetes releases none of them.
pub(super) const OWN_PROGRAMS: [&str; 2] = [AGGREGATED_API, TOKEN_SIGNER];

/// The time limit for a program to print its version.
const SAYING: Duration = Duration::from_secs(30);

/// An error that makes a named directory unusable.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// Programs or files are missing.
    #[error("{} has no {}", directory.display(), missing.join(", no "))]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// The missing programs or files.
        missing: Vec<&'static str>,
    },
    /// A program or Keycloak has another version.
    #[error("{} is {seen} (expected {expected})", program.display())]
    Version {
        /// The program or the directory.
        program: PathBuf,
        /// The requested version.
        expected: String,
        /// The version found.
        seen: String,
    },
    /// A program does not print its version.
    #[error("cannot read the version of {}", program.display())]
    Silent {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        source: ToolError,
    },
    /// No temporary file can be created for a program's output.
    #[error("cannot create a temporary directory in {}", path.display())]
    Scratch {
        /// The directory for temporary files.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Returns the version of the servers in `directory`: any patch of the minor version of `kubernetes`; of a pre-release, exactly this one.
pub(super) async fn server_binaries(directory: &Path, kubernetes: &Kubernetes) -> Result<KubernetesVersion, InstalledError> {
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|name| !is_executable(&directory.join(name))).collect();
    if !missing.is_empty() {
        return Err(InstalledError::Missing {
            directory: directory.to_owned(),
            missing,
        });
    }
    let program = directory.join("kube-apiserver");
    let scratch = tempfile::tempdir().map_err(|source| InstalledError::Scratch {
        path: std::env::temp_dir(),
        source,
    })?;
    let seen = version_of(&program, &scratch.path().join("version"))
        .await
        .map_err(|source| InstalledError::Silent {
            program: program.clone(),
            source,
        })?;
    // Distributions append to the version: v1.37.2+k3s1, v1.37.2-eks-1234.
    let without_build = seen.split('+').next().unwrap_or_default();
    let (plain, appended) = without_build.split_once('-').unwrap_or((without_build, ""));
    let is_before_a_release = ["alpha.", "beta.", "rc."].iter().any(|stage| appended.starts_with(stage));
    // A build of a branch after a candidate (v1.37.0-rc.1.5+abcdef) is neither that nor the release.
    let version = without_build
        .parse::<KubernetesVersion>()
        .or_else(|error| if is_before_a_release { Err(error) } else { plain.parse() });
    let asked = kubernetes.version;
    let serves = |version: &KubernetesVersion| match asked.is_pre_release() || version.is_pre_release() {
        true => *version == asked,
        false => version.minor == asked.minor,
    };
    version.ok().filter(serves).ok_or_else(|| InstalledError::Version {
        program,
        expected: asked.request(),
        seen,
    })
}

/// Returns the version of the unpacked Keycloak in `home`: any of the same major version as `expected`.
pub(super) fn keycloak(home: &Path, expected: &str) -> Result<String, InstalledError> {
    let missing: Vec<&str> = ["bin/kc.sh", "lib/quarkus-run.jar", "version.txt"]
        .into_iter()
        .filter(|file| !home.join(file).is_file())
        .collect();
    if !missing.is_empty() {
        return Err(InstalledError::Missing {
            directory: home.to_owned(),
            missing,
        });
    }
    let path = home.join("version.txt");
    let text = fs_err::read_to_string(&path).map_err(|source| InstalledError::Read {
        path: path.clone(),
        source,
    })?;
    let seen = text.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&seen) == major(expected) {
        Ok(seen)
    } else {
        Err(InstalledError::Version {
            program: home.to_owned(),
            expected: expected.to_owned(),
            seen,
        })
    }
}

/// Returns the version that `program` prints, without `v`.
pub(super) async fn version_of(program: &Path, log: &Path) -> Result<String, ToolError> {
    let name = format!("{} --version", program.file_name().unwrap_or_default().to_string_lossy());
    let asked = Program::new(&name, program, log).inherit(INHERITED).argument("--version");
    let said = wait::until(&name, SAYING, || async {
        match tool::run(asked.clone(), log, SAYING, |_| ()).await {
            // The file was written a moment ago, and a process that was forked meanwhile keeps it open until it execs.
            Err(ToolError::Process(ProcessError::Start { source, .. })) if source.kind() == io::ErrorKind::ExecutableFileBusy => {
                Ok(Condition::NotYet(source.to_string()))
            }
            other => other.map(Condition::Met),
        }
    })
    .await;
    match said {
        Ok(output) => Ok(version_in(&output).to_owned()),
        Err(WaitError::Failed(error)) => Err(error),
        Err(WaitError::TimedOut { limit, why, .. }) => Err(ToolError::TimedOut {
            name,
            limit,
            log: log.to_owned(),
            tail: vec![why],
        }),
    }
}

/// Finds the version in the output: `Kubernetes v1.37.2` and `etcd Version: 3.7.0`, each on its own line.
fn version_in(output: &str) -> &str {
    let line = output
        .lines()
        .find(|line| line.starts_with("Kubernetes v") || line.starts_with("etcd Version: "))
        .unwrap_or(output);
    let word = line.trim().rsplit(' ').next().unwrap_or_default();
    word.strip_prefix('v').unwrap_or(word)
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs_err::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_binaries::Versions;

    fn program(directory: &Path, name: &str, says: &str) {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o755)
            .open(directory.join(name))
            .expect("a file");
        write!(file, "#!/bin/sh\necho '{says}'\n").expect("writable");
    }

    fn servers(says: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for name in PROGRAMS {
            program(directory.path(), name, says);
        }
        directory
    }

    #[test]
    fn a_missing_directory_for_temporary_files_is_told_from_one_without_servers() {
        use crate::hint::Hint;
        let error = crate::server_binaries::ServerBinariesError::from(InstalledError::Scratch {
            path: "/nonexistent".into(),
            source: io::ErrorKind::NotFound.into(),
        });
        assert!(error.hint().is_some_and(|hint| hint.contains("TMPDIR")), "{:?}", error.hint());
    }

    #[tokio::test]
    async fn any_patch_of_the_minor_serves_whoever_built_it() {
        let kubernetes = Versions::pinned().kubernetes("1.37").expect("pinned");
        for (says, patch) in [
            ("Kubernetes v1.37.0", 0),
            ("Kubernetes v1.37.9+k3s1", 9),
            ("Kubernetes v1.37.1-eks-abc", 1),
        ] {
            let version = server_binaries(servers(says).path(), kubernetes).await.expect("it serves");
            assert_eq!((version.minor, version.patch), (37, patch));
        }
    }

    #[tokio::test]
    async fn a_pre_release_serves_only_those_who_ask_for_it() {
        let directory = servers("Kubernetes v1.38.0-beta.0");
        let find = async |asked: &str| {
            let kubernetes = Versions::pinned().kubernetes(asked).expect(asked);
            server_binaries(directory.path(), kubernetes)
                .await
                .map_err(|error| error.to_string())
        };
        assert_eq!(find("1.38.0-beta.0").await.expect("it serves").to_string(), "1.38.0-beta.0");
        for asked in ["1.38.0-beta.1", "1.38.0-rc.0", "1.37"] {
            let error = find(asked).await.expect_err("another version");
            assert!(error.ends_with(&format!("is 1.38.0-beta.0 (expected {asked})")), "{error}");
        }
        let candidate = servers("Kubernetes v1.37.0-rc.1");
        let newest = Versions::pinned().kubernetes("1.37").expect("pinned");
        assert!(server_binaries(candidate.path(), newest).await.is_err(), "it was not named");
    }

    #[tokio::test]
    async fn another_minor_and_no_version_at_all_are_refused() {
        let kubernetes = Versions::pinned().kubernetes("1.37").expect("pinned");
        for (says, seen) in [
            ("Kubernetes v1.36.3", "is 1.36.3 (expected 1.37"),
            ("Kubernetes v0.0.0-master+$Format", "is 0.0.0-master"),
            ("hello", "is hello"),
        ] {
            let error = server_binaries(servers(says).path(), kubernetes)
                .await
                .expect_err("another version")
                .to_string();
            assert!(error.contains(seen), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let kubernetes = Versions::pinned().newest();
        let directory = servers("Kubernetes v1.37.2");
        fs_err::remove_file(directory.path().join("kube-controller-manager")).expect("there");
        fs_err::write(directory.path().join("kubectl"), "").expect("writable");
        fs_err::set_permissions(
            directory.path().join("kubectl"),
            std::os::unix::fs::PermissionsExt::from_mode(0o644),
        )
        .expect("ours");
        let error = server_binaries(directory.path(), kubernetes)
            .await
            .expect_err("incomplete")
            .to_string();
        assert!(error.ends_with("has no kube-controller-manager, no kubectl"), "{error}");
    }

    #[test]
    fn a_keycloak_home_is_told_by_its_files_and_its_version() {
        let home = tempfile::tempdir().expect("a directory");
        let error = keycloak(home.path(), "26.7.4").expect_err("empty").to_string();
        assert!(
            error.ends_with("has no bin/kc.sh, no lib/quarkus-run.jar, no version.txt"),
            "{error}"
        );
        for (file, text) in [
            ("bin/kc.sh", ""),
            ("lib/quarkus-run.jar", ""),
            ("version.txt", "Keycloak - Version 26.6.0\n"),
        ] {
            let path = home.path().join(file);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("writable");
            fs_err::write(path, text).expect("writable");
        }
        assert_eq!(keycloak(home.path(), "26.7.4").expect("it serves"), "26.6.0");
        assert!(keycloak(home.path(), "27.0.0").is_err());
    }

    #[test]
    fn versions_are_found_in_what_the_programs_print() {
        assert_eq!(version_in("etcd Version: 3.7.0\nGit SHA: 1\nGo Version: go1.26.8\n"), "3.7.0");
        assert_eq!(version_in("W1124 some warning\nKubernetes v1.37.2\n"), "1.37.2");
    }
}
