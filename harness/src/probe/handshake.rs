//! The TLS handshake as seen by a client that presents no certificate.
//!
//! The only function is [`acceptable_authorities`].

use std::sync::{Arc, Mutex, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Endpoint;

/// The handshake was not completed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The server's address has no host or no port.
    #[error("the address '{0}' has no host and port")]
    Address(String),
    /// The TLS configuration cannot be made.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The connection broke.
    #[error("the handshake broke off")]
    Broken(#[from] std::io::Error),
}

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
    let wrong = || HandshakeError::Address(endpoint.url.clone());
    let uri: hyper::Uri = endpoint.url.parse().map_err(|_| wrong())?;
    let (host, port) = (uri.host().ok_or_else(wrong)?, uri.port_u16().ok_or_else(wrong)?);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
    let listening = Arc::new(Listening::default());
    let mut tls = crate::tls::client(&endpoint.authority, None)?;
    tls.client_auth_cert_resolver = listening.clone();
    let socket = TcpStream::connect((host, port)).await?;
    let _connected = TlsConnector::from(Arc::new(tls)).connect(name, socket).await?;
    let heard = listening.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(heard)
}
