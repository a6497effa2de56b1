//! Keycloak: realms, TLS with a certificate of rcgen's, tokens of each kind, and a realm that is not imported.

use authlab_testcontainers::description::keycloak::TAG;
use authlab_testcontainers::{Error, Keycloak};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::runtime;
use crate::stage::{keycloak, left, of, published_on};

/// A realm with a user and a client for both grants.
const REALM: &str = r#"{"realm": "people", "enabled": true,
    "clients": [{"clientId": "portal", "secret": "portal-secret", "directAccessGrantsEnabled": true, "serviceAccountsEnabled": true}],
    "users": [{"username": "alice", "enabled": true, "email": "alice@authlab.test", "emailVerified": true, "firstName": "Alice",
        "lastName": "Authlab", "credentials": [{"type": "password", "value": "alices-password", "temporary": false}]}]}"#;

fn people() -> Keycloak {
    Keycloak::default().with_image(keycloak(), TAG).with_realm(REALM)
}

/// Returns the claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub fn it_gives_tokens_over_tls_on_loopback_alone() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    runtime().block_on(async {
        let keycloak = people().with_tls(certificate.pem(), key.serialize_pem());
        let keycloak = keycloak.start_with(of("keycloak tls")).await.unwrap();
        let issuer = keycloak.issuer_url("people");
        assert_eq!(issuer, format!("https://127.0.0.1:{}/realms/people", keycloak.port()));
        assert_eq!(published_on(keycloak.id()).await, ["127.0.0.1"]);

        let portal = ("portal", "portal-secret");
        let token = keycloak.password_token("people", portal, "alice", "alices-password").await.unwrap();
        let claims_of_alice = claims(token.id_token.as_deref().unwrap());
        assert_eq!(claims_of_alice["iss"], issuer.as_str());
        assert_eq!(claims_of_alice["preferred_username"], "alice");
        let error = keycloak.password_token("people", portal, "alice", "wrong").await.unwrap_err();
        let Error::Refused { status: 400, body, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(body.contains("invalid_grant"), "{body}");

        let token = keycloak
            .client_credentials_token("people", "portal", "portal-secret")
            .await
            .unwrap();
        assert_eq!(claims(&token.access_token)["iss"], issuer.as_str());
        let token = keycloak.admin_token().await.unwrap();
        assert_eq!(claims(&token.access_token)["iss"], keycloak.issuer_url("master").as_str());
        assert!(!format!("{keycloak:?}").contains(keycloak.administrator().1));
        keycloak.stop().await.unwrap();
        assert_eq!(left("keycloak tls").await, 0);
    });
}

pub fn it_gives_tokens_without_async_and_ends_when_it_is_dropped() {
    let keycloak = people().with_administrator("root", "roots-password");
    let keycloak = keycloak.start_blocking_with(of("keycloak blocking")).unwrap();
    assert!(keycloak.issuer_url("people").starts_with("http://127.0.0.1:"), "{keycloak:?}");
    let token = keycloak.client_credentials_token("people", "portal", "portal-secret").unwrap();
    assert_eq!(claims(&token.access_token)["iss"], keycloak.issuer_url("people").as_str());
    assert_eq!(keycloak.administrator(), ("root", "roots-password"));
    keycloak.admin_token().unwrap();
    drop(keycloak);
    assert_eq!(runtime().block_on(left("keycloak blocking")), 0);
}

pub fn a_realm_that_is_not_imported_is_told_with_the_last_lines() {
    runtime().block_on(async {
        let broken = Keycloak::default()
            .with_image(keycloak(), TAG)
            .with_realm(r#"{"realm": "people", "clients": "none"}"#);
        let error = broken.start_with(of("keycloak broken")).await.unwrap_err();
        let Error::Ended { log, .. } = &error else { panic!("{error:?}") };
        assert!(log.to_string().contains(r#"RealmRepresentation["clients"]"#), "{error}");
        assert_eq!(left("keycloak broken").await, 0);
    });
}
