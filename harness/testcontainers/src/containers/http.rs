//! Small requests to servers of containers: one connection each, to 127.0.0.1.
//!
//! The main type is [`Origin`].

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::rt::{Read, Write};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::Error;

/// The limit for one request and its answer.
const LIMIT: Duration = Duration::from_secs(60);

/// The limit for the size of an answer.
const LARGEST: usize = 1 << 20;

/// A server on a port of 127.0.0.1.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub port: u16,
    /// `None` for HTTP.
    pub tls: Option<Arc<ClientConfig>>,
}

/// A status and a body.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Origin {
    /// Returns the address, `https://127.0.0.1:PORT` or `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Sends GET.
    pub async fn get(&self, path: &str) -> Result<Answer, Error> {
        self.send(Request::builder().method(Method::GET), path, String::new()).await
    }

    /// Sends a form with POST.
    pub async fn post(&self, path: &str, form: String) -> Result<Answer, Error> {
        let request = Request::builder().method(Method::POST);
        self.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), path, form)
            .await
    }

    async fn send(&self, request: hyper::http::request::Builder, path: &str, body: String) -> Result<Answer, Error> {
        let failed = |why: &dyn std::error::Error| Error::Request {
            url: format!("{}{path}", self.url()),
            why: with_causes(why),
        };
        let request = request
            .uri(path)
            .header(HOST, format!("127.0.0.1:{}", self.port))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| failed(&error))?;
        let exchange = async {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .map_err(|error| failed(&error))?;
            match &self.tls {
                None => exchange(TokioIo::new(stream), request).await.map_err(|error| failed(&*error)),
                Some(tls) => {
                    let name = ServerName::from(Ipv4Addr::LOCALHOST);
                    let stream = TlsConnector::from(Arc::clone(tls))
                        .connect(name, stream)
                        .await
                        .map_err(|error| failed(&error))?;
                    exchange(TokioIo::new(stream), request).await.map_err(|error| failed(&*error))
                }
            }
        };
        match tokio::time::timeout(LIMIT, exchange).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(failed(&elapsed)),
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(stream: impl Read + Write + Unpin + Send + 'static, request: Request<Full<Bytes>>) -> Result<Answer, Cause> {
    let (mut sender, connection) = http1::handshake(stream).await?;
    // It ends with the sender.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, LARGEST).collect().await?;
    Ok(Answer {
        status: head.status.as_u16(),
        body: body.to_bytes().to_vec(),
    })
}

/// Returns an error with all of its causes, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
