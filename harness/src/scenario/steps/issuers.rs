//! Logins at any issuer that the cluster trusts: ours, or one whose realm is not known and not changed.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cucumber::{given, then};
use serde_json::{Value, json};

use super::{Person, Step, answers};
use crate::credential::Credential;
use crate::jwt::{Jwt, NotAJwt};
use crate::lab::Login;
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// The login that the scenario is about.
#[derive(Default)]
struct LoggedIn(Option<Login>);

requires!(identity_provider);
#[given(expr = "{person} has logged in at the issuer that the cluster trusts")]
async fn logged_in(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let login = world.login().await?;
    let token = login.token.clone();
    world.notes::<LoggedIn>().0 = Some(login);
    Ok(world.hold(&person, Credential::Token(token), None)?)
}

requires!(identity_provider);
#[given(expr = "{person} holds a token of the issuer that the cluster trusts, changed after it was signed")]
async fn holds_changed(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let (login, other) = (world.login().await?, world.login().await?);
    let twin = Twin {
        credential: Credential::Token(other.token),
        user: other.user,
    };
    Ok(world.hold(&person, Credential::Token(changed(&login.token)?), Some(twin))?)
}

#[then(expr = "{person} is accepted as who the token says")]
fn accepted_as_token_says(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let login = world.notes::<LoggedIn>().0.clone().context("nobody has logged in yet")?;
    let claims = Jwt::parse(login.token.expose())?.claims;
    let says = claims.get(&login.claim).and_then(Value::as_str).unwrap_or_default();
    let (user, claim) = (&login.user, &login.claim);
    expect!(
        !says.is_empty() && user.ends_with(says),
        "a claim {claim} that is the end of \"{user}\"",
        "\"{says}\""
    );
    answers::accepted(world.answer()?, &login.user)
}

/// Returns the same token for another subject, with its original signature.
fn changed(token: &Secret) -> Step<Secret> {
    let mut claims = Jwt::parse(token.expose())?.claims;
    claims.insert("sub".to_owned(), json!("somebody-else"));
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_string(&claims)?);
    let parts: Vec<&str> = token.expose().split('.').collect();
    let [header, _, signature] = parts.as_slice() else { bail!(NotAJwt) };
    Ok(Secret::new(format!("{header}.{payload}.{signature}")))
}
