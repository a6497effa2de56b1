//! Signing keys: one per issuer path and key family, and strangers' keys for forging.
//!
//! The main type is [`Signer`]. It knows the issuer's address, so that a process that loads
//! it from a lab's directory can sign tokens without running the server.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType, Jwk, PublicKeyUse,
    ThumbprintHash,
};
use p256::elliptic_curve::Generate;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, Family};
use super::issuer_path::IssuerPath;
use super::{IssuerError, Token};
use crate::pki::Seed;
use crate::secret::Secret;

/// The file that [`Signer::save`] writes.
const FILE: &str = "issuer-keys.json";

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Generates a private key, PKCS#8 PEM. RSA takes a moment, so it runs off the runtime's threads.
    async fn generate(self) -> Result<Secret, IssuerError> {
        let pem = match self {
            Self::Rsa => tokio::task::spawn_blocking(|| rsa::RsaPrivateKey::new(&mut rand::thread_rng(), 2048))
                .await
                .map_err(IssuerError::GivenUp)??
                .to_pkcs8_pem(LineEnding::LF)
                .map_err(|error| self.fault(error))?,
            Self::P256 => p256_pem(&p256::SecretKey::generate()).map_err(|error| self.fault(error))?,
            Self::P384 => p384_pem(&p384::SecretKey::generate()).map_err(|error| self.fault(error))?,
            Self::P521 => p521_pem(&p521::SecretKey::generate()).map_err(|error| self.fault(error))?,
        };
        Ok(Secret::new(pem.as_str()))
    }

    fn fault(self, error: impl fmt::Display) -> IssuerError {
        IssuerError::Key {
            what: self.name(),
            why: error.to_string(),
        }
    }
}

type Pem = p256::elliptic_curve::zeroize::Zeroizing<String>;

fn p256_pem(key: &p256::SecretKey) -> Result<Pem, p256::pkcs8::Error> {
    use p256::pkcs8::EncodePrivateKey;
    key.to_pkcs8_pem(p256::pkcs8::LineEnding::LF)
}

fn p384_pem(key: &p384::SecretKey) -> Result<Pem, p384::pkcs8::Error> {
    use p384::pkcs8::EncodePrivateKey;
    key.to_pkcs8_pem(p384::pkcs8::LineEnding::LF)
}

fn p521_pem(key: &p521::SecretKey) -> Result<Pem, p521::pkcs8::Error> {
    use p521::pkcs8::EncodePrivateKey;
    key.to_pkcs8_pem(p521::pkcs8::LineEnding::LF)
}

/// A private key, as it signs and as it is published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PrivateKey {
    family: Family,
    pem: Secret,
}

impl PrivateKey {
    pub(super) async fn generate(family: Family) -> Result<Self, IssuerError> {
        Ok(Self {
            family,
            pem: family.generate().await?,
        })
    }

    fn encoding_key(&self) -> Result<EncodingKey, IssuerError> {
        let pem = self.pem.expose().as_bytes();
        Ok(match self.family {
            Family::Rsa => EncodingKey::from_rsa_pem(pem)?,
            Family::P256 | Family::P384 | Family::P521 => EncodingKey::from_ec_pem(pem)?,
        })
    }

    /// Returns the key on the curve that the signing library lacks.
    fn p521(&self) -> Result<p521::SecretKey, IssuerError> {
        use p521::pkcs8::DecodePrivateKey;
        p521::SecretKey::from_pkcs8_pem(self.pem.expose()).map_err(|error| self.family.fault(error))
    }

    /// Returns the signature of `input`, base64url (RFC 7515 §5.1).
    pub(super) fn sign(&self, input: &str, algorithm: Algorithm) -> Result<String, IssuerError> {
        let Some(library) = algorithm.library() else {
            use p521::ecdsa::signature::Signer;
            let signature: p521::ecdsa::Signature = p521::ecdsa::SigningKey::from(self.p521()?).sign(input.as_bytes());
            return Ok(URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        };
        Ok(jsonwebtoken::crypto::sign(input.as_bytes(), &self.encoding_key()?, library)?)
    }

    /// Returns the public half as a JSON Web Key (RFC 7517). Its id derives from its thumbprint (RFC 7638)
    /// and its algorithm, since one key may serve several.
    pub(super) fn published(&self, algorithm: Algorithm) -> Result<Jwk, IssuerError> {
        let mut jwk = match algorithm.library() {
            Some(library) => Jwk::from_encoding_key(&self.encoding_key()?, library)?,
            None => self.p521_jwk()?,
        };
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(format!("{}-{}", algorithm.name().to_lowercase(), &thumbprint[..12]));
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(jwk)
    }

    /// Returns the public half of a P-521 key as a JSON Web Key (RFC 7518 §6.2).
    fn p521_jwk(&self) -> Result<Jwk, IssuerError> {
        use p521::elliptic_curve::sec1::ToSec1Point;
        let point = self.p521()?.public_key().to_sec1_point(false);
        let coordinate = |bytes: Option<&[u8]>| URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default());
        Ok(Jwk {
            common: CommonParameters::default(),
            algorithm: AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P521,
                x: coordinate(point.x().map(|x| x.as_slice())),
                y: coordinate(point.y().map(|y| y.as_slice())),
            }),
        })
    }

    /// Returns the public half in its common form: SubjectPublicKeyInfo, PEM.
    pub(super) fn public_pem(&self) -> Result<String, IssuerError> {
        let pem = self.pem.expose();
        match self.family {
            Family::Rsa => rsa::RsaPrivateKey::from_pkcs8_pem(pem)
                .map_err(|error| self.family.fault(error))?
                .to_public_key()
                .to_public_key_pem(LineEnding::LF)
                .map_err(|error| self.family.fault(error)),
            Family::P256 => {
                use p256::pkcs8::{DecodePrivateKey, EncodePublicKey};
                let key = p256::SecretKey::from_pkcs8_pem(pem).map_err(|error| self.family.fault(error))?;
                key.public_key()
                    .to_public_key_pem(p256::pkcs8::LineEnding::LF)
                    .map_err(|error| self.family.fault(error))
            }
            Family::P521 => {
                use p521::pkcs8::EncodePublicKey;
                self.p521()?
                    .public_key()
                    .to_public_key_pem(p521::pkcs8::LineEnding::LF)
                    .map_err(|error| self.family.fault(error))
            }
            Family::P384 => {
                use p384::pkcs8::{DecodePrivateKey, EncodePublicKey};
                let key = p384::SecretKey::from_pkcs8_pem(pem).map_err(|error| self.family.fault(error))?;
                key.public_key()
                    .to_public_key_pem(p384::pkcs8::LineEnding::LF)
                    .map_err(|error| self.family.fault(error))
            }
        }
    }
}

/// An issuer path with its keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    issuer: IssuerPath,
    keys: Vec<PrivateKey>,
}

impl Entry {
    fn key(&self, algorithm: Algorithm) -> Option<&PrivateKey> {
        let known = self.issuer.algorithms.contains(&algorithm);
        self.keys.iter().find(|key| known && key.family == algorithm.family())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    base: String,
    entries: BTreeMap<String, Entry>,
    strangers: Vec<PrivateKey>,
    /// The origin of the keys that it signs with for other issuers.
    stand_ins: Seed,
}

/// The issuer's keys and its address, for signing tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signer(Arc<Kept>);

impl Signer {
    /// Generates keys for `paths` below `base` (`https://127.0.0.1:PORT`), concurrently.
    ///
    /// # Errors
    /// A path is invalid, or a key cannot be generated.
    pub async fn generate(base: String, paths: Vec<IssuerPath>) -> Result<Self, IssuerError> {
        let mut families: Vec<Family> = Vec::new();
        let mut wanted = BTreeMap::new();
        for issuer in paths {
            check(&issuer)?;
            let mut own: Vec<Family> = issuer.algorithms.iter().map(|algorithm| algorithm.family()).collect();
            own.sort_unstable();
            own.dedup();
            families.extend(&own);
            let path = issuer.path.clone();
            if wanted.insert(path.clone(), (issuer, own)).is_some() {
                return Err(IssuerError::Path {
                    path,
                    why: "it is a duplicate",
                });
            }
        }
        families.sort_unstable();
        families.dedup();

        let strangers = futures::future::try_join_all(families.into_iter().map(PrivateKey::generate));
        let entries = futures::future::try_join_all(wanted.into_iter().map(|(path, (issuer, families))| async move {
            let keys = futures::future::try_join_all(families.into_iter().map(PrivateKey::generate)).await?;
            Ok::<_, IssuerError>((path, Entry { issuer, keys }))
        }));
        let (entries, strangers) = futures::future::try_join(entries, strangers).await?;
        Ok(Self(Arc::new(Kept {
            base,
            entries: entries.into_iter().collect(),
            strangers,
            stand_ins: Seed::random(),
        })))
    }

    /// Returns a valid token of the issuer at `path`, for the caller to change.
    ///
    /// # Errors
    /// There is no such issuer path.
    pub fn token(&self, path: &str) -> Result<Token, IssuerError> {
        let algorithm = self.entry(path)?.issuer.algorithms[0];
        Ok(Token::new(self.clone(), path, &self.url(path)?, algorithm))
    }

    /// Returns the issuer URL of `path`, as tokens and API servers name it.
    ///
    /// # Errors
    /// There is no such issuer path.
    pub fn url(&self, path: &str) -> Result<String, IssuerError> {
        self.entry(path).map(|entry| entry.issuer.url(&self.0.base))
    }

    /// Returns the issuer URLs that one scenario alone uses.
    pub fn unshared(&self) -> Vec<String> {
        let unshared = self.paths().filter(|issuer| issuer.is_unshared);
        unshared.map(|issuer| issuer.url(&self.0.base)).collect()
    }

    /// Returns the URL of the keys of the issuer at `path`.
    ///
    /// # Errors
    /// There is no such issuer path.
    pub fn keys_url(&self, path: &str) -> Result<String, IssuerError> {
        self.issuer(path).map(|issuer| issuer.keys_url(&self.0.base))
    }

    /// Returns the issuer at `path`.
    ///
    /// # Errors
    /// There is no such issuer path.
    pub fn issuer(&self, path: &str) -> Result<&IssuerPath, IssuerError> {
        self.entry(path).map(|entry| &entry.issuer)
    }

    /// Returns the issuer paths.
    pub fn paths(&self) -> impl Iterator<Item = &IssuerPath> {
        self.0.entries.values().map(|entry| &entry.issuer)
    }

    /// Saves the keys in `directory`, in a file that only its owner can read.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), IssuerError> {
        let text = serde_json::to_string(&*self.0).map_err(|source| IssuerError::Json {
            what: "the issuer's keys",
            source,
        })?;
        Ok(crate::pki::write_private(&directory.join(FILE), &text)?)
    }

    /// Loads the keys that [`Signer::save`] wrote to `directory`.
    ///
    /// # Errors
    /// The file cannot be read, or does not contain keys.
    pub fn load(directory: &Path) -> Result<Self, IssuerError> {
        let path = directory.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| IssuerError::File { path, source })?;
        let kept = serde_json::from_str(&text).map_err(|source| IssuerError::Json {
            what: "the issuer's keys",
            source,
        })?;
        Ok(Self(Arc::new(kept)))
    }

    /// Returns the key that the issuer at `path` signs `algorithm` with.
    pub(super) fn key(&self, path: &str, algorithm: Algorithm) -> Result<&PrivateKey, IssuerError> {
        let entry = self.entry(path)?;
        entry.key(algorithm).ok_or_else(|| IssuerError::UnknownAlgorithm {
            path: path.to_owned(),
            algorithm,
            known: entry.issuer.algorithms.iter().map(ToString::to_string).collect(),
        })
    }

    /// Returns a key of the same family that no issuer publishes.
    pub(super) fn stranger(&self, algorithm: Algorithm) -> Result<&PrivateKey, IssuerError> {
        let family = algorithm.family();
        self.0
            .strangers
            .iter()
            .find(|key| key.family == family)
            .ok_or_else(|| family.fault("no issuer has a key of this kind, so no stranger has"))
    }

    /// Returns the key that signs `algorithm` for the issuer `url`, which this one stands in for. Each issuer has an elliptic key of its own;
    /// they share one RSA key, which takes too long to generate.
    pub(super) fn stand_in_key(&self, url: &str, algorithm: Algorithm) -> Result<PrivateKey, IssuerError> {
        let family = algorithm.family();
        match family {
            Family::P256 => {
                let half = |number: u8| self.0.stand_ins.secret(&format!("{number} {url}"));
                let bytes = hex::decode(format!("{}{}", half(0).expose(), half(1).expose())).unwrap_or_default();
                let key = p256::SecretKey::from_slice(&bytes).map_err(|error| family.fault(error))?;
                let pem = p256_pem(&key).map_err(|error| family.fault(error))?;
                Ok(PrivateKey {
                    family,
                    pem: Secret::new(pem.as_str()),
                })
            }
            _ => {
                let mut keys = self.0.entries.values().flat_map(|entry| &entry.keys);
                let key = keys.find(|key| key.family == family).cloned();
                key.ok_or_else(|| family.fault("no issuer has a key of this kind"))
            }
        }
    }

    /// Returns the keys that the issuer at `path` publishes (RFC 7517 §5).
    pub(super) fn key_set(&self, path: &str) -> Result<Vec<Jwk>, IssuerError> {
        let entry = self.entry(path)?;
        entry
            .issuer
            .algorithms
            .iter()
            .map(|algorithm| self.key(path, *algorithm)?.published(*algorithm))
            .collect()
    }

    /// Returns the response of the issuer at `path` to a request for its keys.
    ///
    /// # Errors
    /// There is no such issuer path, or a key cannot be encoded.
    pub fn published(&self, path: &str) -> Result<serde_json::Value, IssuerError> {
        Ok(serde_json::json!({"keys": self.key_set(path)?}))
    }

    /// Returns the URL that serves `token` as distributed claims.
    pub fn claims_url(&self, token: &Secret) -> String {
        format!("{}{}{}", self.0.base, super::server::CLAIMS, token.expose())
    }

    /// Returns the URL of a user directory that answers 401, as Microsoft's does to API servers.
    pub fn directory_url(&self) -> String {
        format!("{}{}", self.0.base, super::server::DIRECTORY)
    }

    /// Returns the URL that reports how often a stranger's keys or certificate were requested.
    pub fn strangers_asked_url(&self) -> String {
        format!("{}{}", self.0.base, super::server::STRANGERS_ASKED)
    }

    /// Returns the strangers' keys, which a token's `jku` header points at.
    pub(super) fn stranger_key_set(&self) -> Result<Vec<Jwk>, IssuerError> {
        let has = |algorithm: &Algorithm| self.0.strangers.iter().any(|key| key.family == algorithm.family());
        Algorithm::ALL
            .into_iter()
            .filter(has)
            .map(|algorithm| self.stranger(algorithm)?.published(algorithm))
            .collect()
    }

    /// Returns the beginning of the addresses of all issuer paths.
    pub fn base(&self) -> &str {
        &self.0.base
    }

    fn entry(&self, path: &str) -> Result<&Entry, IssuerError> {
        self.0.entries.get(path).ok_or_else(|| IssuerError::UnknownPath {
            path: path.to_owned(),
            known: self.0.entries.keys().cloned().collect(),
        })
    }
}

fn check(issuer: &IssuerPath) -> Result<(), IssuerError> {
    let refuse = |why| {
        Err(IssuerError::Path {
            path: issuer.path.clone(),
            why,
        })
    };
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !issuer.path.split('/').all(plain) {
        return refuse("expected words of letters, digits, - and _, separated by slashes");
    }
    if issuer.algorithms.is_empty() {
        return refuse("it has no signature algorithm");
    }
    Ok(())
}
