//! The loopback address that a login page returns to (RFC 8252 §7.3), and the one page that is shown there.
//!
//! The main type is [`Redirect`]. Who comes without the state of this login is answered, and otherwise ignored: otherwise
//! any page in the browser could end the login.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use maud::{DOCTYPE, html};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::secret::Secret;

/// How long the browser may take to read the last page.
const LAST_PAGE: Duration = Duration::from_secs(5);

const PATH: &str = "/callback";

/// A login page's way back.
pub(super) struct Redirect {
    port: u16,
    came: mpsc::Receiver<Returned>,
    connections: JoinHandle<()>,
    done: Option<oneshot::Sender<()>>,
}

/// Somebody came back from the login page, with the right state.
pub(super) struct Returned {
    /// With what.
    pub(super) came: Came,
    /// Takes what went wrong afterwards, or nothing: the page waits for it.
    pub(super) page: oneshot::Sender<Option<String>>,
}

/// With what somebody came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A code (RFC 6749 §4.1.2).
    Code(Secret),
    /// A refusal (RFC 6749 §4.1.2.1).
    Refused {
        /// The protocol's word.
        code: String,
        /// The issuer's words.
        description: Option<String>,
    },
}

impl Redirect {
    /// Listens on loopback, on a port that is free, for who has `state`.
    pub(super) async fn listen(state: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (sender, came) = mpsc::channel(1);
        let (done, ended) = oneshot::channel();
        let state: Arc<str> = state.into();
        let connections = tokio::spawn(async move {
            let mut open = JoinSet::new();
            let mut ended = ended;
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                        open.spawn(serve(socket, state.clone(), sender.clone()));
                    },
                    _ = &mut ended => break,
                }
            }
            drop(listener);
            // Browsers open connections for what may come: only those that are answered end by themselves.
            let _ = tokio::time::timeout(LAST_PAGE, open.join_next()).await;
        });
        Ok(Self {
            port,
            came,
            connections,
            done: Some(done),
        })
    }

    /// The address. Not `localhost`, which may be another machine's (RFC 8252 §8.3).
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for who comes back.
    pub(super) async fn returned(&mut self) -> Option<Returned> {
        self.came.recv().await
    }

    /// Stops listening once the last page was read.
    pub(super) async fn finish(mut self) {
        if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
        let _ = tokio::time::timeout(LAST_PAGE, &mut self.connections).await;
    }
}

impl Drop for Redirect {
    fn drop(&mut self) {
        self.connections.abort();
    }
}

async fn serve(socket: TcpStream, state: Arc<str>, sender: mpsc::Sender<Returned>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (state, sender) = (state.clone(), sender.clone());
        async move { Ok::<_, Infallible>(respond(&request, &state, &sender).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let _ = http.keep_alive(false).serve_connection(TokioIo::new(socket), answer).await;
}

async fn respond<B>(request: &Request<B>, state: &str, sender: &mpsc::Sender<Returned>) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return page(
            StatusCode::NOT_FOUND,
            "Nothing is here",
            "Only the login page returns here, to another address.",
        );
    }
    let came = match read(request.uri().query().unwrap_or_default(), state) {
        Ok(came) => came,
        Err(why) => return page(StatusCode::BAD_REQUEST, "This is not the login that was begun", why),
    };
    let (tell, told) = oneshot::channel();
    if sender.send(Returned { came, page: tell }).await.is_err() {
        return page(StatusCode::GONE, "This login is over", "Begin again in the terminal.");
    }
    match told.await {
        Ok(None) => page(
            StatusCode::OK,
            "You are logged in",
            "You can close this page and go back to the terminal.",
        ),
        Ok(Some(why)) => page(StatusCode::OK, "You are not logged in", &why),
        Err(_) => page(StatusCode::GONE, "This login is over", "Begin again in the terminal."),
    }
}

/// What the query says, if it has the right state.
fn read(query: &str, state: &str) -> Result<Came, &'static str> {
    let url = reqwest::Url::parse(&format!("http://127.0.0.1/?{query}")).map_err(|_| "Its address cannot be read.")?;
    let value = |wanted: &str| {
        let mut all = url
            .query_pairs()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned());
        // Twice is no parameter (RFC 6749 §3.1).
        all.next().filter(|_| all.next().is_none())
    };
    if value("state").as_deref() != Some(state) {
        return Err("Its state is not the one of the login that waits in the terminal, so it is ignored.");
    }
    if let Some(code) = value("error") {
        let description = value("error_description");
        return Ok(Came::Refused { code, description });
    }
    let code = value("code").ok_or("It has neither a code nor an error.")?;
    Ok(Came::Code(Secret::new(code)))
}

fn page(status: StatusCode, title: &str, text: &str) -> Response<Full<Bytes>> {
    let text = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}" }
            }
            body { h1 { (title) } p { (text) } }
        }
    };
    let mut response = Response::new(Full::from(text.into_string()));
    *response.status_mut() = status;
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        // The address has the code in it: nobody is to see it from here.
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_state_is_heard() {
        assert_eq!(read("state=s&code=c", "s"), Ok(Came::Code(Secret::new("c"))));
        assert!(read("state=other&code=c", "s").is_err());
        assert!(read("code=c", "s").is_err());
        assert!(read("state=s&state=s&code=c", "s").is_err());
        assert!(read("state=s", "s").is_err());
        let refused = read("state=s&error=access_denied&error_description=User+denied", "s");
        let expected = Came::Refused {
            code: "access_denied".to_owned(),
            description: Some("User denied".to_owned()),
        };
        assert_eq!(refused, Ok(expected));
    }

    #[tokio::test]
    async fn a_stranger_is_answered_and_the_login_goes_on() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut redirect = Redirect::listen("right").await.expect("a port is free");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ask = async |query: &str| {
            let answer = http.get(format!("{}?{query}", redirect.url())).send().await.expect("it answers");
            (answer.status().as_u16(), answer.text().await.expect("a page"))
        };
        let (status, text) = ask("state=wrong&error=access_denied").await;
        assert_eq!(status, 400);
        assert!(text.contains("is ignored"), "{text}");
        let address = format!("{}?state=right&code=<b>", redirect.url());
        let asked = tokio::spawn(async move { http.get(address).send().await.expect("it answers").text().await });
        let returned = redirect.returned().await.expect("somebody came");
        assert_eq!(returned.came, Came::Code(Secret::new("<b>")));
        returned.page.send(Some("a <script>".to_owned())).expect("the page waits");
        redirect.finish().await;
        let text = asked.await.expect("it was asked").expect("a page");
        assert!(
            text.contains("You are not logged in") && text.contains("a &lt;script&gt;"),
            "{text}"
        );
    }
}
