//! The TLS handshake as seen by a client that presents no certificate.
//!
//! The only function is [`acceptable_authorities`].

use std::sync::{Arc, Mutex, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::Endpoint;
use super::dial::{Unconnected, dial};
use super::failure::{Failure, Progress};
use super::route::LIMIT;

/// The handshake was not completed.
#[derive(Debug, thiserror::Error)]
#[error("the handshake broke off")]
pub struct HandshakeError(#[source] Unconnected);

/// Presents no client certificate; records which CAs the server accepts.
#[derive(Debug, Default)]
struct Listening(Mutex<Vec<Vec<u8>>>);

impl ResolvesClientCert for Listening {
    fn resolve(&self, authorities: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = authorities.iter().map(|name| name.to_vec()).collect();
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Returns the names of the CAs whose client certificates the server at `endpoint` accepts, DER, as the server sends them
/// (RFC 8446 §4.2.4). Presents no certificate.
///
/// # Errors
/// The handshake was not completed.
pub async fn acceptable_authorities(endpoint: &Endpoint) -> Result<Vec<Vec<u8>>, HandshakeError> {
    let listening = Arc::new(Listening::default());
    let listen = |tls: &mut rustls::ClientConfig| tls.client_auth_cert_resolver = listening.clone();
    let (progress, limit) = (Progress::default(), endpoint.route.as_ref().map_or(LIMIT, |route| route.limit));
    let connected = tokio::time::timeout(limit, dial(endpoint, None, &progress, listen)).await;
    let late = |_| {
        let stage = progress.stage();
        HandshakeError(Failure::TimedOut { stage, limit }.into())
    };
    let _connected = connected.map_err(late)?.map_err(HandshakeError)?;
    let heard = listening.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(heard)
}
