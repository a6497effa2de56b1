//! An issuer's key, and tokens that it signs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use serde_json::{Value, json};

use super::URL;

/// An issuer's key: what it signs with, and what it publishes.
pub(super) struct Signer {
    pub(super) key: EncodingKey,
    pub(super) published: Value,
}

impl Signer {
    pub(super) fn new(id: Option<&str>) -> Self {
        let pem = p256::SecretKey::generate().to_pkcs8_pem(LineEnding::LF).expect("a key");
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).expect("a key");
        let mut published = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a key")).expect("JSON");
        match id {
            Some(id) => published["kid"] = id.into(),
            None => _ = published.as_object_mut().expect("an object").remove("kid"),
        }
        Self { key, published }
    }

    /// Signs the claims of a sound token, with changes to its header (`alg`, `kid`, `nonce`, `typ`) and claims.
    pub(super) fn token(&self, changes: &Value) -> String {
        let mut claims = json!({ "iss": URL, "aud": ["kubernetes"], "exp": 2000, "email": "a@b", "user_groups": ["dev"] });
        let mut header = json!({ "alg": "ES256", "kid": "k1" });
        for (name, value) in changes.as_object().expect("an object") {
            let of_header = ["alg", "kid", "nonce"].contains(&name.as_str());
            let to = if of_header { &mut header } else { &mut claims };
            let to = to.as_object_mut().expect("an object");
            if value == "absent" {
                to.remove(name);
            } else {
                to.insert(name.clone(), value.clone());
            }
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256).expect("a signature");
        format!("{message}.{signature}")
    }
}
