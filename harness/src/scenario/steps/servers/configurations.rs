//! AuthenticationConfigurations: replaced while the API server runs, or such that no API server starts with them.

use std::time::Duration;

use anyhow::Context;
use cucumber::{given, then, when};
use serde_json::{Value, json};

use super::super::{Person, Step, tokens};
use super::Configured;
use super::metrics::Counts;
use crate::cluster::{Behaviours, ConfigurationChange, Setting};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::lab::LabError;
use crate::probe::{
    Gate, LAST_CONFIGURATION, Question, Reload, Stage, TOLD, TRYING, ask, authorization_gate, configuration_gate, hash,
    replace_authorization, replace_configuration,
};
use crate::scenario::world::World;

/// The new configuration, and the API server's reaction to it.
#[derive(Default)]
struct Replaced {
    /// Held from the first replacement until the scenario ends.
    gate: Option<Gate>,
    made: Option<Made>,
}

struct Made {
    content: String,
    reload: Reload,
}

/// The stage at which the API server refuses a new configuration, in words.
struct At(Stage);

phrases! {
    At as "stage" {
        "read" => Self(Stage::Read),
        "validated" => Self(Stage::Validated),
        "put into force" => Self(Stage::PutIntoForce),
    }
}

/// The error of the API server that did not start.
#[derive(Default)]
struct NotStarted(Option<anyhow::Error>);

phrases! {
    /// The issuers that a configuration names.
    enum Trusted as "trusted_issuers" {
        One = "one issuer",
        None = "no issuer",
    }
}

requires!(further_api_servers, issuer, server_log);
#[given(expr = "the API server trusts {trusted_issuers}")]
async fn trusts(world: &mut World, trusted: Trusted) -> Step {
    let verdict = match trusted {
        Trusted::One => Verdict::Accepted,
        Trusted::None => Verdict::Unauthenticated,
    };
    in_force(world, &format!("trusts {}", trusted.words()), verdict).await
}

requires!(further_api_servers, server_log);
#[when(regex = "^Dana replaces the configuration by one that (.+)$")]
async fn replaces(world: &mut World, change: String) -> Step {
    let adds_issuers = ConfigurationChange::named(&change).is_some_and(ConfigurationChange::adds_issuers);
    replace(world, &change, if adds_issuers { TRYING } else { TOLD }).await
}

#[then(expr = "the new configuration is refused when it is {stage}, because {string}")]
fn refused(world: &mut World, at: At, reason: String) -> Step {
    let (expected, seen) = (at.0, &made(world)?.reload);
    expect!(
        matches!(seen, Reload::Refused { stage, reason: why } if *stage == expected && !reason.is_empty() && why.contains(&reason)),
        "refused when {expected:?}, because: {reason}",
        "{seen:?}"
    );
    Ok(())
}

#[then("the new configuration is in force")]
fn is_in_force(world: &mut World) -> Step {
    let seen = &made(world)?.reload;
    expect!(*seen == Reload::InForce, "a configuration in force", "{seen:?}");
    Ok(())
}

#[then(expr = "exactly one more reload is counted as a {word}")]
async fn is_counted(world: &mut World, status: String) -> Step {
    Counts::one_more(world, RELOADS, &[("status", &status)]).await?;
    let now = Counts::now(world).await?;
    let last = now.value(LAST_RELOAD, &[("status", &status)]);
    expect!(last.is_some_and(|at| at > 0.0), "the time of the last {status}", "{last:?}");
    Ok(())
}

requires!(administrator, configuration_hash);
#[then("the API server tells which configuration is in force")]
async fn tells_which(world: &mut World) -> Step {
    let hash = hash(&made(world)?.content);
    let now = Counts::now(world).await?;
    let told = now.value(LAST_CONFIGURATION, &[("hash", &hash)]);
    expect!(told == Some(1.0), "{LAST_CONFIGURATION} with {hash}", "{told:?}");
    Ok(())
}

/// The beginning of the groups of newcomers, and the authorizer that decides about them.
const NEWCOMERS: &str = "newcomers";

requires!(further_api_servers, client_certificates);
/// Other scenarios use the same API server, so the group is the scenario's own.
#[given(expr = "{person} is a newcomer")]
async fn is_newcomer(world: &mut World, person: Person) -> Step {
    let (user, group) = (world.user(&person)?, world.unique(NEWCOMERS));
    let leaf = world.client_certificate(&user, &[&group]).await?;
    Ok(world.hold(&person, Credential::Certificate(leaf), None)?)
}

phrases! {
    /// A change of the file with an API server's authorizers.
    enum AuthorizationChange as "authorization_change" {
        Newcomers = "also asks the webhook about newcomers",
        UnknownType = "has an authorizer of an unknown type",
        NoRbac = "has webhooks alone",
    }
}

requires!(further_api_servers, server_log);
#[when(expr = "Dana replaces the authorizers by a file that {authorization_change}")]
async fn replaces_authorizers(world: &mut World, change: AuthorizationChange) -> Step {
    let server = world.endpoint().server;
    let group = world.unique(NEWCOMERS);
    let gate = authorization_gate(&server).await?;
    let at_start = std::fs::read_to_string(server.authorization().with_extension("gate"))?;
    let content = changed_authorizers(&at_start, change, &group)?;
    let reload = replace_authorization(&server, &gate, &content, TOLD).await?;
    let replaced = world.notes::<Replaced>();
    replaced.gate = Some(gate);
    replaced.made = Some(Made { content, reload });
    Ok(())
}

/// Returns the file `text` with `change`.
fn changed_authorizers(text: &str, change: AuthorizationChange, group: &str) -> Step<String> {
    let mut file: Value = serde_saphyr::from_str(text)?;
    let all = file["authorizers"].as_array_mut().context("the file has authorizers")?;
    let mut added = all.first().context("there is an authorizer")?.clone();
    added["name"] = NEWCOMERS.into();
    // A group of its own makes the file a new one in every scenario.
    added["webhook"]["matchConditions"] = json!([
        { "expression": "has(request.resourceAttributes) && request.resourceAttributes.resource == 'configmaps'" },
        { "expression": format!("request.groups.exists(group, group == '{group}')") },
    ]);
    match change {
        AuthorizationChange::Newcomers => {}
        AuthorizationChange::UnknownType => added["type"] = "Oracle".into(),
        AuthorizationChange::NoRbac => all.retain(|authorizer| authorizer["type"] == "Webhook"),
    }
    all.insert(0, added);
    Ok(file.to_string())
}

requires!(further_api_servers);
#[when(expr = "Dana starts an API server with {configured}")]
async fn starts(world: &mut World, configured: Configured) -> Step {
    let error = match world.api_server_in_silence(configured.0).await {
        Ok(server) => differs!("no API server starts with this", "it answers at {}", server.url),
        Err(error) => error,
    };
    world.notes::<NotStarted>().0 = Some(error);
    Ok(())
}

#[then(expr = "the API server refuses to start, because {string}")]
fn not_started(world: &mut World, reason: String) -> Step {
    let reason = Behaviours::known().worded(&reason, world.version());
    let error = world.notes::<NotStarted>().0.as_ref().context("no API server was started")?;
    let exited = error.downcast_ref::<LabError>().is_some_and(LabError::is_server_exit);
    // A log escapes its quotes.
    let seen = format!("{error:#}").replace("\\\"", "\"");
    expect!(exited && seen.contains(reason), "it ends, because: {reason}", "{seen}");
    Ok(())
}

/// `apiserver_authentication_config_controller_…`, kubernetes/apiserver `pkg/server/options/authenticationconfig/metrics`.
const RELOADS: &str = "apiserver_authentication_config_controller_automatic_reloads_total";
const LAST_RELOAD: &str = "apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds";

fn made(world: &mut World) -> Step<&Made> {
    Ok(world.notes::<Replaced>().made.as_ref().context("no configuration was replaced")?)
}

/// Replaces the configuration by the one called `change`, and keeps its gate until the scenario ends.
async fn replace(world: &mut World, change: &str, limit: Duration) -> Step {
    let server = world.endpoint().server;
    let known =
        ConfigurationChange::named(change).with_context(|| format!("no configuration {change}; there are those that: {}", names()))?;
    let content = known.file(&Setting::named(&server.name)?, world.version(), &world.placeholders()?)?;
    let gate = hold_gate(world).await?;
    Counts::record_if_asked(world).await?;
    let reload = replace_configuration(&server, &gate, &content, limit).await?;
    let replaced = world.notes::<Replaced>();
    replaced.gate = Some(gate);
    replaced.made = Some(Made { content, reload });
    Ok(())
}

/// Takes the gate of the configuration, which is exclusive.
async fn hold_gate(world: &mut World) -> Step<Gate> {
    if let Some(gate) = world.notes::<Replaced>().gate.take() {
        return Ok(gate);
    }
    let server = world.endpoint().server;
    Ok(configuration_gate(&server).await?)
}

fn names() -> String {
    ConfigurationChange::names().collect::<Vec<_>>().join("; ")
}

/// Ensures that a token of the issuer "es256" gets `verdict`, replacing the configuration if necessary.
async fn in_force(world: &mut World, change: &str, verdict: Verdict) -> Step {
    let gate = hold_gate(world).await?;
    world.notes::<Replaced>().gate = Some(gate);
    let token = tokens::sound(world, "es256", "alice")?.sign()?;
    let answer = ask(&world.endpoint(), "Alice", &Credential::Token(token), &Question::who_am_i()).await;
    if answer.verdict == verdict {
        return Ok(());
    }
    // The server may still be trying an earlier configuration.
    replace(world, change, TRYING).await?;
    is_in_force(world)
}
