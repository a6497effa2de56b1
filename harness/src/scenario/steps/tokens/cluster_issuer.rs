//! Logins at any issuer that the cluster trusts: ours, or one whose realm is not known and not changed.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cucumber::{given, then};
use serde_json::{Value, json};

use crate::credential::Credential;
use crate::jwt::{Jwt, NotAJwt};
use crate::lab::Login;
use crate::scenario::steps::{Person, Step, answers};
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// The login that the scenario is about.
#[derive(Default)]
struct LoggedIn(Option<Login>);

phrases! {
    /// The token of a login.
    enum LoginToken as "login_token" {
        AsSigned = "a token",
        Changed = "a changed token",
    }
}

requires!(identity_provider);
#[given(expr = "{person} holds {login_token} of the issuer that the cluster trusts")]
async fn holds_token(world: &mut World, person: Person, token: LoginToken) -> Step {
    world.person(&person)?;
    let login = world.login().await?;
    let (token, twin) = match token {
        LoginToken::AsSigned => (login.token.clone(), None),
        LoginToken::Changed => {
            let other = world.login().await?;
            let twin = Twin {
                credential: Credential::Token(other.token),
                user: other.user,
            };
            (changed(&login.token)?, Some(twin))
        }
    };
    world.notes::<LoggedIn>().0 = Some(login);
    Ok(world.hold(&person, Credential::Token(token), twin)?)
}

#[then(expr = "{person} is accepted as the user that the token names")]
fn accepted_as_named(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let login = world.notes::<LoggedIn>().0.clone().context("nobody has logged in yet")?;
    let claims = Jwt::parse(login.token.expose())?.claims;
    let named = claims.get(&login.claim).and_then(Value::as_str).unwrap_or_default();
    let (user, claim) = (&login.user, &login.claim);
    expect!(
        !named.is_empty() && user.ends_with(named),
        "a claim {claim} that is the end of \"{user}\"",
        "\"{named}\""
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
