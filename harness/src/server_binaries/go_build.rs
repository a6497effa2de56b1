//! A build of the servers from source, with the Go toolchain.
//!
//! The main function is [`build`]. `k8s.io/kubernetes` is an ordinary Go module,
//! checksummed by Go itself; `fixtures/control_plane/main.go` makes one program
//! of etcd, kube-apiserver, kube-controller-manager and kubectl.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::event::{Events, Phase};
use crate::process::Program;

use super::installed::{self, PROGRAMS};
use super::options::Options;
use super::tool::{self, INHERITED, ToolError};
use super::versions::Kubernetes;

/// The source of the one program.
const MAIN: &str = include_str!("../../../fixtures/control_plane/main.go");

/// What the one program is called.
const CONTROL_PLANE: &str = "control-plane";

/// The directories of a build, in the staging directory: what is built from, what
/// becomes the entry, and what Go needs meanwhile.
const SOURCES: &str = "sources";
const FILES: &str = "files";
const TEMPORARY: &str = "temporary";

/// Variables that the Go toolchain reads (`go help environment`), besides the usual
/// ones. `GOFLAGS` is set by us.
const GO_VARIABLES: &[&str] = &[
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

/// How long a build may take: a cold one takes minutes, on a slow machine many.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Words of Go and of the system that mean: the network did not help.
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

/// The Go build did not come about.
#[derive(Debug, thiserror::Error)]
pub enum GoBuildError {
    /// There is no Go toolchain.
    #[error("no `go` on PATH")]
    NoGo,
    /// The toolchain is older than the sources need.
    #[error("Go {found} is too old: Kubernetes {kubernetes} needs Go {needed}, and GOTOOLCHAIN={toolchain} forbids a newer one")]
    TooOld {
        /// The toolchain's version.
        found: String,
        /// The `go` directive of the release's `go.mod`.
        needed: String,
        /// Whose.
        kubernetes: String,
        /// What `go env GOTOOLCHAIN` says.
        toolchain: String,
    },
    /// The modules could not be fetched.
    #[error("the modules could not be fetched")]
    NoNetwork(#[source] ToolError),
    /// The toolchain failed.
    #[error("the Go toolchain did not do its work")]
    Tool(#[from] ToolError),
    /// The toolchain said something unexpected.
    #[error("expected {expected} from `{command}`, saw `{seen}`")]
    Unexpected {
        /// What was run.
        command: &'static str,
        /// What should have been there.
        expected: &'static str,
        /// What was.
        seen: String,
    },
    /// What was built calls itself something else.
    #[error("what was built is {program} {seen}, expected {expected}")]
    Version {
        /// Which program.
        program: &'static str,
        /// The version that was meant.
        expected: String,
        /// What it says of itself.
        seen: String,
    },
    /// The build directory cannot be used.
    #[error("could not use the build directory {}", path.display())]
    Storage {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Builds the servers into `staging`/`files` and returns that directory; all
/// output goes to `log`.
pub(super) async fn build(
    kubernetes: &Kubernetes,
    staging: &Path,
    log: &Path,
    options: &Options,
    events: &Events,
) -> Result<PathBuf, GoBuildError> {
    let phase = events.phase(format!("build Kubernetes {}", kubernetes.version));
    let built = Build {
        kubernetes,
        staging,
        log,
        options,
        phase: &phase,
    }
    .run()
    .await;
    match &built {
        Ok(_) => phase.succeeded(),
        Err(error) => phase.failed(error),
    }
    built
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
        write("main.go", MAIN)?;
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

        for name in PROGRAMS {
            std::os::unix::fs::symlink(CONTROL_PLANE, files.join(name)).map_err(|source| self.storage(source))?;
        }
        for name in ["go.mod", "go.sum"] {
            fs_err::copy(sources.join(name), files.join(name)).map_err(|source| self.storage(source))?;
        }
        self.expect_version(&files, "kube-apiserver", &version.to_string()).await?;
        self.expect_version(&files, "etcd", &self.kubernetes.etcd).await?;
        Ok(files)
    }

    fn command(&self, go: &Path, name: &str) -> Program {
        let program = Program::new(name, go, self.log)
            .inherit(INHERITED)
            .inherit(GO_VARIABLES)
            // What an interrupted build leaves is then cleared with the staging directory.
            .environment("GOTMPDIR", self.staging.join(TEMPORARY))
            // Requirements of requirements are added as the build meets them.
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

/// Tells of a build under way, at most once a second.
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

/// `go build -v` prints a line for each package that it compiles, and one for each
/// module that it downloads.
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

/// The Go toolchain, as `go env -json` tells of it.
#[derive(serde::Deserialize)]
struct Toolchain {
    #[serde(rename = "GOVERSION")]
    version: String,
    #[serde(rename = "GOTOOLCHAIN")]
    choice: String,
}

impl Toolchain {
    fn parse(output: &str) -> Result<Self, GoBuildError> {
        let json = output.find('{').map_or("", |start| &output[start..]);
        serde_json::from_str(json).map_err(|_| GoBuildError::Unexpected {
            command: "go env -json GOVERSION GOTOOLCHAIN",
            expected: "a JSON object",
            seen: output.trim().to_owned(),
        })
    }

    /// Go 1.21 and later fetch a newer toolchain by themselves, unless GOTOOLCHAIN says
    /// `local` or names one (go.dev/doc/toolchain).
    fn serves(&self, needed: &str, kubernetes: &Kubernetes) -> Result<(), GoBuildError> {
        let fetches = (self.choice == "auto" || self.choice == "path" || self.choice.ends_with("+auto") || self.choice.ends_with("+path"))
            && compare_go(&self.version, "1.21") != Ordering::Less;
        if fetches || compare_go(&self.version, needed) != Ordering::Less {
            return Ok(());
        }
        Err(GoBuildError::TooOld {
            found: self.version.trim_start_matches("go").to_owned(),
            needed: needed.to_owned(),
            kubernetes: kubernetes.version.to_string(),
            toolchain: self.choice.clone(),
        })
    }
}

/// Orders `go1.26.8`, `1.26` and `go1.27rc1 X:experiment` by their numbers; a
/// release candidate counts as its release.
fn compare_go(one: &str, other: &str) -> Ordering {
    let numbers = |version: &str| -> [u32; 3] {
        let version = version.trim_start_matches("go");
        let mut numbers = version.split('.').map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..end].parse().unwrap_or(0)
        });
        std::array::from_fn(|_| numbers.next().unwrap_or(0))
    };
    numbers(one).cmp(&numbers(other))
}

/// What matters of the `go.mod` of a Kubernetes release.
#[derive(Debug, Default, PartialEq, Eq)]
struct Upstream {
    go: String,
    godebug: Vec<String>,
    /// The modules that are released from the same repository.
    staging: BTreeSet<String>,
}

impl Upstream {
    /// Reads the file whose path is the last line of what `go list` printed.
    fn read(listed: &str) -> Result<Self, GoBuildError> {
        let path = listed.lines().last().unwrap_or_default().trim();
        let unexpected = |seen: &str| GoBuildError::Unexpected {
            command: "go list -m -f {{.GoMod}} k8s.io/kubernetes",
            expected: "the path of a go.mod with a go directive",
            seen: seen.to_owned(),
        };
        let text = fs_err::read_to_string(path).map_err(|error| unexpected(&error.to_string()))?;
        let upstream = Self::parse(&text);
        if upstream.go.is_empty() {
            Err(unexpected(path))
        } else {
            Ok(upstream)
        }
    }

    /// Reads a `go.mod` (go.dev/ref/mod#go-mod-file-grammar).
    fn parse(text: &str) -> Self {
        let mut upstream = Self::default();
        let mut block = "";
        for line in text.lines() {
            let words: Vec<&str> = line.split("//").next().unwrap_or_default().split_whitespace().collect();
            let directive = match *words.as_slice() {
                [")"] => {
                    block = "";
                    continue;
                }
                [opened, "("] => {
                    block = opened;
                    continue;
                }
                ref words if block.is_empty() => words,
                ref words => &[&[block], words].concat(),
            };
            match *directive {
                ["go", version] => upstream.go = version.to_owned(),
                ["godebug", setting] => upstream.godebug.push(setting.to_owned()),
                // Only exactly this version stands for "from the same repository":
                // others that begin like it are of untagged modules.
                ["require", module, "v0.0.0"] => {
                    upstream.staging.insert(module.to_owned());
                }
                _ => {}
            }
        }
        upstream
    }

    /// The `go.mod` of the one program.
    fn module_for(&self, kubernetes: &Kubernetes) -> String {
        let version = kubernetes.version;
        let staging = format!("v0.{}.{}", version.minor, version.patch);
        let mut text = format!("module authlab.dev/control-plane\n\ngo {}\n", self.go);
        for setting in &self.godebug {
            _ = writeln!(text, "godebug {setting}");
        }
        _ = writeln!(text, "\nrequire k8s.io/kubernetes v{version}");
        for module in ["k8s.io/component-base", "k8s.io/kubectl"] {
            _ = writeln!(text, "require {module} {staging}");
        }
        _ = writeln!(text, "require go.etcd.io/etcd/server/v3 v{}\n", kubernetes.etcd);
        for module in &self.staging {
            _ = writeln!(text, "replace {module} => {module} {staging}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_binaries::Versions;

    const UPSTREAM: &str = "\
module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26
godebug (
	winsymlink=0 // why
)

require (
	github.com/blang/semver/v4 v4.0.0
	go.etcd.io/etcd/client/v3 v3.7.0
	k8s.io/api v0.0.0
	k8s.io/kubelet v0.0.0 // indirect
	k8s.io/utils v0.0.0-20250820121507-0af2bda4dd1d
)

require k8s.io/cri-client v0.0.0

require (
	go.etcd.io/etcd/server/v3 v3.7.0 // indirect
)
";

    #[test]
    fn only_modules_of_the_same_repository_are_staging() {
        let upstream = Upstream::parse(UPSTREAM);
        assert_eq!(upstream.go, "1.26.0");
        assert_eq!(upstream.godebug, ["default=go1.26", "winsymlink=0"]);
        assert_eq!(
            upstream.staging.iter().collect::<Vec<_>>(),
            ["k8s.io/api", "k8s.io/cri-client", "k8s.io/kubelet"]
        );
    }

    #[test]
    fn the_module_replaces_what_is_staging_and_requires_what_main_imports() {
        let kubernetes = Versions::pinned().kubernetes("1.37").expect("pinned");
        let module = Upstream::parse(UPSTREAM).module_for(kubernetes);
        let (version, staging) = (kubernetes.version, format!("v0.37.{}", kubernetes.version.patch));
        assert_eq!(
            module,
            format!(
                "module authlab.dev/control-plane\n\ngo 1.26.0\ngodebug default=go1.26\ngodebug winsymlink=0\n\n\
                 require k8s.io/kubernetes v{version}\nrequire k8s.io/component-base {staging}\nrequire k8s.io/kubectl {staging}\n\
                 require go.etcd.io/etcd/server/v3 v{}\n\nreplace k8s.io/api => k8s.io/api {staging}\n\
                 replace k8s.io/cri-client => k8s.io/cri-client {staging}\nreplace k8s.io/kubelet => k8s.io/kubelet {staging}\n",
                kubernetes.etcd
            )
        );
        for import in MAIN
            .lines()
            .filter_map(|line| line.split('"').nth(1))
            .filter(|import| import.contains(".io/"))
        {
            let required = module.lines().filter_map(|line| line.strip_prefix("require ")?.split(' ').next());
            assert!(
                required.clone().any(|module| import.starts_with(module)),
                "{import} is of no required module"
            );
        }
    }

    #[test]
    fn a_toolchain_must_be_new_enough_or_free_to_fetch_a_newer_one() {
        let kubernetes = Versions::pinned().newest();
        let toolchain = |version: &str, choice: &str| Toolchain {
            version: version.to_owned(),
            choice: choice.to_owned(),
        };
        for (version, choice) in [
            ("go1.26.0", "local"),
            ("go1.26.8 X:nodwarf5", "local"),
            ("go1.100", "local"),
            ("go1.22.1", "auto"),
            ("go1.22.1", "go1.22+auto"),
        ] {
            assert!(
                toolchain(version, choice).serves("1.26.0", kubernetes).is_ok(),
                "{version} {choice}"
            );
        }
        for (version, choice) in [("go1.25.9", "local"), ("go1.20.3", "auto"), ("go1.25.0", "go1.25.0")] {
            let error = toolchain(version, choice)
                .serves("1.26.0", kubernetes)
                .expect_err("too old")
                .to_string();
            assert!(
                error.contains(&version[2..]) && error.contains("needs Go 1.26.0") && error.contains(choice),
                "{error}"
            );
        }
    }

    #[test]
    fn the_toolchain_is_read_among_other_output() {
        let toolchain =
            Toolchain::parse("go: some warning\n{\n\"GOTOOLCHAIN\": \"local\",\n\"GOVERSION\": \"go1.26.8\"\n}\n").expect("JSON");
        assert_eq!((toolchain.version.as_str(), toolchain.choice.as_str()), ("go1.26.8", "local"));
        assert!(Toolchain::parse("go: cannot").is_err());
    }

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
