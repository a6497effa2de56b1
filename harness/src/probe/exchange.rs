//! One connection for one request: connecting, sending, reading the response.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;

use super::dial::{Unconnected as Failure, dial};
use super::failure::{Failure as Typed, Progress, Stage};
use super::watch::Connection;
use super::{Endpoint, Question, Watch};
use crate::credential::Presentation;
use crate::event::Verdict;
use crate::tls::ServerCertificate;

/// The largest body that is read; API servers' own are far smaller.
const LARGEST: usize = 64 << 20;

/// The way in which the answer's body is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Immediately, to its end.
    Whole,
    /// By the caller, piece by piece, unless it is a refusal.
    AsItComes,
}

/// A response that was read.
pub(super) struct Exchanged {
    /// Its status.
    pub(super) status: u16,
    /// Its headers, in order.
    pub(super) headers: Vec<(String, String)>,
    /// Its body; empty for a stream.
    pub(super) text: String,
}

/// An open connection that has carried no request yet.
pub(super) struct Connected {
    authority: String,
    /// The path that precedes that of the request.
    path: String,
    sender: SendRequest<Full<Bytes>>,
    connection: Connection,
    /// The server's certificate, if it was looked at.
    pub(super) certificate: Option<ServerCertificate>,
    /// The duration of connecting.
    pub(super) took: Duration,
}

/// Connects to `endpoint`, with the certificate of `presentation`.
pub(super) async fn connect(endpoint: &Endpoint, presentation: &Presentation, progress: &Progress) -> Result<Connected, Failure> {
    let began = Instant::now();
    let dialled = dial(endpoint, presentation.certificate.as_ref(), progress, |_| {}).await?;
    progress.at(Stage::Request);
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(dialled.stream)).await?;
    let (authority, path) = match &endpoint.route {
        Some(route) => (route.given.clone(), route.path.clone()),
        None => {
            let uri: hyper::Uri = endpoint.url.parse()?;
            (uri.authority().ok_or("the address has no host")?.to_string(), String::new())
        }
    };
    Ok(Connected {
        authority,
        path,
        sender,
        connection: Connection(tokio::spawn(connection.with_upgrades())),
        certificate: dialled.certificate,
        took: began.elapsed(),
    })
}

impl Connected {
    /// Asks `question`, with the headers of `presentation`.
    pub(super) async fn exchange(
        self,
        presentation: &Presentation,
        question: &Question,
        reading: Reading,
    ) -> Result<(Exchanged, Option<Watch>), Failure> {
        let Self {
            authority,
            path,
            sender,
            mut connection,
            ..
        } = self;
        let mut request = hyper::Request::builder()
            .method(question.method.clone())
            .uri(path + &question.path)
            .header("Host", authority.as_str())
            .header("User-Agent", "authlab");
        if !question.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Accept")) {
            request = request.header("Accept", "application/json");
        }
        for (name, value) in &presentation.headers {
            request = request.header(name, value.expose());
        }
        for (name, value) in &question.headers {
            request = request.header(name, value);
        }
        let body = match &question.body {
            Some(body) => {
                request = request.header("Content-Type", "application/json");
                Full::new(Bytes::from(body.to_string()))
            }
            None => Full::default(),
        };
        let answer = send(sender, &mut connection, request.body(body)?).await?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        if reading == Reading::AsItComes && Verdict::of_status(status) == Verdict::Accepted {
            let watch = if status == 101 {
                Watch::over_web_socket(hyper::upgrade::on(answer).await?, connection).await
            } else {
                Watch::new(answer.into_body(), connection)
            };
            return Ok((
                Exchanged {
                    status,
                    headers,
                    text: String::new(),
                },
                Some(watch),
            ));
        }
        let bytes = whole(answer.into_body(), LARGEST).await?;
        Ok((
            Exchanged {
                status,
                headers,
                text: String::from_utf8_lossy(&bytes).into_owned(),
            },
            None,
        ))
    }
}

/// Reads a body of at most `limit` bytes.
async fn whole<B>(body: B, limit: usize) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes, Error: Into<Failure>>,
{
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Typed::TooLarge { limit }.into()),
        Err(error) => Err(error),
    }
}

/// Sends `request` and waits for the response, or for the connection's end.
async fn send(
    mut sender: SendRequest<Full<Bytes>>,
    connection: &mut Connection,
    request: hyper::Request<Full<Bytes>>,
) -> Result<hyper::Response<Incoming>, Failure> {
    let (answer, ended) = {
        let mut sent = pin!(sender.send_request(request));
        tokio::select! {
            biased;
            answer = &mut sent => (Some(answer), None),
            // A request that is handed over while the connection ends is lost without a notice to the caller that waits for its response.
            why = connection.failure() => (sent.now_or_never(), Some(why)),
        }
    };
    match (answer, ended) {
        (Some(Ok(answer)), _) => Ok(answer),
        // The connection has the better reason for its end, such as a TLS alert (RFC 8446 §4.4.2 lets it come this late).
        (Some(Err(error)), None) => {
            drop(sender);
            Err(connection.failure().await.unwrap_or(error).into())
        }
        (answer, ended) => match ended.flatten().or(answer.and_then(Result::err)) {
            Some(error) => Err(error.into()),
            None => Err("the connection ended without an answer".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let body = || Full::new(Bytes::from_static(b"0123456789"));
        assert_eq!(whole(body(), 10).await.unwrap(), "0123456789");
        let error = whole(body(), 9).await.unwrap_err();
        assert_eq!(Typed::of(&*error, Stage::Request), Typed::TooLarge { limit: 9 });
        assert_eq!(Typed::TooLarge { limit: LARGEST }.to_string(), "the answer is larger than 64 MiB");
    }
}
