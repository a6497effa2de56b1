//! The webhook with strangers that connect and tokens that strangers sign.

use serde_json::{Value, json};

use super::{Reply, Script, TokenWebhook, Voucher};
use crate::identity_provider::Address;
use crate::listener::{Account, strangers};
use crate::pki::{Authority, Request, Seed};

/// Starts a webhook that believes `seed`, and returns it with a client that it serves.
async fn stage(seed: Seed) -> (TokenWebhook, reqwest::Client) {
    // Another test may have installed a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (serving, clients) = (Authority::root("serving").unwrap(), Authority::root("clients").unwrap());
    let leaf = serving.issue(&Request::server("webhook", &[])).unwrap();
    let loopback = Address::loopback();
    let webhook = TokenWebhook::start_at(&loopback, &leaf, clients.certificate(), seed, Account::default());
    let webhook = webhook.await.unwrap();
    let caller = clients.issue(&Request::client("kube-apiserver", &[])).unwrap();
    let identity = format!("{}{}", caller.certificate, caller.key.expose());
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(serving.certificate().as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap())
        .no_proxy()
        .build()
        .unwrap();
    (webhook, client)
}

/// Returns the webhook's review of `token`.
async fn review((webhook, client): &(TokenWebhook, reqwest::Client), token: &str) -> Value {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token } });
    let answer = client.post(webhook.url()).json(&review).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_say_nothing_keep_nobody_from_a_review() {
    let stage = stage(Seed::random()).await;
    let url: reqwest::Url = stage.0.url().parse().unwrap();
    let _strangers = strangers::crowd(url.socket_addrs(|| None).unwrap()[0]).await;
    assert_eq!(review(&stage, "unknown").await, json!({ "authenticated": false }));
}

#[tokio::test]
async fn a_review_believes_what_the_lab_has_signed_and_says_that_it_does_not_believe_the_rest() {
    let seed = Seed::random();
    let stage = stage(seed.clone()).await;
    let script = Script::new(vec![Reply::Accept(Voucher {
        user: "me".to_owned(),
        groups: vec!["system:masters".to_owned()],
        ..Voucher::default()
    })]);
    let accepted = review(&stage, script.token(&seed).expose()).await;
    assert_eq!(
        (&accepted["authenticated"], &accepted["user"]["username"]),
        (&json!(true), &json!("me"))
    );
    let forged = review(&stage, script.token(&Seed::random()).expose()).await;
    let error = "the token's script is not signed by the lab";
    assert_eq!(forged, json!({ "authenticated": false, "error": error }));
    assert_eq!(review(&stage, "somebody-elses").await, json!({ "authenticated": false }));
}
