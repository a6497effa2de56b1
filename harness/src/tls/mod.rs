//! TLS from PEM: rustls configurations for our own servers and clients.
//!
//! The main functions are [`server`] and [`client`]; [`client_identity`] and [`kubectl`] do as kubectl does. Only HTTP/1.1 is offered: upgrades
//! (exec, attach, port-forward) need it, and one protocol is easier to watch than two.

mod identity;
pub(crate) mod kubectl;
mod private_key;
mod roots;
mod server_certificate;
mod signing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore, ServerConfig};

use crate::pki::Leaf;
pub use identity::{ClientIdentity, IdentityError, client_identity};
pub use kubectl::{Flaw, Judged, Trust};
pub(crate) use roots::Roots;
pub use server_certificate::ServerCertificate;

/// A certificate or key that cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text is not PEM, or not of the expected kind.
    #[error("no usable {what} in the PEM text")]
    Pem {
        /// The expected kind.
        what: &'static str,
        /// The cause.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The text contains no certificate.
    #[error("no certificate in the PEM text")]
    Empty,
    /// The authority cannot be used to verify certificates.
    #[error("cannot use the authority of callers")]
    Callers(#[from] rustls::client::VerifierBuilderError),
    /// rustls refuses it.
    #[error("cannot use the certificate or its key")]
    Refused(#[from] rustls::Error),
}

/// Chooses the cryptography provider for this process, unless one was chosen. Two can be compiled in by accident, and rustls then chooses
/// none on its own. The command does so first, and so does everything that starts or finds a lab.
pub fn choose_provider() {
    let _chosen_already = rustls::crypto::ring::default_provider().install_default();
}

/// Returns the certificates in `pem`, in order.
///
/// # Errors
/// The text contains no certificate, or one is not PEM.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|source| TlsError::Pem {
        what: "certificate",
        source,
    })?;
    if all.is_empty() { Err(TlsError::Empty) } else { Ok(all) }
}

/// Returns an HTTPS-only client that trusts the CAs in `authority`, PEM, or without it those of the system; it follows no
/// redirect, uses no proxy, and waits `patience` for a response.
///
/// # Errors
/// The text is not PEM.
pub fn https(authority: Option<&str>, patience: Duration) -> Result<reqwest::Client, reqwest::Error> {
    let mut http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .https_only(true)
        .timeout(patience);
    if let Some(authority) = authority {
        http = http.tls_certs_only(reqwest::Certificate::from_pem_bundle(authority.as_bytes())?);
    }
    http.build()
}

/// Returns the CAs in `pem`.
///
/// # Errors
/// The text contains none, or one is not a certificate.
pub fn roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// Returns a leaf's chain and key, as rustls takes them.
///
/// # Errors
/// Either is not PEM.
pub fn identity(leaf: &Leaf) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let key = PrivateKeyDer::from_pem_slice(leaf.key.expose().as_bytes()).map_err(|source| TlsError::Pem {
        what: "private key",
        source,
    })?;
    Ok((certificates(&leaf.full_chain())?, key))
}

/// Returns a server that presents `leaf` and asks for no client certificate.
///
/// # Errors
/// The leaf cannot be used.
pub fn server(leaf: &Leaf) -> Result<ServerConfig, TlsError> {
    let (chain, key) = identity(leaf)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Returns a server that presents `leaf` and refuses callers without a client certificate of the CAs in `callers`, PEM.
///
/// # Errors
/// An authority or the leaf cannot be used.
pub fn server_for(leaf: &Leaf, callers: &str) -> Result<ServerConfig, TlsError> {
    let (chain, key) = identity(leaf)?;
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(callers)?)).build()?;
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Returns a client that trusts only the CAs in `pem`, and presents `leaf`, if given.
///
/// # Errors
/// An authority or the leaf cannot be used.
pub fn client(pem: &str, leaf: Option<&Leaf>) -> Result<ClientConfig, TlsError> {
    let trusting = ClientConfig::builder().with_root_certificates(roots(pem)?);
    let mut config = match leaf {
        Some(leaf) => {
            let (chain, key) = identity(leaf)?;
            let shown = CertifiedKey::new(chain, rustls::crypto::ring::sign::any_supported_type(&key)?);
            // A certificate of version 1, as openssl makes one by default, cannot be inspected here; servers accept it.
            if let Err(mismatch @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = shown.keys_match() {
                return Err(mismatch.into());
            }
            trusting.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
        }
        None => trusting.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
