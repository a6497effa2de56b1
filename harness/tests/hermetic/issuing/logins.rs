//! Users who log in at the issuer: with a code and its proof, on a page, with a device and with a password.

use authlab::issuer::{Endpoint, ServerOptions};
use reqwest::StatusCode;
use serde_json::json;

use super::{Client, back, claims, options, said, value};

#[tokio::test]
async fn a_user_logs_in_with_a_code_and_its_proof() {
    let client = Client::new(options()).await;
    // RFC 7636, appendix B.
    let (verifier, challenge) = (
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    );
    let uri = "http://127.0.0.1:1/callback";
    let query = [
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", uri),
        ("state", "s t"),
        ("nonce", "n"),
        ("scope", "openid groups"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    let redeem = |code: &str, verifier: &str| {
        let code = code.to_owned();
        let form = [("grant_type", "authorization_code"), ("client_id", "web"), ("redirect_uri", uri)].map(|(a, b)| (a, b.to_owned()));
        form.into_iter()
            .chain([("code", code), ("code_verifier", verifier.to_owned())])
            .collect::<Vec<_>>()
    };
    let post = async |form: Vec<(&str, String)>| said(client.http.post(client.at(Endpoint::Token)).form(&form).send().await.unwrap()).await;
    let returned = client.login(&query).await;
    assert_eq!(value(&returned, "state"), "s t");
    assert_eq!(value(&returned, "iss"), client.server.url("default").unwrap());
    let (status, answer) = post(redeem(value(&returned, "code"), verifier)).await;
    assert_eq!(status, 200, "{answer}");
    // Without another wish, the first person logs in.
    let id = client.verified(answer["id_token"].as_str().unwrap(), "web").await.unwrap();
    assert_eq!(
        (&id["sub"], &id["nonce"], &id["groups"]),
        (&json!("bob"), &json!("n"), &json!(["team-a"]))
    );
    let (status, again) = post(redeem(value(&returned, "code"), verifier)).await;
    assert_eq!((status, &again["error"]), (400, &json!("invalid_grant")));
    // As of RFC 6749 §4.1.3, which other providers carry out: a client says who it is, and where it was sent.
    for missing in ["client_id", "redirect_uri"] {
        let returned = client.login(&query).await;
        let mut form = redeem(value(&returned, "code"), verifier);
        form.retain(|(name, _)| *name != missing);
        let (status, refused) = post(form).await;
        assert_eq!(
            (status, &refused["error"]),
            (400, &json!("invalid_request")),
            "{missing}: {refused}"
        );
    }
    // A wrong proof ends the code.
    let returned = client.login(&query).await;
    let (_, refused) = post(redeem(value(&returned, "code"), "another")).await;
    assert_eq!(
        refused["error_description"],
        "code_verifier does not fit to the code_challenge of the login"
    );

    let access = answer["access_token"].as_str().unwrap();
    let userinfo = client
        .http
        .get(client.at(Endpoint::Userinfo))
        .bearer_auth(access)
        .send()
        .await
        .unwrap();
    let expected = json!({ "sub": "bob", "groups": ["team-a"], "email": "bob@example.com" });
    assert_eq!(said(userinfo).await, (200, expected));
    let state = client.post(Endpoint::Introspect, &[("token", access)]).await.1;
    assert_eq!(
        (&state["active"], &state["sub"], &state["scope"]),
        (&json!(true), &json!("bob"), &json!("openid groups"))
    );

    let refresh = answer["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "web")];
    let with_claims = [&form[..], &[("claims", r#"{"groups": []}"#)]].concat();
    let answer = client.token(&with_claims).await;
    assert_eq!(claims(&answer["access_token"])["groups"], json!([]));
    client.post(Endpoint::Revoke, &[("token", refresh)]).await;
    client.post(Endpoint::Revoke, &[("token", access)]).await;
    assert_eq!(client.post(Endpoint::Token, &form).await.1["error"], "invalid_grant");
    assert_eq!(
        client.post(Endpoint::Introspect, &[("token", access)]).await.1,
        json!({ "active": false })
    );
}

#[tokio::test]
async fn a_page_asks_for_the_user_if_it_is_to() {
    let client = Client::new(ServerOptions {
        login_page: true,
        ..options()
    })
    .await;
    let mut url = reqwest::Url::parse(&client.at(Endpoint::Authorize)).unwrap();
    let query = [
        ("response_type", "code"),
        ("client_id", "<web>"),
        ("redirect_uri", "http://127.0.0.1:1/"),
        ("state", "\"'"),
    ];
    url.query_pairs_mut().extend_pairs(query);
    let page = client.http.get(url.clone()).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("&lt;web&gt;") && page.contains(r#"name="state" value="&quot;'""#),
        "{page}"
    );
    let entered = [&query[..], &[("username", "carol"), ("claims", r#"{"groups": ["x"]}"#)]].concat();
    let returned = back(
        &client
            .http
            .post(client.at(Endpoint::Authorize))
            .form(&entered)
            .send()
            .await
            .unwrap(),
    );
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "<web>"),
        ("redirect_uri", "http://127.0.0.1:1/"),
        ("code", value(&returned, "code")),
    ];
    let claims = claims(&client.token(&form).await["id_token"]);
    assert_eq!((&claims["sub"], &claims["groups"]), (&json!("carol"), &json!(["x"])));
    let returned = client.login(&[&query[..], &[("prompt", "none")]].concat()).await;
    assert_eq!(value(&returned, "error"), "login_required");

    // A device waits until its user has entered the code.
    let device = client.post(Endpoint::DeviceAuthorization, &[("client_id", "tv")]).await.1;
    let poll = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", "tv"),
        ("device_code", device["device_code"].as_str().unwrap()),
    ];
    assert_eq!(client.post(Endpoint::Token, &poll).await.1["error"], "authorization_pending");
    let entered = [("user_code", device["user_code"].as_str().unwrap()), ("username", "carol")];
    let page = client.http.post(client.at(Endpoint::Device)).form(&entered).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(super::claims(&client.token(&poll).await["id_token"])["sub"], "carol");
    assert_eq!(client.post(Endpoint::Token, &poll).await.1["error"], "expired_token");
}

#[tokio::test]
async fn tokens_are_given_for_passwords_and_for_other_tokens() {
    let client = Client::new(options()).await;
    let login = [
        ("grant_type", "password"),
        ("client_id", "cli"),
        ("username", "bob"),
        ("password", "any"),
    ];
    let answer = client.token(&login).await;
    assert_eq!(claims(&answer["id_token"])["aud"], "cli");
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", answer["access_token"].as_str().unwrap()),
        ("audience", "other"),
    ];
    let exchanged = client.token(&exchange).await;
    let claims = claims(&exchanged["access_token"]);
    assert_eq!(
        (&claims["sub"], &claims["aud"], &claims["groups"]),
        (&json!("bob"), &json!("other"), &json!(["team-a"]))
    );
    assert_eq!(exchanged["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
}
