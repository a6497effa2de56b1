//! Signatures of certificates and signing requests, verified as Go does.
//!
//! The main function is [`check`] (`crypto/x509`, `checkSignature`). RSA and ECDSA are verified with any size of key, unlike in ring, which
//! has none for P-521 and none for RSA below 2048 bits.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::public_key::PublicKey;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The result of verifying a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It was made with the key.
    Sound,
    /// It was made with another key, or the content was changed.
    Broken,
    /// Its algorithm is broken, so that Go does not accept it: the name in Go's words.
    Insecure(&'static str),
    /// Go has no such algorithm, or does not take such a key.
    Unsupported(String),
    /// Go may accept it, and this machine cannot tell.
    Unknown(String),
}

/// A signature, and what it was made over.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The algorithm.
    pub algorithm: &'a AlgorithmIdentifier<'a>,
    /// The signature.
    pub signature: &'a x509_parser::asn1_rs::BitString<'a>,
    /// The signed bytes.
    pub content: &'a [u8],
}

/// A hash function that Go takes.
#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(content).to_vec(),
            Self::Sha384 => Sha384::digest(content).to_vec(),
            Self::Sha512 => Sha512::digest(content).to_vec(),
        }
    }

    /// Returns the beginning of a PKCS #1 v1.5 `DigestInfo` (RFC 8017 §9.2, note 1).
    fn prefix(self) -> Vec<u8> {
        let (algorithm, size) = match self {
            Self::Sha256 => (1, 32),
            Self::Sha384 => (2, 48),
            Self::Sha512 => (3, 64),
        };
        let mut prefix = vec![0x30, 17 + size, 0x30, 0x0d, 0x06, 0x09];
        prefix.extend([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, algorithm, 0x05, 0x00, 0x04, size]);
        prefix
    }
}

/// Returns the name of a broken algorithm, in Go's words (`InsecureAlgorithmError`); `None` if Go takes it, or does not know it.
#[must_use]
pub fn insecure(algorithm: &AlgorithmIdentifier<'_>) -> Option<&'static str> {
    Some(match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => "MD5-RSA",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "SHA1-RSA",
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        "1.2.840.10040.4.3" => "DSA-SHA1",
        _ => return None,
    })
}

/// Verifies a signature with the key `key`.
#[must_use]
pub fn check(signed: Signed<'_>, key: &SubjectPublicKeyInfo<'_>) -> Signature {
    if let Some(name) = insecure(signed.algorithm) {
        return Signature::Insecure(name);
    }
    let id = signed.algorithm.algorithm.to_id_string();
    match id.as_str() {
        "1.2.840.113549.1.1.11" => by_rsa(signed, key, Hash::Sha256),
        "1.2.840.113549.1.1.12" => by_rsa(signed, key, Hash::Sha384),
        "1.2.840.113549.1.1.13" => by_rsa(signed, key, Hash::Sha512),
        "1.2.840.10045.4.3.2" => by_ecdsa(signed, key, Hash::Sha256),
        "1.2.840.10045.4.3.3" => by_ecdsa(signed, key, Hash::Sha384),
        "1.2.840.10045.4.3.4" => by_ecdsa(signed, key, Hash::Sha512),
        // RSA-PSS and Ed25519: ring has both.
        "1.2.840.113549.1.1.10" | "1.3.101.112" => match verify_signature(key, signed.algorithm, signed.signature, signed.content) {
            Ok(()) => Signature::Sound,
            Err(_) if id.ends_with(".10") => Signature::Unknown("RSA-PSS".to_owned()),
            Err(_) => Signature::Broken,
        },
        _ => Signature::Unsupported(format!("the algorithm {id}")),
    }
}

/// The smallest RSA key that Go takes since 1.24 (`crypto/rsa`, `checkKeySize`).
const SMALLEST: usize = 1024;

fn by_rsa(signed: Signed<'_>, key: &SubjectPublicKeyInfo<'_>, hash: Hash) -> Signature {
    let Ok(PublicKey::RSA(parsed)) = key.parsed() else {
        return Signature::Unsupported("an RSA signature of a key that is no RSA key".to_owned());
    };
    let modulus = BigUint::from_bytes_be(parsed.modulus);
    let bits = modulus.bits();
    if bits < SMALLEST {
        return Signature::Unsupported(format!("an RSA key of {bits} bits"));
    }
    let Ok(public) = RsaPublicKey::new_with_max_size(modulus, BigUint::from_bytes_be(parsed.exponent), 16384) else {
        return Signature::Unknown(format!("an RSA key of {bits} bits"));
    };
    let scheme = Pkcs1v15Sign {
        hash_len: None,
        prefix: hash.prefix().into_boxed_slice(),
    };
    let verified = public.verify(scheme, &hash.of(signed.content), &signed.signature.data);
    verified.map_or(Signature::Broken, |()| Signature::Sound)
}

fn by_ecdsa(signed: Signed<'_>, key: &SubjectPublicKeyInfo<'_>, hash: Hash) -> Signature {
    let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let curve = curve.map(|curve| curve.to_id_string());
    let point = key.subject_public_key.data.as_ref();
    let mut digest = hash.of(signed.content);
    let signature = signed.signature.data.as_ref();
    let sound = match curve.as_deref() {
        Some("1.2.840.10045.3.1.7") => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .and_then(|key| key.verify_prehash(&digest, &p256::ecdsa::Signature::from_der(signature)?)),
        Some("1.3.132.0.34") => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .and_then(|key| key.verify_prehash(&digest, &p384::ecdsa::Signature::from_der(signature)?)),
        Some("1.3.132.0.35") => {
            // The crate refuses digests of less than half of the field's size; zeros in front change nothing.
            let zeros = 66_usize.saturating_sub(digest.len());
            digest.splice(0..0, std::iter::repeat_n(0, zeros));
            p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .and_then(|key| key.verify_prehash(&digest, &p521::ecdsa::Signature::from_der(signature)?))
        }
        Some("1.3.132.0.33") => return Signature::Unknown("a key on P-224".to_owned()),
        _ => return Signature::Unsupported("an ECDSA signature of a key on a curve that Go lacks".to_owned()),
    };
    sound.map_or(Signature::Broken, |()| Signature::Sound)
}
