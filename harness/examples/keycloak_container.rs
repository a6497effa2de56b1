//! Starts Keycloak in a container, without a lab, and requests tokens and a new user.
//!
//! `cargo run --example keycloak_container -- IMAGE` starts the official image, with a custom realm.
//! `cargo run --example keycloak_container -- IMAGE PREFIX [PAIRS]` prepares an image from it, unless that exists, and
//! starts the lab's realm; with PAIRS also that many times in turn as a process (`AUTHLAB_KEYCLOAK_HOME` names the distribution).
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use authlab::engine::{Engine, Labels, Scope};
use authlab::event::{Event, Events};
use authlab::identity_provider::keycloak::{
    self, Front, KeycloakClient, KeycloakContainerSpec, KeycloakError, KeycloakImage, PreparedImage, Settings,
};
use authlab::owner::LabId;
use authlab::pki::{Authority, Leaf, Request};
use authlab::secret::Secret;
use authlab::server_binaries::Versions;

/// A realm with a user, a client for the user, and a client that may create users.
const REALM: &str = r#"{
    "realm": "people",
    "enabled": true,
    "clients": [{
        "clientId": "portal",
        "secret": "portal-secret",
        "directAccessGrantsEnabled": true,
        "serviceAccountsEnabled": true
    }],
    "users": [{
        "username": "alice",
        "enabled": true,
        "email": "alice@example.test",
        "emailVerified": true,
        "firstName": "Alice",
        "lastName": "Example",
        "credentials": [{"type": "password", "value": "alices-password", "temporary": false}]
    }, {
        "username": "service-account-portal",
        "enabled": true,
        "serviceAccountClientId": "portal",
        "clientRoles": {"realm-management": ["realm-admin"]}
    }]
}"#;

/// The engine for the containers, and the certificate that they serve with.
struct Stage {
    scope: Scope,
    serving: Leaf,
    authority: Authority,
    events: Events,
}

impl Stage {
    async fn settings<'a>(&'a self, directory: &'a Path) -> Result<Settings<'a>, KeycloakError> {
        Ok(Settings {
            front: Front::listen().await?,
            directory,
            certificate: &self.serving,
            authority: self.authority.certificate(),
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let image = arguments.next().context("name an image of Keycloak")?;
    let prefix = arguments.next();
    let pairs: u32 = arguments.next().map_or(Ok(0), |count| count.parse())?;
    let events = Events::new(|event| match event {
        Event::PhaseProgress { phase, detail, .. } => println!("{phase}: {detail}"),
        Event::PhaseFinished { phase, ms, failed } => println!("{phase}: {} after {ms} ms", failed.map_or("done".to_owned(), |why| why)),
        Event::Note { text } => println!("note: {text}"),
        _ => {}
    });

    let engine = Engine::find(None).await?;
    println!("{engine}");
    let directory = tempfile::tempdir()?;
    let labels = Labels::new("keycloak-example", directory.path());
    let authority = Authority::root("authlab example")?;
    let stage = Stage {
        scope: Scope::create(engine, "authlab-keycloak-example", labels).await?,
        serving: authority.issue(&Request::server("keycloak", &[]))?,
        authority,
        events,
    };
    let done = match prefix {
        None => as_it_is(&stage, &image).await,
        Some(prefix) => prepared(&stage, &image, &prefix, pairs).await,
    };
    // Containers outlive this process, so they are removed whatever the outcome.
    stage.scope.sweep().await?;
    done
}

/// Starts the official image, with a realm that it imports at its start.
async fn as_it_is(stage: &Stage, image: &str) -> anyhow::Result<()> {
    let place = tempfile::tempdir_in(&stage.scope.labels.directory)?;
    let image = KeycloakImage::Official(image.to_owned());
    let began = Instant::now();
    let keycloak = KeycloakContainerSpec::new("authlab-keycloak-example", image, &stage.serving, stage.authority.certificate())
        .realm(Secret::new(REALM))?
        .start(&stage.scope.engine, &stage.scope.labels, &stage.scope.network, place.path())
        .await?;
    println!(
        "Keycloak {} answers at {} within {:?}",
        keycloak.version().await?,
        keycloak.issuer_url("people"),
        began.elapsed()
    );
    keycloak.expect_running().await?;
    let portal = keycloak.client("people", "portal")?;
    ask(
        &portal,
        &keycloak.issuer_url("people"),
        "alice",
        &keycloak.realm("people")?.passwords["alice"],
    )
    .await?;
    portal.client_credentials().await.context("client credentials")?;
    let admin = keycloak.admin("people", "portal")?;
    let newcomer = admin.create_user("newcomer", &Secret::new("a-password"), &["readers"]).await?;
    portal
        .password_grant("newcomer", &newcomer.password)
        .await
        .context("the new user's login")?;
    println!("a person, a client and a new user got their tokens");
    keycloak.stop().await?;
    Ok(())
}

/// Starts the prepared image, with the lab's realm.
async fn prepared(stage: &Stage, image: &str, prefix: &str, pairs: u32) -> anyhow::Result<()> {
    let version = &Versions::pinned().keycloak.version;
    let image = match PreparedImage::find(&stage.scope.engine, prefix, version).await? {
        Some(image) => image,
        None => {
            let labels = Labels::new("keycloak-image", &stage.scope.labels.directory);
            keycloak::prepare_image(&stage.scope.engine, &labels, image, prefix, version, &stage.events).await?
        }
    };
    println!(
        "{} with Java {}, classes kept by {:?}",
        image.reference,
        image.java_version(),
        image.archive()
    );
    for pair in 0..pairs.max(1) {
        let took = in_a_container(stage, &image).await?;
        println!("container: ready within {took:?}");
        if pair < pairs {
            println!("process: ready within {:?}", as_a_process(stage).await?);
        }
    }
    Ok(())
}

async fn in_a_container(stage: &Stage, image: &PreparedImage) -> anyhow::Result<Duration> {
    let place = tempfile::tempdir_in(&stage.scope.labels.directory)?;
    let began = Instant::now();
    let image = KeycloakImage::Prepared(image.clone());
    let settings = stage.settings(place.path()).await?;
    let mut keycloak = keycloak::start_in_container(image, &stage.scope, settings, &Events::silent()).await?;
    let took = began.elapsed();
    keycloak.expect_running().await?;
    the_labs(&KeycloakClient::new(&keycloak.description())?).await?;
    keycloak.stop().await;
    Ok(took)
}

async fn as_a_process(stage: &Stage) -> anyhow::Result<Duration> {
    let home = std::env::var_os("AUTHLAB_KEYCLOAK_HOME").context("AUTHLAB_KEYCLOAK_HOME names no distribution")?;
    let prepared = keycloak::prepare(home.as_ref(), &stage.events).await?;
    let place = tempfile::tempdir()?;
    let settings = stage.settings(place.path()).await?;
    let began = Instant::now();
    let keycloak = keycloak::start(&prepared, &LabId::random(), settings, &Events::silent()).await?;
    let took = began.elapsed();
    the_labs(&KeycloakClient::new(&keycloak.description())?).await?;
    keycloak.stop().await;
    Ok(took)
}

/// Shows the features of a lab's realm.
async fn the_labs(client: &KeycloakClient) -> anyhow::Result<()> {
    let realm = client.description().clone();
    ask(client, &realm.issuer, "alice", &realm.passwords["alice"]).await?;
    client.client_credentials().await.context("client credentials")?;
    let newcomer = client
        .admin()?
        .create_user("newcomer", &Secret::new("a-password"), &["readers"])
        .await?;
    client
        .password_grant("newcomer", &newcomer.password)
        .await
        .context("the new user's login")?;
    let elsewhere = client.elsewhere()?;
    elsewhere
        .password_grant("alice", &elsewhere.description().passwords["alice"])
        .await?;
    Ok(())
}

async fn ask(client: &KeycloakClient, issuer: &str, user: &str, password: &Secret) -> anyhow::Result<()> {
    let discovery = client.discovery().await?;
    ensure!(discovery["issuer"] == issuer, "the issuer is {}, not {issuer}", discovery["issuer"]);
    let tokens = client.password_grant(user, password).await.context("a password grant")?;
    client.userinfo(&tokens.access).await.context("userinfo")?;
    Ok(())
}
