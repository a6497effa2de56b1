//! A client of the Kubernetes API whose requests are recorded as exchanges. The main item is [`client`].

use std::time::SystemTime;

use hyper::{Request, Response};
use kube::client::Body;

use crate::event::{Exchange, Exchanges, Verdict};

/// The client's name in the record, where the lab's administrator prepares something.
const ADMINISTRATOR: &str = "the administrator";

/// Returns a client that sends through `inner`, an administrator's client of the API server `server`, and records in `exchanges`.
pub(super) fn client(inner: kube::Client, server: &str, exchanges: &Exchanges) -> kube::Client {
    let namespace = inner.default_namespace().to_owned();
    let (exchanges, to) = (exchanges.clone(), format!("API server {server}"));
    let service = tower::service_fn(move |request| recorded(inner.clone(), request, to.clone(), exchanges.clone()));
    kube::Client::new(service, namespace)
}

/// Sends `request` through `inner`, and records it as begun at the time of this call: of requests that are sent together, the order
/// in which their futures are polled is not the order in which they were sent.
fn recorded(
    inner: kube::Client,
    request: Request<Body>,
    to: String,
    exchanges: Exchanges,
) -> impl Future<Output = kube::Result<Response<Body>>> {
    let began = SystemTime::now();
    async move {
        let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        let asked = format!("{} {path}", request.method());
        let answered = inner.send(request).await;
        let lasted = began.elapsed().unwrap_or_default();
        let status = answered.as_ref().ok().map(|answer| answer.status().as_u16());
        let told = Exchange {
            from: ADMINISTRATOR.to_owned(),
            to,
            request: asked,
            status,
            verdict: Verdict::of_answer(status),
            ..Exchange::default()
        };
        exchanges.tell(began, lasted, told);
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_that_are_sent_together_are_told_in_the_order_of_their_calls() {
        let server = tower::service_fn(async |_: Request<Body>| Ok::<_, std::io::Error>(Response::new(Body::empty())));
        let inner = kube::Client::new(server, "default");
        let exchanges = Exchanges::default();
        let ask = |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            recorded(inner.clone(), request, "main".to_owned(), exchanges.clone())
        };
        let first = ask("/first");
        // Two requests of one tick of the clock have no order.
        let tick = SystemTime::now();
        while SystemTime::now() <= tick {}
        let second = ask("/second");
        second.await.unwrap();
        first.await.unwrap();
        let told: Vec<String> = exchanges.all().into_iter().map(|(_, exchange)| exchange.request).collect();
        assert_eq!(told, ["GET /first", "GET /second"]);
    }
}
