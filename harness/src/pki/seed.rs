//! The seed from which a lab derives its own secrets.
//!
//! The main type is [`Seed`]: every process that has it derives the same secret from a name; no other process can.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{PkiError, write_private};
use crate::secret::Secret;

/// Bytes of a derived secret: half of the hash, as RFC 2104 §5 allows.
const LENGTH: usize = 16;

/// The seed of a lab's secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seed(Secret);

impl Seed {
    /// Creates a seed.
    #[must_use]
    pub fn random() -> Self {
        let mut seed = [0_u8; 32];
        rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut seed);
        Self(Secret::new(hex::encode(seed)))
    }

    /// Writes it to `path`, readable only by its owner.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PkiError> {
        write_private(path, self.0.expose())
    }

    /// Reads what [`Seed::save`] wrote.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(path: &Path) -> Result<Self, PkiError> {
        let read = std::fs::read_to_string(path);
        read.map(|seed| Self(Secret::new(seed))).map_err(|source| PkiError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Derives the secret named `name`, hexadecimal: an HMAC (RFC 2104) of the name, so that it is a signature of the name as well.
    #[must_use]
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(hex::encode(&self.mac(name).finalize().into_bytes()[..LENGTH]))
    }

    /// Returns whether `claimed` is the secret named `name`, or its first `digits` digits or more. Compares in constant time.
    #[must_use]
    pub fn has_signed(&self, name: &str, claimed: &str, digits: usize) -> bool {
        let Ok(claimed) = hex::decode(claimed) else { return false };
        let lengths = digits.div_ceil(2)..=LENGTH;
        lengths.contains(&claimed.len()) && self.mac(name).verify_truncated_left(&claimed).is_ok()
    }

    fn mac(&self, name: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()).expect("HMAC accepts a key of any length");
        mac.update(name.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_seeds_and_its_names() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("seed");
        let seed = Seed::random();
        seed.save(&path).expect("it can be written");
        let secret = seed.secret("alice");
        assert_eq!(secret.expose().len(), 2 * LENGTH);
        assert_eq!(Seed::load(&path).expect("it can be read").secret("alice"), secret);
        assert_ne!(seed.secret("bob"), secret);
        assert_ne!(Seed::random().secret("alice"), secret);
    }

    #[test]
    fn a_forged_or_shortened_secret_is_refused() {
        let seed = Seed::random();
        let secret = seed.secret("alice");
        let signed = |claimed: &str| seed.has_signed("alice", claimed, 16);
        assert!(signed(secret.expose()));
        assert!(signed(&secret.expose()[..16]));
        for claimed in [
            "",
            &secret.expose()[..14],
            &secret.expose()[2..],
            seed.secret("bob").expose(),
            "no digits at all",
        ] {
            assert!(!signed(claimed), "{claimed}");
        }
        assert!(!signed(&format!("{}00", secret.expose())));
    }
}
