//! The directories that authlab may write to: its cache and its state directory, nothing else.

use std::ffi::OsString;
use std::path::PathBuf;

/// An error of a directory whose path is not known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDirectory {
    /// Neither an `AUTHLAB_…` variable, an XDG one nor a home directory is set.
    #[error("cannot choose a directory for {what}: neither {variable}, {xdg} nor HOME names an absolute path")]
    Unnamed {
        /// The purpose of the directory.
        what: &'static str,
        /// The variable that names it directly.
        variable: &'static str,
        /// The variable of the XDG base directory specification.
        xdg: &'static str,
    },
    /// The path is relative, and the working directory is not known.
    #[error("cannot choose a directory for {what}: {variable} is the relative path {}, and the working directory is unknown", path.display())]
    Relative {
        /// The purpose of the directory.
        what: &'static str,
        /// The variable that names it.
        variable: &'static str,
        /// The path.
        path: PathBuf,
    },
}

/// Returns the cache, which holds server binaries and prepared Keycloaks: `AUTHLAB_CACHE_DIR`, else the user's cache directory.
/// It is safe to delete at any time when no lab is running.
///
/// # Errors
/// Fails if no variable names the directory and there is no home directory.
pub fn cache() -> Result<PathBuf, NoDirectory> {
    CACHE.path(|name| std::env::var_os(name))
}

/// Returns the state directory, which holds a directory per running lab, and evidence of failures: `AUTHLAB_STATE_DIR`, else the
/// user's state directory.
///
/// # Errors
/// Fails if no variable names the directory and there is no home directory.
pub fn state() -> Result<PathBuf, NoDirectory> {
    STATE.path(|name| std::env::var_os(name))
}

/// Returns the user's home directory, if `HOME` is an absolute path.
#[must_use]
pub fn home() -> Option<PathBuf> {
    absolute(std::env::var_os("HOME"))
}

/// Returns the path if it is absolute: a relative path means another directory in each working directory, so it is ignored (XDG base
/// directory specification).
fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A directory and the variables that may name it. Its path is always absolute, because servers run in directories of their own.
struct Place {
    what: &'static str,
    variable: &'static str,
    xdg: &'static str,
    below_home: &'static str,
}

const CACHE: Place = Place {
    what: "the cache",
    variable: "AUTHLAB_CACHE_DIR",
    xdg: "XDG_CACHE_HOME",
    below_home: if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" },
};

const STATE: Place = Place {
    what: "the state",
    variable: "AUTHLAB_STATE_DIR",
    xdg: "XDG_STATE_HOME",
    below_home: if cfg!(target_os = "macos") {
        "Library/Application Support"
    } else {
        ".local/state"
    },
};

impl Place {
    fn path(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, NoDirectory> {
        let &Self {
            what,
            variable: own,
            xdg,
            below_home,
        } = self;
        if let Some(path) = variable(own).filter(|value| !value.is_empty()).map(PathBuf::from) {
            return std::path::absolute(&path).map_err(|_| NoDirectory::Relative { what, variable: own, path });
        }
        absolute(variable(xdg))
            .or_else(|| absolute(variable("HOME")).map(|home| home.join(below_home)))
            .map(|directory| directory.join("authlab"))
            .ok_or(NoDirectory::Unnamed { what, variable: own, xdg })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn state(set: &[(&str, &str)]) -> Result<PathBuf, NoDirectory> {
        STATE.path(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn the_first_variable_that_names_an_absolute_path_counts() {
        let home = ("HOME", "/people/alice");
        let below = |path: &str| PathBuf::from(path).join("authlab");
        assert_eq!(
            state(&[home]),
            Ok(Path::new("/people/alice").join(STATE.below_home).join("authlab"))
        );
        assert_eq!(state(&[home, ("XDG_STATE_HOME", "/state")]), Ok(below("/state")));
        assert_eq!(
            state(&[home, ("XDG_STATE_HOME", "relative")]),
            state(&[home]),
            "a relative one is ignored"
        );
        let own = ("AUTHLAB_STATE_DIR", "/somewhere");
        assert_eq!(state(&[own, home]), Ok("/somewhere".into()));
        assert_eq!(state(&[("AUTHLAB_STATE_DIR", ""), home]), state(&[home]));
    }

    #[test]
    fn a_relative_path_never_leaves_as_one() {
        let named = state(&[("AUTHLAB_STATE_DIR", "state")]).expect("it has a working directory");
        assert!(named.is_absolute(), "{}", named.display());
        let told = state(&[("HOME", "alice")]).expect_err("it names no directory").to_string();
        assert_eq!(
            told,
            "cannot choose a directory for the state: neither AUTHLAB_STATE_DIR, XDG_STATE_HOME nor HOME names an absolute path"
        );
    }
}
