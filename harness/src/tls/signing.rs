//! Client keys that ring does not take, and that Go and every API server do: P-521, and RSA of any size.
//!
//! The main types are [`P521`] and [`Rsa`]. They sign for this machine's own user only, so the timing of the `rsa` crate is no concern.

use std::fmt;
use std::sync::Arc;

use p521::ecdsa::signature::Signer as _;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// A P-521 key.
#[derive(Clone)]
pub(super) struct P521(p521::ecdsa::SigningKey);

impl P521 {
    /// Returns the key of a secret number.
    pub(super) fn new(number: &[u8]) -> Option<Self> {
        p521::ecdsa::SigningKey::from_slice(number).ok().map(Self)
    }
}

impl fmt::Debug for P521 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P521")
    }
}

impl SigningKey for P521 {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let known = offered.contains(&SignatureScheme::ECDSA_NISTP521_SHA512);
        known.then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for P521 {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: p521::ecdsa::Signature = self.0.try_sign(message).map_err(|_| no("P-521"))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP521_SHA512
    }
}

/// An RSA key.
#[derive(Clone)]
pub(super) struct Rsa(Arc<rsa::RsaPrivateKey>);

/// The schemes of RSA keys, each with the smallest modulus for it, in bytes (Go's `crypto/tls` `rsaSignatureSchemes`).
const RSA_SCHEMES: [(SignatureScheme, usize); 6] = [
    (SignatureScheme::RSA_PSS_SHA256, 2 * 32 + 2),
    (SignatureScheme::RSA_PSS_SHA384, 2 * 48 + 2),
    (SignatureScheme::RSA_PSS_SHA512, 2 * 64 + 2),
    (SignatureScheme::RSA_PKCS1_SHA256, 19 + 32 + 11),
    (SignatureScheme::RSA_PKCS1_SHA384, 19 + 48 + 11),
    (SignatureScheme::RSA_PKCS1_SHA512, 19 + 64 + 11),
];

impl Rsa {
    /// Returns the key.
    pub(super) fn new(key: rsa::RsaPrivateKey) -> Self {
        Self(Arc::new(key))
    }
}

impl fmt::Debug for Rsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rsa")
    }
}

impl SigningKey for Rsa {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let fits = |(scheme, smallest): &&(SignatureScheme, usize)| offered.contains(scheme) && self.0.size() >= *smallest;
        let (scheme, _) = RSA_SCHEMES.iter().find(fits)?;
        Some(Box::new(RsaSigner {
            key: self.clone(),
            scheme: *scheme,
        }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

/// An RSA key with a chosen scheme.
#[derive(Debug)]
struct RsaSigner {
    key: Rsa,
    scheme: SignatureScheme,
}

impl Signer for RsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let (key, mut random) = (&self.key.0, rand::thread_rng());
        let signed = match self.scheme {
            SignatureScheme::RSA_PSS_SHA256 => key.sign_with_rng(&mut random, Pss::new::<Sha256>(), &Sha256::digest(message)),
            SignatureScheme::RSA_PSS_SHA384 => key.sign_with_rng(&mut random, Pss::new::<Sha384>(), &Sha384::digest(message)),
            SignatureScheme::RSA_PSS_SHA512 => key.sign_with_rng(&mut random, Pss::new::<Sha512>(), &Sha512::digest(message)),
            SignatureScheme::RSA_PKCS1_SHA256 => key.sign_with_rng(&mut random, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)),
            SignatureScheme::RSA_PKCS1_SHA384 => key.sign_with_rng(&mut random, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)),
            _ => key.sign_with_rng(&mut random, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)),
        };
        signed.map_err(|_| no("RSA"))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

fn no(kind: &str) -> Error {
    Error::General(format!("cannot sign with the {kind} key"))
}
