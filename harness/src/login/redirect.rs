//! The loopback address that a login page returns to (RFC 8252 §7.3), the one page that is shown there, and the redirect from there to
//! the login page.
//!
//! The main type is [`Redirect`]. A request without the state of this login, from another user of the machine or for another site gets
//! a response and is otherwise ignored: else, anyone could end the login or replace it by one of their own.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};
use maud::html;
use tokio::sync::{mpsc, oneshot};

use super::return_address::ReturnAddress;
use crate::listener::{Listener, Listening, answer};
use crate::loopback::{is_asked_directly, is_from_this_user};
use crate::secret::Secret;

/// The time limit for the browser to read the last page.
const LAST_PAGE: Duration = Duration::from_secs(5);

/// The listener that a login page returns to.
pub(super) struct Redirect {
    address: ReturnAddress,
    login: Arc<Login>,
    came: mpsc::Receiver<Returned>,
    listening: Listening,
}

/// The login in progress.
struct Login {
    state: String,
    /// The path that leads to the login page once: a second request is not from the browser that was opened for it.
    start: String,
    was_opened: AtomicBool,
    page: OnceLock<HeaderValue>,
}

/// A request that returned from the login page, with the right state.
pub(super) struct Returned {
    /// The parameters it carried.
    pub(super) came: Came,
    /// Takes the later error, or `None`: the page waits for it.
    pub(super) page: oneshot::Sender<Option<String>>,
}

/// The result that the login page sent back.
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
    /// Listens at `address` for requests with `state`, and for the browser's first request, which has `start`.
    pub(super) async fn listen(address: ReturnAddress, state: &str, start: &str) -> io::Result<Self> {
        let listener = Listener::bind_to((Ipv4Addr::LOCALHOST, address.port())).await?;
        let here = listener.address();
        let (sender, came) = mpsc::channel(1);
        let login = Arc::new(Login {
            state: state.to_owned(),
            start: format!("/{start}"),
            was_opened: AtomicBool::new(false),
            page: OnceLock::new(),
        });
        let (waiting, returns_to) = (login.clone(), address.clone());
        let listening = listener.serve(None, move |request, connection| {
            let (login, returns_to, sender) = (waiting.clone(), returns_to.clone(), sender.clone());
            let may_ask = is_from_this_user(here, connection.peer()) && is_asked_directly(&request);
            async move {
                Ok::<_, Infallible>(if may_ask {
                    respond(&request, &login, &returns_to, &sender).await
                } else {
                    refuse()
                })
            }
        });
        Ok(Self {
            address,
            login,
            came,
            listening,
        })
    }

    /// Returns the address.
    pub(super) fn url(&self) -> String {
        self.address.url(self.listening.address().port())
    }

    /// Returns an address that leads to `page` once, and reveals nothing about it.
    pub(super) fn lead_to(&self, page: &reqwest::Url) -> String {
        if let Ok(page) = HeaderValue::from_str(page.as_str()) {
            let _ = self.login.page.set(page);
        }
        format!("http://127.0.0.1:{}{}", self.listening.address().port(), self.login.start)
    }

    /// Waits for the request that returns from the login page.
    pub(super) async fn returned(&mut self) -> Option<Returned> {
        self.came.recv().await
    }

    /// Stops listening once the last page was read.
    pub(super) async fn finish(self) {
        let Self { came, listening, .. } = self;
        // Another waiting page learns that this login is over.
        drop(came);
        listening.finish(LAST_PAGE).await;
    }
}

/// Returns the response to another user of the machine, or to another site.
fn refuse() -> Response<Full<Bytes>> {
    page(
        StatusCode::FORBIDDEN,
        "This is the login of another user",
        "Only a browser of the user who logs in, on this machine, gets an answer here.",
    )
}

async fn respond<B>(
    request: &Request<B>,
    login: &Login,
    returns_to: &ReturnAddress,
    sender: &mpsc::Sender<Returned>,
) -> Response<Full<Bytes>> {
    if request.uri().path() == login.start {
        return lead(login);
    }
    if !returns_to.is_path(request.uri().path()) {
        return page(
            StatusCode::NOT_FOUND,
            "This page does not exist",
            "Only the login page returns to this server, at another address.",
        );
    }
    let came = match read(request.uri().query().unwrap_or_default(), &login.state) {
        Ok(came) => came,
        Err(why) => return page(StatusCode::BAD_REQUEST, "This is not the login that was started", why),
    };
    let (tell, told) = oneshot::channel();
    if sender.send(Returned { came, page: tell }).await.is_err() {
        return page(StatusCode::GONE, "This login is over", "Start again in the terminal.");
    }
    match told.await {
        Ok(None) => page(
            StatusCode::OK,
            "You are logged in",
            "You can close this page and go back to the terminal.",
        ),
        Ok(Some(why)) => page(StatusCode::OK, "You are not logged in", &why),
        Err(_) => page(StatusCode::GONE, "This login is over", "Start again in the terminal."),
    }
}

/// Returns the redirect to the login page.
fn lead(login: &Login) -> Response<Full<Bytes>> {
    match login.page.get() {
        Some(to) if !login.was_opened.swap(true, Ordering::Relaxed) => {
            let mut response = page(StatusCode::SEE_OTHER, "Log in", "The login page is elsewhere.");
            response.headers_mut().insert(LOCATION, to.clone());
            response
        }
        _ => page(
            StatusCode::GONE,
            "This address leads to the login page only once",
            "If you did not open it before, interrupt the login in the terminal; otherwise continue there, or open the address that the terminal shows.",
        ),
    }
}

/// Reads the query's result, if it has the right state.
fn read(query: &str, state: &str) -> Result<Came, &'static str> {
    let url = reqwest::Url::parse(&format!("http://127.0.0.1/?{query}")).map_err(|_| "Its address cannot be read.")?;
    let value = |wanted: &str| {
        let mut all = url
            .query_pairs()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned());
        // A parameter that occurs twice is ignored (RFC 6749 §3.1).
        all.next().filter(|_| all.next().is_none())
    };
    if value("state").as_deref() != Some(state) {
        return Err("Its state is not that of the login that waits in the terminal, so it is ignored.");
    }
    if let Some(code) = value("error") {
        let description = value("error_description");
        return Ok(Came::Refused { code, description });
    }
    let code = value("code").ok_or("It has neither a code nor an error.")?;
    Ok(Came::Code(Secret::new(code)))
}

fn page(status: StatusCode, title: &str, text: &str) -> Response<Full<Bytes>> {
    answer::page(status, title, &html! { p { (text) } })
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
    async fn callers_that_say_nothing_do_not_keep_the_login_page_from_returning() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut redirect = Redirect::listen(ReturnAddress::default(), "right", "start")
            .await
            .expect("a port is free");
        let _strangers = crate::listener::strangers::crowd(redirect.listening.address()).await;
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let asked = tokio::spawn(http.get(format!("{}?state=right&code=c", redirect.url())).send());
        let returned = redirect.returned().await.expect("somebody came");
        assert_eq!(returned.came, Came::Code(Secret::new("c")));
        returned.page.send(None).expect("the page waits");
        redirect.finish().await;
        assert_eq!(asked.await.expect("it was asked").expect("it is answered").status(), 200);
    }

    #[tokio::test]
    async fn what_is_opened_leads_to_the_login_page_once_and_for_this_machine_alone() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirect = Redirect::listen(ReturnAddress::default(), "right", "unguessable")
            .await
            .expect("a port is free");
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let http = http.build().expect("a client");
        let opened = redirect.lead_to(&"https://issuer.test/auth?state=right&nonce=n".parse().expect("a URL"));
        assert!(!opened.contains("right") && !opened.contains("nonce"), "{opened}");
        let ask = async |host: &str| {
            let answer = http.get(&opened).header("host", host).send().await.expect("it answers");
            let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).map(str::to_owned);
            (answer.status().as_u16(), to)
        };
        // A request by DNS rebinding gets no page, and does not use up the path.
        assert_eq!(ask("evil.test").await, (403, None));
        let page = Some("https://issuer.test/auth?state=right&nonce=n".to_owned());
        assert_eq!(ask("127.0.0.1").await, (303, page));
        assert_eq!(ask("127.0.0.1").await, (410, None));
        redirect.finish().await;
    }

    #[tokio::test]
    async fn a_stranger_is_answered_and_the_login_goes_on() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut redirect = Redirect::listen(ReturnAddress::default(), "right", "start")
            .await
            .expect("a port is free");
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
