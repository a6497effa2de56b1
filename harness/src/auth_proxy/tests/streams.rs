//! Nothing is buffered, and an upgraded connection carries data both ways.

use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stage::{Stage, soon};
use crate::auth_proxy::{AuthProxy, Patience, Settings};

/// The proxy's timeout for a response to begin, in tests that show what it does not apply to: long enough
/// for a busy machine.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_watch_arrives_before_the_next_is_sent() {
    let stage = Stage::set().await;
    // A response that has begun may take longer than the timeout.
    let patience = Patience {
        headers: PATIENCE,
        ..Patience::default()
    };
    let proxy = AuthProxy::start(Settings {
        patience,
        ..stage.settings()
    })
    .await
    .unwrap();
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    let (answer, feeder) = tokio::join!(client.get(format!("{}/watch", proxy.url())).send(), stage.backend.feeder());
    let mut answer = answer.unwrap();
    for event in ["one", "two", "three"] {
        feeder.send(event).await;
        assert_eq!(soon(answer.chunk()).await.unwrap().unwrap(), event);
    }
    // Silence may last, too: nothing arrives, and nothing ends.
    assert!(tokio::time::timeout(PATIENCE * 3 / 2, answer.chunk()).await.is_err());
    feeder.send("four").await;
    assert_eq!(soon(answer.chunk()).await.unwrap().unwrap(), "four");
    drop(feeder);
    assert_eq!(soon(answer.chunk()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_caller_goes_away_ends_at_the_api_server() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    let (answer, feeder) = tokio::join!(client.get(format!("{}/watch", proxy.url())).send(), stage.backend.feeder());
    drop((answer, client));
    feeder.abandoned().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_api_server_goes_away_ends_at_the_caller() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    let (answer, feeder) = tokio::join!(client.get(format!("{}/watch", proxy.url())).send(), stage.backend.feeder());
    let mut answer = answer.unwrap();
    feeder.send("one").await;
    assert_eq!(soon(answer.chunk()).await.unwrap().unwrap(), "one");
    stage.backend.break_connections();
    assert!(
        soon(answer.chunk()).await.is_err(),
        "a broken answer does not look like a finished one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_streams_too_and_a_slow_caller_is_not_a_slow_backend() {
    let stage = Stage::set().await;
    let proxy = AuthProxy::start(Settings {
        patience: Patience {
            headers: PATIENCE,
            ..Patience::default()
        },
        ..stage.settings()
    })
    .await
    .unwrap();
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    let body = || {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&str, std::io::Error>>(1);
        let chunks = futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|chunk| (chunk, receiver))
        });
        (sender, reqwest::Body::wrap_stream(chunks.boxed()))
    };

    let (sender, upload) = body();
    let mut answer = soon(client.post(format!("{}/upload", proxy.url())).body(upload).send())
        .await
        .unwrap();
    for chunk in ["one", "two"] {
        sender.send(Ok(chunk)).await.unwrap();
        assert_eq!(soon(answer.chunk()).await.unwrap().unwrap(), chunk);
    }
    drop(sender);
    assert_eq!(soon(answer.chunk()).await.unwrap(), None);

    // This response does not begin before the body has ended, which takes longer than the proxy's timeout.
    let (sender, collected) = body();
    let asking = tokio::spawn(client.post(format!("{}/collect", proxy.url())).body(collected).send());
    sender.send(Ok("one")).await.unwrap();
    assert!(
        tokio::time::timeout(PATIENCE * 3 / 2, sender.closed()).await.is_err(),
        "the proxy keeps listening"
    );
    sender.send(Ok("two")).await.unwrap();
    drop(sender);
    assert_eq!(soon(asking).await.unwrap().unwrap().text().await.unwrap(), "onetwo");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_connection_goes_both_ways() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let leaf = stage.certificate("alice", &["people"]);
    let mut stream = stage.raw(&proxy, Some(&leaf)).await;
    let request = [
        "POST /exec HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: SPDY/3.1",
        "X-Stream-Protocol-Version: v4.channel.k8s.io",
    ];
    let head = Stage::head(&mut stream, &request).await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("upgrade: spdy/3.1") && head.contains("connection: upgrade"),
        "{head}"
    );
    let seen = stage.backend.only();
    assert_eq!(
        (seen.all("upgrade"), seen.all("connection"), seen.all("x-remote-user")),
        (vec!["SPDY/3.1"], vec!["Upgrade"], vec!["alice"])
    );
    for word in ["ping", "pong"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        let mut back = [0; 4];
        soon(stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(back, word.as_bytes());
    }
    // One side closes, and the other notices.
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_the_api_server_refuses_is_an_ordinary_answer() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let mut stream = stage.raw(&proxy, Some(&stage.certificate("alice", &[]))).await;
    let request = |path: &str| format!("POST {path} HTTP/1.1");
    let refused = request("/forbidden");
    let head = Stage::head(
        &mut stream,
        &[&refused, "Host: x", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0"],
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let mut body = [0; 2];
    soon(stream.read_exact(&mut body)).await.unwrap();
    assert_eq!(&body, b"no");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_ends_takes_its_connections_along() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let address = proxy.address();
    let client = stage.client(Some(&stage.certificate("alice", &[])));
    let (answer, feeder) = tokio::join!(client.get(format!("{}/watch", proxy.url())).send(), stage.backend.feeder());
    let mut tunnel = stage.raw(&proxy, Some(&stage.certificate("alice", &[]))).await;
    Stage::head(
        &mut tunnel,
        &["POST /exec HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: SPDY/3.1"],
    )
    .await;
    proxy.stop().await;
    assert!(soon(answer.unwrap().chunk()).await.is_err());
    feeder.abandoned().await;
    let mut rest = Vec::new();
    // The connection is closed either way.
    let _closed = soon(tunnel.read_to_end(&mut rest)).await;
    std::net::TcpListener::bind(address).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_another_http_is_not_passed_on() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let mut stream = stage.raw(&proxy, Some(&stage.certificate("alice", &[]))).await;
    let request = [
        "GET /api HTTP/1.1",
        "Host: x",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
    ];
    let head = Stage::head(&mut stream, &request).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let seen = stage.backend.only();
    assert!(
        ["upgrade", "connection", "http2-settings"]
            .iter()
            .all(|name| seen.all(name).is_empty()),
        "{seen:?}"
    );
}
