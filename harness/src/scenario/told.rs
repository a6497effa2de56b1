//! A client of the Kubernetes API whose requests are recorded as exchanges. The main item is [`client`].

use std::time::SystemTime;

use kube::client::Body;

use crate::event::{Exchange, Exchanges, Verdict};

/// The client's name in the record, where the lab's administrator prepares something.
const ADMINISTRATOR: &str = "the administrator";

/// Returns a client that sends through `inner`, an administrator's client of the API server `server`, and records in `exchanges`.
pub(super) fn client(inner: kube::Client, server: &str, exchanges: &Exchanges) -> kube::Client {
    let namespace = inner.default_namespace().to_owned();
    let (exchanges, to) = (exchanges.clone(), format!("API server {server}"));
    let service = tower::service_fn(move |request: hyper::Request<Body>| {
        let (inner, exchanges, to) = (inner.clone(), exchanges.clone(), to.clone());
        async move {
            let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
            let asked = format!("{} {path}", request.method());
            let began = SystemTime::now();
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
    });
    kube::Client::new(service, namespace)
}
