//! Requests for tokens of service accounts (TokenRequest, KEP-1205).

use std::str::FromStr;

use anyhow::{Context, Result};
use cucumber::{then, when};
use serde_json::{Value, json};

use super::bound_objects::{self, BoundObject};
use super::{Person, Step, service_accounts};
use crate::event::Verdict;
use crate::jwt::Jwt;
use crate::probe::{Answer, Question};
use crate::scenario::world::World;

const DAY: i64 = 24 * 3600;

/// A pod that a token cannot be bound to, by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "wrong_pod",
    regex = "a pod that does not exist|its pod under another UID|the pod of another service account"
)]
enum WrongPod {
    Missing,
    OtherUid,
    OtherAccount,
}

impl FromStr for WrongPod {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(match said {
            "a pod that does not exist" => Self::Missing,
            "its pod under another UID" => Self::OtherUid,
            "the pod of another service account" => Self::OtherAccount,
            other => bail!("no token is bound to {other}"),
        })
    }
}

requires!(administrator);
#[when(expr = "{person} asks for a token of a service account that does not exist")]
async fn asks_for_token_of_nobody(world: &mut World, person: Person) -> Step {
    let namespace = world.namespace().await?;
    let question = question(&namespace, "nobody", json!({}));
    Ok(world.ask(&person, &question).await.map(drop)?)
}

requires!(administrator);
#[when(expr = "{person} asks for a token of the deployer that is good for {int} days")]
async fn asks_for_token_for_days(world: &mut World, person: Person, days: i64) -> Step {
    ask(world, &person, json!({ "expirationSeconds": days * DAY })).await
}

requires!(administrator);
#[when(expr = "{person} asks for a token of the deployer that is bound to {wrong_pod}")]
async fn asks_for_token_bound_to(world: &mut World, person: Person, wrong: WrongPod) -> Step {
    let reference = match wrong {
        WrongPod::Missing => json!({ "apiVersion": "v1", "kind": "Pod", "name": "missing" }),
        WrongPod::OtherUid => {
            let mut reference = bound_objects::make(world, BoundObject::Pod).await?;
            reference.uid = Some("00000000-0000-4000-8000-000000000000".to_owned());
            serde_json::to_value(reference)?
        }
        WrongPod::OtherAccount => {
            service_accounts::create_account(world, "other").await?;
            serde_json::to_value(bound_objects::make_for(world, BoundObject::Pod, "other").await?)?
        }
    };
    ask(world, &person, json!({ "boundObjectRef": reference })).await
}

/// The subject in a token request's body that differs from its path, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "wrong_subject",
    regex = "the name of another service account|the name of another namespace|the UID of another service account"
)]
struct WrongSubject(&'static str);

impl FromStr for WrongSubject {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(Self(match said {
            "the name of another service account" => "name",
            "the name of another namespace" => "namespace",
            "the UID of another service account" => "uid",
            other => bail!("no request for a token has {other} in it"),
        }))
    }
}

requires!(administrator);
#[when(expr = "{person} asks for a token of the deployer with {wrong_subject} in it")]
async fn asks_with_wrong_subject(world: &mut World, person: Person, wrong: WrongSubject) -> Step {
    let account = service_accounts::account(world).await?;
    let mut question = question(&account.namespace, &account.name, json!({}));
    if let Some(body) = &mut question.body {
        body["metadata"] = json!({ wrong.0: "somebody-else" });
    }
    Ok(world.ask(&person, &question).await.map(drop)?)
}

requires!(administrator);
#[when(expr = "{person} asks for a token of the deployer's pod that is good for {int} seconds")]
async fn asks_for_token_for_seconds(world: &mut World, person: Person, seconds: i64) -> Step {
    let reference = bound_objects::make(world, BoundObject::Pod).await?;
    ask(world, &person, json!({ "expirationSeconds": seconds, "boundObjectRef": reference })).await
}

requires!(administrator);
#[when(expr = "{person} asks for a token of the deployer's pod that is good for {int} seconds, for the audience {string}")]
async fn asks_for_foreign_token_for_seconds(world: &mut World, person: Person, seconds: i64, audience: String) -> Step {
    let reference = bound_objects::make(world, BoundObject::Pod).await?;
    let spec = json!({ "expirationSeconds": seconds, "boundObjectRef": reference, "audiences": [audience] });
    ask(world, &person, spec).await
}

requires!(administrator);
#[when(expr = "{person} asks for a token of the deployer")]
async fn asks_for_token(world: &mut World, person: Person) -> Step {
    ask(world, &person, json!({})).await
}

requires!(administrator);
#[when(expr = "{person} makes a service account that insists on its mountable Secrets")]
async fn makes_insisting_account(world: &mut World, person: Person) -> Step {
    let namespace = world.namespace().await?;
    let mut metadata = world.metadata("insisting");
    metadata["annotations"] = json!({ "kubernetes.io/enforce-mountable-secrets": "true" });
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
    let question = Question::post(format!("/api/v1/namespaces/{namespace}/serviceaccounts"), account);
    Ok(world.ask(&person, &question).await.map(drop)?)
}

#[then(expr = "the service account is made")]
fn account_is_made(world: &mut World) -> Step {
    let answer = world.answer()?;
    expect!(
        answer.verdict == Verdict::Accepted && answer.body["kind"] == "ServiceAccount",
        "the service account is made",
        "{answer}"
    );
    Ok(())
}

#[then(expr = "{person} is given one that lives for {int} seconds, to be renewed after {int}")]
async fn given_extended_token(world: &mut World, person: Person, life: i64, renewal: i64) -> Step {
    world.person(&person)?;
    let claims = claims_given(world).await?;
    let time = |pointer: &str| claims.pointer(pointer).and_then(Value::as_i64);
    let issued = time("/iat").context("the token does not say when it was issued")?;
    let seen = (
        time("/exp").map(|time| time - issued),
        time("/kubernetes.io/warnafter").map(|time| time - issued),
    );
    expect!(
        seen == (Some(life), Some(renewal)),
        "a life of {life} seconds and a warning after {renewal}",
        "{seen:?}"
    );
    Ok(())
}

#[then(expr = "{person} is given one that lives for {int} seconds, and no longer")]
async fn given_plain_token(world: &mut World, person: Person, life: i64) -> Step {
    world.person(&person)?;
    let claims = claims_given(world).await?;
    let time = |pointer: &str| claims.pointer(pointer).and_then(Value::as_i64);
    let issued = time("/iat").context("the token does not say when it was issued")?;
    let seen = (time("/exp").map(|time| time - issued), time("/kubernetes.io/warnafter"));
    expect!(seen == (Some(life), None), "a life of {life} seconds and no warning", "{seen:?}");
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event names the token that was given")]
async fn audit_names_token(world: &mut World) -> Step {
    let claims = claims_given(world).await?;
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
#[then(expr = "the audit event says that the token is stale")]
async fn audit_says_stale(world: &mut World) -> Step {
    let user = service_accounts::account(world).await?.user();
    let seen = annotation(world, "authentication.k8s.io/stale-token")?.unwrap_or_default();
    // The hour is counted from the issue of the token, a moment before it was presented.
    expect!(
        seen.starts_with(&format!("subject: {user}, seconds after warning threshold: 36")),
        "a stale token of {user}, an hour after it should have been renewed",
        "the audit event has \"{seen}\""
    );
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event says nothing of a stale token")]
fn audit_says_nothing_of_stale(world: &mut World) -> Step {
    let seen = annotation(world, "authentication.k8s.io/stale-token")?;
    expect!(seen.is_none(), "nothing of a stale token", "the audit event has {seen:?}");
    Ok(())
}

/// Returns the annotation `key` in the audit event of the last answer.
fn annotation(world: &World, key: &str) -> Step<Option<String>> {
    let event = world
        .answer()?
        .record
        .event
        .as_ref()
        .context("there is no audit event for the request")?;
    let annotations = event.0.get("annotations").and_then(|all| all.get(key));
    Ok(annotations.and_then(Value::as_str).map(str::to_owned))
}

#[then(expr = "{person} is given a token of the deployer with a warning that {string}")]
async fn given_token_with_warning(world: &mut World, person: Person, text: String) -> Step {
    claims_given(world).await?;
    warned(world, person, text)
}

#[then(expr = "{person} is given a token of the deployer")]
async fn given_token(world: &mut World, person: Person) -> Step {
    ask(world, &person, json!({})).await?;
    claims_given(world).await.map(drop)
}

#[then(expr = "{person} is given a token that is bound to the deployer's own pod")]
async fn given_bound_token(world: &mut World, person: Person) -> Step {
    let account = service_accounts::account(world).await?;
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::namespaced(world.administrator()?, &account.namespace);
    if pods.get_opt(&account.name).await?.is_none() {
        bound_objects::make(world, BoundObject::Pod).await?;
    }
    // Without a UID, the current object of that name is meant.
    ask(
        world,
        &person,
        json!({ "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": account.name } }),
    )
    .await?;
    let claims = claims_given(world).await?;
    let pod = claims.pointer("/kubernetes.io/pod/name").and_then(Value::as_str);
    let name = account.name.as_str();
    expect!(
        pod == Some(name),
        "a token that is bound to the pod \"{name}\"",
        "its claims are {claims}"
    );
    Ok(())
}

#[then(expr = "{person} is given one that is good for {int} days")]
async fn given_token_for_days(world: &mut World, person: Person, days: i64) -> Step {
    world.person(&person)?;
    let claims = claims_given(world).await?;
    let time = |claim: &str| {
        claims
            .get(claim)
            .and_then(Value::as_i64)
            .with_context(|| format!("the token has no {claim}"))
    };
    let life = time("exp")? - time("iat")?;
    let expected = days * DAY;
    expect!(life == expected, "a token that is good for {expected} seconds", "it is for {life}");
    Ok(())
}

#[then(expr = "{person} is warned that {string}")]
fn warned(world: &mut World, person: Person, text: String) -> Step {
    world.person(&person)?;
    let warnings: Vec<_> = world
        .answer()?
        .headers
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

async fn ask(world: &mut World, person: &Person, spec: Value) -> Step {
    let account = service_accounts::account(world).await?;
    Ok(world
        .ask(&person, &question(&account.namespace, &account.name, spec))
        .await
        .map(drop)?)
}

pub(super) fn question(namespace: &str, name: &str, spec: Value) -> Question {
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec });
    Question::post(format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"), request)
}

/// Returns the claims of the token in the last answer; fails unless it is the deployer's.
async fn claims_given(world: &mut World) -> Step<Value> {
    let user = service_accounts::account(world).await?.user();
    let answer: &Answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "a token is given", "{answer}");
    let token = answer
        .body
        .pointer("/status/token")
        .and_then(Value::as_str)
        .context("the answer holds no token")?;
    let claims = Value::from(Jwt::parse(token)?.claims);
    expect!(
        claims.get("sub").and_then(Value::as_str) == Some(&user),
        "a token of \"{user}\"",
        "its claims are {claims}"
    );
    Ok(claims)
}
