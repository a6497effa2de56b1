//! One connection for many requests (HTTP/2, RFC 9113), and whether a server keeps it open.
//!
//! The main type is [`Http2`].

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{Endpoint, Gate, Question};
use crate::credential::{Credential, Presentation};

/// An HTTP/2 connection that presents a credential. Dropping it closes it.
#[derive(Debug)]
pub struct Http2 {
    authority: String,
    gate: std::path::PathBuf,
    presentation: Presentation,
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

/// The reason for a missing response over HTTP/2.
pub type Http2Error = Box<dyn std::error::Error + Send + Sync>;

impl Http2 {
    /// Connects to `endpoint`, to present `credential`.
    ///
    /// # Errors
    /// The connection cannot be made.
    pub async fn connect(endpoint: &Endpoint, credential: &Credential) -> Result<Self, Http2Error> {
        let uri: hyper::Uri = endpoint.url.parse()?;
        let authority = uri.authority().ok_or("the address has no host")?.clone();
        let socket = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(443))).await?;
        let name = ServerName::try_from(authority.host().to_owned())?;
        let presentation = credential.presentation();
        let mut tls = crate::tls::client(&endpoint.authority, presentation.certificate.as_ref())?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, socket).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err("the server does not speak HTTP/2".into());
        }
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        Ok(Self {
            authority: authority.to_string(),
            gate: endpoint.server.gate.clone(),
            presentation,
            sender,
            connection: tokio::spawn(connection),
        })
    }

    /// Asks `question`; returns the status of the response once all of it has been read.
    ///
    /// # Errors
    /// There is no response.
    pub async fn ask(&mut self, question: &Question) -> Result<u16, Http2Error> {
        // Another reader of the log must not mistake its refusal for that of another request.
        let _gate = Gate::enter(&self.gate).await;
        let body = question.body.as_ref().map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = hyper::Request::builder()
            .method(question.method.clone())
            .uri(format!("https://{}{}", self.authority, question.path))
            .header("Accept", "application/json")
            .header("Content-Type", "application/json");
        for (name, value) in &self.presentation.headers {
            request = request.header(name, value.expose());
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok(status)
    }

    /// Returns `true` if the connection has ended: the server ends it by GOAWAY (RFC 9113 §6.8).
    pub fn has_ended(&self) -> bool {
        self.connection.is_finished()
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
