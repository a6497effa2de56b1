//! Tokens of the harness' own issuer: sound ones and forgeries.

use anyhow::Context;
use cucumber::{given, then};
use serde_json::{Value, json};

use super::token_flaws::TokenFlaw;
use super::{Person, Step, Texts, answers};
use crate::credential::Credential;
use crate::identity_provider::issuer::{Algorithm, Token};
use crate::probe::{Endpoint, Question};
use crate::scenario::world::{Twin, World};

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string}")]
fn holds_token(world: &mut World, person: Person, issuer: String) -> Step {
    let token = sound(world, &issuer, &person.user())?;
    hold(world, &person, &token)
}

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string} with the audience {string}")]
fn holds_token_for(world: &mut World, person: Person, issuer: String, audience: String) -> Step {
    let token = sound(world, &issuer, &person.user())?.audience(&audience);
    hold(world, &person, &token)
}

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string} with the group(s) {texts}")]
fn holds_token_with_groups(world: &mut World, person: Person, issuer: String, groups: Texts) -> Step {
    let token = sound(world, &issuer, &person.user())?.claim("groups", json!(groups.0));
    hold(world, &person, &token)
}

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string} that {token_flaw}")]
fn holds_flawed_token(world: &mut World, person: Person, issuer: String, flaw: TokenFlaw) -> Step {
    let url = world.signer()?.url(&issuer)?;
    let token = flaw.applied(sound(world, &issuer, &person.user())?, &url);
    hold_beside_sound(world, &person, &issuer, &token)
}

requires!(issuer);
/// The claims of a token beside the usual ones, one per row. A value is JSON, or else the text itself; without one, the claim is missing.
#[given(expr = "{person} holds a token of the issuer {string} that says")]
fn holds_token_that_says(world: &mut World, person: Person, issuer: String, step: &gherkin::Step) -> Step {
    let table = step.table.as_ref().context("the step has a table of claims")?;
    let mut token = sound(world, &issuer, &person.user())?;
    for row in &table.rows {
        let [claim, value] = row.as_slice() else {
            bail!("a row is a claim and its value; seen was {row:?}")
        };
        token = if value.is_empty() {
            token.without(claim)
        } else {
            token.claim(claim, serde_json::from_str::<Value>(value).unwrap_or_else(|_| json!(value)))
        };
    }
    hold_beside_sound(world, &person, &issuer, &token)
}

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string}, signed with {word}")]
fn holds_token_signed_with(world: &mut World, person: Person, issuer: String, algorithm: Algorithm) -> Step {
    let token = sound(world, &issuer, &person.user())?.algorithm(algorithm);
    hold(world, &person, &token)
}

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string}, whose address has a typing error")]
fn holds_token_of_mistyped(world: &mut World, person: Person, issuer: String) -> Step {
    // fixtures/authentication/absent.toml
    let mistyped = format!("{}/es265", world.signer()?.base());
    let token = sound(world, &issuer, &person.user())?.issuer(&mistyped);
    hold_beside_sound(world, &person, &issuer, &token)
}

requires!(issuer);
#[then(expr = "{person}, whose token is of another issuer, is accepted as {string}")]
pub(super) async fn accepted_with_another(world: &mut World, person: Person, user: String) -> Step {
    let token = sound(world, "es256", &person.user())?.sign()?;
    let answer = world.ask_with(&person, &Credential::Token(token), &Question::who_am_i()).await;
    answers::accepted(&answer, &user)
}

#[then(expr = "nobody followed where the token points")]
async fn nobody_followed(world: &mut World) -> Step {
    let url = world.signer()?.strangers_asked_url();
    // The issuer is the lab's own, wherever the API server's certificate comes from.
    let authority = reqwest::Certificate::from_pem(world.issuer_authority()?.as_bytes())?;
    let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build()?;
    let asked: u64 = client.get(url).send().await?.error_for_status()?.json().await?;
    expect!(asked == 0, "nobody asks for a stranger's keys", "somebody asked {asked} times");
    Ok(())
}

#[then(expr = "{person}, who asks an API server with the configuration file, is accepted as {string}")]
async fn accepted_elsewhere(world: &mut World, person: Person, user: String) -> Step {
    let endpoint = Endpoint::of(world.main());
    world.go_to(endpoint).await?;
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    answers::accepted(&answer, &user)
}

/// Returns a sound token of the issuer at `path`, with all claims that the configurations of `fixtures/authentication/` read.
pub(super) fn sound(world: &World, path: &str, user: &str) -> Step<Token> {
    let token = world.signer()?.token(path).with_context(|| format!("the issuer {path}"))?;
    let token = token.subject(user).claim("username", user);
    Ok(match path {
        "strict" | "required" => token.claim("hd", "example.com"),
        "email" => token.claim("email", address(user)),
        _ => token,
    })
}

/// Returns the e-mail address of a user.
fn address(user: &str) -> String {
    format!("{user}@example.com")
}

/// Returns the user that a token's holder becomes (`fixtures/authentication/`).
pub(super) fn user(path: &str, name: &str) -> String {
    match path {
        "es256" | "mapped" => name.to_owned(),
        "email" => format!("email:{}", address(name)),
        _ => format!("{path}:{name}"),
    }
}

/// Gives `person` the `token`, with a sound one of the same issuer as its twin.
pub(super) fn hold_beside_sound(world: &mut World, person: &Person, issuer: &str, token: &Token) -> Step {
    let twin = Twin {
        credential: Credential::Token(sound(world, issuer, "alice")?.sign()?),
        user: user(issuer, "alice"),
    };
    Ok(world.hold(&person, Credential::Token(token.sign()?), Some(twin))?)
}

fn hold(world: &mut World, person: &Person, token: &Token) -> Step {
    Ok(world.hold(&person, Credential::Token(token.sign()?), None)?)
}
