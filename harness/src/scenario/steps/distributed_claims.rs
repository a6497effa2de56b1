//! Distributed claims: groups that a token refers to instead of containing them (OpenID Connect Core 1.0 §5.6.2).

use std::str::FromStr;
use std::time::Duration;

use cucumber::given;
use serde_json::json;

use super::asking::until_accepted;
use super::tokens::{sound, user};
use super::{Person, Step};
use crate::credential::Credential;
use crate::identity_provider::issuer::Token;
use crate::probe::Question;
use crate::scenario::world::{Twin, World};

/// The issuer of `fixtures/authentication/` that reads groups from a claim and that nothing else uses.
const ISSUER: &str = "distributed";

/// The time until the API server finds the issuer of the other token, at most: its attempts are ten seconds apart.
const LIMIT: Duration = Duration::from_secs(30);

/// The flaw of a token's distributed claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "told",
    regex = "where nobody says anything|by a token that says no groups|by a token that has expired|by a token for another cluster|by a token that somebody else signed|by no token at all|by a source that it does not name"
)]
enum Told {
    Nowhere,
    NoGroups,
    Expired,
    OtherAudience,
    StrangersKey,
    NoToken,
    UnnamedSource,
}

impl FromStr for Told {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self, anyhow::Error> {
        Ok(match said {
            "where nobody says anything" => Self::Nowhere,
            "by a token that says no groups" => Self::NoGroups,
            "by a token that has expired" => Self::Expired,
            "by a token for another cluster" => Self::OtherAudience,
            "by a token that somebody else signed" => Self::StrangersKey,
            "by no token at all" => Self::NoToken,
            "by a source that it does not name" => Self::UnnamedSource,
            other => anyhow::bail!("no groups are told {other}"),
        })
    }
}

requires!(issuer);
#[given(expr = "{person} holds a token whose groups are told elsewhere: {string}")]
async fn told_elsewhere(world: &mut World, person: Person, group: String) -> Step {
    let told = elsewhere(world, &person.user(), &groups(world, &group)?)?;
    let credential = Credential::Token(told.sign()?);
    until_found(world, &credential).await?;
    Ok(world.hold(&person, credential, None)?)
}

requires!(issuer);
#[given(expr = "{person} holds a token whose groups are told {told}")]
async fn told_badly(world: &mut World, person: Person, told: Told) -> Step {
    let name = person.user();
    let twin = Credential::Token(elsewhere(world, "alice", &groups(world, "platform-team")?)?.sign()?);
    until_found(world, &twin).await?;
    let other = groups(world, "platform-team")?;
    let token = match told {
        Told::Nowhere => at(world, &name, &format!("{}/nowhere", world.signer()?.base()))?,
        Told::NoGroups => elsewhere(world, &name, &other.without("groups"))?,
        Told::Expired => elsewhere(world, &name, &other.expired(Duration::from_secs(3600)))?,
        Told::OtherAudience => elsewhere(world, &name, &other.audience("another-cluster"))?,
        Told::StrangersKey => {
            let forgery = crate::identity_provider::issuer::Forgery::UnknownKey;
            elsewhere(world, &name, &other.forged(forgery))?
        }
        Told::NoToken => at(world, &name, &format!("{}/{ISSUER}/keys", world.signer()?.base()))?,
        Told::UnnamedSource => elsewhere(world, &name, &other)?.without("_claim_sources"),
    };
    let twin = Twin {
        credential: twin,
        user: user(ISSUER, "alice"),
    };
    Ok(world.hold(&person, Credential::Token(token.sign()?), Some(twin))?)
}

/// Returns a token that says that its user is in `group`.
fn groups(world: &World, group: &str) -> Step<Token> {
    Ok(world.signer()?.token(ISSUER)?.claim("groups", json!([group])))
}

/// Returns a token of `name` that refers to `other` for its groups.
fn elsewhere(world: &World, name: &str, other: &Token) -> Step<Token> {
    let url = world.signer()?.claims_url(&other.sign()?);
    at(world, name, &url)
}

/// Returns a token of `name` that refers to `url` for its groups.
fn at(world: &World, name: &str, url: &str) -> Step<Token> {
    let token = sound(world, ISSUER, name)?;
    Ok(token
        .claim("_claim_names", json!({ "groups": "elsewhere" }))
        .claim("_claim_sources", json!({ "elsewhere": { "endpoint": url } })))
}

/// Waits until the API server has found the issuer of the other token: it starts to look on first use, and refuses until then.
async fn until_found(world: &World, credential: &Credential) -> Step {
    let issuer = "the issuer of claims that are told elsewhere";
    until_accepted(&world.endpoint(), issuer, "Alice", credential, &Question::who_am_i(), LIMIT)
        .await
        .map(drop)
}
