//! Distributed claims: groups that a token refers to instead of containing them (OpenID Connect Core 1.0 §5.6.2).

use std::time::Duration;

use cucumber::given;
use serde_json::json;

use super::{sound, user};
use crate::credential::Credential;
use crate::identity_provider::issuer::{Forgery, Token};
use crate::probe::Question;
use crate::scenario::steps::requests::until_accepted;
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::{Twin, World};

/// The issuer of `fixtures/authentication/` that reads groups from a claim and that nothing else uses.
const ISSUER: &str = "distributed-claims";

/// The time until the API server finds the issuer of the other token, at most: its attempts are ten seconds apart.
const LIMIT: Duration = Duration::from_secs(30);

phrases! {
    /// The source that a token refers to for its groups: another token, or something that is not a sound one.
    enum GroupsSource as "groups_source" {
        Token = "another token",
        Nowhere = "an address that does not exist",
        Directory = "a directory that demands a login",
        NoGroups = "a token without groups",
        Expired = "an expired token",
        OtherAudience = "a token for another cluster",
        UnknownKey = "a token signed with an unknown key",
        NoToken = "a document that is not a token",
        Unnamed = "a source that it does not name",
    }
}

requires!(issuer);
#[given(expr = "{person} holds a token that gets its groups from {groups_source}")]
async fn holds_token(world: &mut World, person: Person, source: GroupsSource) -> Step {
    let name = world.user(&person)?;
    let other = world.signer()?.token(ISSUER)?.claim("groups", json!(["platform-team"]));
    let twin = Credential::Token(referring(world, "alice", &other)?.sign()?);
    until_found(world, &twin).await?;
    let token = match source {
        GroupsSource::Token => referring(world, &name, &other)?,
        GroupsSource::Nowhere => referring_to(world, &name, &format!("{}/nowhere", world.signer()?.base()))?,
        GroupsSource::Directory => referring_to(world, &name, &world.signer()?.directory_url())?,
        GroupsSource::NoGroups => referring(world, &name, &other.without("groups"))?,
        GroupsSource::Expired => referring(world, &name, &other.expired(Duration::from_secs(3600)))?,
        GroupsSource::OtherAudience => referring(world, &name, &other.audience("another-cluster"))?,
        GroupsSource::UnknownKey => referring(world, &name, &other.forged(Forgery::UnknownKey))?,
        GroupsSource::NoToken => referring_to(world, &name, &format!("{}/{ISSUER}/keys", world.signer()?.base()))?,
        GroupsSource::Unnamed => referring(world, &name, &other)?.without("_claim_sources"),
    };
    let twin = Twin {
        credential: twin,
        user: user(ISSUER, "alice"),
    };
    let twin = (source != GroupsSource::Token).then_some(twin);
    Ok(world.hold(&person, Credential::Token(token.sign()?), twin)?)
}

/// Returns a token of `name` that refers to the token `other` for its groups.
fn referring(world: &World, name: &str, other: &Token) -> Step<Token> {
    let url = world.signer()?.claims_url(&other.sign()?);
    referring_to(world, name, &url)
}

/// Returns a token of `name` that refers to `url` for its groups.
fn referring_to(world: &World, name: &str, url: &str) -> Step<Token> {
    let token = sound(world, ISSUER, name)?;
    Ok(token
        .claim("_claim_names", json!({ "groups": "elsewhere" }))
        .claim("_claim_sources", json!({ "elsewhere": { "endpoint": url } })))
}

/// Waits until the API server has found the issuer of the other token: it starts to look on first use, and refuses until then.
async fn until_found(world: &World, credential: &Credential) -> Step {
    let issuer = "the issuer of distributed claims";
    until_accepted(&world.endpoint(), issuer, "Alice", credential, &Question::who_am_i(), LIMIT)
        .await
        .map(drop)
}
