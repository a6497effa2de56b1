//! Tokens from a file of an API server (`--token-auth-file`, `fixtures/api_servers/tokens.toml`).

use cucumber::{given, then};

use super::{Person, Step, answers};
use crate::credential::Credential;
use crate::probe::Question;
use crate::scenario::world::World;
use crate::token_webhook::vouched_for;

requires!(further_api_servers);
#[given(expr = "{person} holds the token that a file has for {word}")]
fn holds_static_token(world: &mut World, person: Person, _whom: String) -> Step {
    let token = world.secret(&person.name().to_lowercase())?;
    Ok(world.hold(&person, Credential::Token(token), None)?)
}

requires!(further_api_servers, token_webhook);
#[given(expr = "{person} holds the token that a file has for {word}, and that the webhook vouches for, too")]
fn holds_static_token_vouched_for(world: &mut World, person: Person, _whom: String) -> Step {
    let token = vouched_for(&person.name().to_lowercase(), &world.webhook_seed()?);
    Ok(world.hold(&person, Credential::Token(token), None)?)
}

requires!(further_api_servers);
#[then(expr = "{person}, who holds the token that a file has for {word}, is accepted")]
async fn accepted_with_static_token(world: &mut World, person: Person, whom: String) -> Step {
    holds_static_token(world, person.clone(), whom)?;
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    answers::accepted(&answer, &person.user())
}
