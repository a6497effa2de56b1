//! A build of the servers from source, with the Go toolchain.
//!
//! The main function is [`build`]. `k8s.io/kubernetes` is an ordinary Go module, checksummed by Go itself; `fixtures/control_plane/`
//! combines etcd, kube-apiserver, kube-controller-manager, kubectl and two servers of our own in one program.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::event::{Events, Phase};
use crate::process::Program;

use super::go_module::{SOURCES as OUR_SOURCES, Toolchain, Upstream};
use super::installed::{self, OWN_PROGRAMS, PROGRAMS};
use super::options::Options;
use super::tool::{self, INHERITED, ToolError};
use super::versions::Kubernetes;

/// The name of the combined program.
const CONTROL_PLANE: &str = "control-plane";

/// The directories of a build, in the staging directory: the sources, the future entry, and Go's temporary files.
const SOURCES: &str = "sources";
const FILES: &str = "files";
const TEMPORARY: &str = "temporary";

/// Variables that the Go toolchain reads (`go help environment`), besides the usual ones. `GOFLAGS` is set by authlab.
pub(super) const GO_VARIABLES: &[&str] = &[
    "GOPATH",
    "GOCACHE",
    "GOMODCACHE",
    "GOENV",
    "GOROOT",
    "GOTOOLCHAIN",
    "GOPROXY",
    "GONOPROXY",
    "GOPRIVATE",
    "GOINSECURE",
    "GOSUMDB",
    "GONOSUMDB",
    "GOAUTH",
    "GOMAXPROCS",
];

/// The time limit for a build: a cold one takes minutes, on a slow machine many.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Messages of Go and of the system that point to a network failure.
const NO_NETWORK: &[&str] = &[
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "network is unreachable",
    "GOPROXY=off",
    "proxyconnect",
    "TLS handshake timeout",
];

/// An error of the Go build.
#[derive(Debug, thiserror::Error)]
pub enum GoBuildError {
    /// No Go toolchain is installed.
    #[error("no `go` on PATH")]
    NoGo,
    /// The toolchain is older than the sources require.
    #[error("Go {found} is too old: Kubernetes {kubernetes} needs Go {needed}, and GOTOOLCHAIN={toolchain} forbids a newer one")]
    TooOld {
        /// The toolchain's version.
        found: String,
        /// The `go` directive of the release's `go.mod`.
        needed: String,
        /// The Kubernetes version of that release.
        kubernetes: String,
        /// The value of `go env GOTOOLCHAIN`.
        toolchain: String,
    },
    /// The modules could not be fetched.
    #[error("cannot fetch the modules")]
    NoNetwork(#[source] ToolError),
    /// The toolchain failed.
    #[error("the Go toolchain failed")]
    Tool(#[from] ToolError),
    /// The toolchain's output was unexpected.
    #[error("`{command}` printed `{seen}` (expected {expected})")]
    Unexpected {
        /// The command.
        command: &'static str,
        /// The expected output.
        expected: &'static str,
        /// The actual output.
        seen: String,
    },
    /// The built program reports another version.
    #[error("the built {program} has the version {seen} (expected {expected})")]
    Version {
        /// The program's name.
        program: &'static str,
        /// The expected version.
        expected: String,
        /// The version that the program reports.
        seen: String,
    },
    /// The build directory cannot be used.
    #[error("cannot use the build directory {}", path.display())]
    Storage {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Builds the servers into `staging`/`files` and returns that directory; appends all output to `log`.
pub(super) async fn build(
    kubernetes: &Kubernetes,
    staging: &Path,
    log: &Path,
    options: &Options,
    events: &Events,
) -> Result<PathBuf, GoBuildError> {
    let name = format!("build Kubernetes {}", kubernetes.version);
    let built = events.in_phase(name, async |phase| {
        let build = Build {
            kubernetes,
            staging,
            log,
            options,
            phase,
        };
        build.run().await
    });
    built.await
}

struct Build<'a> {
    kubernetes: &'a Kubernetes,
    staging: &'a Path,
    log: &'a Path,
    options: &'a Options,
    phase: &'a Phase,
}

impl Build<'_> {
    async fn run(&self) -> Result<PathBuf, GoBuildError> {
        let version = self.kubernetes.version;
        let go = which::which("go").map_err(|_| GoBuildError::NoGo)?;
        let files = self.staging.join(FILES);
        for directory in [SOURCES, FILES, TEMPORARY] {
            fs_err::create_dir(self.staging.join(directory)).map_err(|source| self.storage(source))?;
        }

        let toolchain = Toolchain::parse(&self.go(&go, "go env", &["env", "-json", "GOVERSION", "GOTOOLCHAIN"]).await?)?;
        self.phase.detail("fetching the module k8s.io/kubernetes");
        let module = format!("k8s.io/kubernetes@v{version}");
        let listed = self.go(&go, "go list", &["list", "-m", "-f", "{{.GoMod}}", &module]).await?;
        let upstream = Upstream::read(&listed)?;
        toolchain.serves(&upstream.go, self.kubernetes)?;

        let sources = self.staging.join(SOURCES);
        let write = |name: &str, text: &str| fs_err::write(sources.join(name), text).map_err(|source| self.storage(source));
        write("go.mod", &upstream.module_for(self.kubernetes))?;
        for (name, text) in OUR_SOURCES {
            write(name, text)?;
        }
        let program = files.join(CONTROL_PLANE);
        let stamp = "k8s.io/component-base/version";
        let flags = format!(
            "-s -w -X {stamp}.gitVersion=v{version} -X {stamp}.gitMajor=1 -X {stamp}.gitMinor={}",
            version.minor
        );
        let command = self.command(&go, "go build");
        let command = command
            .arguments(["build", "-v", "-buildvcs=false", "-trimpath", "-ldflags", &flags, "-o"])
            .argument(&program)
            .argument(".");
        let mut progress = Progress::new(self.phase);
        self.checked(tool::run(command, self.log, LIMIT, |output| progress.tell(output)).await)?;

        for name in PROGRAMS.into_iter().chain(OWN_PROGRAMS) {
            std::os::unix::fs::symlink(CONTROL_PLANE, files.join(name)).map_err(|source| self.storage(source))?;
        }
        for name in ["go.mod", "go.sum"] {
            fs_err::copy(sources.join(name), files.join(name)).map_err(|source| self.storage(source))?;
        }
        self.expect_version(&files, "kube-apiserver", &version.to_string()).await?;
        self.expect_version(&files, "etcd", upstream.etcd(self.kubernetes)).await?;
        Ok(files)
    }

    fn command(&self, go: &Path, name: &str) -> Program {
        let program = Program::new(name, go, self.log)
            .inherit(INHERITED)
            .inherit(GO_VARIABLES)
            // Places temporary files in the staging directory, so that an interrupted build's leftovers are cleared with it.
            .environment("GOTMPDIR", self.staging.join(TEMPORARY))
            // Lets the build add indirect requirements as it meets them.
            .environment("GOFLAGS", "-mod=mod")
            .environment("GOWORK", "off")
            .environment("CGO_ENABLED", "0")
            .directory(self.staging.join(SOURCES));
        if self.options.offline {
            program.environment("GOPROXY", "off")
        } else {
            program
        }
    }

    async fn go(&self, go: &Path, name: &str, arguments: &[&str]) -> Result<String, GoBuildError> {
        let program = self.command(go, name).arguments(arguments.iter().copied());
        self.checked(tool::run(program, self.log, LIMIT, |_| ()).await)
    }

    fn checked(&self, result: Result<String, ToolError>) -> Result<String, GoBuildError> {
        result.map_err(|error| {
            if error.says(NO_NETWORK) {
                GoBuildError::NoNetwork(error)
            } else {
                GoBuildError::Tool(error)
            }
        })
    }

    async fn expect_version(&self, files: &Path, program: &'static str, expected: &str) -> Result<(), GoBuildError> {
        let seen = installed::version_of(&files.join(program), self.log).await?;
        if seen == expected {
            Ok(())
        } else {
            Err(GoBuildError::Version {
                program,
                expected: expected.to_owned(),
                seen,
            })
        }
    }

    fn storage(&self, source: io::Error) -> GoBuildError {
        GoBuildError::Storage {
            path: self.staging.to_owned(),
            source,
        }
    }
}

/// The progress report of a running build, sent at most once a second.
struct Progress<'a> {
    phase: &'a Phase,
    told: Option<Instant>,
}

impl<'a> Progress<'a> {
    fn new(phase: &'a Phase) -> Self {
        Self { phase, told: None }
    }

    fn tell(&mut self, output: &str) {
        if self.told.is_some_and(|told| told.elapsed() < Duration::from_secs(1)) {
            return;
        }
        self.told = Some(Instant::now());
        self.phase.detail(describe(self.phase.elapsed(), output));
    }
}

/// Summarizes the output of `go build -v`: a line for each package that it compiles, and one for each module that it downloads.
fn describe(elapsed: Duration, output: &str) -> String {
    let downloaded = output.lines().filter(|line| line.starts_with("go: downloading ")).count();
    let compiled = output
        .lines()
        .filter(|line| !line.starts_with("go: ") && !line.starts_with('#'))
        .count();
    let mut text = format!("{} s", elapsed.as_secs());
    if compiled > 0 {
        _ = write!(text, ", {compiled} packages compiled");
    } else if downloaded > 0 {
        _ = write!(text, ", {downloaded} modules downloaded");
    }
    if let Some(last) = output.lines().last() {
        let last = last.strip_prefix("go: downloading ").unwrap_or(last);
        _ = write!(text, ", last {last}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_modules_then_packages() {
        let seconds = Duration::from_secs(61);
        assert_eq!(describe(seconds, ""), "61 s");
        assert_eq!(
            describe(seconds, "go: downloading k8s.io/api v0.37.2\n"),
            "61 s, 1 modules downloaded, last k8s.io/api v0.37.2"
        );
        assert_eq!(
            describe(
                seconds,
                "go: downloading k8s.io/api v0.37.2\nk8s.io/api/core/v1\nk8s.io/api/apps/v1\n"
            ),
            "61 s, 2 packages compiled, last k8s.io/api/apps/v1"
        );
    }
}
