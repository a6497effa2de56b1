//! The keys that an issuer publishes (RFC 7517), and whether one of them made a token's signature.
//!
//! The main type is [`KeySet`]. A set is read as an API server reads it (go-jose `jwk.go`): one key that it cannot read spoils all of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

/// A set of published keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Key>,
}

/// A published key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Key {
    /// The id.
    #[serde(rename = "kid")]
    pub id: Option<String>,
    /// The type: `RSA`, `EC`, `OKP`.
    #[serde(rename = "kty")]
    kind: String,
    #[serde(rename = "crv")]
    curve: String,
    n: String,
    e: String,
    x: String,
    y: String,
}

impl KeySet {
    /// Parses a set.
    ///
    /// # Errors
    /// The text is not a set of keys.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Option<Vec<Key>>,
        }
        let set: Set = serde_json::from_str(text).map_err(|error| format!("it is not a set of keys: {error}"))?;
        Ok(Self {
            keys: set.keys.unwrap_or_default(),
        })
    }

    /// Returns the ids, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.keys.iter().filter_map(|key| key.id.as_deref()).collect()
    }

    /// Returns the first key that an API server cannot read: it then refuses the whole set (go-jose `jwk.go`, `UnmarshalJSON`).
    #[must_use]
    pub fn unreadable(&self) -> Option<&Key> {
        self.keys.iter().find(|key| match key.kind.as_str() {
            "RSA" => bytes(&key.n).is_none() || bytes(&key.e).is_none(),
            "EC" => key.coordinate().is_none(),
            "OKP" => key.curve != "Ed25519",
            "oct" => false,
            _ => true,
        })
    }

    /// Returns the keys that a token with the key id `id` is tried with: those of that id, or all if the token names none
    /// (coreos/go-oidc `jwks.go`, `verify`).
    pub fn tried<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        let id = id.unwrap_or_default();
        self.keys
            .iter()
            .filter(move |key| id.is_empty() || key.id.as_deref().unwrap_or_default() == id)
    }
}

impl Key {
    /// Returns the type, with the curve: `RSA`, `EC P-256`.
    #[must_use]
    pub fn kind(&self) -> String {
        format!("{} {}", self.kind, self.curve).trim_end().to_owned()
    }

    /// Returns `true` if a key of this type can make signatures of `algorithm` (RFC 7518 §3.1).
    #[must_use]
    pub fn suits(&self, algorithm: &str) -> bool {
        match (algorithm.get(..2), algorithm) {
            (Some("RS" | "PS"), _) => self.kind == "RSA",
            (_, "ES256") => self.curve == "P-256",
            (_, "ES384") => self.curve == "P-384",
            (_, "ES512") => self.curve == "P-521",
            _ => false,
        }
    }

    /// Returns the length of both coordinates, if they have that of the curve.
    fn coordinate(&self) -> Option<usize> {
        let length = match self.curve.as_str() {
            "P-256" => 32,
            "P-384" => 48,
            "P-521" => 66,
            _ => return None,
        };
        let has = |text: &str| bytes(text).is_some_and(|bytes| bytes.len() == length);
        (has(&self.x) && has(&self.y)).then_some(length)
    }

    /// Returns `false` for a key that is too large for the library here, and that an API server verifies with all the same.
    #[must_use]
    pub fn is_verifiable_here(&self) -> bool {
        let bits = |modulus: Vec<u8>| modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
        self.kind != "RSA" || bytes(&self.n).is_none_or(|modulus| bits(modulus) <= rsa::RsaPublicKey::MAX_SIZE)
    }

    /// Returns `true` if this key made the signature of `token`, a JWT signed with `algorithm`.
    #[must_use]
    pub fn signed(&self, token: &str, algorithm: &str) -> bool {
        let Some((message, signature)) = token.rsplit_once('.') else {
            return false;
        };
        if !self.suits(algorithm) {
            return false;
        }
        if algorithm == "ES512" {
            return self.signed_on_p521(message, signature).unwrap_or(false);
        }
        let key = match self.kind.as_str() {
            "RSA" => DecodingKey::from_rsa_components(&self.n, &self.e),
            _ => DecodingKey::from_ec_components(&self.x, &self.y),
        };
        let (Ok(key), Ok(algorithm)) = (key, algorithm.parse()) else {
            return false;
        };
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false)
    }

    /// Verifies on the curve that the library for tokens lacks.
    fn signed_on_p521(&self, message: &str, signature: &str) -> Option<bool> {
        use p521::ecdsa::signature::Verifier;
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        // An uncompressed point (SEC 1 §2.3.3).
        let point = [vec![4], part(&self.x)?, part(&self.y)?].concat();
        let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?;
        let signature = p521::ecdsa::Signature::from_slice(&part(signature)?).ok()?;
        Some(key.verify(message.as_bytes(), &signature).is_ok())
    }
}

/// Decodes a number of a key, which is not empty.
fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

/// Returns the JSON of a key, for tests of other modules.
#[cfg(test)]
pub(in crate::explain) fn key(fields: &serde_json::Value) -> Key {
    serde_json::from_value(fields.clone()).expect("a key")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_key_that_go_jose_cannot_read_is_found() {
        let set = |keys: Value| KeySet::parse(&json!({ "keys": keys }).to_string()).expect("a set");
        let sound = json!({ "kid": "a", "kty": "RSA", "n": "AQAB", "e": "AQAB" });
        assert_eq!(
            set(json!([sound, { "kid": "b", "kty": "OKP", "crv": "Ed25519" }])).unreadable(),
            None
        );
        for (kind, curve) in [("EC", "secp256k1"), ("OKP", "X25519"), ("OKP", "Ed448"), ("AKP", "")] {
            let found = set(json!([sound, { "kid": "b", "kty": kind, "crv": curve }]));
            assert_eq!(found.unreadable().and_then(|key| key.id.as_deref()), Some("b"), "{kind} {curve}");
        }
        // A coordinate that lost its leading zero, and padding.
        let short = json!({ "kid": "b", "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB" });
        let padded = json!({ "kid": "b", "kty": "RSA", "n": "AQAB", "e": "AQ==" });
        for key in [short, padded] {
            assert!(set(json!([key])).unreadable().is_some(), "{key}");
        }
        assert!(KeySet::parse("<html>").is_err());
    }

    #[test]
    fn a_key_that_is_too_large_for_the_library_is_known() {
        let of = |bytes: usize| key(&json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![0x80; bytes]), "e": "AQAB" }));
        assert!(of(512).is_verifiable_here() && !of(1024).is_verifiable_here());
    }

    #[test]
    fn a_token_without_a_key_id_is_tried_with_every_key() {
        let set = KeySet {
            keys: vec![
                key(&json!({ "kid": "a", "kty": "RSA" })),
                key(&json!({ "kty": "EC", "crv": "P-256" })),
            ],
        };
        assert_eq!(
            (set.tried(None).count(), set.tried(Some("a")).count(), set.tried(Some("c")).count()),
            (2, 1, 0)
        );
        assert!(set.keys[0].suits("PS512") && !set.keys[0].suits("ES256"));
        assert!(set.keys[1].suits("ES256") && !set.keys[1].suits("RS256") && !set.keys[1].suits("EdDSA"));
    }
}
