//! The identity of this state directory on this machine: only for its own labs is it known which still live.
//!
//! The main type is [`Home`]: derived from a random id that is kept in the state directory, and the machine's id.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::Digest;

use crate::lab::LabError;
use crate::lab::directory;
use crate::owner::{LabId, Owner};
use crate::private::{self, Others};

/// The file with the random id, in the state directory.
const FILE: &str = "home-id";

/// The value of the label for an object's origin. It cannot be guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home(String);

impl Home {
    /// Returns the home of this state directory on this machine. The random id is created on first use.
    pub(super) fn here() -> Result<Self, LabError> {
        directory::prepare()?;
        let path = crate::dirs::state()?.join(FILE);
        let id = read_or_make(&path).map_err(|source| LabError::Directory { path, source })?;
        Ok(Self::of(&id, Owner::here().machine.as_deref()))
    }

    fn of(id: &LabId, machine: Option<&str>) -> Self {
        // A copy of the state directory on another machine is another home.
        let text = format!("authlab home {id} {}", machine.unwrap_or_default());
        Self(hex::encode(&sha2::Sha256::digest(text)[..16]))
    }

    /// Returns a home with the label `text`.
    #[cfg(test)]
    pub(super) fn example(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn read_or_make(path: &Path) -> io::Result<LabId> {
    if let Some(id) = read(path)? {
        return Ok(id);
    }
    let unfinished = unfinished(path);
    let made = LabId::random();
    // Linked, not renamed: of two processes that create it at the same time, one is first.
    let linked = private::write(&unfinished, made.as_str()).and_then(|()| std::fs::hard_link(&unfinished, path));
    let removed = std::fs::remove_file(&unfinished);
    match linked {
        Ok(()) => removed.map(|()| made),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path)?.ok_or_else(|| io::ErrorKind::NotFound.into()),
        Err(error) => Err(error),
    }
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension(crate::owner::random())
}

fn read(path: &Path) -> io::Result<Option<LabId>> {
    let file = match private::open(path, Others::Nothing) {
        Ok(file) => file,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    };
    let mut text = String::new();
    file.take(64).read_to_string(&mut text)?;
    text.trim().parse().map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_id_is_made_once_and_for_its_owner_alone() {
        let state = tempfile::tempdir().expect("a directory");
        let path = state.path().join(FILE);
        let made = read_or_make(&path).expect("it can be made");
        assert_eq!(read_or_make(&path).expect("it is there"), made);
        let mode = |mode: u32| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(state.path()).expect("it is there").count(),
            1,
            "nothing unfinished is left"
        );
        mode(0o644);
        let told = read_or_make(&path).expect_err("others can read it").to_string();
        assert!(told.contains("others can read or write it"), "{told}");
        mode(0o600);
        std::fs::write(&path, "me").expect("it is ours");
        read_or_make(&path).expect_err("that is not an id");
    }

    #[test]
    fn a_home_is_one_directory_on_one_machine() {
        let id = LabId::random();
        let here = Home::of(&id, Some("m"));
        assert_eq!(here, Home::of(&id, Some("m")));
        assert_ne!(here, Home::of(&id, Some("n")), "a copy on another machine");
        assert_ne!(here, Home::of(&LabId::random(), Some("m")), "another state directory");
        assert!(!here.as_str().contains(id.as_str()), "the id itself stays here");
    }
}
