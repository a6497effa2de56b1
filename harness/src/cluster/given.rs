//! The flags and files of somebody's own API servers. The type is [`Given`].

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::Placeholders;
use crate::pki::{PkiError, write_private};
use crate::secret::Secret;

/// The beginning of the names of API servers that are started so. No setting's name has a dash.
const PREFIX: &str = "given-";

/// Stands in configurations and flags for the address of the lab's issuer, which is only known when servers start (RFC 2606 §2: no such name
/// exists).
pub const ISSUER: &str = "https://issuer.authlab.invalid";

/// Stands in quoted texts for the CA of the lab's issuer, PEM with `\n` for each line end.
pub const ISSUER_AUTHORITY: &str = "issuer-authority.authlab.invalid";

/// Stands in flags for the file with that CA.
pub const ISSUER_AUTHORITY_FILE: &str = "/issuer-authority.authlab.invalid";

/// Stands in flags for the file that tells API servers of the lab's egress.
pub const EGRESS_FILE: &str = "/egress.authlab.invalid";

/// Stands in variables for the address of the lab's detour.
pub const DETOUR: &str = "detour.authlab.invalid";

/// The flags and files of an API server that no fixture describes: somebody's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its AuthenticationConfiguration, to the letter; `None` if it has none.
    pub authentication: Option<String>,
    /// Its flags, name without dashes and value, in order; they take precedence over the common ones, and one may occur several times.
    pub flags: Vec<(String, String)>,
    /// Its files, by the flag that names them, which is set to the path of a copy.
    pub files: Vec<(String, Secret)>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

impl Given {
    /// Returns the name of an API server that is started so: two with one name are started alike.
    #[must_use]
    pub fn name(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", hex::encode(&sha2::Sha256::digest(text)[..6]))
    }

    /// Returns `true` if it sets the flag `name`, to a value or to a file.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| flag == name) || self.files.iter().any(|(flag, _)| flag == name)
    }

    /// Returns the same in a lab with `places`: the addresses that were not known before stand in it.
    #[must_use]
    pub(super) fn placed(&self, places: &Placeholders) -> Self {
        let authority = places.serving_authority.replace('\n', "\\n");
        let known = [
            (ISSUER, places.issuer.as_str()),
            (ISSUER_AUTHORITY_FILE, &places.serving_authority_file),
            (ISSUER_AUTHORITY, &authority),
            (EGRESS_FILE, &places.egress_file),
            (DETOUR, &places.detour),
        ];
        let placed = |text: &String| known.iter().fold(text.clone(), |text, (mark, place)| text.replace(mark, place));
        let all = |pairs: &[(String, String)]| pairs.iter().map(|(name, value)| (name.clone(), placed(value))).collect();
        Self {
            authentication: self.authentication.as_ref().map(placed),
            flags: all(&self.flags),
            files: self.files.clone(),
            environment: all(&self.environment),
        }
    }

    /// Returns `true` if `name` is the name of such an API server.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let hash = name.strip_prefix(PREFIX);
        hash.is_some_and(|hash| hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// Writes it below `directory`, for the process that starts API servers there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), PkiError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        write_private(&directory.join(self.name()).with_extension("json"), &text)
    }

    /// Reads what [`Given::save`] wrote below `directory` for the API server `name`; `None` if there is no such file.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was saved.
    pub fn load(directory: &Path, name: &str) -> std::io::Result<Option<Self>> {
        if !Self::is_name(name) {
            return Ok(None);
        }
        let text = match std::fs::read_to_string(directory.join(name).with_extension("json")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        Ok(Some(serde_json::from_str(&text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_is_named_by_all_that_it_is_given() {
        let given = |flag: &str| Given {
            flags: vec![("oidc-client-id".to_owned(), flag.to_owned())],
            ..Given::default()
        };
        assert_eq!(given("a").name(), given("a").name());
        assert_ne!(given("a").name(), given("b").name());
        assert!(Given::is_name(&given("a").name()));
        for other in ["main", "given-", "given-../../etc", "given-0123456789ab0", "structured"] {
            assert!(!Given::is_name(other), "{other}");
        }
    }

    #[test]
    fn it_is_read_as_it_was_saved() {
        let directory = tempfile::tempdir().unwrap();
        let given = Given {
            authentication: Some("kind: AuthenticationConfiguration\n".to_owned()),
            files: vec![("authorization-config".to_owned(), Secret::new("kind: AuthorizationConfiguration"))],
            ..Given::default()
        };
        given.save(directory.path()).unwrap();
        assert_eq!(Given::load(directory.path(), &given.name()).unwrap(), Some(given));
        assert_eq!(Given::load(directory.path(), "given-0123456789ab").unwrap(), None);
    }
}
