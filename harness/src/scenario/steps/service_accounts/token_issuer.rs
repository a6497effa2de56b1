//! The API server's published metadata of the issuer of service account tokens (OpenID Connect Discovery 1.0, KEP-1393).

use anyhow::Context;
use cucumber::{then, when};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::super::{Person, Step, answers};
use super::{claims, token};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::probe::{Answer, Question};
use crate::scenario::world::World;

const METADATA: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";

/// The media type of a key set (RFC 7517 §8.5.2).
const KEY_SET: &str = "application/jwk-set+json";

phrases! {
    /// A document that the API server publishes.
    enum Published as "published" {
        Metadata = "the issuer's metadata",
        Keys = "the issuer's keys",
    }
}

#[when(expr = "{person} asks the API server for {published}")]
async fn asks_for(world: &mut World, person: Person, published: Published) -> Step {
    let question = match published {
        Published::Metadata => Question::get(METADATA),
        // A request that accepts nothing but JSON gets 406.
        Published::Keys => Question::get(KEYS).header("Accept", KEY_SET),
    };
    Ok(world.ask(&person, &question).await.map(drop)?)
}

#[then(expr = "{person} is told the issuer of its own token")]
fn told_issuer(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let claims = claims(world)?;
    let answer = published(world, "application/json")?;
    let (issuer, expected) = (&answer.body["issuer"], claims.get("iss"));
    expect!(
        issuer.is_string() && expected == Some(issuer),
        "the issuer {expected:?}",
        "told was {issuer}"
    );
    if let Some(expected) = world.service_account_issuer() {
        expect!(issuer == expected, "the issuer \"{expected}\"", "told was {issuer}");
    }
    let keys = answer.body["jwks_uri"].as_str().unwrap_or_default();
    expect!(keys.ends_with(KEYS), "to be told where the keys are", "told was \"{keys}\"");
    Ok(())
}

#[then(expr = "its token is verified by one of the keys")]
fn verified(world: &mut World) -> Step {
    let token = token(world)?;
    let keys: JwkSet = serde_json::from_value(published(world, KEY_SET)?.body.clone())?;
    let header = decode_header(token.expose())?;
    let kid = header.kid.context("the token does not say which key verifies it")?;
    let key = keys.find(&kid).with_context(|| format!("no key is called {kid}"))?;
    let mut validation = Validation::new(header.alg);
    validation.validate_aud = false;
    decode::<Map<String, Value>>(token.expose(), &DecodingKey::from_jwk(key)?, &validation)?;
    Ok(())
}

#[then(expr = "the token is for the API server itself")]
async fn for_the_server(world: &mut World) -> Step {
    let who = world.administrator_credential()?;
    let answer = world
        .ask_with(&Person::called("the administrator"), &who, &Question::get(METADATA))
        .await;
    let issuer = &answer.body["issuer"];
    let claims = claims(world)?;
    let seen = claims.get("aud").and_then(Value::as_array).cloned().unwrap_or_default();
    // Without --api-audiences, the API server's own audience is its issuer. A cluster that is not ours may have more.
    let is_expected = match world.service_account_issuer() {
        Some(_) => seen == [issuer.clone()],
        None => seen.contains(issuer),
    };
    expect!(is_expected, "the audience {issuer}", "{seen:?}");
    Ok(())
}

#[then(expr = "the answer may be cached for an hour")]
fn may_be_cached(world: &mut World) -> Step {
    let seen = world.answer()?.header("cache-control").unwrap_or_default();
    expect!(
        seen == "public, max-age=3600",
        "an answer that everybody may cache for an hour",
        "\"{seen}\""
    );
    Ok(())
}

requires!(anonymous_requests);
#[then(expr = "{person}, who sends the same request without a credential, is refused as forbidden, because {string}")]
async fn refused_without_credential(world: &mut World, person: Person, reason: String) -> Step {
    let path = world
        .answer()?
        .request
        .rsplit_once(' ')
        .map(|(_, path)| path.to_owned())
        .unwrap_or_default();
    let answer = world.ask_with(&person, &Credential::Nothing, &Question::get(path)).await;
    answers::refused(world.version(), &answer, Verdict::Forbidden, &reason)
}

/// Returns the last answer, if it has this content type.
fn published<'a>(world: &'a World, content_type: &str) -> Step<&'a Answer> {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "told", "{answer}");
    let seen = answer.header("content-type").unwrap_or_default();
    expect!(seen == content_type, "an answer of the type {content_type}", "\"{seen}\"");
    Ok(answer)
}
