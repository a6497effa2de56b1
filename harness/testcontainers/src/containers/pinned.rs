//! TLS with servers of containers: one expected certificate, or an authority and a client certificate.
//!
//! The main functions are [`expecting`] and [`authenticated`].

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier};

use super::error::Error;

fn wrong(of: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Error {
    move |why| Error::Tls { of, why: why.to_string() }
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    // Named, so that it does not matter which providers a program has.
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("TLS library")(&error))
}

/// Returns a client that takes exactly the first certificate of `pem`: the one that its own container serves with.
pub(super) fn expecting(pem: &str) -> Result<ClientConfig, Error> {
    let expected = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| wrong("certificate")(&error))?;
    let provider = ring::default_provider();
    let verifier = Arc::new(Expecting { expected, provider });
    Ok(builder()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Returns a client that trusts the authorities in `roots`, and presents `certificate` with `key`; all PEM.
pub(super) fn authenticated(roots: &[u8], certificate: &[u8], key: &[u8]) -> Result<ClientConfig, Error> {
    let certificates = |of: &'static str, pem: &[u8]| {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        read.map_err(|error| wrong(of)(&error))
    };
    let mut store = RootCertStore::empty();
    for root in certificates("authority", roots)? {
        store.add(root).map_err(|error| wrong("authority")(&error))?;
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("key of the client")(&error))?;
    builder()?
        .with_root_certificates(store)
        .with_client_auth_cert(certificates("certificate of the client", certificate)?, key)
        .map_err(|error| wrong("certificate of the client")(&error))
}

/// Takes one certificate and no other. It stays true that the server has to have its key.
#[derive(Debug)]
struct Expecting {
    expected: CertificateDer<'static>,
    provider: CryptoProvider,
}

impl ServerCertVerifier for Expecting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
