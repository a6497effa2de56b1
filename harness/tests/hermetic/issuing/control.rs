//! The control API: keys that rotate, faults, people, and the secret that it demands.

use std::time::Duration;

use authlab::issuer::{Endpoint, TokenRequest};
use serde_json::{Value, json};

use super::{CLIENT, Client, claims, options};

#[tokio::test]
async fn keys_rotate_with_overlap_and_without() {
    let client = Client::new(options()).await;
    let first = client.server.token("default", &TokenRequest::default()).unwrap();
    let (status, state) = client.control("POST", "/issuers/default/rotate", json!({})).await;
    assert_eq!(
        (status, state["issuers"]["default"]["keys"].as_array().map(Vec::len)),
        (200, Some(2)),
        "{state}"
    );
    assert!(client.verified(first.expose(), "kubernetes").await.is_ok());
    let second = client.server.token("default", &TokenRequest::default()).unwrap();
    assert!(client.verified(second.expose(), "kubernetes").await.is_ok());
    client.control("POST", "/issuers/default/rotate", json!({ "overlap": false })).await;
    for token in [&first, &second] {
        assert_eq!(client.verified(token.expose(), "kubernetes").await, Err("unknown key".to_owned()));
    }
    let third = client.server.token("default", &TokenRequest::default()).unwrap();
    assert!(client.verified(third.expose(), "kubernetes").await.is_ok());
}

#[tokio::test]
async fn it_breaks_and_slows_down_when_it_is_told_to() {
    let client = Client::new(options()).await;
    let put = async |endpoint: &str, fault: Value| {
        let (status, said) = client.control("PUT", &format!("/issuers/default/faults/{endpoint}"), fault).await;
        assert_eq!(status, 200, "{said}");
    };
    put("discovery", json!({ "issuer": "https://other.example.com" })).await;
    assert_eq!(client.get(Endpoint::Discovery).await["issuer"], "https://other.example.com");
    put("keys", json!({ "status": 503, "times": 1 })).await;
    let keys = async || client.http.get(client.at(Endpoint::Keys)).send().await.unwrap();
    assert_eq!(keys().await.status(), 503);
    assert_eq!(keys().await.status(), 200);
    put("keys", json!({ "cache_control": "max-age=60", "body": "no JSON" })).await;
    let answer = keys().await;
    assert_eq!(answer.headers()["cache-control"], "max-age=60");
    assert_eq!(answer.text().await.unwrap(), "no JSON");
    put("keys", json!({ "wrong_keys": true })).await;
    let token = client.server.token("default", &TokenRequest::default()).unwrap();
    let refused = client.verified(token.expose(), "kubernetes").await.unwrap_err();
    assert!(refused.contains("nvalid"), "{refused}");
    // Also after a rotation, they have the ids of the keys that sign.
    client.control("POST", "/issuers/default/rotate", json!({})).await;
    let later = client.server.token("default", &TokenRequest::default()).unwrap();
    let refused = client.verified(later.expose(), "kubernetes").await.unwrap_err();
    assert!(refused.contains("nvalid"), "{refused}");
    client.control("DELETE", "/issuers/default/faults", json!({})).await;
    for token in [token, later] {
        assert!(client.verified(token.expose(), "kubernetes").await.is_ok());
    }

    put("token", json!({ "delay_ms": 600_000 })).await;
    let impatient = client
        .http
        .post(client.at(Endpoint::Token))
        .form(&CLIENT)
        .timeout(Duration::from_millis(200));
    assert!(impatient.send().await.unwrap_err().is_timeout());
    client.control("DELETE", "/issuers/default/faults/token", json!({})).await;
    client.token(&CLIENT).await;

    let person = json!({ "claims": { "groups": ["x"] } });
    client.control("PUT", "/people/dana", person).await;
    let form = [("grant_type", "client_credentials"), ("person", "dana")];
    assert_eq!(claims(&client.token(&form).await["access_token"])["groups"], json!(["x"]));
    // Names in paths are encoded, and shapes have subjects of their own.
    let person = json!({ "like": "okta-org" });
    client.control("PUT", "/people/bob%40example.com", person).await;
    let form = [("grant_type", "client_credentials"), ("person", "bob@example.com")];
    assert_eq!(claims(&client.token(&form).await["access_token"])["sub"], "bob@example.com");
    let form = [("grant_type", "client_credentials"), ("person", "dana")];
    client.token(&form).await;
    let requests = client.control("GET", "/requests", json!({})).await.1["requests"].clone();
    let last = requests
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .find(|request| request["asked"] == "POST token")
        .unwrap();
    assert_eq!(
        (&last["user"], &last["status"], &last["grant_type"]),
        (&json!("dana"), &json!(200), &json!("client_credentials"))
    );
    let all = requests.to_string();
    assert!(
        !all.contains("eyJ") && !all.contains(client.server.control_secret().expose()),
        "{all}"
    );
}

#[tokio::test]
async fn the_control_api_demands_its_secret_and_sound_input() {
    let client = Client::new(options()).await;
    let url = client.server.control_url();
    for (path, method) in [
        ("", "GET"),
        ("/requests", "GET"),
        ("/issuers/default/rotate", "POST"),
        ("/people/x", "PUT"),
        ("/nothing", "GET"),
    ] {
        let ask = || client.http.request(method.parse().unwrap(), format!("{url}{path}"));
        for request in [
            ask(),
            ask().bearer_auth("wrong"),
            ask().bearer_auth(""),
            ask().basic_auth("x", Some("y")),
        ] {
            assert_eq!(request.send().await.unwrap().status(), 401, "{method} {path}");
        }
    }
    for (method, path, body, status, why) in [
        (
            "POST",
            "/issuers/other/rotate",
            json!({}),
            404,
            "unknown issuer \"other\" (known: default)",
        ),
        (
            "POST",
            "/issuers/default/rotate",
            json!({ "overlaps": true }),
            400,
            "unknown field `overlaps`",
        ),
        ("GET", "/issuers/default/rotate", json!({}), 405, "does not take GET"),
        (
            "PUT",
            "/issuers/default/faults/jwks",
            json!({}),
            404,
            "unknown endpoint \"jwks\" (known: discovery, keys,",
        ),
        ("PUT", "/issuers/default/faults/keys", json!({ "status": 99 }), 400, "status is 99"),
        (
            "PUT",
            "/issuers/default/faults/keys",
            json!({ "delay_ms": 600_001 }),
            400,
            "delay_ms is 600001",
        ),
        ("PUT", "/issuers/default/faults/keys", json!({ "times": 0 }), 400, "times is 0"),
        (
            "PUT",
            "/issuers/default/faults/keys",
            json!({ "issuer": "https://x" }),
            400,
            "issuer is a fault of discovery, not of keys",
        ),
        (
            "PUT",
            "/issuers/default/faults/token",
            json!({ "wrong_keys": true }),
            400,
            "wrong_keys is a fault of keys",
        ),
        (
            "PUT",
            "/issuers/default/faults/keys",
            json!({ "cache_control": "a\nb" }),
            400,
            "cannot be the value of a header",
        ),
        (
            "PUT",
            "/people/x",
            json!({ "like": "entra" }),
            400,
            "no token shape is named 'entra'",
        ),
        ("DELETE", "/people/x", json!({}), 404, "unknown person \"x\""),
        ("GET", "/nothing", json!({}), 404, "the control API has no"),
    ] {
        let (seen, said) = client.control(method, path, body).await;
        let told = said["error_description"].as_str().unwrap_or_default();
        assert!(seen == status && told.contains(why), "{method} {path}: {seen} {said}");
    }
}
