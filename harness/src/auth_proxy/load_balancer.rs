//! A load balancer that ends TLS: it speaks TLS with its clients and with the API server, and passes on what is inside.
//!
//! The main type is [`LoadBalancer`]. It authenticates nobody: it asks its clients for no certificate and presents none to the API
//! server, as load balancers do that know nothing of Kubernetes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{AuthProxyError, Backend};
use crate::listener::{Accepted, Limits, Listener, Listening, relay};
use crate::pki::Leaf;

/// A running load balancer on loopback. Dropping it closes its port and all its connections.
#[derive(Debug)]
pub struct LoadBalancer(Listening);

impl LoadBalancer {
    /// Starts one in front of `backend`, with the serving certificate `leaf`.
    ///
    /// # Errors
    /// No port is free, the backend has no HTTPS address, or a certificate cannot be used.
    pub async fn start(leaf: &Leaf, backend: &Backend) -> Result<Self, AuthProxyError> {
        let unusable = |what| move |source| AuthProxyError::Certificate { what, source };
        let no_address = || AuthProxyError::Backend { url: backend.url.clone() };
        let server = crate::tls::server(leaf).map_err(unusable("serving certificate"))?;
        let client = crate::tls::client(&backend.authority, None).map_err(unusable("API server's authority"))?;
        let (acceptor, connector) = (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)));
        let (host, port) = backend.host_and_port().ok_or_else(no_address)?;
        let name = ServerName::try_from(host.clone()).map_err(|_| no_address())?;

        let listener = Listener::bind(Ipv4Addr::LOCALHOST).await.map_err(AuthProxyError::Listen)?;
        Ok(Self(listener.accept(move |accepted| {
            let (acceptor, connector, name) = (acceptor.clone(), connector.clone(), name.clone());
            pass_on(accepted, acceptor, connector, name, (host.clone(), port))
        })))
    }

    /// Returns its address, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.0.address())
    }
}

/// Passes on what one client says. A side that cannot be spoken with ends the connection, which the other one notices.
async fn pass_on(accepted: Accepted, acceptor: TlsAcceptor, connector: TlsConnector, name: ServerName<'static>, backend: (String, u16)) {
    let Ok(client) = acceptor.accept(accepted.stream).await else {
        return;
    };
    let Ok(stream) = TcpStream::connect(backend).await else {
        return;
    };
    let Ok(server) = connector.connect(name, stream).await else {
        return;
    };
    let _ended = relay(client, server, &accepted.activity, Limits::default().silence).await;
}
