//! Identified and refused callers, and the messages of refusals.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::stage::Stage;
use crate::auth_proxy::caller::By;
use crate::auth_proxy::{AuthProxy, Settings, Verdict};
use crate::identity_provider::issuer::{Forgery, Token};
use crate::pki::{Authority, Flaw, Leaf, Request};

/// Returns the 401's message after checking that it is a Kubernetes `Status` and that the request was not forwarded.
async fn refused(stage: &Stage, proxy: &AuthProxy, leaf: Option<&Leaf>, token: Option<&Token>) -> String {
    let before = stage.backend.seen().len();
    let mut request = stage.client(leaf).get(format!("{}/api", proxy.url()));
    if let Some(token) = token {
        request = request.bearer_auth(token.sign().unwrap().expose());
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let status: Value = response.json().await.unwrap();
    assert_eq!(
        (&status["kind"], &status["apiVersion"], &status["status"]),
        (&"Status".into(), &"v1".into(), &"Failure".into())
    );
    assert_eq!((&status["reason"], &status["code"]), (&"Unauthorized".into(), &401.into()));
    assert_eq!(stage.backend.seen().len(), before, "a refused request is not passed on");
    let message = status["message"].as_str().unwrap().to_owned();
    let last = proxy.handled().pop().unwrap();
    assert_eq!(
        last.verdict,
        Verdict::Refused {
            status: 401,
            why: message.clone()
        }
    );
    assert_eq!(last.caller, None);
    message
        .strip_prefix("the auth proxy does not know the caller: ")
        .unwrap()
        .to_owned()
}

fn token(stage: &Stage) -> Token {
    stage.issuer.signer().token("people").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_proxys_authority_is_a_user_in_groups() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let leaf = stage
        .callers
        .issue(&Request::client_with_uid("alice", "u-1", &["platform", "people"]))
        .unwrap();
    let response = stage
        .client(Some(&leaf))
        .get(format!("{}/api?watch=1", proxy.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), response.text().await.unwrap()),
        (200, "hello".to_owned())
    );

    let handled = proxy.handled().pop().unwrap();
    let caller = handled.caller.unwrap();
    assert_eq!(
        (caller.user.as_str(), caller.groups, caller.by),
        ("alice", vec!["platform".to_owned(), "people".to_owned()], By::Certificate)
    );
    assert_eq!(caller.uid.as_deref(), Some("u-1"));
    assert_eq!((handled.method.as_str(), handled.target.as_str()), ("GET", "/api?watch=1"));
    assert_eq!(
        (handled.verdict, handled.audit_id.as_deref()),
        (Verdict::PassedOn { status: 200 }, Some("audit-1"))
    );
    assert_eq!(stage.backend.only().path, "/api?watch=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_verified_is_refused_and_the_refusal_says_why() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let foreign = Authority::root("others").unwrap().issue(&Request::client("alice", &[])).unwrap();
    let forged = stage.callers.impostor().unwrap().issue(&Request::client("alice", &[])).unwrap();
    let flawed = |flaw| stage.callers.issue(&Request::flawed("alice", &[], flaw)).unwrap();
    for (leaf, why) in [
        (foreign, "UnknownIssuer"),
        (forged, "BadSignature"),
        (flawed(Flaw::Expired), "certificate expired"),
        (flawed(Flaw::NotYetValid), "certificate not valid yet"),
        (flawed(Flaw::ServerOnly), "client authentication"),
        (flawed(Flaw::NoCommonName), "it has no common name"),
        (flawed(Flaw::TwoUids), "it has several UIDs"),
    ] {
        let message = refused(&stage, &proxy, Some(&leaf), None).await;
        assert!(
            message.starts_with("client certificate: ") && message.contains(why),
            "{why}: {message}"
        );
        // A valid token makes up for it, as in the API server.
        let token = token(&stage).sign().unwrap();
        let answer = stage
            .client(Some(&leaf))
            .get(proxy.url())
            .bearer_auth(token.expose())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(proxy.handled().pop().unwrap().caller.unwrap().by, By::Token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_issuer_is_a_user_in_groups() {
    let stage = Stage::set().await;
    let mut settings = stage.settings();
    let issuer = settings.token_issuer.as_mut().unwrap();
    (issuer.username_prefix, issuer.groups_prefix) = ("oidc:".to_owned(), "oidc:".to_owned());
    let proxy = AuthProxy::start(settings).await.unwrap();
    let several = token(&stage)
        .claim("groups", vec!["a", "b"])
        .claim("aud", vec!["other", "kubernetes"]);
    let single = token(&stage).claim("groups", "a");
    for (token, groups) in [
        (several, vec!["oidc:a", "oidc:b"]),
        (single, vec!["oidc:a"]),
        (token(&stage), vec![]),
    ] {
        let token = token.sign().unwrap();
        let answer = stage
            .client(None)
            .get(proxy.url())
            .bearer_auth(token.expose())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let caller = proxy.handled().pop().unwrap().caller.unwrap();
        assert_eq!(
            (caller.user.as_str(), caller.groups, caller.by),
            ("oidc:alice", groups.into_iter().map(str::to_owned).collect(), By::Token)
        );
    }
    // The issuer was discovered once for all of them.
    assert_eq!((stage.issuer.asked("people").discovery, stage.issuer.asked("people").keys), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_sound_is_refused_and_the_refusal_says_why() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let soon = SystemTime::now() + Duration::from_secs(600);
    let forged = |forgery| token(&stage).forged(forgery);
    for (token, why) in [
        (token(&stage).audience("others"), "Invalid audiences"),
        (token(&stage).without("aud"), "aud"),
        (token(&stage).issuer("https://127.0.0.1:1/people"), "Invalid issuer"),
        (
            token(&stage).issuer(&format!("{}/", stage.issuer.signer().url("people").unwrap())),
            "Invalid issuer",
        ),
        (token(&stage).expired(Duration::from_secs(1)), "Expired"),
        (token(&stage).not_before(soon), "it is not valid yet"),
        (token(&stage).claim("sub", ""), "which is the user"),
        (token(&stage).claim("groups", 7), "its groups are not a list"),
        (token(&stage).claim("sub", " system:admin"), "would be changed in a header"),
        (
            token(&stage).claim("groups", vec!["system:masters "]),
            "would be changed in a header",
        ),
        (forged(Forgery::StrangersKey), "Signature verification failed"),
        (forged(Forgery::UnknownKey), "No matching key found"),
        (forged(Forgery::Unsigned), "No signature found"),
        (forged(Forgery::PublicKeyAsSecret), "Disallowed signature algorithm"),
        (forged(Forgery::BrokenSignature), "Signature verification failed"),
        (forged(Forgery::EmbeddedKey), "No matching key found"),
        (forged(Forgery::TwoSignatures), "Invalid JSON web token"),
    ] {
        if why == "would be changed in a header" {
            // The caller is known but cannot be passed on, so only the message is checked.
            let token = token.sign().unwrap();
            let answer = stage
                .client(None)
                .get(proxy.url())
                .bearer_auth(token.expose())
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 401);
            assert!(answer.text().await.unwrap().contains(why));
            continue;
        }
        let message = refused(&stage, &proxy, None, Some(&token)).await;
        assert!(message.starts_with("bearer token: ") && message.contains(why), "{why}: {message}");
    }
    assert!(stage.backend.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_again_once_for_a_key_that_is_not_known() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let unknown = token(&stage).forged(Forgery::UnknownKey);
    for fetched in [2, 3] {
        refused(&stage, &proxy, None, Some(&unknown)).await;
        assert_eq!(stage.issuer.asked("people").keys, fetched);
    }
    // A wrong signature under a known key does not cause another fetch.
    refused(&stage, &proxy, None, Some(&token(&stage).forged(Forgery::BrokenSignature))).await;
    assert_eq!(stage.issuer.asked("people").keys, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_presents_nothing_is_refused() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let message = refused(&stage, &proxy, None, None).await;
    assert_eq!(message, "neither a client certificate nor a bearer token was presented");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_an_authority_or_an_issuer_accepts_neither() {
    let stage = Stage::set().await;
    let proxy = AuthProxy::start(Settings {
        caller_authority: None,
        token_issuer: None,
        ..stage.settings()
    })
    .await
    .unwrap();
    let message = refused(&stage, &proxy, Some(&stage.certificate("alice", &[])), Some(&token(&stage))).await;
    assert_eq!(
        message,
        "client certificate: not accepted by this proxy; bearer token: not accepted by this proxy"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_not_there_is_not_the_callers_fault_and_is_asked_again() {
    let stage = Stage::set().await;
    let mut settings = stage.settings();
    let issuer = settings.token_issuer.as_mut().unwrap();
    issuer.url = format!("https://127.0.0.1:{}/people", crate::process::port::free().unwrap());
    let port: u16 = issuer.url.split([':', '/']).nth(4).unwrap().parse().unwrap();
    let proxy = AuthProxy::start(settings).await.unwrap();
    let token = token(&stage).issuer(&format!("https://127.0.0.1:{port}/people")).sign().unwrap();
    let ask = || stage.client(None).get(proxy.url()).bearer_auth(token.expose()).send();
    let answer = ask().await.unwrap();
    assert_eq!(answer.status(), 503);
    let status: Value = answer.json().await.unwrap();
    assert_eq!(status["reason"], "ServiceUnavailable");
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .starts_with("the auth proxy cannot verify tokens now: issuer https://127.0.0.1:")
    );

    // Once a server listens there, the proxy asks it at the next request.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let (answer, asked) = tokio::join!(ask(), async { listener.accept().await.map(drop).is_ok() });
    assert_eq!((answer.unwrap().status().as_u16(), asked), (503, true));
    assert!(stage.backend.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_say_nothing_keep_nobody_from_the_proxy() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let _strangers = crate::listener::strangers::crowd(proxy.address()).await;
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    assert_eq!(client.get(proxy.url()).send().await.unwrap().status(), 200);
}
