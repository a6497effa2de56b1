//! kubectl with a login at Keycloak in its kubeconfig: it presents the ID token, and refreshes it once that has expired
//! (k8s.io/client-go `plugin/pkg/client/auth/oidc`).

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cucumber::{given, then, when};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Person, Step};
use crate::credential::Credential;
use crate::jwt::Jwt;
use crate::kubeconfig;
use crate::pki::{Authority, write_private};
use crate::process::Program;
use crate::scenario::world::World;
use crate::secret::{Secret, redact};

/// A kubeconfig in a directory of its own, and kubectl's answer.
#[derive(Default)]
pub(super) struct AtHand {
    pub(super) home: Option<TempDir>,
    /// The client's success (`true`) and its output.
    pub(super) answer: Option<(bool, String)>,
}

impl AtHand {
    /// Returns the directory with the kubeconfig.
    pub(super) fn home(&self) -> Result<&Path> {
        Ok(self.home.as_ref().context("nobody has a kubeconfig")?.path())
    }
}

phrases! {
    /// The flaw of a login in a kubeconfig.
    enum LoginFlaw as "login_flaw" {
        Client = "a client that Keycloak does not know",
        Authority = "an authority that did not sign Keycloak's certificate",
        NoIdToken = "a refresh that brings no ID token",
    }
}

requires!(identity_provider, issuer, realm_administration);
#[given(expr = "{person} has a kubeconfig with a login at Keycloak whose token has expired")]
async fn has_kubeconfig(world: &mut World, person: Person) -> Step {
    write(world, &person, None).await
}

requires!(identity_provider, issuer, realm_administration);
#[given(expr = "{person} has a kubeconfig with a login at Keycloak whose token has expired, with {login_flaw}")]
async fn has_flawed_kubeconfig(world: &mut World, person: Person, flaw: LoginFlaw) -> Step {
    write(world, &person, Some(flaw)).await
}

requires!(kubectl);
#[when(expr = "{person} asks the command-line client who {word} is")]
async fn asks(world: &mut World, person: Person, _pronoun: String) -> Step {
    world.person(&person)?;
    let answer = who_am_i(world).await?;
    world.notes::<AtHand>().answer = Some(answer);
    Ok(())
}

#[then(expr = "the client says that {person} is accepted as {string}")]
fn told(world: &mut World, _person: Person, user: String) -> Step {
    accepted(world.notes::<AtHand>().answer.as_ref().context("kubectl was not asked")?, &user)
}

#[then(expr = "the kubeconfig holds a token that has not expired")]
fn holds_new_token(world: &mut World) -> Step {
    let path = world.notes::<AtHand>().home()?.join("kubeconfig");
    let written: Value = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
    let token = written
        .pointer("/users/0/user/auth-provider/config/id-token")
        .and_then(Value::as_str)
        .context("the kubeconfig has a token")?;
    let claims = Jwt::parse(token)?.claims;
    let expires = claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
    let now = jiff::Timestamp::now().as_second();
    expect!(expires > now, "a token that expires after {now}", "it expires at {expires}");
    Ok(())
}

#[then(expr = "the client is refused a token, because {string}")]
fn refused(world: &mut World, reason: String) -> Step {
    let (succeeded, text) = world.notes::<AtHand>().answer.as_ref().context("kubectl was not asked")?;
    expect!(
        !succeeded && text.contains(&reason),
        "kubectl has no token, because: {reason}",
        "it says: {}",
        redact(text)
    );
    Ok(())
}

requires!(identity_provider, issuer, kubectl, realm_administration);
#[then(expr = "with a login that is sound, the client says that {person} is accepted as {string}")]
async fn told_with_sound_login(world: &mut World, person: Person, user: String) -> Step {
    write(world, &person, None).await?;
    accepted(&who_am_i(world).await?, &user)
}

pub(super) fn accepted((succeeded, text): &(bool, String), user: &str) -> Step {
    expect!(*succeeded, "accepted as \"{user}\"", "kubectl says: {}", redact(text));
    let review: Value = serde_json::from_str(text).context("kubectl answers with JSON")?;
    let seen = review.pointer("/status/userInfo/username").and_then(Value::as_str);
    expect!(seen == Some(user), "accepted as \"{user}\"", "{seen:?}");
    Ok(())
}

/// Writes a kubeconfig whose ID token has expired, so that kubectl needs the refresh token.
async fn write(world: &mut World, person: &Person, flaw: Option<LoginFlaw>) -> Step {
    let person = world.person(person)?;
    let keycloak = world.realm().await?;
    let realm = keycloak.description();
    let password = realm.passwords.get(&person.user()).context("their password is known")?;
    let refresh = match flaw {
        Some(LoginFlaw::NoIdToken) => keycloak.password_grant_without_id(&person.user(), password).await?,
        _ => {
            let login = keycloak.password_grant(&person.user(), password).await?;
            login.refresh.context("the login can be refreshed")?
        }
    };
    let authority = match flaw {
        Some(LoginFlaw::Authority) => Authority::root("stranger")?.certificate().to_owned(),
        _ => realm.authority.clone(),
    };
    let client = match flaw {
        Some(LoginFlaw::Client) => "nobody",
        _ => realm.client_id.as_str(),
    };
    // kubectl reads only the expiry of this token.
    let expired = world.signer()?.token("rs256")?.expired(Duration::from_secs(3600)).sign()?;
    let endpoint = world.endpoint();
    let mut file = kubeconfig::json("lab", &endpoint.url, &endpoint.authority, &Credential::Nothing)?;
    let secret = realm.client_secret.as_ref().map_or("", Secret::expose);
    file["users"][0]["user"] = json!({ "auth-provider": { "name": "oidc", "config": {
        "idp-issuer-url": realm.issuer, "client-id": client, "client-secret": secret,
        "idp-certificate-authority-data": STANDARD.encode(authority),
        "id-token": expired.expose(), "refresh-token": refresh.expose(),
    } } });
    let home = world.temporary()?;
    write_private(&home.path().join("kubeconfig"), &file.to_string())?;
    world.notes::<AtHand>().home = Some(home);
    Ok(())
}

/// Runs `kubectl auth whoami`. Returns whether it succeeded, and its output.
async fn who_am_i(world: &mut World) -> Step<(bool, String)> {
    who_am_i_with(world, &[]).await
}

/// Does the same with more options.
pub(super) async fn who_am_i_with(world: &mut World, options: &[String]) -> Step<(bool, String)> {
    let kubectl = world.kubectl()?;
    let home = world.notes::<AtHand>().home()?.to_owned();
    let said = home.join("said");
    let program = Program::new("kubectl", kubectl, &said)
        .environment("HOME", &home)
        // Plugins, and the programs that they use, are found there.
        .inherit(&["PATH"])
        .argument(format!("--kubeconfig={}", home.join("kubeconfig").display()))
        .arguments(["auth", "whoami", "--output=json"])
        .arguments(options);
    let status = program.start().await?.ended().await?;
    Ok((status.success(), std::fs::read_to_string(&said)?))
}
