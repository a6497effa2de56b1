//! Starts Keycloak, and a Kubernetes API server that takes its tokens, and writes a kubeconfig in which Alice has one.
//!
//! `cargo run --package authlab-testcontainers --example kubernetes_with_keycloak -- kubeconfig.yaml`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use authlab_testcontainers::testcontainers::ImageExt as _;
use authlab_testcontainers::{K3s, Keycloak};

/// A realm with Alice, and a client for her.
const REALM: &str = r#"{"realm": "people", "enabled": true,
    "clients": [{"clientId": "kubernetes", "publicClient": true, "directAccessGrantsEnabled": true}],
    "users": [{"username": "alice", "enabled": true, "email": "alice@example.test", "emailVerified": true, "firstName": "Alice",
        "lastName": "Example", "credentials": [{"type": "password", "value": "alices-password", "temporary": false}]}]}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name the kubeconfig to write")?;
    // This program reaches Keycloak at 127.0.0.1, and k3s reaches it by the name of its container.
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".to_owned(), "keycloak".to_owned()])?.self_signed(&key)?;
    let keycloak = Keycloak::default()
        .with_realm(REALM)
        .with_tls(certificate.pem(), key.serialize_pem())
        .with_public_url("https://keycloak:8443")
        .start_with(|request| request.with_network("example").with_container_name("keycloak"))
        .await?;

    let authority: String = certificate.pem().lines().map(|line| format!("      {line}\n")).collect();
    let configuration = format!(
        "apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: {}
    audiences: [kubernetes]
    certificateAuthority: |
{authority}  claimMappings:
    username: {{claim: preferred_username, prefix: 'people:'}}
",
        keycloak.issuer_url("people")
    );
    let k3s = K3s::default()
        .with_authentication_configuration(configuration)
        .start_with(|request| request.with_network("example"))
        .await?;

    let token = keycloak.password_token("people", "kubernetes", "alice", "alices-password").await?;
    let token = token.id_token.ok_or("Keycloak gave no ID token")?;
    let (clusters, _) = k3s.kubeconfig().split_once("users:\n").ok_or("the kubeconfig has no users")?;
    std::fs::write(&path, format!("{clusters}users:\n- name: default\n  user:\n    token: {token}\n"))?;
    println!("kubectl --kubeconfig {path} auth whoami; both end with Ctrl-C");
    std::future::pending::<()>().await;
    Ok(())
}
