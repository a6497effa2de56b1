//! kubectl for a lab whose servers run from images.
//!
//! The main function is [`find`]: the lab's own version if it is available, or the machine's, if Kubernetes' version skew policy allows
//! it for such a cluster.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cluster::{Minor, Observed};
use crate::process::Program;
use crate::server_binaries::ServerBinaries;

/// The number of minor versions by which kubectl and an API server may differ
/// (<https://kubernetes.io/releases/version-skew-policy/#kubectl>).
const SKEW: u32 = 1;

/// The relevant part of the output of `kubectl version --client --output=json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    client_version: ClientVersion,
}

#[derive(Deserialize)]
struct ClientVersion {
    minor: String,
}

/// Returns the directory of a kubectl for a cluster of the version `cluster`, and whether scenarios can use it; `directory` is the lab's.
pub(super) async fn find(ours: Option<&ServerBinaries>, cluster: Minor, directory: &Path) -> (Option<PathBuf>, Observed) {
    let observed = |able, why: String| Observed { able, why };
    if let Some(ours) = ours {
        return (
            Some(ours.directory.clone()),
            observed(true, "kubectl of the lab's version is available".to_owned()),
        );
    }
    let Ok(path) = which::which("kubectl") else {
        return (None, observed(false, "no directory in PATH has kubectl".to_owned()));
    };
    let place = path.parent().map(Path::to_owned);
    match minor(&path, &directory.join("kubectl.log")).await {
        Some(minor) if minor.abs_diff(cluster.0) <= SKEW => (place, observed(true, format!("{} is version 1.{minor}", path.display()))),
        Some(minor) => {
            let why = format!(
                "{} is version 1.{minor}, and the cluster is 1.{} (expected at most one minor version apart)",
                path.display(),
                cluster.0
            );
            (None, observed(false, why))
        }
        None => (None, observed(false, format!("cannot read the version of {}", path.display()))),
    }
}

/// Returns the minor version of the kubectl at `path`, whose output goes to `log`.
async fn minor(path: &Path, log: &Path) -> Option<u32> {
    let program = Program::new("kubectl", path, log).arguments(["version", "--client", "--output=json"]);
    program.start().await.ok()?.ended().await.ok()?;
    let printed: Printed = serde_json::from_str(&std::fs::read_to_string(log).ok()?).ok()?;
    // Some providers write "34+".
    printed.client_version.minor.trim_end_matches('+').parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_machines_kubectl_says_its_version() {
        let place = tempfile::tempdir().unwrap();
        let (path, log) = (place.path().join("kubectl"), place.path().join("log"));
        for (printed, expected) in [
            (
                r#"{"clientVersion": {"major": "1", "minor": "34+", "gitVersion": "v1.34.4"}}"#,
                Some(34),
            ),
            ("Client Version: v1.18.0", None),
        ] {
            std::fs::write(&path, format!("#!/bin/sh\necho '{printed}'\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            let _new = std::fs::remove_file(&log);
            assert_eq!(minor(&path, &log).await, expected, "{printed}");
        }
        assert_eq!(minor(&place.path().join("nothing"), &log).await, None);
    }
}
