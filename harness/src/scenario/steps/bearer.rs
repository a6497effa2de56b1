//! Ways of sending a bearer token, and tokens presented beside another credential.

use anyhow::Result;
use cucumber::{given, then};

use super::{Person, Step, answers, service_accounts};
use crate::credential::Credential;
use crate::probe::Question;
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// The text around the token in an `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "carried", regex = "after two spaces|followed by another word")]
struct Carried {
    before: &'static str,
    after: &'static str,
}

impl std::str::FromStr for Carried {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(match said {
            "after two spaces" => Self {
                before: "Bearer  ",
                after: "",
            },
            "followed by another word" => Self {
                before: "Bearer ",
                after: " word",
            },
            other => anyhow::bail!("no token is carried {other}"),
        })
    }
}

/// A token presented beside another credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "beside", regex = "a service account token|a made-up token")]
enum Beside {
    ServiceAccount,
    MadeUp,
}

impl std::str::FromStr for Beside {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(match said {
            "a service account token" => Self::ServiceAccount,
            "a made-up token" => Self::MadeUp,
            other => anyhow::bail!("nobody presents {other} beside something else"),
        })
    }
}

/// The sound token that is presented beside another credential.
#[derive(Default)]
struct Alone(Option<Twin>);

requires!(administrator);
#[given(expr = "{person} carries a service account token under the scheme {string}")]
async fn carries_under_scheme(world: &mut World, person: Person, scheme: String) -> Step {
    // The scheme is case-insensitive (RFC 9110 §11.1).
    let sound = scheme.eq_ignore_ascii_case("bearer");
    carry(world, &person, &format!("{scheme} "), "", sound).await
}

requires!(administrator);
#[given(expr = "{person} carries a service account token {carried}")]
async fn carries(world: &mut World, person: Person, carried: Carried) -> Step {
    let sound = carried.before == "Bearer ";
    carry(world, &person, carried.before, carried.after, sound).await
}

#[given(expr = "{person} sends his name and a password")]
fn sends_password(world: &mut World, person: Person) -> Step {
    use base64::Engine as _;
    let pair = format!("{}:{}", person.user(), world.unique("password"));
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    Ok(world.hold(&person, Credential::Authorization(Secret::new(format!("Basic {pair}"))), None)?)
}

requires!(administrator);
#[given(expr = "{person} carries an empty token")]
async fn carries_empty(world: &mut World, person: Person) -> Step {
    let twin = service_accounts::fresh(world).await?;
    Ok(world.hold(&person, Credential::Authorization(Secret::new("Bearer ")), Some(twin))?)
}

requires!(administrator);
#[given(expr = "{person} carries a made-up token")]
async fn carries_made_up(world: &mut World, person: Person) -> Step {
    let twin = service_accounts::fresh(world).await?;
    let token = made_up(world);
    Ok(world.hold(&person, token, Some(twin))?)
}

requires!(administrator if "a service account token");
#[given(expr = "{person} also presents {beside}")]
async fn also_presents(world: &mut World, person: Person, beside: Beside) -> Step {
    let holding = world.holding(&person)?.clone();
    let token = match beside {
        Beside::ServiceAccount => {
            let sound = service_accounts::fresh(world).await?;
            world.notes::<Alone>().0 = Some(sound.clone());
            sound.credential
        }
        Beside::MadeUp => made_up(world),
    };
    Ok(world.hold(&person, Credential::Together(vec![holding.credential, token]), holding.twin)?)
}

requires!(administrator);
#[then(expr = "with a service account token beside it, {person} is accepted as the service account")]
async fn accepted_with_token_beside(world: &mut World, person: Person) -> Step {
    let held = world.holding(&person)?.credential.clone();
    let sound = service_accounts::fresh(world).await?;
    let who = world.person(&person)?;
    let answer = world
        .ask_with(&who, &Credential::Together(vec![held, sound.credential]), &Question::who_am_i())
        .await;
    answers::accepted(&answer, &sound.user)
}

#[then(expr = "{person}, with the token alone, is accepted as the service account")]
async fn accepted_with_token_alone(world: &mut World, person: Person) -> Step {
    let Some(sound) = world.notes::<Alone>().0.clone() else {
        bail!("nobody presents a sound token beside something else")
    };
    let who = world.person(&person)?;
    let answer = world.ask_with(&who, &sound.credential, &Question::who_am_i()).await;
    answers::accepted(&answer, &sound.user)
}

/// Returns a token that no authenticator knows. It is the scenario's own, since the log may show it.
fn made_up(world: &World) -> Credential {
    Credential::Token(Secret::new(world.unique("made-up")))
}

/// Gives the person a token with `before` and `after` around it. A token that is `sound` in this form needs no twin.
async fn carry(world: &mut World, person: &Person, before: &str, after: &str, sound: bool) -> Step {
    let token = service_accounts::fresh_token(world).await?;
    let header = Secret::new(format!("{before}{}{after}", token.expose()));
    let twin = if sound { None } else { Some(service_accounts::fresh(world).await?) };
    Ok(world.hold(person, Credential::Authorization(header), twin)?)
}
