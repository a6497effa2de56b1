//! A client certificate with its key, read as Go reads them (`crypto/tls` `X509KeyPair`), which is how kubectl reads them.
//!
//! The main function is [`client_identity`].

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::private_key::{PrivateKey, PublicKey, Unread};
use crate::pem::{self, Block, CERTIFICATE};
use crate::secret::Secret;

/// The end of every label of a private key.
const KEY: &str = "PRIVATE KEY";

/// A client certificate with its key.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    pub(super) certified: Arc<CertifiedKey>,
    kind: String,
}

impl ClientIdentity {
    /// Returns a description of the key: `RSA key of 8192 bits`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// The reason for which a client certificate and a key cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is no certificate.
    #[error("the client certificate contains no block CERTIFICATE")]
    NoCertificate {
        /// The labels of the blocks that are there.
        labels: Vec<String>,
    },
    /// The first certificate is not one.
    #[error("the first block of the client certificate is not a certificate")]
    UnreadableCertificate,
    /// There is no key.
    #[error("the client key contains no block PRIVATE KEY")]
    NoKey {
        /// The labels of the blocks that are there.
        labels: Vec<String>,
    },
    /// The key is encrypted.
    #[error("the client key is encrypted")]
    Encrypted,
    /// The key is in no form that Go reads.
    #[error("the block {label} of the client key is not a private key that Go reads")]
    UnreadableKey {
        /// Its label.
        label: String,
    },
    /// The key cannot sign.
    #[error("the client key is for key agreement, and cannot sign")]
    NoSigner,
    /// Go's TLS does not know the kind of the certificate's key.
    #[error("the certificate's public key is of a kind that TLS does not use")]
    UnknownPublicKey,
    /// The key is that of another certificate.
    #[error("the client key does not belong to the first client certificate, {first}")]
    Mismatch {
        /// The subject of the first certificate.
        first: String,
        /// The number of the certificate in the same text that it belongs to, from 1, and that one's subject.
        belongs_to: Option<(usize, String)>,
        /// `true` if both are of one kind.
        same_kind: bool,
    },
    /// TLS has no signature of its curve.
    #[error("TLS has no signature of a {kind}")]
    UnsupportedCurve {
        /// The kind of the key.
        kind: String,
    },
    /// The TLS of this program cannot sign with it.
    #[error("the TLS library of authlab cannot sign with a {kind}")]
    CannotSign {
        /// The kind of the key.
        kind: String,
    },
}

impl IdentityError {
    /// Returns what kubectl says, which is what Go's `X509KeyPair` returns; `None` where kubectl goes on.
    #[must_use]
    pub fn go_says(&self) -> Option<String> {
        let skipping = |what: &str, labels: &[String]| {
            format!(
                "tls: failed to find {what} after skipping PEM blocks of the following types: [{}]",
                labels.join(" ")
            )
        };
        Some(match self {
            Self::NoCertificate { labels } => match labels.as_slice() {
                [] => "tls: failed to find any PEM data in certificate input".to_owned(),
                [one] if one.ends_with(KEY) => {
                    "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".to_owned()
                }
                labels => skipping("\"CERTIFICATE\" PEM block in certificate input", labels),
            },
            Self::NoKey { labels } => match labels.as_slice() {
                [] => "tls: failed to find any PEM data in key input".to_owned(),
                [one] if one == CERTIFICATE => "tls: found a certificate rather than a key in the PEM for the private key".to_owned(),
                labels => skipping("PEM block with type ending in \"PRIVATE KEY\" in key input", labels),
            },
            Self::UnreadableCertificate => "x509: malformed certificate".to_owned(),
            Self::Encrypted | Self::UnreadableKey { .. } => "tls: failed to parse private key".to_owned(),
            Self::NoSigner => "tls: found unknown private key type in PKCS#8 wrapping".to_owned(),
            Self::UnknownPublicKey => "tls: unknown public key algorithm".to_owned(),
            Self::Mismatch { same_kind: true, .. } => "tls: private key does not match public key".to_owned(),
            Self::Mismatch { same_kind: false, .. } => "tls: private key type does not match public key type".to_owned(),
            Self::UnsupportedCurve { kind } => format!("tls: unsupported certificate curve ({})", kind.trim_end_matches(" key")),
            Self::CannotSign { .. } => return None,
        })
    }
}

/// Reads a client certificate, followed by its intermediates, and its key, both PEM. Other blocks may stand between them, also in one text
/// for both; of several keys, the first one counts.
///
/// # Errors
/// kubectl does not take them, or this program cannot sign with the key ([`IdentityError::CannotSign`]).
pub fn client_identity(certificate: &str, key: &Secret) -> Result<ClientIdentity, IdentityError> {
    let (chain, others): (Vec<Block>, Vec<Block>) = pem::blocks_of_go(certificate)
        .into_iter()
        .partition(|block| block.label == CERTIFICATE);
    let Some(first) = chain.first() else {
        return Err(IdentityError::NoCertificate { labels: labels(others) });
    };
    let blocks = pem::blocks_of_go(key.expose());
    let Some(block) = blocks
        .iter()
        .find(|block| block.label == KEY || block.label.ends_with(" PRIVATE KEY"))
    else {
        return Err(IdentityError::NoKey { labels: labels(blocks) });
    };
    let leaf = read(first).ok_or(IdentityError::UnreadableCertificate)?;
    let key = PrivateKey::read(&block.contents).map_err(|unread| match unread {
        _ if block.label.starts_with("ENCRYPTED ") || block.headers.iter().any(|header| header.contains("ENCRYPTED")) => {
            IdentityError::Encrypted
        }
        Unread::Unknown => IdentityError::UnreadableKey {
            label: block.label.clone(),
        },
        Unread::NoSigner => IdentityError::NoSigner,
    })?;
    let own = key.public().ok_or_else(|| IdentityError::UnreadableKey {
        label: block.label.clone(),
    })?;
    let named = PublicKey::of(leaf.public_key()).ok_or(IdentityError::UnknownPublicKey)?;
    let cannot = || IdentityError::CannotSign { kind: key.kind() };
    if matches!(own, PublicKey::Ec(_, None)) && own.is_like(&named) {
        return Err(IdentityError::UnsupportedCurve { kind: key.kind() });
    }
    if own != named {
        let belongs_to = chain.iter().enumerate().skip(1).find_map(|(index, block)| {
            let other = read(block)?;
            (PublicKey::of(other.public_key())? == own).then(|| (index + 1, other.subject().to_string()))
        });
        return Err(IdentityError::Mismatch {
            first: leaf.subject().to_string(),
            belongs_to,
            same_kind: own.is_like(&named),
        });
    }
    let signing = key.signing().ok_or_else(cannot)?;
    let chain = chain.into_iter().map(|block| CertificateDer::from(block.contents)).collect();
    Ok(ClientIdentity {
        certified: Arc::new(CertifiedKey::new(chain, signing)),
        kind: key.kind(),
    })
}

fn labels(blocks: Vec<Block>) -> Vec<String> {
    blocks.into_iter().map(|block| block.label).collect()
}

fn read(block: &Block) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(&block.contents).ok()?;
    rest.is_empty().then_some(certificate)
}
