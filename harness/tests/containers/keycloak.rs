//! Keycloak in containers: the official image, or its stand-in, with a custom realm, and the prepared image.
//!
//! A missing image is a reason to skip, which [`missing_official`] and [`missing_prepared`] return.

use authlab::engine::{Engine, Image, Network, Presence, Scope};
use authlab::event::Events;
use authlab::identity_provider::keycloak::{
    Front, KeycloakClient, KeycloakContainerSpec, KeycloakImage, PreparedImage, Settings, start_in_container,
};
use authlab::pki::{Authority, Request};
use authlab::secret::Secret;
use authlab::server_binaries::Versions;
use authlab::server_binaries::images::Images;

use crate::stage::Stage;

const OWN: &str = "localhost/authlab";

/// A realm with a client for users, which may also create users.
const REALM: &str = r#"{"realm": "people", "enabled": true,
    "clients": [{"clientId": "portal", "secret": "portal-secret", "directAccessGrantsEnabled": true, "serviceAccountsEnabled": true}],
    "users": [
        {"username": "alice", "enabled": true, "email": "alice@authlab.test", "emailVerified": true, "firstName": "Alice",
         "lastName": "Authlab", "credentials": [{"type": "password", "value": "alices-password", "temporary": false}]},
        {"username": "service-account-portal", "enabled": true, "serviceAccountClientId": "portal",
         "clientRoles": {"realm-management": ["realm-admin"]}}
    ]}"#;

fn prefix() -> String {
    std::env::var("AUTHLAB_IMAGE_PREFIX").unwrap_or_else(|_| OWN.to_owned())
}

fn official() -> String {
    let images = Images::of(Versions::pinned().newest(), Some(&prefix())).unwrap();
    images.keycloak.to_string()
}

async fn prepared(engine: &Engine) -> Option<PreparedImage> {
    PreparedImage::find(engine, &prefix(), &Versions::pinned().keycloak.version)
        .await
        .ok()?
}

/// Returns the reason why the official image cannot be tested.
pub async fn missing_official(engine: &Engine) -> Option<String> {
    let there = matches!(Image::presence(engine, &official()).await, Ok(Presence::Present(_)));
    (!there).then(|| format!("the engine has no image {}; .ci/keycloak-image makes one", official()))
}

/// Returns the reason why the prepared image cannot be tested.
pub async fn missing_prepared(engine: &Engine) -> Option<String> {
    let there = prepared(engine).await.is_some();
    (!there).then(|| "there is no prepared image of Keycloak; `authlab server-binaries build --image` makes one".to_owned())
}

pub async fn the_official_image_imports_a_realm_and_gives_tokens() {
    let stage = Stage::new().await;
    let network = Network::create(&stage.engine, &stage.name("net"), &stage.labels).await.unwrap();
    let authority = Authority::root("test").unwrap();
    let serving = authority.issue(&Request::server("keycloak", &[])).unwrap();
    let image = KeycloakImage::Official(official());
    let keycloak = KeycloakContainerSpec::new(stage.name("keycloak"), image, &serving, authority.certificate())
        .realm(Secret::new(REALM))
        .unwrap()
        .start(&stage.engine, &stage.labels, &network, stage.directory.path())
        .await
        .unwrap();
    assert_eq!(keycloak.version().await.unwrap(), Versions::pinned().keycloak.version);
    keycloak.expect_running().await.unwrap();
    let portal = keycloak.client("people", "portal").unwrap();
    assert_eq!(portal.discovery().await.unwrap()["issuer"], keycloak.issuer_url("people"));
    let alice = keycloak.realm("people").unwrap().passwords["alice"].clone();
    portal.password_grant("alice", &alice).await.unwrap();
    portal.client_credentials().await.unwrap();
    let wrong = portal.password_grant("alice", &Secret::new("wrong")).await.unwrap_err();
    assert_eq!(wrong.code(), Some("invalid_grant"));
    let admin = keycloak.admin("people", "portal").unwrap();
    let newcomer = admin.create_user("newcomer", &Secret::new("a-password"), &[]).await.unwrap();
    portal.password_grant("newcomer", &newcomer.password).await.unwrap();
    assert!(keycloak.client("people", "nobody").is_err());
    keycloak.stop().await.unwrap();
    network.remove().await.unwrap();
    assert_eq!(stage.left().await, Vec::<String>::new());
}

pub async fn the_prepared_image_is_the_labs_keycloak() {
    let stage = Stage::new().await;
    let image = prepared(&stage.engine).await.unwrap();
    let scope = Scope::create(stage.engine.clone(), &stage.name("net"), stage.labels.clone())
        .await
        .unwrap();
    let gateway = scope.network.gateway().unwrap();
    let front = if stage.engine.shares_kernel() {
        Front::listen_on(gateway).await
    } else {
        Front::listen().await
    };
    let front = front.unwrap();
    let issuer = front.issuer_url();
    let authority = Authority::root("test").unwrap();
    let serving = authority.issue(&Request::server("keycloak", &[]).addresses([gateway])).unwrap();
    let settings = Settings {
        front,
        directory: stage.directory.path(),
        certificate: &serving,
        authority: authority.certificate(),
    };
    let image = KeycloakImage::Prepared(image);
    let mut keycloak = start_in_container(image, &scope, settings, &Events::silent()).await.unwrap();
    keycloak.expect_running().await.unwrap();
    let client = KeycloakClient::new(&keycloak.description()).unwrap();
    assert_eq!(client.discovery().await.unwrap()["issuer"], issuer);
    let alice = client.description().passwords["alice"].clone();
    client.password_grant("alice", &alice).await.unwrap();
    client.client_credentials().await.unwrap();
    let newcomer = client
        .admin()
        .unwrap()
        .create_user("newcomer", &Secret::new("a-password"), &[])
        .await
        .unwrap();
    client.password_grant("newcomer", &newcomer.password).await.unwrap();
    keycloak.stop().await;
    scope.network.remove().await.unwrap();
    assert_eq!(stage.left().await, Vec::<String>::new());
}
