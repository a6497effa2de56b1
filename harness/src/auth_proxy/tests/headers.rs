//! The headers that arrive at the API server, whatever a caller sends.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::stage::Stage;
use crate::auth_proxy::{AuthProxy, HeaderNames, PassOn, Settings};
use crate::pki::Request;

#[tokio::test(flavor = "multi_thread")]
async fn identity_goes_in_headers_under_the_front_proxys_certificate() {
    let stage = Stage::set().await;
    let extra = [("example.com/Tea m%".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into();
    let proxy = AuthProxy::start(Settings { extra, ..stage.settings() }).await.unwrap();
    let leaf = stage
        .callers
        .issue(&Request::client_with_uid("alice", "u-1", &["platform", "Zoë"]))
        .unwrap();
    stage.client(Some(&leaf)).get(proxy.url()).send().await.unwrap();
    let seen = stage.backend.only();
    assert_eq!(seen.certificate.as_deref(), Some("front-proxy"));
    assert_eq!(seen.all("x-remote-user"), ["alice"]);
    let groups: Vec<&[u8]> = seen
        .headers
        .get_all("x-remote-group")
        .iter()
        .map(|group| group.as_bytes())
        .collect();
    assert_eq!(groups, ["platform".as_bytes(), "Zoë".as_bytes()]);
    assert_eq!(seen.all("x-remote-uid"), ["u-1"]);
    assert_eq!(seen.all("x-remote-extra-example.com%2ftea%20m%25"), ["a", "b"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("host"), [stage.backend.address.to_string()]);
    assert!(!seen.headers.contains_key("authorization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_goes_as_impersonation_under_the_proxys_own_token() {
    let stage = Stage::set().await;
    let proxy = stage.impersonating().await;
    let token = stage
        .issuer
        .signer()
        .token("people")
        .unwrap()
        .claim("groups", vec!["a", "b"])
        .sign()
        .unwrap();
    stage
        .client(None)
        .get(proxy.url())
        .bearer_auth(token.expose())
        .send()
        .await
        .unwrap();
    let seen = stage.backend.only();
    assert_eq!(seen.certificate, None);
    assert_eq!(seen.all("impersonate-user"), ["alice"]);
    assert_eq!(seen.all("impersonate-group"), ["a", "b"]);
    assert_eq!(seen.all("authorization"), ["Bearer the-proxys-own-token"]);
    assert!(seen.headers.keys().all(|name| !name.as_str().starts_with("x-remote-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_caller_says_of_identity_arrives() {
    let stage = Stage::set().await;
    let names = HeaderNames {
        user: "X-Forwarded-User".to_owned(),
        group: "X-Forwarded-Groups".to_owned(),
        extra_prefix: "X-Forwarded-Extra-".to_owned(),
        uid: "X-Forwarded-Uid".to_owned(),
    };
    let mut custom = stage.settings();
    if let PassOn::Headers { names: own, .. } = &mut custom.pass_on {
        *own = names;
    }
    let custom = AuthProxy::start(custom).await.unwrap();
    let leaf = stage.certificate("alice", &["people"]);
    for (proxy, user) in [
        (&custom, "x-forwarded-user"),
        (&stage.proxy().await, "x-remote-user"),
        (&stage.impersonating().await, "impersonate-user"),
    ] {
        let before = stage.backend.seen().len();
        let mut stream = stage.raw(proxy, Some(&leaf)).await;
        let head = Stage::head(
            &mut stream,
            &[
                "GET /api HTTP/1.1",
                "Host: anything",
                "X-REMOTE-USER: admin",
                "x-remote-user: admin",
                "X-Remote-Group: system:masters",
                "X-rEmOtE-gRoUp: system:masters",
                "X-Remote-Extra-Scopes: all",
                "X-Remote-Uid: 0",
                "X-Remote-Something-New: 0",
                "Impersonate-User: admin",
                "IMPERSONATE-GROUP: system:masters",
                "impersonate-extra-scopes: all",
                "Impersonate-Uid: 0",
                "X-Forwarded-User: admin",
                "X-FORWARDED-GROUPS: system:masters",
                "X-Forwarded-Extra-Scopes: all",
                "X-Forwarded-Uid: 0",
                "X-Forwarded-For: 10.0.0.1",
                "X-Real-Ip: 10.0.0.1",
                "Authorization: Basic YWRtaW46YWRtaW4=",
                "aUTHORIZATION: Bearer abc",
                "Proxy-Authorization: Basic YWRtaW46YWRtaW4=",
                "Keep-Alive: timeout=5",
                "TE: trailers",
                "Connection: X-Mine, X-Remote-User, X-Forwarded-User, Impersonate-User, keep-alive",
                "X-Mine: only for the proxy",
                "X-Kept: for the API server",
            ],
        )
        .await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let seen = stage.backend.seen().into_iter().nth(before).unwrap();
        // The user is the certificate's, and nobody else.
        assert_eq!(seen.all(user), ["alice"]);
        let group = user.replace("user", if user.starts_with("x-forwarded") { "groups" } else { "group" });
        assert_eq!(seen.all(&group), ["people"]);
        let own = [user, group.as_str(), "x-forwarded-for", "x-kept", "host", "authorization"];
        // A standard proxy does not know the custom names, and drops the standard ones anyway.
        let left: Vec<_> = seen
            .headers
            .keys()
            .map(|name| name.as_str())
            .filter(|name| !own.contains(name))
            .collect();
        let unknown = [
            "x-forwarded-user",
            "x-forwarded-groups",
            "x-forwarded-extra-scopes",
            "x-forwarded-uid",
        ];
        assert!(
            left.iter().all(|name| user != "x-forwarded-user" && unknown.contains(name)),
            "{left:?}"
        );
        assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(seen.all("x-kept"), ["for the API server"]);
        let authorization: &[&str] = if user == "impersonate-user" {
            &["Bearer the-proxys-own-token"]
        } else {
            &[]
        };
        assert_eq!(seen.all("authorization"), authorization);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_among_a_websockets_protocols_is_for_the_proxy_alone() {
    let stage = Stage::set().await;
    let proxy = stage.proxy().await;
    let token = stage.issuer.signer().token("people").unwrap().sign().unwrap();
    let protocols = format!(
        "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.{}",
        URL_SAFE_NO_PAD.encode(token.expose())
    );
    let request = |protocols: &str| {
        ["GET /exec HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"]
            .into_iter()
            .map(str::to_owned)
            .chain([format!("Sec-WebSocket-Protocol: {protocols}")])
            .collect::<Vec<_>>()
    };
    let send = async |leaf, protocols: &str| {
        let lines = request(protocols);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        Stage::head(&mut stage.raw(&proxy, leaf).await, &lines).await
    };
    assert!(send(None, &protocols).await.starts_with("HTTP/1.1 101"));
    let seen = stage.backend.only();
    assert_eq!(
        (seen.all("x-remote-user"), seen.all("sec-websocket-protocol")),
        (vec!["alice"], vec!["v5.channel.k8s.io"])
    );

    // With a certificate the token is not needed, and it does not arrive either.
    let leaf = stage.certificate("bob", &[]);
    assert!(send(Some(&leaf), &protocols).await.starts_with("HTTP/1.1 101"));
    let seen = stage.backend.seen().pop().unwrap();
    assert_eq!(
        (seen.all("x-remote-user"), seen.all("sec-websocket-protocol")),
        (vec!["bob"], vec!["v5.channel.k8s.io"])
    );

    for (protocols, why) in [
        (format!("{protocols}, {protocols}"), "several"),
        ("base64url.bearer.authorization.k8s.io.%".to_owned(), "not base64url"),
    ] {
        assert!(send(None, &protocols).await.starts_with("HTTP/1.1 401"));
        assert!(format!("{:?}", proxy.handled().pop().unwrap().verdict).contains(why));
    }
}
