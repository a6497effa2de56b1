//! What strangers cannot do to the webhook.

use serde_json::{Value, json};

use super::TokenWebhook;
use crate::identity_provider::Address;
use crate::listener::strangers;
use crate::pki::{Authority, Request};

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_say_nothing_keep_nobody_from_a_review() {
    // Another test may have chosen it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (serving, clients) = (Authority::root("serving").unwrap(), Authority::root("clients").unwrap());
    let leaf = serving.issue(&Request::server("webhook", &[])).unwrap();
    let webhook = TokenWebhook::start_at(&Address::loopback(), &leaf, clients.certificate())
        .await
        .unwrap();
    let url: reqwest::Url = webhook.url().parse().unwrap();
    let _strangers = strangers::crowd(url.socket_addrs(|| None).unwrap()[0]).await;

    let caller = clients.issue(&Request::client("kube-apiserver", &[])).unwrap();
    let identity = format!("{}{}", caller.certificate, caller.key.expose());
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(serving.certificate().as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap())
        .no_proxy()
        .build()
        .unwrap();
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": "unknown" } });
    let answer = client.post(url).json(&review).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], json!({ "authenticated": false }));
}
