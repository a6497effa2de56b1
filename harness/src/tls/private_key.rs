//! A private key as Go reads it: the label does not count, the content does. The main type is [`PrivateKey`].

use std::sync::Arc;

use p256::pkcs8::{EncodePrivateKey, ObjectIdentifier, PrivateKeyInfoRef};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rustls::crypto::ring::sign::{any_ecdsa_type, any_eddsa_type, any_supported_type};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;

use super::signing;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

/// A curve that Go knows (`crypto/x509` `namedCurveFromOID`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P224,
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) fn of(id: &str) -> Option<Self> {
        match id {
            "1.3.132.0.33" => Some(Self::P224),
            "1.2.840.10045.3.1.7" => Some(Self::P256),
            "1.3.132.0.34" => Some(Self::P384),
            "1.3.132.0.35" => Some(Self::P521),
            _ => None,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::P224 => 28,
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P224 => "P-224",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }
}

/// A public key, in the form in which two are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
    /// The curve and the point, as in a certificate; the point is `None` if it cannot be computed here.
    Ec(Curve, Option<Vec<u8>>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// Returns the public key of a certificate, if it is of a kind that Go's TLS knows.
    pub(super) fn of(key: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let bytes = key.subject_public_key.data.to_vec();
        let kind = key.algorithm.algorithm.to_id_string();
        if kind == RSA.to_string() {
            let key = rsa::pkcs1::RsaPublicKey::try_from(bytes.as_slice()).ok()?;
            return Some(Self::Rsa(key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()));
        }
        if kind == EC.to_string() {
            let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            return Some(Self::Ec(Curve::of(&curve)?, Some(bytes)));
        }
        (kind == ED25519.to_string()).then_some(Self::Ed25519(bytes))
    }

    /// Returns whether the other is of the same kind.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// A private key.
pub(super) enum PrivateKey {
    /// RSA, in PKCS#1's form.
    Rsa(Vec<u8>),
    /// The secret number, as long as the curve wants it.
    Ec(Curve, Vec<u8>),
    /// In PKCS#8's form.
    Ed25519(Vec<u8>),
}

/// The reason for which a private key cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no key in a form that Go knows.
    Unknown,
    /// It is a key that does not sign.
    NoSigner,
}

impl PrivateKey {
    /// Reads `der` as PKCS#1, PKCS#8 or SEC1, in the order of Go's `crypto/tls` `parsePrivateKey`.
    pub(super) fn read(der: &[u8]) -> Result<Self, Unread> {
        if rsa::pkcs1::RsaPrivateKey::try_from(der).is_ok() {
            return Ok(Self::Rsa(der.to_vec()));
        }
        if let Ok(info) = PrivateKeyInfoRef::try_from(der) {
            let inner = info.private_key.as_bytes();
            match info.algorithm.oid {
                RSA if rsa::pkcs1::RsaPrivateKey::try_from(inner).is_ok() => return Ok(Self::Rsa(inner.to_vec())),
                EC => {
                    let curve = info.algorithm.parameters_oid().ok();
                    if let Some(key) = Self::ec(inner, curve) {
                        return Ok(key);
                    }
                }
                ED25519 => return Ok(Self::Ed25519(der.to_vec())),
                X25519 => return Err(Unread::NoSigner),
                _ => {}
            }
        }
        Self::ec(der, None).ok_or(Unread::Unknown)
    }

    /// Reads SEC1's form. Leading zeros may lack or be too many, as in Go's `parseECPrivateKey`.
    fn ec(der: &[u8], curve: Option<ObjectIdentifier>) -> Option<Self> {
        let key = sec1::EcPrivateKey::try_from(der).ok()?;
        let curve = match (curve, key.parameters) {
            (Some(curve), _) => Curve::of(&curve.to_string()),
            (None, Some(sec1::EcParameters::NamedCurve(curve))) => Curve::of(&curve.to_string()),
            (None, None) => None,
        }?;
        let number: Vec<u8> = key.private_key.iter().copied().skip_while(|byte| *byte == 0).collect();
        let mut padded = vec![0; curve.size().checked_sub(number.len())?];
        padded.extend(number);
        Some(Self::Ec(curve, padded))
    }

    /// Returns the public half; `None` if the key is broken.
    pub(super) fn public(&self) -> Option<PublicKey> {
        Some(match self {
            Self::Rsa(der) => {
                let key = rsa::pkcs1::RsaPrivateKey::try_from(der.as_slice()).ok()?;
                PublicKey::Rsa(key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec())
            }
            Self::Ec(curve, number) => {
                let point = match curve {
                    Curve::P224 => None,
                    Curve::P256 => Some(p256::SecretKey::from_slice(number).ok()?.public_key().to_sec1_bytes().into_vec()),
                    Curve::P384 => Some(p384::SecretKey::from_slice(number).ok()?.public_key().to_sec1_bytes().into_vec()),
                    Curve::P521 => Some(p521::SecretKey::from_slice(number).ok()?.public_key().to_sec1_bytes().into_vec()),
                };
                PublicKey::Ec(*curve, point)
            }
            Self::Ed25519(der) => {
                let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(der.as_slice())).ok()?;
                let whole = key.public_key()?;
                PublicKey::Ed25519(whole.as_ref().get(whole.as_ref().len().checked_sub(32)?..)?.to_vec())
            }
        })
    }

    /// Returns the key for signing; `None` if nothing here can sign with it.
    pub(super) fn signing(&self) -> Option<Arc<dyn SigningKey>> {
        match self {
            Self::Rsa(der) => any_supported_type(&PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der.as_slice())))
                .ok()
                .or_else(|| Some(Arc::new(signing::Rsa::new(rsa::RsaPrivateKey::from_pkcs1_der(der).ok()?)))),
            Self::Ec(Curve::P224, _) => None,
            Self::Ec(Curve::P256, number) => ring(&p256::SecretKey::from_slice(number).ok()?),
            Self::Ec(Curve::P384, number) => ring(&p384::SecretKey::from_slice(number).ok()?),
            Self::Ec(Curve::P521, number) => Some(Arc::new(signing::P521::new(number)?)),
            Self::Ed25519(der) => any_eddsa_type(&PrivatePkcs8KeyDer::from(der.as_slice())).ok(),
        }
    }

    /// Returns a description: `RSA key of 8192 bits`.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Rsa(der) => {
                let bits = rsa::pkcs1::RsaPrivateKey::try_from(der.as_slice()).map_or(0, |key| key.modulus.as_bytes().len() * 8);
                format!("RSA key of {bits} bits")
            }
            Self::Ec(curve, _) => format!("{} key", curve.name()),
            Self::Ed25519(_) => "Ed25519 key".to_owned(),
        }
    }
}

/// Returns the key for ring, which wants the public half beside the private one.
fn ring(key: &impl EncodePrivateKey) -> Option<Arc<dyn SigningKey>> {
    let der = key.to_pkcs8_der().ok()?;
    any_ecdsa_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_bytes()))).ok()
}
