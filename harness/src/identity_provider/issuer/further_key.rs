//! Keys that an issuer begins to publish while it serves, as issuers do when they rotate their keys. The main type is [`FurtherKey`].

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::IssuerError;
use super::algorithm::Algorithm;
use super::keys::{PrivateKey, Signer};
use crate::secret::Secret;

/// The claim of the key to publish.
const CLAIM: &str = "jwk";

/// A key of an issuer that it does not publish until it is asked to.
#[derive(Clone, Debug)]
pub struct FurtherKey {
    path: String,
    algorithm: Algorithm,
    pub(super) key: PrivateKey,
}

impl FurtherKey {
    /// Returns its public half as a JSON Web Key (RFC 7517 §4).
    ///
    /// # Errors
    /// The key cannot be encoded.
    pub fn public(&self) -> Result<Value, IssuerError> {
        Ok(json!(self.key.published(self.algorithm)?))
    }
}

/// The claims of a token that asks an issuer to publish a key.
#[derive(Deserialize)]
struct Asked {
    jwk: Jwk,
}

impl Signer {
    /// Generates a further key for the issuer at `path`, for its default algorithm.
    ///
    /// # Errors
    /// There is no such issuer path, or the key cannot be generated.
    pub async fn further_key(&self, path: &str) -> Result<FurtherKey, IssuerError> {
        let algorithm = self.issuer(path)?.algorithms[0];
        Ok(FurtherKey {
            path: path.to_owned(),
            algorithm,
            key: PrivateKey::generate(algorithm.family()).await?,
        })
    }

    /// Returns the token that makes the issuer publish `key`, as the bearer token of a POST request to [`Signer::keys_url`]. One of the
    /// issuer's first keys signs it, so nobody else can add keys. The issuer publishes the newest 32 of them.
    ///
    /// # Errors
    /// The token cannot be signed.
    pub fn publication(&self, key: &FurtherKey) -> Result<Secret, IssuerError> {
        let token = self.token(&key.path)?.audience(&self.keys_url(&key.path)?);
        token.claim(CLAIM, json!(key.key.published(key.algorithm)?)).sign()
    }

    /// Returns the key that the issuer at `path` is to publish because of `token`; `None` if the issuer did not sign it, or not for that.
    pub(super) fn to_publish(&self, path: &str, token: &str) -> Option<Jwk> {
        let algorithm = self.issuer(path).ok()?.algorithms[0];
        let own = self.key(path, algorithm).and_then(|key| key.published(algorithm)).ok()?;
        let mut validation = Validation::new(algorithm.library()?);
        validation.set_audience(&[self.keys_url(path).ok()?]);
        let asked = decode::<Asked>(token, &DecodingKey::from_jwk(&own).ok()?, &validation);
        asked.ok().map(|asked| asked.claims.jwk)
    }
}
