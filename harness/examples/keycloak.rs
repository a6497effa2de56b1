//! Prepares Keycloak, starts it as a lab does, and makes every request that a relying party and an administrator can make.
//!
//! `cargo run --example keycloak -- DIRECTORY [STARTS]`, where DIRECTORY is an unpacked distribution.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use authlab::event::{Event, Events};
use authlab::identity_provider::keycloak::{self, Front, Keycloak, KeycloakClient, KeycloakError, Settings, TokenSet};
use authlab::jwt::Jwt;
use authlab::owner::LabId;
use authlab::pki::{Authority, Request};
use authlab::process::Child;
use authlab::secret::Secret;
use serde_json::Value;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let home = arguments.next().context("name the directory of an unpacked Keycloak")?;
    let starts: u32 = arguments.next().map_or(Ok(1), |count| count.parse())?;
    let events = Events::new(|event| match event {
        Event::PhaseProgress { phase, detail, .. } => println!("{phase}: {detail}"),
        Event::PhaseFinished { phase, ms, failed } => println!("{phase}: {} after {ms} ms", failed.map_or("done".to_owned(), |why| why)),
        Event::Note { text } => println!("note: {text}"),
        _ => {}
    });

    let began = Instant::now();
    let prepared = keycloak::prepare(home.as_ref(), &events).await?;
    println!(
        "prepared within {:?} for Java {}, classes kept by {:?}",
        began.elapsed(),
        prepared.java().version,
        prepared.archive()
    );

    let authority = Authority::root("authlab example")?;
    let serving = authority.issue(&Request::server("keycloak", &[]))?;
    for number in 1..=starts {
        let place = tempfile::tempdir()?;
        let began = Instant::now();
        let settings = Settings {
            front: Front::listen().await?,
            directory: place.path(),
            certificate: &serving,
            authority: authority.certificate(),
        };
        let keycloak = keycloak::start(&prepared, &LabId::random(), settings, &events).await?;
        println!("start {number}: ready within {:?}{}", began.elapsed(), memory(&keycloak));
        if number == starts {
            ask_everything(&KeycloakClient::new(&keycloak.description())?).await?;
        }
        keycloak.stop().await;
    }
    two_at_once(&prepared, &authority, &events).await
}

/// Starts two labs side by side, which share only read-only data.
async fn two_at_once(prepared: &keycloak::Prepared, authority: &Authority, events: &Events) -> anyhow::Result<()> {
    let serving = authority.issue(&Request::server("keycloak", &[]))?;
    let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let start = async |directory| {
        let settings = Settings {
            front: Front::listen().await?,
            directory,
            certificate: &serving,
            authority: authority.certificate(),
        };
        keycloak::start(prepared, &LabId::random(), settings, events).await
    };
    let (first, second) = tokio::try_join!(start(one.path()), start(two.path()))?;
    let (here, there) = (
        KeycloakClient::new(&first.description())?,
        KeycloakClient::new(&second.description())?,
    );
    here.admin()?.create_user("only-here", &Secret::new("a-password"), &[]).await?;
    ensure!(
        there.admin()?.user("only-here").await.is_err(),
        "a user of one lab turned up in the other"
    );
    println!("two at once: each has its own data");
    first.stop().await;
    second.stop().await;
    Ok(())
}

async fn ask_everything(client: &KeycloakClient) -> anyhow::Result<()> {
    let realm = client.description().clone();
    let discovery = timed("discovery", client.discovery()).await?;
    ensure!(
        discovery["issuer"] == realm.issuer.as_str(),
        "the issuer is {}",
        discovery["issuer"]
    );
    timed("keys", client.keys()).await?;

    let alice = &realm.passwords["alice"];
    let tokens = timed("first password grant", client.password_grant("alice", alice)).await?;
    show("id token", &tokens.id)?;
    show("access token", &tokens.access)?;
    timed("second password grant", client.password_grant("alice", alice)).await?;
    println!("  userinfo {}", timed("userinfo", client.userinfo(&tokens.access)).await?);
    ensure!(
        timed("introspection", client.introspect(&tokens.access)).await?.active,
        "a fresh token is not active"
    );
    let refresh = tokens.refresh.clone().context("a person gets a refresh token")?;
    let tokens = timed("refresh grant", client.refresh(&refresh)).await?;
    timed("revocation", client.revoke(&tokens.access)).await?;
    ensure!(!client.introspect(&tokens.access).await?.active, "a revoked token is active");
    timed("logout", client.logout(&refresh)).await?;
    refused("refresh after logout", client.refresh(&refresh).await)?;
    refused("another password", client.password_grant("alice", &Secret::new("wrong")).await)?;
    timed("client credentials", client.client_credentials()).await?;

    for other in [
        "tokens-expire-at-once",
        "audience-elsewhere",
        "audience-listed-second",
        "without-username",
        "without-groups",
        "groups-as-string",
    ] {
        let tokens = client.as_client(other)?.password_grant("alice", alice).await?;
        println!("{other}: expires in {:?}", tokens.expires_in);
        show("id token", &tokens.id)?;
        show("access token", &tokens.access)?;
    }
    let elsewhere = client.elsewhere()?;
    let tokens = elsewhere
        .password_grant("alice", &elsewhere.description().passwords["alice"])
        .await?;
    show("elsewhere", &tokens.id)?;

    let admin = client.admin()?;
    let password = Secret::new("a-password-of-a-scenario");
    timed("first user", admin.create_user("scenario-0", &password, &["readers", "writers"])).await?;
    for number in 1..=3 {
        timed(
            "another user",
            admin.create_user(&format!("scenario-{number}"), &password, &["readers", "writers"]),
        )
        .await?;
    }
    let user = "scenario-1";
    show("their token", &client.password_grant(user, &password).await?.id)?;
    timed("role withdrawn", admin.withdraw_role(user, "writers")).await?;
    timed("role granted", admin.grant_role(user, "auditors")).await?;
    let session = client.password_grant(user, &password).await?;
    show("their next token", &session.id)?;
    println!("  record {:?}", timed("look at a user", admin.user(user)).await?);
    timed("sessions ended", admin.logout_user(user)).await?;
    refused(
        "refresh after the administrator's logout",
        client.refresh(session.refresh.as_ref().context("a refresh token")?).await,
    )?;
    timed("user disabled", admin.set_enabled(user, false)).await?;
    refused("login of a disabled user", client.password_grant(user, &password).await)?;
    timed("user enabled", admin.set_enabled(user, true)).await?;
    client.password_grant(user, &password).await?;
    timed("user removed", admin.delete_user(user)).await?;
    refused("login of a removed user", client.password_grant(user, &password).await)?;
    let again = admin.create_user("scenario-2", &password, &[]).await;
    println!("  the same name again: {}", again.err().context("two users of one name")?);
    Ok(())
}

async fn timed<T>(what: &str, asked: impl Future<Output = Result<T, KeycloakError>>) -> anyhow::Result<T> {
    let began = Instant::now();
    let answer = asked.await.with_context(|| what.to_owned())?;
    let took: Duration = began.elapsed();
    println!("{what}: {} ms", took.as_millis());
    Ok(answer)
}

fn refused(what: &str, answer: Result<TokenSet, KeycloakError>) -> anyhow::Result<()> {
    let error = answer.err().with_context(|| format!("{what} was accepted"))?;
    ensure!(error.code() == Some("invalid_grant"), "{what}: {error}");
    println!("  {what}: {error}");
    Ok(())
}

/// Prints the claims that an API server checks.
fn show(what: &str, token: &Secret) -> anyhow::Result<()> {
    let claims = Value::from(Jwt::parse(token.expose())?.claims);
    let life = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
    println!(
        "  {what}: iss {} aud {} user {} groups {} email {} life {life:?}",
        claims["iss"], claims["aud"], claims["preferred_username"], claims["user_groups"], claims["email"]
    );
    Ok(())
}

fn memory(keycloak: &Keycloak) -> String {
    let status = keycloak
        .child()
        .and_then(Child::pid)
        .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let resident = status.and_then(|text| text.lines().find_map(|line| Some(line.strip_prefix("VmRSS:")?.trim().to_owned())));
    resident.map(|resident| format!(", resident {resident}")).unwrap_or_default()
}
