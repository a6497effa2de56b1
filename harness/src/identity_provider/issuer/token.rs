//! Tokens, valid and forged.
//!
//! The main type is [`Token`]. Every token is assembled here, part by part, since a signing library
//! exists to prevent most of the forgeries; only the signatures come from the library.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::further_key::FurtherKey;
use super::keys::{PrivateKey, Signer};
use super::{IssuerError, server};
use crate::jwt::NotAJwt;
use crate::secret::Secret;

/// A change that a forger makes. Apart from it, the token is valid.
#[derive(Clone, Debug, PartialEq)]
pub enum Forgery {
    /// Signs with a key of the forger's under the issuer's key id.
    StrangersKey,
    /// Signs with a key of the forger's under that key's own id.
    UnknownKey,
    /// Does not sign: `"alg": "none"` (RFC 7515 appendix A.5).
    Unsigned,
    /// Signs with HS256, with the issuer's public key as the secret: a verifier that takes the algorithm
    /// from the token accepts it (RFC 8725 §2.1).
    PublicKeyAsSecret,
    /// Changes a claim after signing.
    Altered {
        /// The claim.
        claim: String,
        /// The new value.
        value: Value,
    },
    /// Flips one bit of the signature.
    BrokenSignature,
    /// Signs with the forger's key and points at it: `jku` (RFC 7515 §4.1.2).
    KeyUrl,
    /// Signs with the forger's key and sends it along: `jwk` (RFC 7515 §4.1.3).
    EmbeddedKey,
    /// Signs with the forger's key and points at a certificate for it: `x5u` (RFC 7515 §4.1.5).
    CertificateUrl,
    /// Signs with the forger's key and sends a certificate for it along: `x5c` (RFC 7515 §4.1.6).
    EmbeddedCertificate,
    /// Appends a second signature, the forger's, as a fourth part.
    TwoSignatures,
    /// Adds a second signature, the forger's, in the JSON serialization, which allows several (RFC 7515 §7.2.1).
    TwoSignaturesInJson,
}

/// A token to be signed. Valid by default: right issuer, audience `kubernetes`, valid from now for an
/// hour, with an id of its own, so that no cache knows it.
#[derive(Clone, Debug)]
pub struct Token {
    signer: Signer,
    path: String,
    algorithm: Algorithm,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    without_kid: bool,
    /// The key that signs, in place of the first one of its kind.
    key: Option<PrivateKey>,
    forgery: Option<Forgery>,
}

impl Token {
    pub(super) fn new(signer: Signer, path: &str, issuer: &str, algorithm: Algorithm) -> Self {
        let now = seconds(SystemTime::now());
        let claims = [
            ("iss", json!(issuer)),
            ("aud", json!("kubernetes")),
            ("sub", json!("alice")),
            ("iat", json!(now)),
            ("nbf", json!(now)),
            ("exp", json!(now + 3600)),
            ("jti", json!(format!("{:032x}", rand::random::<u128>()))),
        ];
        let claims = claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self {
            signer,
            path: path.to_owned(),
            algorithm,
            header: Map::new(),
            claims,
            without_kid: false,
            key: None,
            forgery: None,
        }
    }

    /// Returns a token of the issuer `url`, which the signer's own issuer stands in for, with `claims` alone.
    pub(super) fn of_stand_in(signer: Signer, key: PrivateKey, algorithm: Algorithm, claims: Map<String, Value>) -> Self {
        Self {
            signer,
            path: String::new(),
            algorithm,
            header: Map::new(),
            claims,
            without_kid: false,
            key: Some(key),
            forgery: None,
        }
    }

    /// Sets `claim` to any `value`.
    #[must_use]
    pub fn claim(mut self, claim: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(claim.to_owned(), value.into());
        self
    }

    /// Sets all of `claims`, overriding earlier values.
    #[must_use]
    pub fn claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims.extend(claims);
        self
    }

    /// Removes `claim`.
    #[must_use]
    pub fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets the audience.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Names `issuer` as the issuer.
    #[must_use]
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// Sets the expiry to `time`.
    #[must_use]
    pub fn expires(self, time: SystemTime) -> Self {
        self.claim("exp", seconds(time))
    }

    /// Sets the expiry to `ago` before now, and the time of issue to an hour before that.
    #[must_use]
    pub fn expired(self, ago: Duration) -> Self {
        let then = SystemTime::now() - ago;
        let issued = seconds(then - Duration::from_secs(3600));
        self.expires(then).claim("iat", issued).claim("nbf", issued)
    }

    /// Makes the token valid from `time` on.
    #[must_use]
    pub fn not_before(self, time: SystemTime) -> Self {
        self.claim("nbf", seconds(time))
    }

    /// Sets the time of issue to `time`.
    #[must_use]
    pub fn issued(self, time: SystemTime) -> Self {
        self.claim("iat", seconds(time))
    }

    /// Signs with another of the issuer's algorithms.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Signs with the issuer's further key `key`.
    #[must_use]
    pub fn key(mut self, key: &FurtherKey) -> Self {
        self.key = Some(key.key.clone());
        self
    }

    /// Names `kid` as the key, whichever key signs.
    #[must_use]
    pub fn kid(self, kid: &str) -> Self {
        self.header("kid", kid)
    }

    /// Names no key.
    #[must_use]
    pub fn without_kid(mut self) -> Self {
        self.header.remove("kid");
        self.without_kid = true;
        self
    }

    /// Sets `field` of the header to `value`, overriding everything else.
    #[must_use]
    pub fn header(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.header.insert(field.to_owned(), value.into());
        self
    }

    /// Adds one fault.
    #[must_use]
    pub fn forged(mut self, forgery: Forgery) -> Self {
        self.forgery = Some(forgery);
        self
    }

    /// Returns the signed token in compact form (RFC 7515 §3.1).
    ///
    /// # Errors
    /// The issuer path has no key for the algorithm, or the library returns an error.
    pub fn sign(&self) -> Result<Secret, IssuerError> {
        let algorithm = self.algorithm;
        let issuers = match &self.key {
            Some(key) => key,
            None => self.signer.key(&self.path, algorithm)?,
        };
        let published = issuers.published(algorithm)?;
        let stranger = self.signer.stranger(algorithm)?;

        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(algorithm.name()));
        header.insert("typ".to_owned(), json!("JWT"));
        header.insert("kid".to_owned(), json!(published.common.key_id));
        let base = self.signer.base();
        match &self.forgery {
            Some(Forgery::Unsigned) => {
                header.insert("alg".to_owned(), json!("none"));
                header.remove("kid");
            }
            Some(Forgery::PublicKeyAsSecret) => _ = header.insert("alg".to_owned(), json!("HS256")),
            Some(Forgery::UnknownKey) => _ = header.insert("kid".to_owned(), json!(stranger.published(algorithm)?.common.key_id)),
            Some(Forgery::KeyUrl) => {
                header.insert("kid".to_owned(), json!(stranger.published(algorithm)?.common.key_id));
                header.insert("jku".to_owned(), json!(format!("{base}{}", server::STRANGER_KEYS)));
            }
            Some(Forgery::EmbeddedKey) => {
                let key = stranger.published(algorithm)?;
                header.insert("kid".to_owned(), json!(key.common.key_id));
                header.insert("jwk".to_owned(), json!(key));
            }
            Some(Forgery::CertificateUrl) => {
                header.remove("kid");
                header.insert(
                    "x5u".to_owned(),
                    json!(format!("{base}{}/{algorithm}", server::STRANGER_CERTIFICATES)),
                );
            }
            Some(Forgery::EmbeddedCertificate) => {
                header.remove("kid");
                header.insert("x5c".to_owned(), json!([STANDARD.encode(certificate(&stranger.public_pem()?)?)]));
            }
            Some(
                Forgery::StrangersKey
                | Forgery::Altered { .. }
                | Forgery::BrokenSignature
                | Forgery::TwoSignatures
                | Forgery::TwoSignaturesInJson,
            )
            | None => {}
        }
        if self.without_kid {
            header.remove("kid");
        }
        header.extend(self.header.clone());

        let input = format!("{}.{}", part(&header)?, part(&self.claims)?);
        let token = match &self.forgery {
            None => format!("{input}.{}", issuers.sign(&input, algorithm)?),
            Some(Forgery::Unsigned) => format!("{input}."),
            Some(Forgery::PublicKeyAsSecret) => {
                let secret = EncodingKey::from_secret(issuers.public_pem()?.as_bytes());
                let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &secret, jsonwebtoken::Algorithm::HS256)?;
                format!("{input}.{signature}")
            }
            Some(Forgery::Altered { claim, value }) => {
                let signature = issuers.sign(&input, algorithm)?;
                let mut claims = self.claims.clone();
                claims.insert(claim.clone(), value.clone());
                format!("{}.{}.{signature}", part(&header)?, part(&claims)?)
            }
            Some(Forgery::BrokenSignature) => format!("{input}.{}", flipped(&issuers.sign(&input, algorithm)?)?),
            Some(Forgery::TwoSignatures) => {
                format!("{input}.{}.{}", issuers.sign(&input, algorithm)?, stranger.sign(&input, algorithm)?)
            }
            Some(Forgery::TwoSignaturesInJson) => {
                let signed = |signature: String| json!({"protected": part(&header).ok(), "signature": signature});
                let signatures = [signed(issuers.sign(&input, algorithm)?), signed(stranger.sign(&input, algorithm)?)];
                json!({"payload": part(&self.claims)?, "signatures": signatures}).to_string()
            }
            Some(
                Forgery::StrangersKey
                | Forgery::UnknownKey
                | Forgery::KeyUrl
                | Forgery::EmbeddedKey
                | Forgery::CertificateUrl
                | Forgery::EmbeddedCertificate,
            ) => format!("{input}.{}", stranger.sign(&input, algorithm)?),
        };
        Ok(Secret::new(token))
    }
}

/// Creates a certificate for a stranger's public key, from an authority that is created for it. DER.
pub(super) fn certificate(public_pem: &str) -> Result<Vec<u8>, IssuerError> {
    use p256::elliptic_curve::Generate;
    use x509_cert::builder::profile::BuilderProfile;
    use x509_cert::builder::{Builder, CertificateBuilder};
    use x509_cert::certificate::TbsCertificate;
    use x509_cert::der::{DecodePem, Encode};
    use x509_cert::name::Name;
    use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};

    use crate::pki::{PkiError, subject};

    struct Stranger;
    impl BuilderProfile for Stranger {
        fn get_issuer(&self, _: &Name) -> Name {
            subject("a stranger's authority", &[])
        }
        fn get_subject(&self) -> Name {
            subject("a stranger", &[])
        }
        fn build_extensions(
            &self,
            _: SubjectPublicKeyInfoRef<'_>,
            _: SubjectPublicKeyInfoRef<'_>,
            _: &TbsCertificate,
        ) -> x509_cert::builder::Result<Vec<x509_cert::ext::Extension>> {
            Ok(Vec::new())
        }
    }

    let build = || {
        let serial = x509_cert::serial_number::SerialNumber::from(1_u32);
        let validity = x509_cert::time::Validity::from_now(Duration::from_secs(24 * 3600))?;
        let key = SubjectPublicKeyInfoOwned::from_pem(public_pem)?;
        let authority = p256::ecdsa::SigningKey::from(p256::SecretKey::generate());
        CertificateBuilder::new(Stranger, serial, validity, key)
            .and_then(|builder| builder.build::<_, p256::ecdsa::DerSignature>(&authority))
            .map_err(PkiError::Build)?
            .to_der()
            .map_err(PkiError::from)
    };
    Ok(build()?)
}

fn part(fields: &Map<String, Value>) -> Result<String, IssuerError> {
    let text = serde_json::to_vec(fields).map_err(|source| IssuerError::Json { what: "a token", source })?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

/// Flips a bit in the middle of `signature`: its last bits may be padding, which nobody reads.
fn flipped(signature: &str) -> Result<String, IssuerError> {
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotAJwt)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
