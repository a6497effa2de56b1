//! Tokens of the harness' own issuer: sound ones and forgeries.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use cucumber::{given, then};
use serde_json::json;

use super::{Person, Step, Texts, answers};
use crate::credential::Credential;
use crate::identity_provider::issuer::{Forgery, Token};
use crate::probe::{Door, Question};
use crate::scenario::world::{Twin, World};

/// What is wrong with a token, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "token_flaw",
    regex = "expired an hour ago|is not valid before an hour from now|is for another cluster|was signed with a key that the issuer does not have|was signed under the name of one of its keys|was changed after it was signed|names no user|has a number for a group|has a slash at the end of its issuer"
)]
enum TokenFlaw {
    Expired,
    NotYetValid,
    OtherAudience,
    UnknownKey,
    StrangersKey,
    Altered,
    NoUser,
    NumberForGroup,
    TrailingSlash,
}

impl FromStr for TokenFlaw {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self, anyhow::Error> {
        Ok(match said {
            "expired an hour ago" => Self::Expired,
            "is not valid before an hour from now" => Self::NotYetValid,
            "is for another cluster" => Self::OtherAudience,
            "was signed with a key that the issuer does not have" => Self::UnknownKey,
            "was signed under the name of one of its keys" => Self::StrangersKey,
            "was changed after it was signed" => Self::Altered,
            "names no user" => Self::NoUser,
            "has a number for a group" => Self::NumberForGroup,
            "has a slash at the end of its issuer" => Self::TrailingSlash,
            other => anyhow::bail!("no token has the flaw: {other}"),
        })
    }
}

impl TokenFlaw {
    fn applied(self, token: Token, issuer: &str) -> Token {
        const HOUR: Duration = Duration::from_secs(3600);
        match self {
            Self::Expired => token.expired(HOUR),
            Self::NotYetValid => token.not_before(SystemTime::now() + HOUR).expires(SystemTime::now() + 2 * HOUR),
            Self::OtherAudience => token.claim("aud", json!(["another-cluster"])),
            Self::UnknownKey => token.forged(Forgery::UnknownKey),
            Self::StrangersKey => token.forged(Forgery::StrangersKey),
            Self::Altered => token.forged(Forgery::Altered {
                claim: "groups".to_owned(),
                value: json!(["system:masters"]),
            }),
            Self::NoUser => token.without("username"),
            Self::NumberForGroup => token.claim("groups", json!([1])),
            Self::TrailingSlash => token.issuer(&format!("{issuer}/")),
        }
    }
}

#[given(expr = "{person} holds a token of the issuer {string}")]
fn holds_token(world: &mut World, person: Person, issuer: String) -> Step {
    let token = sound(world, &issuer, &person.user())?;
    hold(world, &person, &token)
}

#[given(expr = "{person} holds a token of the issuer {string} with the audience {string}")]
fn holds_token_for(world: &mut World, person: Person, issuer: String, audience: String) -> Step {
    let token = sound(world, &issuer, &person.user())?.audience(&audience);
    hold(world, &person, &token)
}

#[given(expr = "{person} holds a token of the issuer {string} with the group(s) {texts}")]
fn holds_token_with_groups(world: &mut World, person: Person, issuer: String, groups: Texts) -> Step {
    let token = sound(world, &issuer, &person.user())?.claim("groups", json!(groups.0));
    hold(world, &person, &token)
}

#[given(expr = "{person} holds a token of the issuer {string} that {token_flaw}")]
fn holds_flawed_token(world: &mut World, person: Person, issuer: String, flaw: TokenFlaw) -> Step {
    let url = world.signer()?.url(&issuer)?;
    let token = flaw.applied(sound(world, &issuer, &person.user())?, &url).sign()?;
    let twin = Twin {
        credential: Credential::Token(sound(world, &issuer, "alice")?.sign()?),
        user: user(&issuer, "alice"),
    };
    Ok(world.hold(&person.0, Credential::Token(token), Some(twin))?)
}

#[then(expr = "{person}, who asks an API server with the configuration file, is accepted as {string}")]
async fn accepted_elsewhere(world: &mut World, person: Person, user: String) -> Step {
    let door = Door::of(world.main());
    world.go_to(door);
    let answer = world.ask(&person.0, &Question::who_am_i()).await?;
    answers::accepted(&answer, &user)
}

/// A sound token of the issuer at `path`, with what both configurations of `fixtures/authentication/` read.
fn sound(world: &World, path: &str, user: &str) -> Step<Token> {
    let token = world.signer()?.token(path).with_context(|| format!("the issuer {path}"))?;
    Ok(token.subject(user).claim("username", user))
}

/// The user that a token's holder becomes (`fixtures/authentication/`).
fn user(path: &str, name: &str) -> String {
    if path == "es256" {
        name.to_owned()
    } else {
        format!("{path}:{name}")
    }
}

fn hold(world: &mut World, person: &Person, token: &Token) -> Step {
    Ok(world.hold(&person.0, Credential::Token(token.sign()?), None)?)
}
