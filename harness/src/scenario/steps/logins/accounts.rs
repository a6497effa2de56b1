//! Accounts of a scenario's own at the identity provider: people log in, refresh and log out, an administrator changes the accounts, and the
//! provider and the API server say what they think of the tokens. The main type is [`OwnAccount`].

use std::convert::Infallible;
use std::str::FromStr;

use anyhow::{Context, anyhow};
use base64::Engine;
use cucumber::{given, then, when};
use rand::RngCore;
use serde_json::json;

use crate::credential::Credential;
use crate::event::Verdict;
use crate::identity_provider::keycloak::TokenSet;
use crate::identity_provider::{AccountChange as Change, ProviderError};
use crate::probe::Question;
use crate::scenario::steps::{Person, Step, answers, requests};
use crate::scenario::world::World;
use crate::secret::Secret;

/// An account that the scenario made.
#[derive(Clone, Debug)]
struct NewAccount {
    name: String,
    password: Secret,
}

/// The state of the scenario's person at the identity provider.
#[derive(Default)]
struct AtProvider {
    account: Option<NewAccount>,
    login: Option<TokenSet>,
    former: Option<TokenSet>,
    refused: Option<ProviderError>,
}

/// An account to be created: `an account of her own at the identity provider, with the role "on-call"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "own_account",
    regex = r#"an account of her own at the identity provider(?:, with the role "[^"]*")?"#
)]
struct OwnAccount {
    role: Option<String>,
}

impl FromStr for OwnAccount {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self {
            role: said.split('"').nth(1).map(str::to_owned),
        })
    }
}

requires!(identity_provider, cast_accounts, realm_administration);
#[given(expr = "{person} has {own_account}")]
async fn has_account(world: &mut World, person: Person, account: OwnAccount) -> Step {
    let name = world.user(&person)?;
    let name = world.unique(&name);
    let mut password = [0_u8; 18];
    rand::thread_rng().fill_bytes(&mut password);
    let password = Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(password));
    world.made_account(&name);
    let roles: Vec<&str> = account.role.as_deref().into_iter().collect();
    world
        .administered_provider()
        .await?
        .create_account(&name, &password, &roles)
        .await?;
    world.notes::<AtProvider>().account = Some(NewAccount { name, password });
    Ok(())
}

/// The password that a person enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Password {
    Right,
    Wrong,
}

phrases! {
    Password as "entered_password" {
        "her password" => Self::Right,
        "a wrong password" => Self::Wrong,
    }
}

#[when(expr = "{person} logs in with {entered_password}")]
pub(super) async fn logs_in(world: &mut World, person: Person, password: Password) -> Step {
    world.person(&person)?;
    let account = account(world)?;
    let provider = world.provider().await?;
    match password {
        Password::Right => {
            let login = provider.log_in(&account.name, &account.password, "valid").await?;
            keep(world, &person, login)
        }
        Password::Wrong => {
            let answered = provider.log_in(&account.name, &Secret::new("not-her-password"), "valid").await;
            world.notes::<AtProvider>().refused = answered.err();
            Ok(())
        }
    }
}

#[when(expr = "{person} refreshes her login")]
async fn refreshes(world: &mut World, person: Person) -> Step {
    let refresh = refresh_token(world)?;
    let login = world.provider().await?.refresh(&refresh).await?;
    keep(world, &person, login)
}

#[when(expr = "{person} logs out")]
async fn logs_out(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let refresh = refresh_token(world)?;
    Ok(world.provider().await?.log_out(&refresh).await?)
}

/// A change of the person's account: `grants her the role "on-call"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "account_change",
    regex = r#"ends her sessions|disables her account|grants her the role "[^"]*"|withdraws the role "[^"]*" from her"#
)]
struct AccountChange(Change);

impl FromStr for AccountChange {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> anyhow::Result<Self> {
        let mut parts = said.split('"');
        Ok(Self(match (parts.next(), parts.next()) {
            (Some("ends her sessions"), None) => Change::LoginsEnded,
            (Some("disables her account"), None) => Change::Disabled,
            (Some("grants her the role "), Some(role)) => Change::Granted(role.to_owned()),
            (Some("withdraws the role "), Some(role)) => Change::Withdrawn(role.to_owned()),
            _ => anyhow::bail!("unknown change of an account: {said}"),
        }))
    }
}

#[when(expr = "an administrator of the identity provider {account_change}")]
async fn administrator_changes(world: &mut World, change: AccountChange) -> Step {
    let name = account(world)?.name;
    Ok(world.administered_provider().await?.change_account(&name, &change.0).await?)
}

phrases! {
    /// The state of a token according to Keycloak's introspection endpoint (RFC 7662).
    enum TokenState as "token_state" {
        Active = "active",
        Inactive = "not active",
    }
}

#[then(expr = "the identity provider says that her token is {token_state}")]
async fn token_is(world: &mut World, state: TokenState) -> Step {
    let access = login(world)?.access;
    let active = world.provider().await?.introspect(&access).await?.active;
    let (expected, seen) = (state.words(), if active { "active" } else { "not active" });
    expect!(
        active == (state == TokenState::Active),
        "the identity provider to say that the token is {expected}",
        "it says that it is {seen}"
    );
    Ok(())
}

#[then(expr = "the provider's userinfo endpoint returns her name and the role {string}")]
async fn userinfo_returns(world: &mut World, role: String) -> Step {
    let name = account(world)?.name;
    let access = login(world)?.access;
    let told = world.provider().await?.userinfo(&access).await?;
    expect!(
        told["preferred_username"] == json!(name),
        "the name \"{name}\"",
        "the provider told {told}"
    );
    let roles = told["user_groups"].as_array().cloned().unwrap_or_default();
    expect!(roles.contains(&json!(role)), "the role \"{role}\"", "the provider told {told}");
    Ok(())
}

phrases! {
    /// A person's request for tokens: the login that was attempted, or another attempt.
    enum TokenRequest as "token_request" {
        Login = "the login",
        Password = "to log her in",
        Refresh = "to refresh her login",
    }
}

/// The words of the refusal are a matter of the provider (`fixtures/identity_providers/`).
#[then(expr = "the identity provider refuses {token_request}, because {string}")]
async fn provider_refuses(world: &mut World, request: TokenRequest, reason: String) -> Step {
    let provider = world.provider().await?;
    let refusal = provider.kind().facts().refusals.get(&reason);
    let refusal = refusal.with_context(|| format!("no provider's words are known for the reason \"{reason}\""))?;
    let answered = match request {
        TokenRequest::Login => {
            let refused = world.notes::<AtProvider>().refused.take();
            Err(refused.context("expected the provider to refuse the login; it did not")?)
        }
        TokenRequest::Password => {
            let account = account(world)?;
            provider.log_in(&account.name, &account.password, "valid").await
        }
        TokenRequest::Refresh => {
            let refresh = refresh_token(world)?;
            provider.refresh(&refresh).await
        }
    };
    let (error, why) = refusal.split_once(": ").unwrap_or((refusal, ""));
    oauth_refused(answered, error, why)
}

#[then("the identity provider accepts her password")]
async fn provider_accepts(world: &mut World) -> Step {
    logs_in(world, Person::called("she"), Password::Right).await
}

#[then("she has a new token")]
fn has_new_token(world: &mut World) -> Step {
    let notes = world.notes::<AtProvider>();
    let (Some(login), Some(former)) = (&notes.login, &notes.former) else {
        bail!("there are no two logins to compare yet");
    };
    expect!(login.id != former.id, "a new token", "it is the former one");
    Ok(())
}

phrases! {
    /// The token that the API server gets.
    enum TokenInUse as "token_in_use" {
        Current = "her token",
        Refreshed = "her token after a refresh",
    }
}

#[then(expr = "the API server (still )accepts {token_in_use}")]
async fn api_server_accepts(world: &mut World, token: TokenInUse) -> Step {
    if token == TokenInUse::Refreshed {
        refreshes(world, Person::called("she")).await?;
    }
    let name = account(world)?.name;
    let answer = world.ask(&Person::called("she"), &Question::who_am_i()).await?;
    let user = world.filled(&format!("{{provider}}:{name}"))?;
    answers::accepted(&answer, &user)
}

requires!(administrator);
#[then(expr = "with her former token she may still list {word}")]
async fn former_token_may(world: &mut World, resource: String) -> Step {
    let former = world.notes::<AtProvider>().former.clone().context("there is no former token")?;
    let question = requests::list(world, &resource).await?;
    let answer = world
        .ask_with(&Person::called("she"), &Credential::Token(former.id), &question)
        .await;
    expect!(answer.verdict == Verdict::Accepted, "accepted with the former token", "{answer}");
    Ok(())
}

fn keep(world: &mut World, person: &Person, login: TokenSet) -> Step {
    let notes = world.notes::<AtProvider>();
    notes.former = notes.login.replace(login.clone());
    Ok(world.hold(person, Credential::Token(login.id), None)?)
}

fn account(world: &mut World) -> Step<NewAccount> {
    let account = world.notes::<AtProvider>().account.clone();
    Ok(account.context("nobody has an account at the identity provider yet")?)
}

fn login(world: &mut World) -> Step<TokenSet> {
    let login = world.notes::<AtProvider>().login.clone();
    Ok(login.context("nobody has logged in at the identity provider yet")?)
}

fn refresh_token(world: &mut World) -> Step<Secret> {
    Ok(login(world)?.refresh.context("the login came without a refresh token")?)
}

/// Fails unless the provider refused with OAuth's `error` (RFC 6749 §5.2) and a description that contains `why`.
fn oauth_refused(answered: Result<TokenSet, ProviderError>, error: &str, why: &str) -> Step {
    match answered {
        Err(refused) => {
            let Some((seen, said)) = refused.refusal() else {
                return Err(refused.into());
            };
            expect!(
                seen == error && said.contains(why),
                "\"{error}\", because: {why}",
                "the provider said \"{seen}\": {said}"
            );
            Ok(())
        }
        Ok(_) => Err(anyhow!("expected the provider to refuse with \"{error}\"; it granted").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_an_account_is_read() {
        let read = |said: &str| said.parse::<AccountChange>().expect("it is a change").0;
        assert_eq!(read("ends her sessions"), Change::LoginsEnded);
        assert_eq!(read("disables her account"), Change::Disabled);
        assert_eq!(read(r#"grants her the role "on-call""#), Change::Granted("on-call".to_owned()));
        assert_eq!(
            read(r#"withdraws the role "on-call" from her"#),
            Change::Withdrawn("on-call".to_owned())
        );
    }
}
