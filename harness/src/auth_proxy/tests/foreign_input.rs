//! HTTP, byte by byte, at the auth proxy's listener.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stage::{Stage, soon};
use crate::foreign_input::give;

/// Requests as clients send them, and such as deceive a proxy that reads them otherwise than the server behind it.
const REQUESTS: [&str; 7] = [
    "GET /hello HTTP/1.1\r\nHost: a\r\nX-Remote-User: admin\r\nX-Remote-Group: system:masters\r\nConnection: close\r\n\r\n",
    "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /third HTTP/1.1\r\nX-Remote-User: admin\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close, X-Remote-User\r\nx-remote-user : admin\r\nX_Remote_User: admin\r\n\r\n",
    "GET http://other/hello?a=%00 HTTP/1.0\r\nX-Remote-Extra-a: b\r\nImpersonate-User: admin\r\nAuthorization: Bearer a\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nExpect: 100-continue\r\nContent-Length: 18446744073709551615\r\n\r\n",
];

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn requests_at_the_auth_proxy() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (stage, proxy) = runtime.block_on(async {
        let stage = Stage::set().await;
        let proxy = stage.proxy().await;
        (stage, proxy)
    });
    let alice = stage.certificate("alice", &["dev"]);
    give(
        "requests_at_the_auth_proxy",
        REQUESTS.map(|request| request.as_bytes().to_vec()).into(),
        |input| {
            let before = stage.backend.seen().len();
            let requests = input.to_vec();
            runtime.block_on(soon(async {
                let mut stream = stage.raw(&proxy, Some(&alice)).await;
                // The proxy may close the connection at any byte.
                let _ = stream.write_all(&requests).await;
                let _ = stream.shutdown().await;
                let mut answers = Vec::new();
                let _ = stream.read_to_end(&mut answers).await;
            }));
            for request in &stage.backend.seen()[before..] {
                let (users, groups) = (request.all("x-remote-user"), request.all("x-remote-group"));
                if users != ["alice"] || groups != ["dev"] {
                    return Err(format!("{} reached the server as {users:?} in {groups:?}", request.path));
                }
                let strange = request
                    .headers
                    .keys()
                    .find(|name| name.as_str().starts_with("x-remote-extra-") || name.as_str().starts_with("impersonate-"));
                if let Some(name) = strange {
                    return Err(format!("{} reached the server with the caller's own {name}", request.path));
                }
            }
            Ok(true)
        },
    );
    assert!(!stage.backend.seen().is_empty(), "no request was passed on");
    let answer = runtime.block_on(async {
        let client = stage.client(Some(&alice));
        soon(client.get(format!("{}/hello", proxy.url())).send()).await
    });
    assert!(answer.is_ok_and(|answer| answer.status().is_success()), "the proxy serves no more");
}
