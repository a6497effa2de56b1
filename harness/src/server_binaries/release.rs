//! The official release files of Kubernetes, etcd and Keycloak, or a mirror of them.
//!
//! The main functions are [`kubernetes`] and [`keycloak`]. Every file is verified against the SHA-256 pinned in `fixtures/versions.toml`,
//! or else against the one published beside it, provided that nobody in between can have changed both. A file without either is refused.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::event::Events;

use super::download::{Checksum, DownloadError, Mirror};
use super::installed;
use super::options::Options;
use super::tool::ToolError;
use super::versions::{Keycloak, Kubernetes};

/// The programs that are downloaded from a Kubernetes release; etcd has its own releases.
const KUBERNETES_PROGRAMS: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kubectl"];

/// The limit for an archive's unpacked size in bytes: some five times that of Keycloak.
const LARGEST: u64 = 2 << 30;

/// An error while using the release files.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// No servers are released for this machine.
    #[error("no servers are released for {os}/{architecture}")]
    Platform {
        /// The operating system.
        os: &'static str,
        /// The processor.
        architecture: &'static str,
    },
    /// A file could not be downloaded, or failed its verification.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// An archive's contents are unexpected.
    #[error("cannot unpack {archive}")]
    Archive {
        /// The archive's name.
        archive: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A program does not run on this machine.
    #[error("cannot read the version of {program}")]
    Silent {
        /// The program's name.
        program: &'static str,
        /// The cause.
        #[source]
        source: ToolError,
    },
    /// A program has another version.
    #[error("{program} is {seen} (expected {expected})")]
    Version {
        /// The program's name.
        program: &'static str,
        /// The expected version.
        expected: String,
        /// The version that the program reports.
        seen: String,
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

/// Returns this machine's architecture in Go's terms, which the file names of Kubernetes and etcd use. Servers are released for Linux only
/// (kubernetes.io/releases/download).
fn platform() -> Result<&'static str, ReleaseError> {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    match (os, architecture) {
        ("linux", "x86_64") => Ok("amd64"),
        ("linux", "aarch64") => Ok("arm64"),
        ("linux", "powerpc64") if cfg!(target_endian = "little") => Ok("ppc64le"),
        ("linux", "s390x") => Ok("s390x"),
        _ => Err(ReleaseError::Platform { os, architecture }),
    }
}

/// Sends a request to `base`, unless an earlier one found it unreachable.
async fn mirror<T>(
    base: &str,
    options: &Options,
    ask: impl AsyncFnOnce(&Mirror) -> Result<T, DownloadError>,
) -> Result<(Mirror, T), DownloadError> {
    if options.reachability.is_unreachable(base) {
        return Err(DownloadError::GivenUp {
            base: super::download::shown(base),
        });
    }
    let asked = async {
        let mirror = Mirror::new(base)?;
        let answer = ask(&mirror).await?;
        Ok((mirror, answer))
    };
    asked.await.inspect_err(|error: &DownloadError| {
        if error.is_unreachable() {
            options.reachability.unreachable(base);
        }
    })
}

/// Returns the pinned checksum `pin` of `path`, which the mirror must have; without a pin, the one that it publishes in `checksums`.
async fn checksum(
    mirror: &Mirror,
    pins: &BTreeMap<String, String>,
    pin: &str,
    path: &str,
    checksums: &str,
) -> Result<Checksum, DownloadError> {
    match pins.get(pin) {
        Some(pin) => {
            mirror.offers(path).await?;
            Ok(Checksum::pinned(pin))
        }
        None => mirror.checksum(checksums, path.rsplit('/').next().unwrap_or(path)).await,
    }
}

/// Downloads the programs of `kubernetes` into `staging`/`files` and returns that directory.
pub(super) async fn kubernetes(
    kubernetes: &Kubernetes,
    staging: &Path,
    log: &Path,
    options: &Options,
    events: &Events,
) -> Result<PathBuf, ReleaseError> {
    let architecture = platform()?;
    let (version, pins) = (kubernetes.version, &kubernetes.sha256);
    // Gets all checksums first: nothing large is fetched from one server for a file that the other lacks. An unreachable mirror gets a note
    // instead of a phase.
    let (release, checksums) = mirror(&options.release_mirror, options, async |mirror| {
        let mut checksums = Vec::new();
        for program in KUBERNETES_PROGRAMS {
            let pin = format!("linux/{architecture}/{program}");
            let path = format!("v{version}/bin/{pin}");
            checksums.push(checksum(mirror, pins, &pin, &path, &format!("{path}.sha256")).await?);
        }
        Ok(checksums)
    })
    .await?;
    let etcd = &kubernetes.etcd;
    let archive = format!("etcd-v{etcd}-linux-{architecture}.tar.gz");
    let (etcd_release, etcd_checksum) = mirror(&options.etcd_mirror, options, async |mirror| {
        let path = format!("v{etcd}/{archive}");
        checksum(mirror, pins, &archive, &path, &format!("v{etcd}/SHA256SUMS")).await
    })
    .await?;

    let name = format!("download Kubernetes {version}");
    let download = events.in_phase(name, async |phase| {
        let files = staging.join("files");
        fs_err::create_dir(&files).map_err(|source| ReleaseError::Storage {
            path: files.clone(),
            source,
        })?;
        for (program, checksum) in KUBERNETES_PROGRAMS.into_iter().zip(&checksums) {
            let to = files.join(program);
            release
                .download(&format!("v{version}/bin/linux/{architecture}/{program}"), &to, checksum, phase)
                .await?;
            make_executable(&to).map_err(|source| ReleaseError::Storage { path: to, source })?;
        }
        let packed = staging.join(&archive);
        etcd_release
            .download(&format!("v{etcd}/{archive}"), &packed, &etcd_checksum, phase)
            .await?;
        let member = PathBuf::from(archive.trim_end_matches(".tar.gz")).join("etcd");
        unpack(&packed, Some(&member), &files.join("etcd"))
            .await
            .map_err(|source| ReleaseError::Archive {
                archive: archive.clone(),
                source,
            })?;

        for (program, expected) in [("kube-apiserver", version.to_string()), ("etcd", etcd.clone())] {
            let seen = installed::version_of(&files.join(program), log)
                .await
                .map_err(|source| ReleaseError::Silent { program, source })?;
            if seen != expected {
                return Err(ReleaseError::Version { program, expected, seen });
            }
        }
        Ok(files)
    });
    download.await
}

/// Downloads and unpacks `keycloak` within `staging` and returns its directory.
pub(super) async fn keycloak(keycloak: &Keycloak, staging: &Path, options: &Options, events: &Events) -> Result<PathBuf, ReleaseError> {
    let version = &keycloak.version;
    let archive = format!("keycloak-{version}.tar.gz");
    let pin = keycloak
        .sha256
        .get(&archive)
        .ok_or_else(|| DownloadError::Unpinned { file: archive.clone() })?;
    let checksum = Checksum::pinned(pin);
    let path = format!("{version}/{archive}");
    let (release, ()) = mirror(&options.keycloak_mirror, options, async |mirror| mirror.offers(&path).await).await?;

    let name = format!("download Keycloak {version}");
    let download = events.in_phase(name, async |phase| {
        let (packed, unpacked) = (staging.join(&archive), staging.join("unpacked"));
        release.download(&path, &packed, &checksum, phase).await?;
        phase.detail("unpacking");
        unpack(&packed, None, &unpacked).await.map_err(|source| ReleaseError::Archive {
            archive: archive.clone(),
            source,
        })?;
        let home = unpacked.join(format!("keycloak-{version}"));
        if home.is_dir() {
            Ok(home)
        } else {
            let source = io::Error::other(format!("it does not have the directory keycloak-{version}"));
            Err(ReleaseError::Archive {
                archive: archive.clone(),
                source,
            })
        }
    });
    download.await
}

/// Unpacks a `.tar.gz`: all of it into the directory `to`, or one member as the file `to`.
async fn unpack(archive: &Path, member: Option<&Path>, to: &Path) -> io::Result<()> {
    let (archive, member, to) = (archive.to_owned(), member.map(Path::to_owned), to.to_owned());
    let work = move || {
        let unpacked = flate2::read::GzDecoder::new(io::BufReader::new(fs_err::File::open(archive)?));
        let mut tar = tar::Archive::new(Limited {
            from: unpacked,
            left: LARGEST,
        });
        let Some(member) = member else {
            fs_err::create_dir(&to)?;
            return tar.unpack(&to);
        };
        for entry in tar.entries()? {
            let mut entry = entry?;
            if entry.path()?.strip_prefix(".").unwrap_or(&entry.path()?) == member {
                entry.unpack(&to)?;
                return make_executable(&to);
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("it has no {}", member.display())))
    };
    tokio::task::spawn_blocking(work).await.expect("unpacking does not panic")
}

/// A reader that fails when too much has been read: a small archive can unpack to more than the disk can hold.
struct Limited<R> {
    from: R,
    left: u64,
}

impl<R: io::Read> io::Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "it unpacks to more than any release does",
                ));
            }
        }
        Ok(read)
    }
}

fn make_executable(path: &Path) -> io::Result<()> {
    fs_err::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_archive_that_unpacks_to_too_much_is_an_error() {
        let read = |left| {
            let mut all = Vec::new();
            Limited {
                from: [7; 100].as_slice(),
                left,
            }
            .read_to_end(&mut all)
            .map(|_| all.len())
        };
        assert_eq!(read(100).expect("it is as large as it may be"), 100);
        assert_eq!(read(99).expect_err("it is too large").kind(), io::ErrorKind::FileTooLarge);
    }
}
