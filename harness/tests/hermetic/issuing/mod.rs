//! The issuer of `authlab issuer`, in this process: discovery, tokens of every grant, keys that rotate, faults, the control API's guard, and
//! requests that are refused. The main type is [`Client`].

mod control;
mod logins;
mod refusals;

use std::time::Duration;

use authlab::identity_provider::issuer::Algorithm;
use authlab::issuer::{Endpoint, NamedIssuer, Person, Server, ServerOptions, TokenRequest};
use authlab::jwt::Jwt;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value, json};

/// A client of a server.
struct Client {
    http: reqwest::Client,
    server: Server,
}

fn options() -> ServerOptions {
    ServerOptions {
        // Cheap keys.
        algorithm: Algorithm::Es256,
        people: vec![Person {
            name: "bob".to_owned(),
            claims: object(json!({ "groups": ["team-a"], "email": "bob@example.com" })),
            ..Person::default()
        }],
        ..ServerOptions::default()
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

impl Client {
    async fn new(options: ServerOptions) -> Self {
        authlab::tls::choose_provider();
        let server = Server::start(options).await.unwrap();
        let http = match server.authority() {
            Some(authority) => authlab::tls::https(Some(authority), Duration::from_secs(30)).unwrap(),
            None => {
                let client = reqwest::Client::builder().no_proxy();
                client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
            }
        };
        Self { http, server }
    }

    fn at(&self, endpoint: Endpoint) -> String {
        self.server.endpoint("default", endpoint).unwrap()
    }

    async fn get(&self, endpoint: Endpoint) -> Value {
        self.http.get(self.at(endpoint)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, endpoint: Endpoint, form: &[(&str, &str)]) -> (u16, Value) {
        said(self.http.post(self.at(endpoint)).form(form).send().await.unwrap()).await
    }

    async fn token(&self, form: &[(&str, &str)]) -> Value {
        let (status, answer) = self.post(Endpoint::Token, form).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.server.control_url());
        let request = self.http.request(method.parse().unwrap(), url).json(&body);
        said(request.bearer_auth(self.server.control_secret().expose()).send().await.unwrap()).await
    }

    /// Verifies `token` with the keys that the issuer publishes now, and returns its claims.
    async fn verified(&self, token: &str, audience: &str) -> Result<Value, String> {
        let keys: JwkSet = serde_json::from_value(self.get(Endpoint::Keys).await).unwrap();
        let header = decode_header(token).map_err(|error| error.to_string())?;
        let key = keys.find(header.kid.as_deref().unwrap_or_default()).ok_or("unknown key")?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[self.server.url("default").unwrap()]);
        let token = decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation);
        token.map(|token| token.claims).map_err(|error| error.to_string())
    }

    /// Asks for a code, and returns the parameters with which the browser comes back.
    async fn login(&self, query: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut url = reqwest::Url::parse(&self.at(Endpoint::Authorize)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        back(&self.http.get(url).send().await.unwrap())
    }
}

async fn said(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

fn back(response: &Response) -> Vec<(String, String)> {
    assert_eq!(response.status(), StatusCode::FOUND);
    let location = response.headers()["location"].to_str().unwrap();
    let url = reqwest::Url::parse(location).unwrap();
    url.query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("no {name} in {pairs:?}")).1
}

fn claims(token: &Value) -> Map<String, Value> {
    Jwt::parse(token.as_str().unwrap()).unwrap().claims
}

const CLIENT: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("client_id", "ci")];

#[tokio::test]
async fn tokens_are_verified_with_what_discovery_leads_to() {
    let client = Client::new(options()).await;
    let discovery = client.get(Endpoint::Discovery).await;
    assert_eq!(discovery["issuer"], client.server.url("default").unwrap());
    assert_eq!(discovery["jwks_uri"], client.at(Endpoint::Keys));
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["ES256"]));
    // RFC 8414 §3.1 has its name before the issuer's path.
    let elsewhere = client
        .server
        .url("default")
        .unwrap()
        .replace("/default", "/.well-known/oauth-authorization-server/default");
    let metadata: Value = client.http.get(elsewhere).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata, discovery);
    let answer = client.token(&CLIENT).await;
    let token = answer["access_token"].as_str().unwrap();
    let claims = client.verified(token, "kubernetes").await.unwrap();
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("ci"), &json!("ci")));
    assert!(
        answer.get("id_token").is_none() && answer.get("refresh_token").is_none(),
        "{answer}"
    );
    assert!((3590..=3600).contains(&answer["expires_in"].as_i64().unwrap()), "{answer}");
}

#[tokio::test]
async fn a_request_says_what_a_token_contains() {
    let client = Client::new(options()).await;
    let form: Vec<(&str, &str)> = [
        ("person", "bob"),
        ("claims", r#"{"groups": ["x"], "n": 1}"#),
        ("audience", "a"),
        ("audience", "b"),
        ("without", "nbf,jti"),
        ("lifetime", "60"),
    ]
    .into_iter()
    .chain(CLIENT)
    .collect();
    let by_form = claims(&client.token(&form).await["access_token"]);
    let body = json!({
        "grant_type": "client_credentials", "client_id": "ci", "person": "bob", "claims": {"groups": ["x"], "n": 1},
        "audience": ["a", "b"], "without": ["nbf", "jti"], "lifetime": 60,
    });
    let by_json = said(client.http.post(client.at(Endpoint::Token)).json(&body).send().await.unwrap())
        .await
        .1;
    for claims in [by_form, claims(&by_json["access_token"])] {
        let expected = json!({
            "iss": client.server.url("default").unwrap(), "sub": "bob", "email": "bob@example.com", "groups": ["x"], "n": 1,
            "aud": ["a", "b"], "client_id": "ci", "iat": claims["iat"], "exp": claims["exp"],
        });
        assert_eq!(Value::Object(claims), expected);
    }
    let expired = TokenRequest {
        lifetime: Some(-3600),
        ..TokenRequest::default()
    };
    let token = client.server.token("default", &expired).unwrap();
    let refused = client.verified(token.expose(), "kubernetes").await.unwrap_err();
    assert!(refused.contains("xpired"), "{refused}");
    for forge in ["strangers-key", "broken-signature", "public-key-as-secret", "unknown-key"] {
        let forged = TokenRequest {
            forge: Some(forge.to_owned()),
            ..TokenRequest::default()
        };
        let token = client.server.token("default", &forged).unwrap();
        assert!(client.verified(token.expose(), "kubernetes").await.is_err(), "{forge}");
    }
}

#[tokio::test]
async fn tokens_have_the_shape_of_another_provider() {
    let client = Client::new(options()).await;
    let shaped = [&CLIENT[..], &[("like", "entra-v2"), ("claims", r#"{"oid": "x"}"#)]].concat();
    let claims = claims(&client.token(&shaped).await["access_token"]);
    assert_eq!(claims["iss"], client.server.url("default").unwrap());
    assert_eq!((&claims["oid"], &claims["ver"]), (&json!("x"), &json!("2.0")));
}

#[tokio::test]
async fn several_issuers_have_keys_and_names_of_their_own() {
    let called = NamedIssuer {
        name: "team/b".to_owned(),
        url: Some("https://login.example.com/b".to_owned()),
    };
    let client = Client::new(ServerOptions {
        issuers: vec![NamedIssuer::new("default"), called],
        ..options()
    })
    .await;
    let server = &client.server;
    let discovery: Value = client
        .http
        .get(server.endpoint("team/b", Endpoint::Discovery).unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(discovery["issuer"], "https://login.example.com/b");
    let keys: Value = client
        .http
        .get(discovery["jwks_uri"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_ne!(keys, client.get(Endpoint::Keys).await);
    let token = server.token("team/b", &TokenRequest::default()).unwrap();
    assert_eq!(Jwt::parse(token.expose()).unwrap().claims["iss"], "https://login.example.com/b");
    let (status, _) = client.control("POST", "/issuers/team/b/rotate", json!({ "overlap": false })).await;
    assert_eq!(status, 200);
    let configuration = server.authentication_configuration().unwrap();
    for part in [
        "https://login.example.com/b",
        "discoveryURL: ",
        "-----BEGIN CERTIFICATE-----",
        "prefix: ",
    ] {
        assert!(configuration.contains(part), "{part}: {configuration}");
    }
    assert!(server.flags("ca.pem").unwrap().contains(&"--oidc-client-id=kubernetes".to_owned()));
}
