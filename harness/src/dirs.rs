//! Where authlab may write: its cache and its state directory, nowhere else.

use std::path::PathBuf;

/// Neither an `AUTHLAB_…` variable, an XDG one nor a home directory is set.
#[derive(Debug, thiserror::Error)]
#[error("no directory for {what}: neither {variable}, {xdg} nor HOME is set")]
pub struct NoDirectory {
    what: &'static str,
    variable: &'static str,
    xdg: &'static str,
}

/// The cache: server binaries and prepared Keycloaks. Safe to delete at any time
/// when no lab is up. `AUTHLAB_CACHE_DIR`, else the user's cache directory.
///
/// # Errors
/// No variable names one and there is no home directory.
pub fn cache() -> Result<PathBuf, NoDirectory> {
    directory(
        "the cache",
        "AUTHLAB_CACHE_DIR",
        "XDG_CACHE_HOME",
        if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" },
    )
}

/// The state: a directory per lab that is up, and evidence of failures.
/// `AUTHLAB_STATE_DIR`, else the user's state directory.
///
/// # Errors
/// No variable names one and there is no home directory.
pub fn state() -> Result<PathBuf, NoDirectory> {
    directory(
        "the state",
        "AUTHLAB_STATE_DIR",
        "XDG_STATE_HOME",
        if cfg!(target_os = "macos") {
            "Library/Application Support"
        } else {
            ".local/state"
        },
    )
}

fn directory(what: &'static str, variable: &'static str, xdg: &'static str, below_home: &str) -> Result<PathBuf, NoDirectory> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(directory) = set(variable) {
        return Ok(std::path::absolute(&directory).unwrap_or(directory));
    }
    set(xdg)
        .filter(|directory| directory.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(below_home)))
        .map(|directory| directory.join("authlab"))
        .ok_or(NoDirectory { what, variable, xdg })
}
