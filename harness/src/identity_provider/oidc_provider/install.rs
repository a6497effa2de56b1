//! node-oidc-provider in the cache: installed by npm, as the lock file in `fixtures/oidc_provider/` pins it, complete or not there.
//!
//! The main type is [`Installed`].

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use include_dir::{Dir, include_dir};
use sha2::Digest;

use super::error::{OidcProviderError, file};
use super::node::{self, Node};
use crate::cache::{Entry, Found, Hold, Presence, Ready};
use crate::event::Events;
use crate::process::{Program, last_lines};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/oidc_provider");

/// The limit of an installation: forty small packages from a registry, which may be slow.
const LIMIT: Duration = Duration::from_secs(600);

/// The file that is written last: a directory without it is unfinished.
const FINISHED: &str = "installed.json";

/// Variables that npm needs to find Node.js, the registry and the network. Its settings are read, and nothing of the user's is written.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "NPM_CONFIG_USERCONFIG",
    "npm_config_userconfig",
    "NPM_CONFIG_GLOBALCONFIG",
    "npm_config_globalconfig",
];

/// An installed node-oidc-provider. As long as this lives, nobody removes it.
#[derive(Debug)]
pub struct Installed {
    /// The directory with the program and its packages.
    pub(super) directory: PathBuf,
    /// The Node.js that runs it.
    pub(super) node: Node,
    _hold: Hold,
}

/// Returns the pinned version of node-oidc-provider.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let pinned = FILES.get_file("package.json").and_then(|file| file.contents_utf8());
        let pinned: serde_json::Value = serde_json::from_str(pinned.unwrap_or_default()).unwrap_or_default();
        pinned["dependencies"]["oidc-provider"].as_str().unwrap_or_default().to_owned()
    });
    &VERSION
}

/// Finds Node.js, and installs node-oidc-provider into the cache at `root` unless it is there. Offline, it must be there.
///
/// # Errors
/// Node.js or npm is missing or too old, npm fails, or the cache cannot be used.
pub async fn install(root: Option<&Path>, offline: bool, events: &Events) -> Result<Installed, OidcProviderError> {
    let node = node::find().await?;
    let root = match root {
        Some(root) => root.to_owned(),
        None => crate::dirs::cache()?,
    };
    let product = format!("node-oidc-provider {}", version());
    let entry = Entry::new(&root, "oidc-provider", key(), product, FINISHED);
    let directory = entry.directory();
    let inspect = || ready(inspect(&directory));
    let Ready { hold, .. } = match entry.find_or_claim(events, inspect).await? {
        Found::Ready(ready) => ready,
        Found::Missing(_) if offline => return Err(OidcProviderError::Offline { version: version() }),
        Found::Missing(claim) => {
            let npm = node::npm()?;
            let staging = claim.staging()?;
            let made = events.in_phase("install oidc-provider", async |phase| {
                phase.detail(entry.product());
                fill(&npm, staging.path(), &entry.log()).await
            });
            claim.replace(&made.await?)?;
            claim.share(events, inspect).await?
        }
    };
    Ok(Installed {
        directory,
        node,
        _hold: hold,
    })
}

fn inspect(directory: &Path) -> Result<Presence<()>, OidcProviderError> {
    Ok(match (directory.exists(), directory.join(FINISHED).exists()) {
        (false, _) => Presence::Absent,
        (true, false) => Presence::Damaged(format!("{FINISHED} is missing")),
        (true, true) => Presence::Finished(()),
    })
}

/// Returns a directory name that depends on the pinned packages and on our own program.
fn key() -> String {
    let mut files: Vec<_> = FILES.files().collect();
    files.sort_by_key(|file| file.path());
    let mut hash = sha2::Sha256::new();
    for file in files {
        hash.update(file.path().as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(file.contents());
    }
    format!("{}-{}", version(), &hex::encode(hash.finalize())[..12])
}

/// Installs everything below `staging`, and returns the directory that becomes the entry.
async fn fill(npm: &Path, staging: &Path, log: &Path) -> Result<PathBuf, OidcProviderError> {
    let files = staging.join("files");
    fs_err::create_dir(&files).map_err(file("make", &files))?;
    for source in FILES.files() {
        let target = files.join(source.path());
        fs_err::write(&target, source.contents()).map_err(file("write", &target))?;
    }
    let _ = fs_err::remove_file(log);
    let program = Program::new("npm ci", npm, log)
        .inherit(INHERITED)
        // npm's own cache and its logs are thrown away with the staging directory.
        .environment("npm_config_cache", staging.join("npm"))
        .environment("npm_config_update_notifier", "false")
        .environment("npm_config_fund", "false")
        .environment("npm_config_audit", "false")
        .environment("npm_config_progress", "false")
        .arguments(["ci", "--ignore-scripts", "--omit=dev", "--no-bin-links"])
        .directory(&files);
    let mut child = program.start().await?;
    let status = match tokio::time::timeout(LIMIT, child.ended()).await {
        Ok(status) => Some(status?),
        Err(_) => None,
    };
    if !status.is_some_and(|status| status.success()) {
        return Err(OidcProviderError::Install {
            why: status.map_or_else(|| format!("it did not end within {LIMIT:?}"), |status| status.to_string()),
            log: log.to_owned(),
            tail: last_lines(log, 12),
        });
    }
    let finished = files.join(FINISHED);
    let text = serde_json::json!({ "oidc-provider": version() }).to_string();
    fs_err::write(&finished, text).map_err(file("write", &finished))?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_with_its_hash() {
        let text = |name| FILES.get_file(name).and_then(|file| file.contents_utf8()).expect("it is there");
        let lock: serde_json::Value = serde_json::from_str(text("package-lock.json")).expect("it is JSON");
        let packages = lock["packages"].as_object().expect("it has packages");
        assert_eq!(packages["node_modules/oidc-provider"]["version"], version());
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            let integrity = package["integrity"].as_str().unwrap_or_default();
            assert!(integrity.starts_with("sha512-"), "{name}: {integrity:?}");
            assert!(package.get("hasInstallScript").is_none(), "{name} has a script");
            assert!(package.get("resolved").is_none(), "{name} names a registry");
        }
    }

    #[test]
    fn a_directory_without_its_last_file_is_damaged() {
        let place = tempfile::tempdir().expect("a directory");
        assert!(matches!(inspect(&place.path().join("none")), Ok(Presence::Absent)));
        assert!(matches!(inspect(place.path()), Ok(Presence::Damaged(_))));
        std::fs::write(place.path().join(FINISHED), "{}").expect("it can be written");
        assert!(matches!(inspect(place.path()), Ok(Presence::Finished(()))));
    }
}
