//! Signatures that nobody should accept any more: ECDSA with SHA-1.
//!
//! The main type is [`Sha1Signer`].

use p256::SecretKey;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::signature::{Error, Keypair, Signer};
use p256::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use sha1::{Digest, Sha1};
use x509_cert::spki::{AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, ObjectIdentifier};

/// ecdsa-with-SHA1 (RFC 3279 §2.2.3).
const ECDSA_WITH_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

/// Signs with a key, over a SHA-1 hash.
pub(super) struct Sha1Signer(SigningKey);

impl Sha1Signer {
    pub(super) fn new(key: &SecretKey) -> Self {
        Self(SigningKey::from(key))
    }
}

impl Keypair for Sha1Signer {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        *self.0.verifying_key()
    }
}

impl DynSignatureAlgorithmIdentifier for Sha1Signer {
    fn signature_algorithm_identifier(&self) -> x509_cert::spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned {
            oid: ECDSA_WITH_SHA1,
            parameters: None,
        })
    }
}

impl Signer<DerSignature> for Sha1Signer {
    fn try_sign(&self, content: &[u8]) -> Result<DerSignature, Error> {
        let signature: Signature = self.0.sign_prehash(&Sha1::digest(content))?;
        Ok(signature.to_der())
    }
}
