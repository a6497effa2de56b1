//! A backend that is down, slow or not the expected server.

use std::time::Duration;

use serde_json::Value;

use super::stage::{Stage, soon};
use crate::auth_proxy::{AuthProxy, AuthProxyError, Backend, Patience, Settings, Verdict};
use crate::pki::Authority;

/// Returns status, reason and message of the response after checking that it is a Kubernetes `Status`.
async fn answer(stage: &Stage, settings: Settings, path: &str) -> (u16, String, String) {
    let proxy = AuthProxy::start(settings).await.unwrap();
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    let answer = soon(client.get(format!("{}{path}", proxy.url())).send()).await.unwrap();
    let code = answer.status().as_u16();
    let status: Value = answer.json().await.unwrap();
    assert_eq!((&status["kind"], &status["code"]), (&"Status".into(), &code.into()));
    let message = status["message"].as_str().unwrap().to_owned();
    let handled = proxy.handled().pop().unwrap();
    assert_eq!(
        (handled.caller.unwrap().user.as_str(), handled.verdict),
        (
            "alice",
            Verdict::Refused {
                status: code,
                why: message.clone()
            }
        )
    );
    (code, status["reason"].as_str().unwrap().to_owned(), message)
}

const IMPATIENT: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_down_is_a_bad_gateway() {
    let stage = Stage::set().await;
    let mut settings = stage.settings();
    settings.backend.url = format!("https://127.0.0.1:{}", crate::process::port::free().unwrap());
    let (code, reason, message) = answer(&stage, settings, "/").await;
    assert_eq!((code, reason.as_str()), (502, "BadGateway"));
    assert!(
        message.starts_with("the auth proxy cannot reach the API server: no connection: Connection refused"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_of_the_authority_is_a_bad_gateway() {
    let stage = Stage::set().await;
    let mut settings = stage.settings();
    settings.backend.authority = Authority::root("others").unwrap().certificate().to_owned();
    let (code, reason, message) = answer(&stage, settings, "/").await;
    assert_eq!((code, reason.as_str()), (502, "BadGateway"));
    assert!(message.contains("TLS failed: invalid peer certificate: UnknownIssuer"), "{message}");
    assert!(stage.backend.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_up_before_answering_is_a_bad_gateway() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    let asking = tokio::spawn(client.get(format!("{}/never", proxy.url())).send());
    crate::process::wait::until("the request has arrived", Duration::from_secs(20), || async {
        Ok::<_, std::convert::Infallible>(match stage.backend.seen().len() {
            0 => crate::process::wait::Condition::NotYet("nothing has".to_owned()),
            _ => crate::process::wait::Condition::Met(()),
        })
    })
    .await
    .unwrap();
    stage.backend.break_connections();
    assert_eq!(soon(asking).await.unwrap().unwrap().status(), 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_take_the_connection_is_a_gateway_timeout() {
    let stage = Stage::set().await;
    // This server listens but never sends anything.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let backend = Backend {
        url,
        authority: stage.servers.certificate().to_owned(),
    };
    let (code, reason, message) = answer(
        &stage,
        Settings {
            backend,
            patience: Patience {
                connect: IMPATIENT,
                ..Patience::default()
            },
            ..stage.settings()
        },
        "/",
    )
    .await;
    assert_eq!((code, reason.as_str()), (504, "Timeout"));
    assert_eq!(
        message,
        "the API server behind the auth proxy is too slow: no connection within 200ms"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_begin_to_answer_is_a_gateway_timeout() {
    let stage = Stage::set().await;
    let (code, reason, message) = answer(
        &stage,
        Settings {
            patience: Patience {
                headers: IMPATIENT,
                ..Patience::default()
            },
            ..stage.settings()
        },
        "/never",
    )
    .await;
    assert_eq!((code, reason.as_str()), (504, "Timeout"));
    assert_eq!(message, "the API server behind the auth proxy is too slow: no answer within 200ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    let stage = Stage::set().await;
    for url in ["127.0.0.1:6443", "http://127.0.0.1:6443", "https://", "nonsense"] {
        let mut settings = stage.settings();
        settings.backend.url = url.to_owned();
        assert!(
            matches!(AuthProxy::start(settings).await, Err(AuthProxyError::Backend { .. })),
            "{url}"
        );
    }
    let mut settings = stage.settings();
    settings.caller_authority = Some("nothing".to_owned());
    let refused = AuthProxy::start(settings).await.unwrap_err();
    assert_eq!(refused.to_string(), "the auth proxy cannot use its authority of callers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_use_the_proxy_to_go_elsewhere() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let leaf = stage.certificate("alice", &[]);
    let head = Stage::head(
        &mut stage.raw(&proxy, Some(&leaf)).await,
        &["CONNECT example.com:443 HTTP/1.1", "Host: example.com:443"],
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
    // An absolute URL becomes a path at the API server, whatever host it names.
    let head = Stage::head(
        &mut stage.raw(&proxy, Some(&leaf)).await,
        &["GET https://example.com/api HTTP/1.1", "Host: example.com"],
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let seen = stage.backend.only();
    assert_eq!(
        (seen.path.as_str(), seen.all("host")),
        ("/api", vec![stage.backend.address.to_string().as_str()])
    );
}
