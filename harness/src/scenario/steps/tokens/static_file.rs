//! Tokens from a file of an API server (`--token-auth-file`, `fixtures/api_servers/tokens.toml`).

use cucumber::given;

use crate::credential::Credential;
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;

requires!(further_api_servers);
#[given(expr = "{person} holds a token from the token file")]
fn holds_token(world: &mut World, person: Person) -> Step {
    let user = world.user(&person)?;
    let token = world.secret(&user)?;
    Ok(world.hold(&person, Credential::Token(token), None)?)
}
