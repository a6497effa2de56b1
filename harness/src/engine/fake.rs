//! A small engine for tests, with responses of the test's choice, on its own Unix socket. The main type is [`Fake`].

use std::convert::Infallible;
use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

/// A response of a fake engine.
pub(crate) type Answer = Response<Full<Bytes>>;

/// A fake engine that responds until it is dropped.
pub(crate) struct Fake {
    directory: tempfile::TempDir,
    serving: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// Starts a fake that responds to each request, named as `GET /path`, with its query and body, with the result of `handle`.
    pub(crate) fn start(handle: impl Fn(&str, &str) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let (directory, listener) = Self::listener();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let handle = handle.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let handle = handle.clone();
                    async move {
                        let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                        // Clients may put the API version before the path or leave it out.
                        let path = match target.strip_prefix("/v1.") {
                            Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned(),
                            None => target,
                        };
                        let name = format!("{} {path}", request.method());
                        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                        Ok::<_, Infallible>(handle(&name, &String::from_utf8_lossy(&body)))
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { directory, serving }
    }

    /// Starts a fake that sends `words` to every client, whatever it requests.
    pub(crate) fn saying(words: &'static [u8]) -> Self {
        let (directory, listener) = Self::listener();
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // A client that has closed the connection misses nothing.
                let _ = stream.write_all(words).await;
            }
        });
        Self { directory, serving }
    }

    fn listener() -> (tempfile::TempDir, UnixListener) {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("engine.sock")).unwrap();
        (directory, listener)
    }

    /// Returns the path of the socket.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("engine.sock")
    }

    /// Returns the engine's address.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path().display())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Builds a response with `body`.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

/// Responds to the requests by which an engine is identified; `None` for other requests.
pub(crate) fn introduction(name: &str, api: &str) -> Option<Answer> {
    let version = serde_json::json!({"Version": "99.0", "ApiVersion": api, "Arch": "amd64", "Os": "linux", "KernelVersion": "1.0"});
    match name {
        "GET /version" => Some(answer(200, &version.to_string())),
        "GET /info" => Some(answer(200, r#"{"OperatingSystem": "a test", "SecurityOptions": []}"#)),
        _ => None,
    }
}

/// Starts an engine that supports the API version `api` and has nothing.
pub(crate) fn engine(api: &'static str) -> Fake {
    Fake::start(move |name, _| introduction(name, api).unwrap_or_else(|| answer(404, r#"{"message": "page not found"}"#)))
}
