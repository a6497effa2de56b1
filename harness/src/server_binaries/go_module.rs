//! The Go module from which the servers are built.
//!
//! The main type is [`Upstream`]: the parts of a Kubernetes release's `go.mod` that ours must repeat, since `replace` applies in the main
//! module only. [`Toolchain`] is the Go toolchain that reads it.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::go_build::GoBuildError;
use super::versions::Kubernetes;

/// The sources of the combined program: their names and texts.
pub(super) const SOURCES: [(&str, &str); 3] = [
    ("main.go", include_str!("../../fixtures/control_plane/main.go")),
    ("aggregated_api.go", include_str!("../../fixtures/control_plane/aggregated_api.go")),
    ("token_signer.go", include_str!("../../fixtures/control_plane/token_signer.go")),
];

/// The module of etcd's server.
const ETCD: &str = "go.etcd.io/etcd/server/v3";

/// The Go toolchain, as reported by `go env -json`.
#[derive(serde::Deserialize)]
pub(super) struct Toolchain {
    #[serde(rename = "GOVERSION")]
    version: String,
    #[serde(rename = "GOTOOLCHAIN")]
    choice: String,
}

impl Toolchain {
    pub(super) fn parse(output: &str) -> Result<Self, GoBuildError> {
        let json = output.find('{').map_or("", |start| &output[start..]);
        serde_json::from_str(json).map_err(|_| GoBuildError::Unexpected {
            command: "go env -json GOVERSION GOTOOLCHAIN",
            expected: "a JSON object",
            seen: output.trim().to_owned(),
        })
    }

    /// Expects a toolchain that can build with `needed`. Go 1.21 and later fetch a newer toolchain on their own, unless GOTOOLCHAIN is
    /// `local` or names one (go.dev/doc/toolchain).
    pub(super) fn serves(&self, needed: &str, kubernetes: &Kubernetes) -> Result<(), GoBuildError> {
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

/// Compares `go1.26.8`, `1.26` and `go1.27rc1 X:experiment` by their numbers; a release candidate counts as its release.
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

/// The relevant parts of a Kubernetes release's `go.mod`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) go: String,
    godebug: Vec<String>,
    /// The version of etcd: the one that this `go.mod` requires.
    etcd: Option<String>,
    /// The modules that are released from the same repository.
    staging: BTreeSet<String>,
}

impl Upstream {
    /// Reads the file whose path is the last line of the output of `go list`.
    pub(super) fn read(listed: &str) -> Result<Self, GoBuildError> {
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
                ["require", ETCD, version] => upstream.etcd = version.strip_prefix('v').map(str::to_owned),
                // Only exactly this version stands for "from the same repository": versions that merely begin like it belong to untagged
                // modules.
                ["require", module, "v0.0.0"] => {
                    upstream.staging.insert(module.to_owned());
                }
                _ => {}
            }
        }
        upstream
    }

    /// Returns the version of etcd that a build of `kubernetes` has: the pinned one, and for a pre-release that of this `go.mod`.
    pub(super) fn etcd<'a>(&'a self, kubernetes: &'a Kubernetes) -> &'a str {
        let own = self.etcd.as_deref().filter(|_| kubernetes.version.is_pre_release());
        own.unwrap_or(&kubernetes.etcd)
    }

    /// Returns the `go.mod` of the combined program.
    pub(super) fn module_for(&self, kubernetes: &Kubernetes) -> String {
        let version = kubernetes.version;
        let staging = format!("v{}", version.of_staging());
        let mut text = format!("module authlab.dev/control-plane\n\ngo {}\n", self.go);
        for setting in &self.godebug {
            _ = writeln!(text, "godebug {setting}");
        }
        _ = writeln!(text, "\nrequire k8s.io/kubernetes v{version}");
        for module in ["k8s.io/component-base", "k8s.io/kubectl"] {
            _ = writeln!(text, "require {module} {staging}");
        }
        _ = writeln!(text, "require {ETCD} v{}\n", self.etcd(kubernetes));
        for module in &self.staging {
            let at = kubernetes.modules.get(module).map(|version| format!("v{version}"));
            _ = writeln!(text, "replace {module} => {module} {}", at.as_deref().unwrap_or(&staging));
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
        let (version, staging) = (kubernetes.version, format!("v{}", kubernetes.version.of_staging()));
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
        let (_, main) = SOURCES[0];
        for import in main
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
    fn a_module_that_is_pinned_apart_is_taken_at_that_version() {
        let mut kubernetes = Versions::pinned().newest().clone();
        kubernetes.modules = [("k8s.io/kubelet".to_owned(), "0.37.1".to_owned())].into();
        let module = Upstream::parse(UPSTREAM).module_for(&kubernetes);
        assert!(module.contains("replace k8s.io/kubelet => k8s.io/kubelet v0.37.1\n"), "{module}");
        assert!(!module.contains("replace k8s.io/api => k8s.io/api v0.37.1\n"), "{module}");
    }

    #[test]
    fn a_pre_release_is_built_with_the_etcd_of_its_own_module() {
        let kubernetes = Versions::pinned().kubernetes("1.38.0-beta.0").expect("a pre-release");
        let upstream = Upstream::parse(&UPSTREAM.replace("server/v3 v3.7.0", "server/v3 v3.7.3"));
        let module = upstream.module_for(kubernetes);
        for line in [
            "require k8s.io/kubernetes v1.38.0-beta.0\n",
            "require k8s.io/kubectl v0.38.0-beta.0\n",
            "require go.etcd.io/etcd/server/v3 v3.7.3\n",
            "replace k8s.io/api => k8s.io/api v0.38.0-beta.0\n",
        ] {
            assert!(module.contains(line), "{line}{module}");
        }
        let newest = Versions::pinned().newest();
        assert_eq!(upstream.etcd(newest), newest.etcd, "a release has the pinned one");
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
}
