//! Requests and options that make no sense, each with the reason of its refusal.

use authlab::issuer::{Callers, Endpoint, NamedIssuer, Server, ServerError, ServerOptions};

use super::{CLIENT, Client, options, value};

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_with_a_reason() {
    let client = Client::new(options()).await;
    for (form, error, why) in [
        (&[][..], "invalid_request", "grant_type is missing"),
        (&[("grant_type", "magic")], "unsupported_grant_type", "unknown grant type \"magic\""),
        (
            &[("grant_type", "password"), ("username", "x")],
            "invalid_request",
            "password is missing",
        ),
        (
            &[("grant_type", "client_credentials"), ("person", "erin")],
            "invalid_request",
            "unknown person \"erin\" (known: bob)",
        ),
        (
            &[("grant_type", "client_credentials"), ("claims", "[]")],
            "invalid_request",
            "claims is not a JSON object",
        ),
        (
            &[("grant_type", "client_credentials"), ("claims", "{")],
            "invalid_request",
            "claims is not a JSON object",
        ),
        (
            &[("grant_type", "client_credentials"), ("lifetime", "soon")],
            "invalid_request",
            "lifetime is \"soon\"",
        ),
        (
            &[("grant_type", "client_credentials"), ("like", "entra")],
            "invalid_request",
            "no token shape is named 'entra'",
        ),
        (
            &[("grant_type", "client_credentials"), ("forge", "gold")],
            "invalid_request",
            "unknown forgery \"gold\"",
        ),
        (
            &[("grant_type", "client_credentials"), ("scope", "a"), ("scope", "b")],
            "invalid_request",
            "scope is given several times",
        ),
        (
            &[("grant_type", "authorization_code"), ("code", "x")],
            "invalid_grant",
            "the code is not one of this issuer",
        ),
        (
            &[("grant_type", "refresh_token"), ("refresh_token", "x")],
            "invalid_grant",
            "the refresh token is not one",
        ),
        (
            &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", "x")],
            "invalid_grant",
            "not a JWT",
        ),
    ] {
        let (status, said) = client.post(Endpoint::Token, form).await;
        let told = said["error_description"].as_str().unwrap_or_default();
        assert!(
            status == 400 && said["error"] == error && told.contains(why),
            "{form:?}: {status} {said}"
        );
    }
    let web = [("client_id", "web"), ("redirect_uri", "http://127.0.0.1:1/")];
    for (query, error) in [
        (&[("response_type", "token")][..], "unsupported_response_type"),
        (&[("response_type", "code"), ("response_mode", "fragment")], "invalid_request"),
        (
            &[("response_type", "code"), ("code_challenge", "x"), ("code_challenge_method", "S1")],
            "invalid_request",
        ),
    ] {
        let returned = client.login(&[&web[..], query].concat()).await;
        assert_eq!(value(&returned, "error"), error, "{query:?}");
    }
    // Nothing is sent to an address that is not sound.
    for uri in ["javascript:alert(1)", "/callback", "http://127.0.0.1/#x", ""] {
        let mut url = reqwest::Url::parse(&client.at(Endpoint::Authorize)).unwrap();
        url.query_pairs_mut()
            .extend_pairs([("response_type", "code"), ("client_id", "web"), ("redirect_uri", uri)]);
        assert_eq!(client.http.get(url).send().await.unwrap().status(), 400, "{uri}");
    }
    let base = client.server.base();
    for (method, path, status) in [
        ("GET", "/other/keys", 404),
        ("GET", "/default", 404),
        ("GET", "/default/token", 405),
        ("POST", "/default/keys", 405),
        ("GET", "/default/userinfo", 401),
        ("GET", "/", 200),
    ] {
        let answer = client
            .http
            .request(method.parse().unwrap(), format!("{base}{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn options_that_would_give_tokens_away_are_refused() {
    let elsewhere = |options: ServerOptions| ServerOptions {
        address: "192.0.2.1".parse().unwrap(),
        ..options
    };
    let anybody = ServerOptions {
        callers: Callers::Anybody,
        ..options()
    };
    let refused = async |options: ServerOptions| Server::start(options).await.unwrap_err();
    assert!(matches!(refused(elsewhere(options())).await, ServerError::NotLoopback(_)));
    let plain = ServerOptions {
        plain: true,
        ..anybody.clone()
    };
    assert!(matches!(refused(elsewhere(plain)).await, ServerError::PlainElsewhere(_)));
    let every = ServerOptions {
        address: "::".parse().unwrap(),
        ..anybody
    };
    assert!(matches!(refused(every).await, ServerError::EveryAddress));
    for (name, url) in [("a b", None), ("", None), (".control", None), ("a", Some("ftp://x"))] {
        let named = NamedIssuer {
            name: name.to_owned(),
            url: url.map(str::to_owned),
        };
        let options = ServerOptions {
            issuers: vec![named],
            ..options()
        };
        assert!(
            matches!(refused(options).await, ServerError::Issuer(_) | ServerError::Url(_)),
            "{name}"
        );
    }
    // Without TLS, a page of another site is told apart by its headers.
    let client = Client::new(ServerOptions { plain: true, ..options() }).await;
    assert!(client.server.authentication_configuration().is_err());
    client.token(&CLIENT).await;
    for header in ["origin", "host"] {
        let request = client
            .http
            .post(client.at(Endpoint::Token))
            .form(&CLIENT)
            .header(header, "http://evil.test");
        assert_eq!(request.send().await.unwrap().status(), 403, "{header}");
    }
}
