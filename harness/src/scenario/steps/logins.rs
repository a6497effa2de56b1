//! Logins at Keycloak: people's actions there, its statements about their tokens, and the API server's verdicts on them.

use std::time::Duration;

use anyhow::{Context, anyhow};
use base64::Engine;
use cucumber::{given, then, when};
use rand::RngCore;
use serde_json::{Value, json};

use super::{Person, Step, answers, requests};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::identity_provider::issuer::{Algorithm, Forgery};
use crate::identity_provider::keycloak::{KeycloakError, NewUser, TokenSet};
use crate::jwt::Jwt;
use crate::probe::Question;
use crate::process::wait::{Condition, until};
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// The state of the scenario's person at Keycloak.
#[derive(Default)]
struct AtKeycloak {
    account: Option<NewUser>,
    login: Option<TokenSet>,
    former: Option<TokenSet>,
    refused: Option<KeycloakError>,
}

/// The clients of the realm whose tokens are flawed (`fixtures/keycloak/realm.json`). Tokens of other clients differ, and are sound.
const FLAWED: &[&str] = &["tokens-expire-at-once", "audience-elsewhere", "without-username"];

requires!(identity_provider, realm_administration);
#[given(expr = "{person} has logged in to Keycloak")]
async fn logged_in(world: &mut World, person: Person) -> Step {
    logged_in_for(world, person, "kubernetes".to_owned()).await
}

requires!(identity_provider, realm_administration);
#[given(expr = "{person} has logged in to Keycloak for {string}")]
async fn logged_in_for(world: &mut World, person: Person, client: String) -> Step {
    world.person(&person)?;
    let keycloak = world.realm().await?;
    let password = keycloak
        .description()
        .passwords
        .get(&person.user())
        .cloned()
        .context("no password of theirs is known")?;
    let login = keycloak.as_client(&client)?.password_grant(&person.user(), &password).await?;
    let twin = if FLAWED.contains(&client.as_str()) {
        Some(sound_login(world).await?)
    } else {
        None
    };
    Ok(world.hold(&person, Credential::Token(login.id), twin)?)
}

requires!(identity_provider, realm_administration);
#[given(expr = "{person} has logged in to another realm of Keycloak")]
async fn logged_in_elsewhere(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let keycloak = world.realm().await?.elsewhere()?;
    let password = keycloak
        .description()
        .passwords
        .get(&person.user())
        .cloned()
        .context("no password of theirs is known")?;
    let login = keycloak.password_grant(&person.user(), &password).await?;
    let twin = sound_login(world).await?;
    Ok(world.hold(&person, Credential::Token(login.id), Some(twin))?)
}

requires!(identity_provider, issuer, realm_administration);
#[given(expr = "{person} has signed a token in Keycloak's name")]
async fn signed_in_keycloaks_name(world: &mut World, person: Person) -> Step {
    signed_in_keycloaks_name_with(world, person, Algorithm::Rs256).await
}

requires!(identity_provider, issuer, realm_administration);
#[given(expr = "{person} has signed a token in Keycloak's name with {word}")]
async fn signed_in_keycloaks_name_with(world: &mut World, person: Person, algorithm: Algorithm) -> Step {
    let twin = sound_login(world).await?;
    let issuer = world.realm().await?.description().issuer.clone();
    let forged = world
        .signer()?
        .token("rs256")?
        .issuer(&issuer)
        .claim("preferred_username", "alice")
        .algorithm(algorithm)
        .forged(Forgery::UnknownKey);
    Ok(world.hold(&person, Credential::Token(forged.sign()?), Some(twin))?)
}

#[when(expr = "{person} asks the API server who {word} is, once the token is as old as it gets")]
async fn asks_once_old(world: &mut World, person: Person, _pronoun: String) -> Step {
    let Credential::Token(token) = world.holding(&person)?.credential.clone() else {
        bail!("nobody holds a token yet");
    };
    let claims = Jwt::parse(token.expose())?.claims;
    let expires = claims
        .get("exp")
        .and_then(Value::as_i64)
        .context("the token says when it expires")?;
    let issued = claims
        .get("iat")
        .and_then(Value::as_i64)
        .context("the token says when it was issued")?;
    // Only a token that lives for a second or two is waited for; other tokens are as old as they need to be.
    if expires - issued <= 2 {
        let waited = until("the token's end", Duration::from_secs(5), || async {
            let left = expires - jiff::Timestamp::now().as_second();
            Ok::<_, std::io::Error>(if left < 0 {
                Condition::Met(())
            } else {
                Condition::NotYet(format!("it lives for {left} s"))
            })
        });
        waited.await?;
    }
    world.ask(&person, &Question::who_am_i()).await?;
    Ok(())
}

requires!(identity_provider, realm_administration);
#[given(expr = "{person} has an account of her own in Keycloak")]
async fn has_account(world: &mut World, person: Person) -> Step {
    make_account(world, &person, &[]).await
}

requires!(identity_provider, realm_administration);
#[given(expr = "{person} has an account of her own in Keycloak, with the role {string}")]
async fn has_account_with_role(world: &mut World, person: Person, role: String) -> Step {
    make_account(world, &person, &[&role]).await
}

#[given(expr = "{person} has logged in with her password")]
#[when(expr = "{person} logs in with her password")]
async fn logs_in(world: &mut World, person: Person) -> Step {
    let account = account(world)?;
    let login = world.realm().await?.password_grant(&account.name, &account.password).await?;
    keep(world, &person, login)
}

#[when(expr = "{person} logs in with a wrong password")]
async fn mistypes(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let account = account(world)?;
    let keycloak = world.realm().await?;
    let refused = keycloak.password_grant(&account.name, &Secret::new("not-her-password")).await;
    world.notes::<AtKeycloak>().refused = refused.err();
    Ok(())
}

#[when(expr = "{person} refreshes her login")]
async fn refreshes(world: &mut World, person: Person) -> Step {
    let refresh = refresh_token(world)?;
    let login = world.realm().await?.refresh(&refresh).await?;
    keep(world, &person, login)
}

#[when(expr = "{person} logs out")]
async fn logs_out(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let refresh = refresh_token(world)?;
    Ok(world.realm().await?.logout(&refresh).await?)
}

#[when("an administrator of Keycloak ends her logins")]
async fn ends_logins(world: &mut World) -> Step {
    let account = account(world)?;
    Ok(world.realm().await?.admin()?.logout_user(&account.name).await?)
}

#[when("an administrator of Keycloak disables her account")]
async fn disables_account(world: &mut World) -> Step {
    let account = account(world)?;
    Ok(world.realm().await?.admin()?.set_enabled(&account.name, false).await?)
}

#[when(expr = "{person} is granted the role {string} in Keycloak and refreshes her login")]
async fn granted_role(world: &mut World, person: Person, role: String) -> Step {
    let account = account(world)?;
    let admin = world.realm().await?.admin()?;
    admin.create_role(&role).await?;
    admin.grant_role(&account.name, &role).await?;
    refreshes(world, person).await
}

#[when(expr = "the role {string} is withdrawn from her in Keycloak and she refreshes her login")]
async fn withdrawn_role(world: &mut World, role: String) -> Step {
    let account = account(world)?;
    world.realm().await?.admin()?.withdraw_role(&account.name, &role).await?;
    refreshes(world, Person::called("she")).await
}

#[then("Keycloak says that her token is active")]
async fn token_is_active(world: &mut World) -> Step {
    let said = introspected(world).await?;
    expect!(said, "Keycloak to say that the token is active", "it says that it is not");
    Ok(())
}

#[then("Keycloak says that her token is not active")]
async fn token_is_not_active(world: &mut World) -> Step {
    let said = introspected(world).await?;
    expect!(!said, "Keycloak to say that the token is not active", "it says that it is");
    Ok(())
}

#[then(expr = "Keycloak tells her name and the role {string} to who asks with her token")]
async fn userinfo_tells(world: &mut World, role: String) -> Step {
    let name = account(world)?.name;
    let access = login(world)?.access;
    let told = world.realm().await?.userinfo(&access).await?;
    expect!(
        told["preferred_username"] == json!(name),
        "the name \"{name}\"",
        "Keycloak told {told}"
    );
    let roles = told["user_groups"].as_array().cloned().unwrap_or_default();
    expect!(roles.contains(&json!(role)), "the role \"{role}\"", "Keycloak told {told}");
    Ok(())
}

#[then(expr = "Keycloak refuses the login with {string}, because {string}")]
fn login_refused(world: &mut World, error: String, why: String) -> Step {
    let refused = world
        .notes::<AtKeycloak>()
        .refused
        .take()
        .context("expected Keycloak to refuse the login; it did not")?;
    oauth_refused::<TokenSet>(Err(refused), &error, &why)
}

#[then("with the right password she is let in")]
async fn let_in(world: &mut World) -> Step {
    logs_in(world, Person::called("she")).await
}

#[then(expr = "Keycloak refuses to refresh her login with {string}")]
async fn refresh_refused(world: &mut World, error: String) -> Step {
    let refresh = refresh_token(world)?;
    let refreshed = world.realm().await?.refresh(&refresh).await;
    oauth_refused(refreshed, &error, "")
}

#[then(expr = "Keycloak refuses her password with {string}")]
async fn password_refused(world: &mut World, error: String) -> Step {
    let account = account(world)?;
    let granted = world.realm().await?.password_grant(&account.name, &account.password).await;
    oauth_refused(granted, &error, "")
}

#[then("she has a new token")]
fn has_new_token(world: &mut World) -> Step {
    let notes = world.notes::<AtKeycloak>();
    let (Some(login), Some(former)) = (&notes.login, &notes.former) else {
        bail!("there are no two logins to compare yet");
    };
    expect!(login.id != former.id, "a new token", "it is the former one");
    Ok(())
}

#[then(expr = "the API server (still )accepts her token")]
async fn api_server_accepts(world: &mut World) -> Step {
    let name = account(world)?.name;
    let answer = world.ask(&Person::called("she"), &Question::who_am_i()).await?;
    answers::accepted(&answer, &format!("keycloak:{name}"))
}

#[then(expr = "the API server accepts her token with the group {string}")]
async fn api_server_accepts_with_group(world: &mut World, group: String) -> Step {
    api_server_accepts(world).await?;
    let identity = answers::identity(world.answer()?)?;
    expect!(identity.groups.contains(&group), "the group \"{group}\"", "{:?}", identity.groups);
    Ok(())
}

requires!(administrator);
#[then(expr = "with her former token she may still list {word}")]
async fn former_token_may(world: &mut World, resource: String) -> Step {
    let former = world.notes::<AtKeycloak>().former.clone().context("there is no former token")?;
    let question = requests::list(world, &resource).await?;
    let answer = world
        .ask_with(&Person::called("she"), &Credential::Token(former.id), &question)
        .await;
    expect!(answer.verdict == Verdict::Accepted, "accepted with the former token", "{answer}");
    Ok(())
}

/// Logs Alice in anew. Returns the login and the user that she becomes at the current endpoint.
async fn sound_login(world: &World) -> Step<Twin> {
    let keycloak = world.realm().await?;
    let password = keycloak
        .description()
        .passwords
        .get("alice")
        .cloned()
        .context("Alice's password is known")?;
    let login = keycloak.password_grant("alice", &password).await?;
    let prefix = if world.endpoint().server.name == "oidc_flags" {
        format!("{}#", keycloak.description().issuer)
    } else {
        "keycloak:".to_owned()
    };
    Ok(Twin {
        credential: Credential::Token(login.id),
        user: format!("{prefix}alice"),
    })
}

async fn make_account(world: &mut World, person: &Person, roles: &[&str]) -> Step {
    world.person(person)?;
    let name = world.unique(&person.user());
    let mut password = [0_u8; 18];
    rand::thread_rng().fill_bytes(&mut password);
    let password = Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(password));
    world.made_account(&name);
    let account = world.realm().await?.admin()?.create_user(&name, &password, roles).await?;
    world.notes::<AtKeycloak>().account = Some(account);
    Ok(())
}

fn keep(world: &mut World, person: &Person, login: TokenSet) -> Step {
    let notes = world.notes::<AtKeycloak>();
    notes.former = notes.login.replace(login.clone());
    Ok(world.hold(person, Credential::Token(login.id), None)?)
}

fn account(world: &mut World) -> Step<NewUser> {
    Ok(world
        .notes::<AtKeycloak>()
        .account
        .clone()
        .context("nobody has an account in Keycloak yet")?)
}

fn login(world: &mut World) -> Step<TokenSet> {
    Ok(world
        .notes::<AtKeycloak>()
        .login
        .clone()
        .context("nobody has logged in to Keycloak yet")?)
}

fn refresh_token(world: &mut World) -> Step<Secret> {
    Ok(login(world)?.refresh.context("the login came without a refresh token")?)
}

async fn introspected(world: &mut World) -> Step<bool> {
    let access = login(world)?.access;
    Ok(world.realm().await?.introspect(&access).await?.active)
}

/// Fails unless Keycloak refused with OAuth's `error` (RFC 6749 §5.2) and a description that contains `why`.
fn oauth_refused<T>(answered: Result<T, KeycloakError>, error: &str, why: &str) -> Step {
    match answered {
        Err(KeycloakError::Refused {
            error: seen, description, ..
        }) => {
            let said = description.unwrap_or_default();
            expect!(
                seen == error && said.contains(why),
                "\"{error}\", because: {why}",
                "Keycloak said \"{seen}\": {said}"
            );
            Ok(())
        }
        Err(other) => Err(other.into()),
        Ok(_) => Err(anyhow!("expected Keycloak to refuse with \"{error}\"; it granted").into()),
    }
}
