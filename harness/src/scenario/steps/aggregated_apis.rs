//! APIs that the API server passes on to another server (kube-aggregator), and what that server sees of a caller.
//!
//! The main type is [`AggregatedApi`]. The lab has registered its APIs ([`ApiUsers`]); a list of an API's `requests` says as whom a request
//! came, and with which headers (`fixtures/control_plane/aggregated_api.go`).

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::Context;
use cucumber::{given, then, when};

use super::{Person, Step};
use crate::cluster::ApiServer;
use crate::credential::Credential;
use crate::event::Verdict;
use crate::lab::ApiUsers;
use crate::probe::{Answer, Endpoint, Question, ask};
use crate::scenario::world::World;

/// The scenario's API: its users, and the server behind it.
#[derive(Default)]
struct AggregatedApi(Option<(ApiUsers, ApiServer)>);

/// The users of an API, as the features call them.
struct Users(ApiUsers);

phrases! {
    Users as "api_users" {
        "all authenticated users" => Self(ApiUsers::All),
        "Alice alone" => Self(ApiUsers::Alice),
    }
}

phrases! {
    /// The way that a request takes to the aggregated API server.
    enum Way as "way_to_the_api" {
        Through = "",
        Past = ", past the API server",
    }
}

phrases! {
    /// Headers that end at the API server.
    enum Ending as "ending_headers" {
        Credential = "credential of",
        Claim = "claim of",
        Impersonation = "impersonation by",
    }
}

requires!(aggregated_apis, further_api_servers);
#[given(expr = "an aggregated API that {api_users} may use")]
async fn an_aggregated_api(world: &mut World, users: Users) -> Step {
    let (front, server) = world.aggregated_api().await?;
    *world.notes::<AggregatedApi>() = AggregatedApi(Some((users.0, server)));
    Ok(world.go_to(Endpoint::of(&front)).await?)
}

#[when(expr = "{person} asks the aggregated API who {word} is{way_to_the_api}")]
async fn asks_who(world: &mut World, person: Person, _pronoun: String, way: Way) -> Step {
    asks(world, &person, way).await.map(drop)
}

requires!(client_certificates);
#[then(expr = "{person}, with a client certificate, is accepted by it")]
async fn accepted_by_it(world: &mut World, person: Person) -> Step {
    let user = world.user(&person)?;
    let leaf = world.client_certificate(&user, &[]).await?;
    world.hold(&person, Credential::Certificate(leaf), None)?;
    let answer = asks(world, &person, Way::Past).await?;
    super::answers::accepted(&answer, &user)
}

#[then(expr = "the aggregated API receives no {ending_headers} {person}")]
fn received_none(world: &mut World, ending: Ending, person: Person) -> Step {
    let received = received(world)?;
    let held = world.holding(&person)?.credential.clone();
    let meant: Vec<(String, String)> = match ending {
        Ending::Credential => vec![("Authorization".to_owned(), "(present)".to_owned())],
        Ending::Claim | Ending::Impersonation => headers(&held),
    };
    expect!(!meant.is_empty(), "a credential with headers that may be passed on", "{held:?}");
    for (name, value) in meant {
        let seen = received.iter().find(|(received, _)| received.eq_ignore_ascii_case(&name));
        expect!(
            seen.is_none_or(|(_, values)| !values.contains(&value)),
            "no header \"{name}\" with the value \"{value}\"",
            "it received {received:?}"
        );
        // The API server announces the caller in the standard headers, and in no others.
        let standard = name.starts_with("X-Remote-User") || name.starts_with("X-Remote-Group");
        expect!(
            standard || seen.is_none(),
            "no header \"{name}\" at all",
            "it received {received:?}"
        );
    }
    Ok(())
}

requires!(remote_uid_header if "announces the UID");
#[then(expr = "the API server announces {announced} to the aggregated API")]
fn is_announced(world: &mut World, announced: Announced) -> Step {
    let (header, value) = match announced {
        Announced::User(name) => ("X-Remote-User", name),
        Announced::Uid(uid) => ("X-Remote-Uid", uid),
    };
    let received = received(world)?;
    let seen = received.get(header);
    expect!(
        seen.is_some_and(|values| *values == [value.clone()]),
        "the header {header} with \"{value}\" alone",
        "it received {received:?}"
    );
    Ok(())
}

/// The part of a caller that an API server announces: `"bob"`, or `the UID "4711"`.
#[derive(Clone, Debug, cucumber::Parameter)]
#[param(name = "announced", regex = r#"(?:the UID )?"[^"]*""#)]
enum Announced {
    User(String),
    Uid(String),
}

impl FromStr for Announced {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> anyhow::Result<Self> {
        let value = said.split('"').nth(1).context("nothing is announced")?.to_owned();
        Ok(match said.starts_with('"') {
            true => Self::User(value),
            false => Self::Uid(value),
        })
    }
}

/// Asks the aggregated API as `person`, who presents the credential that they hold.
async fn asks(world: &mut World, person: &Person, way: Way) -> Step<Answer> {
    let api = world.notes::<AggregatedApi>().0.clone();
    let (users, server) = api.context("no API server is in front of an aggregated API")?;
    let question = Question::get(format!("/apis/{}/v1/{}", users.group(), ApiUsers::RESOURCE));
    if way == Way::Through {
        return Ok(world.ask(person, &question).await?);
    }
    let who = world.person(person)?;
    let credential = world.holding(&who)?.credential.clone();
    let endpoint = Endpoint {
        exchanges: world.endpoint().exchanges,
        ..Endpoint::of(&server)
    };
    let answer = ask(&endpoint, who.name(), &credential, &question).await;
    world.answered(answer.clone());
    Ok(answer)
}

/// Returns the headers of the last request, as the aggregated API server received them.
fn received(world: &World) -> Step<BTreeMap<String, Vec<String>>> {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "an answer of the aggregated API", "{answer}");
    let headers = answer.body.pointer("/status/headers").cloned().unwrap_or_default();
    let headers: BTreeMap<String, Vec<String>> = serde_json::from_value(headers).context("the headers that it received")?;
    expect!(headers.contains_key("X-Remote-User"), "the headers of a front proxy", "{headers:?}");
    Ok(headers)
}

/// Returns the headers in which `credential` says on whose behalf its holder calls.
fn headers(credential: &Credential) -> Vec<(String, String)> {
    match credential {
        Credential::ProxyHeaders { headers, .. } | Credential::Impersonation { headers, .. } => headers.clone(),
        Credential::Together(several) => several.iter().flat_map(headers).collect(),
        _ => Vec::new(),
    }
}
