//! Logins at the identity provider, and forgeries of its tokens. A [`Login`] says how somebody has logged in, and how their token differs from a valid one.

mod accounts;
pub(super) mod kubeconfig;

use std::time::Duration;

use anyhow::Context;
use cucumber::given;
use serde_json::Value;

use self::accounts::Password;
use super::{Person, Step};
use crate::credential::Credential;
use crate::identity_provider::Provider;
use crate::identity_provider::issuer::{Algorithm, Forgery};
use crate::jwt::Jwt;
use crate::process::wait::{Condition, until};
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

phrases! {
    /// A login: at which issuer, with which account, and with what is special about its token.
    enum Login as "provider_login" {
        Valid = "at the identity provider",
        OtherIssuer = "at another issuer of the identity provider",
        OwnAccount = "with her password",
        Expired = "at the identity provider, and her token has expired",
        OtherAudience = "at the identity provider, and her token is for another cluster",
        NoUser = "at the identity provider, and her token names no user",
        TwoAudiences = "at the identity provider, and her token is for two clusters",
        GroupAsString = "at the identity provider, and her token has its group as a string",
        NoGroups = "at the identity provider, and her token names no groups",
    }
}

impl Login {
    /// Returns the name under which each provider has the request for such a token (`fixtures/identity_providers/`).
    fn name(self) -> &'static str {
        match self {
            Self::Valid | Self::OtherIssuer | Self::OwnAccount => "valid",
            Self::Expired => "expired",
            Self::OtherAudience => "other-audience",
            Self::NoUser => "no-user",
            Self::TwoAudiences => "two-audiences",
            Self::GroupAsString => "group-as-string",
            Self::NoGroups => "no-groups",
        }
    }

    /// Returns whether the API server has a reason to refuse the token.
    fn is_flawed(self) -> bool {
        matches!(self, Self::OtherIssuer | Self::Expired | Self::OtherAudience | Self::NoUser)
    }
}

requires!(identity_provider, cast_accounts, several_audiences if "for two clusters");
#[given(expr = "{person} has logged in {provider_login}")]
async fn has_logged_in(world: &mut World, person: Person, login: Login) -> Step {
    if login == Login::OwnAccount {
        return accounts::logs_in(world, person, Password::Right).await;
    }
    let user = world.user(&person)?;
    let provider = world.provider().await?;
    let provider = match login {
        Login::OtherIssuer => provider.elsewhere()?,
        _ => provider,
    };
    let token = provider.log_in(&user, &password(&provider, &user)?, login.name()).await?.id;
    if login == Login::Expired {
        expiry(&token).await?;
    }
    let twin = if login.is_flawed() { Some(valid_login(world).await?) } else { None };
    Ok(world.hold(&person, Credential::Token(token), twin)?)
}

requires!(identity_provider, issuer, cast_accounts);
#[given(expr = "{person} has forged a token of the identity provider, signed with {word}")]
async fn has_forged_token(world: &mut World, person: Person, algorithm: Algorithm) -> Step {
    let twin = valid_login(world).await?;
    let issuer = world.provider().await?.issuer().to_owned();
    let forged = world
        .signer()?
        .token("rs256")?
        .issuer(&issuer)
        .claim("preferred_username", "alice")
        .algorithm(algorithm)
        .forged(Forgery::UnknownKey);
    Ok(world.hold(&person, Credential::Token(forged.sign()?), Some(twin))?)
}

/// Waits until the token, which lives for a second, has expired.
async fn expiry(token: &Secret) -> Step {
    let claims = Jwt::parse(token.expose())?.claims;
    let expires = claims.get("exp").and_then(Value::as_i64);
    let expires = expires.context("the token says when it expires")?;
    let expired = until("the token's end", Duration::from_secs(5), || async {
        let left = expires - jiff::Timestamp::now().as_second();
        Ok::<_, std::io::Error>(if left < 0 {
            Condition::Met(())
        } else {
            Condition::NotYet(format!("it lives for {left} s"))
        })
    });
    Ok(expired.await?)
}

/// Logs Alice in again. Returns the login and the user that she becomes at the current endpoint.
async fn valid_login(world: &World) -> Step<Twin> {
    let provider = world.provider().await?;
    let login = provider
        .log_in("alice", &password(&provider, "alice")?, Login::Valid.name())
        .await?;
    let prefix = if world.endpoint().server.name == "oidc_flags" {
        format!("{}#", provider.issuer())
    } else {
        format!("{}:", provider.kind().name())
    };
    Ok(Twin {
        credential: Credential::Token(login.id),
        user: format!("{prefix}alice"),
    })
}

/// Returns the password of a member of the cast.
fn password(provider: &Provider, user: &str) -> Step<Secret> {
    let known = provider.passwords().get(user).cloned();
    Ok(known.with_context(|| format!("no password of {user} is known"))?)
}
