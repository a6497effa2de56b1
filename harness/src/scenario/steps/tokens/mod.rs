//! Bearer tokens other than those of service accounts. This file is about tokens of the harness' own issuer, sound and forged; the
//! modules are about the other authenticators.

pub(super) mod bootstrap;
mod changes;
mod cluster_issuer;
mod distributed_claims;
mod issuer_keys;
mod shaped;
mod static_file;
mod webhook;

use std::convert::Infallible;
use std::str::FromStr;

use anyhow::Context;
use cucumber::{given, then};
use serde_json::{Value, json};

use self::changes::TokenChange;
use super::{Person, Step, answers};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::identity_provider::issuer::Token;
use crate::probe::Question;
use crate::scenario::world::{Twin, World};
use crate::token_shape::ShapedIssuer;

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string}")]
fn holds_token(world: &mut World, person: Person, issuer: String) -> Step {
    let user = world.user(&person)?;
    let token = sound(world, &issuer, &user)?;
    // Some shapes, and some changes of what they show, are flaws by themselves.
    match ShapedIssuer::named(&issuer) {
        Some(_) => hold_beside_sound(world, &person, &issuer, &token),
        None => Ok(world.hold(&person, Credential::Token(token.sign()?), None)?),
    }
}

requires!(issuer);
#[given(expr = "{person} holds a token of the issuer {string} that {token_change}")]
fn holds_changed_token(world: &mut World, person: Person, issuer: String, change: TokenChange) -> Step {
    let user = world.user(&person)?;
    let url = world.signer()?.url(&issuer)?;
    let token = change.applied(sound(world, &issuer, &user)?, &url);
    hold_beside_sound(world, &person, &issuer, &token)
}

requires!(issuer);
/// The claims of a token beside the usual ones, one per row. A value is JSON, or else the text itself; without one, the claim is missing.
#[given(expr = "{person} holds a token of the issuer {string} with the claim(s)")]
fn holds_token_with_claims(world: &mut World, person: Person, issuer: String, step: &gherkin::Step) -> Step {
    let table = step.table.as_ref().context("the step has a table of claims")?;
    let user = world.user(&person)?;
    let mut token = sound(world, &issuer, &user)?;
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
#[then(expr = "{person}, with a token of the issuer {string}, is accepted as {string}")]
async fn accepted_with_token(world: &mut World, person: Person, issuer: String, user: String) -> Step {
    let who = world.person(&person)?;
    let token = sound(world, &issuer, &who.user())?.sign()?;
    let answer = world.ask_with(&who, &Credential::Token(token), &Question::who_am_i()).await;
    answers::accepted(&answer, &user)
}

/// The answer to an earlier request with the same token: `accepted with it`, or `refused with it, because "not yet"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "earlier_answer", regex = r#"accepted with it|refused with it, because "[^"]*""#)]
struct EarlierAnswer {
    refused_because: Option<String>,
}

impl FromStr for EarlierAnswer {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self {
            refused_because: said.split('"').nth(1).map(str::to_owned),
        })
    }
}

#[given(expr = "{person} was once {earlier_answer}")]
async fn was_answered(world: &mut World, person: Person, earlier: EarlierAnswer) -> Step {
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    if let Some(reason) = earlier.refused_because {
        return answers::refused(world.version(), &answer, Verdict::Unauthenticated, &reason);
    }
    expect!(answer.verdict == Verdict::Accepted, "accepted", "{answer}");
    Ok(())
}

/// Returns a sound token that the issuer at `path` signs for `person`.
pub(super) fn of_issuer(world: &World, person: &Person, path: &str) -> Step<Credential> {
    Ok(Credential::Token(sound(world, path, &person.user())?.sign()?))
}

/// Returns a sound token of the issuer at `path`, with all claims that the configurations of `fixtures/authentication/` read; or the example of
/// a shape, if the issuer is one of `fixtures/token_shapes/`.
pub(super) fn sound(world: &World, path: &str, user: &str) -> Step<Token> {
    if let Some(issuer) = ShapedIssuer::named(path) {
        return shaped::token(world, issuer);
    }
    let token = world.signer()?.token(path).with_context(|| format!("the issuer {path}"))?;
    let token = token.subject(user).claim("username", user);
    Ok(match path {
        "claim-rule" | "required-claim" => token.claim("hd", "example.com"),
        "email" => token.claim("email", address(user)),
        _ => token,
    })
}

/// Returns the e-mail address of a user.
fn address(user: &str) -> String {
    format!("{user}@example.com")
}

/// Returns the user that a token's holder becomes (`fixtures/authentication/`).
fn user(path: &str, name: &str) -> String {
    match path {
        "es256" | "expressions" => name.to_owned(),
        "email" => format!("email:{}", address(name)),
        _ => format!("{path}:{name}"),
    }
}

/// Gives `person` the `token`, with a sound one of the same issuer as its twin.
fn hold_beside_sound(world: &mut World, person: &Person, issuer: &str, token: &Token) -> Step {
    let twin = match ShapedIssuer::named(issuer) {
        Some(issuer) => shaped::twin(world, issuer)?,
        None => Twin {
            credential: Credential::Token(sound(world, issuer, "alice")?.sign()?),
            user: user(issuer, "alice"),
        },
    };
    Ok(world.hold(person, Credential::Token(token.sign()?), Some(twin))?)
}
