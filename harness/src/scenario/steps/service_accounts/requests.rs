//! Requests for tokens of service accounts (TokenRequest, KEP-1205), their answers and their audit events.

use std::str::FromStr;

use anyhow::{Context, Result};
use cucumber::{then, when};
use k8s_openapi::api::authentication::v1::TokenRequestSpec;
use serde_json::{Value, json};

use super::super::audit::event;
use super::super::{Person, Step};
use super::account;
use super::bound_objects::Binding;
use super::tokens::Audience;
use crate::event::Verdict;
use crate::jwt::Jwt;
use crate::probe::Question;
use crate::scenario::world::World;

/// The field in a request's metadata that contradicts the service account in its path.
#[derive(Clone, Copy, Debug)]
struct Contradiction(Option<&'static str>);

phrases! {
    Contradiction as "contradiction" {
        "" => Self(None),
        " but names another service account" => Self(Some("name")),
        " but names another namespace" => Self(Some("namespace")),
        " but names another UID" => Self(Some("uid")),
    }
}

/// The life that a token is requested with, where one is, in seconds: ` for 8 days`, or nothing.
#[derive(Clone, Copy, Debug, cucumber::Parameter)]
#[param(name = "requested_life", regex = r"(?: for \d+ (?:seconds|days))?")]
struct RequestedLife(Option<i64>);

impl FromStr for RequestedLife {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(Self(said.strip_prefix(" for ").map(seconds).transpose()?))
    }
}

/// The life of a token, in seconds: `365 days, to be renewed after 3607 seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "token_life", regex = r"\d+ (?:seconds|days)(?:, to be renewed after \d+ seconds)?")]
struct TokenLife {
    life: i64,
    renewal: Option<i64>,
}

impl FromStr for TokenLife {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        let (life, renewal) = match said.split_once(", to be renewed after ") {
            Some((life, renewal)) => (life, Some(renewal)),
            None => (said, None),
        };
        Ok(Self {
            life: seconds(life)?,
            renewal: renewal.map(seconds).transpose()?,
        })
    }
}

/// Returns the number of seconds in a time like `8 days`.
fn seconds(said: &str) -> Result<i64> {
    let (number, unit) = said.split_once(' ').with_context(|| format!("not a time: {said}"))?;
    let number: i64 = number.parse()?;
    Ok(if unit == "days" { number * 24 * 3600 } else { number })
}

phrases! {
    /// An object that a request creates.
    enum Created as "created_object" {
        Token = "token",
        Account = "service account",
    }
}

phrases! {
    /// Whether a record says something.
    enum Says as "says_or_not" {
        Yes = "says",
        No = "does not say",
    }
}

requires!(administrator, nodes if "bound to a node");
#[when(expr = "{person} asks for a token of the deployer{binding}{contradiction}{audience}{requested_life}")]
async fn asks_for_token(
    world: &mut World,
    person: Person,
    binding: Binding,
    contradiction: Contradiction,
    audience: Audience,
    life: RequestedLife,
) -> Step {
    let spec = TokenRequestSpec {
        audiences: audience.0,
        bound_object_ref: binding.reference(world).await?,
        expiration_seconds: life.0,
    };
    let account = account(world).await?;
    let mut question = question(&account.namespace, &account.name, &spec)?;
    if let (Some(field), Some(body)) = (contradiction.0, &mut question.body) {
        body["metadata"] = json!({ field: "somebody-else" });
    }
    Ok(world.ask(&person, &question).await.map(drop)?)
}

requires!(administrator);
#[when(expr = "{person} asks for a token of a service account that does not exist")]
async fn asks_for_token_of_nobody(world: &mut World, person: Person) -> Step {
    let namespace = world.namespace().await?;
    let question = question(&namespace, "nobody", &TokenRequestSpec::default())?;
    Ok(world.ask(&person, &question).await.map(drop)?)
}

requires!(administrator);
#[when(expr = "{person} creates a service account that insists on its mountable Secrets")]
async fn creates_insisting_account(world: &mut World, person: Person) -> Step {
    let namespace = world.namespace().await?;
    let mut metadata = world.metadata("insisting");
    metadata["annotations"] = json!({ "kubernetes.io/enforce-mountable-secrets": "true" });
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
    let question = Question::post(format!("/api/v1/namespaces/{namespace}/serviceaccounts"), account);
    Ok(world.ask(&person, &question).await.map(drop)?)
}

#[then(expr = "the {created_object} is created")]
async fn is_created(world: &mut World, object: Created) -> Step {
    match object {
        Created::Token => claims_created(world).await.map(drop),
        Created::Account => {
            let answer = world.answer()?;
            expect!(
                answer.verdict == Verdict::Accepted && answer.body["kind"] == "ServiceAccount",
                "the service account is created",
                "{answer}"
            );
            Ok(())
        }
    }
}

#[then(expr = "the token lives for {token_life}")]
async fn lives_for(world: &mut World, expected: TokenLife) -> Step {
    let claims = claims_created(world).await?;
    let time = |pointer: &str| claims.pointer(pointer).and_then(Value::as_i64);
    let issued = time("/iat").context("the token does not say when it was issued")?;
    let seen = TokenLife {
        life: time("/exp").context("the token does not expire")? - issued,
        renewal: time("/kubernetes.io/warnafter").map(|time| time - issued),
    };
    expect!(seen == expected, "a token with {expected:?}, in seconds", "{seen:?}");
    Ok(())
}

#[then(expr = "asking for a token of the deployer{binding}{audience}, {person} is given one")]
async fn given_token(world: &mut World, binding: Binding, audience: Audience, person: Person) -> Step {
    let bound = binding.reference(world).await?;
    let spec = TokenRequestSpec {
        audiences: audience.0,
        bound_object_ref: bound.clone(),
        ..TokenRequestSpec::default()
    };
    let account = account(world).await?;
    world.ask(&person, &question(&account.namespace, &account.name, &spec)?).await?;
    let claims = claims_created(world).await?;
    if let Some(bound) = bound {
        let kind = bound.kind.unwrap_or_default().to_lowercase();
        let seen = claims.pointer(&format!("/kubernetes.io/{kind}/name")).and_then(Value::as_str);
        let name = bound.name.unwrap_or_default();
        expect!(
            seen == Some(name.as_str()),
            "a token that is bound to the {kind} \"{name}\"",
            "its claims are {claims}"
        );
    }
    Ok(())
}

#[then(expr = "{person} is warned that {string}")]
fn warned(world: &mut World, person: Person, text: String) -> Step {
    let headers = &world.answer_to(&person)?.headers;
    let warnings: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name == "warning")
        .map(|(_, value)| value.as_str())
        .collect();
    expect!(
        warnings.iter().any(|warning| warning.contains(&text)),
        "the warning \"{text}\"",
        "{warnings:?}"
    );
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event has the id of the token that was created")]
async fn audit_names_token(world: &mut World) -> Step {
    let claims = claims_created(world).await?;
    let id = claims.get("jti").and_then(Value::as_str).context("the token has no id")?;
    let seen = annotation(world, "authentication.kubernetes.io/issued-credential-id")?;
    expect!(
        seen == Some(format!("JTI={id}")),
        "the id of the token, {id}",
        "the audit event has {seen:?}"
    );
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event {says_or_not} that the token is stale")]
async fn audit_says_stale(world: &mut World, says: Says) -> Step {
    let user = account(world).await?.user();
    let seen = annotation(world, "authentication.k8s.io/stale-token")?;
    match says {
        // The hour is counted from the issue of the token, a moment before it was presented.
        Says::Yes => expect!(
            seen.as_ref()
                .is_some_and(|seen| seen.starts_with(&format!("subject: {user}, seconds after warning threshold: 36"))),
            "a stale token of {user}, an hour after it should have been renewed",
            "the audit event has {seen:?}"
        ),
        Says::No => expect!(seen.is_none(), "nothing of a stale token", "the audit event has {seen:?}"),
    }
    Ok(())
}

/// Returns the annotation `key` in the audit event of the last answer.
pub(super) fn annotation(world: &World, key: &str) -> Step<Option<String>> {
    let event = event(world)?;
    let annotations = event.0.get("annotations").and_then(|all| all.get(key));
    Ok(annotations.and_then(Value::as_str).map(str::to_owned))
}

/// Returns the request for a token of the service account.
pub(super) fn question(namespace: &str, name: &str, spec: &TokenRequestSpec) -> Step<Question> {
    let spec = serde_json::to_value(spec)?;
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec });
    Ok(Question::post(
        format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"),
        request,
    ))
}

/// Returns the token in the last answer.
pub(super) fn created(world: &World) -> Step<String> {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "a token is created", "{answer}");
    let token = answer.body.pointer("/status/token").and_then(Value::as_str);
    Ok(token.context("the answer holds no token")?.to_owned())
}

/// Returns the claims of the token in the last answer; fails unless it is the deployer's.
async fn claims_created(world: &mut World) -> Step<Value> {
    let user = account(world).await?.user();
    let claims = Value::from(Jwt::parse(&created(world)?)?.claims);
    expect!(
        claims.get("sub").and_then(Value::as_str) == Some(&user),
        "a token of \"{user}\"",
        "its claims are {claims}"
    );
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_read_in_seconds() {
        let requested = |said: &str| said.parse::<RequestedLife>().unwrap().0;
        assert_eq!(
            [requested(""), requested(" for 3607 seconds"), requested(" for 8 days")],
            [None, Some(3607), Some(691_200)]
        );
        let life: TokenLife = "365 days, to be renewed after 3607 seconds".parse().unwrap();
        assert_eq!((life.life, life.renewal), (31_536_000, Some(3607)));
    }
}
