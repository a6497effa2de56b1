//! Logins at Keycloak, and forgeries of its tokens. A [`Login`] says how somebody has logged in, and how their token differs from a valid one.

mod accounts;
pub(super) mod kubeconfig;

use std::time::Duration;

use anyhow::Context;
use cucumber::given;
use serde_json::Value;

use self::accounts::Password;
use super::{Person, Step};
use crate::credential::Credential;
use crate::identity_provider::issuer::{Algorithm, Forgery};
use crate::identity_provider::keycloak::KeycloakDescription;
use crate::jwt::Jwt;
use crate::process::wait::{Condition, until};
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

phrases! {
    /// A login: at which realm, with which account, and with which OIDC client of the realm, since the clients' tokens differ.
    enum Login as "keycloak_login" {
        Valid = "to Keycloak",
        OtherRealm = "to another realm of Keycloak",
        OwnAccount = "with her password",
        Expired = "to Keycloak, and her token has expired",
        OtherAudience = "to Keycloak, and her token is for another cluster",
        NoUser = "to Keycloak, and her token names no user",
        TwoAudiences = "to Keycloak, and her token is for two clusters",
        GroupAsString = "to Keycloak, and her token has its group as a string",
        NoGroups = "to Keycloak, and her token names no groups",
    }
}

impl Login {
    /// Returns the OIDC client whose tokens are like that (`fixtures/keycloak/realm.json`).
    fn client(self) -> &'static str {
        match self {
            Self::Valid | Self::OtherRealm | Self::OwnAccount => "kubernetes",
            Self::Expired => "tokens-expire-at-once",
            Self::OtherAudience => "audience-elsewhere",
            Self::NoUser => "without-username",
            Self::TwoAudiences => "audience-listed-second",
            Self::GroupAsString => "groups-as-string",
            Self::NoGroups => "without-groups",
        }
    }

    /// Returns whether the API server has a reason to refuse the token.
    fn is_flawed(self) -> bool {
        matches!(self, Self::OtherRealm | Self::Expired | Self::OtherAudience | Self::NoUser)
    }
}

requires!(identity_provider, realm_administration);
#[given(expr = "{person} has logged in {keycloak_login}")]
async fn has_logged_in(world: &mut World, person: Person, login: Login) -> Step {
    if login == Login::OwnAccount {
        return accounts::logs_in(world, person, Password::Right).await;
    }
    let user = world.user(&person)?;
    let realm = world.realm().await?;
    let keycloak = match login {
        Login::OtherRealm => realm.elsewhere()?,
        _ => realm.as_client(login.client())?,
    };
    let token = keycloak.password_grant(&user, &password(keycloak.description(), &user)?).await?.id;
    if login == Login::Expired {
        expiry(&token).await?;
    }
    let twin = if login.is_flawed() { Some(valid_login(world).await?) } else { None };
    Ok(world.hold(&person, Credential::Token(token), twin)?)
}

requires!(identity_provider, issuer, realm_administration);
#[given(expr = "{person} has forged a Keycloak token, signed with {word}")]
async fn has_forged_token(world: &mut World, person: Person, algorithm: Algorithm) -> Step {
    let twin = valid_login(world).await?;
    let issuer = world.realm().await?.description().issuer.clone();
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
    let keycloak = world.realm().await?;
    let realm = keycloak.description();
    let login = keycloak.password_grant("alice", &password(realm, "alice")?).await?;
    let prefix = if world.endpoint().server.name == "oidc_flags" {
        format!("{}#", realm.issuer)
    } else {
        "keycloak:".to_owned()
    };
    Ok(Twin {
        credential: Credential::Token(login.id),
        user: format!("{prefix}alice"),
    })
}

/// Returns the password of a user of the realm.
fn password(realm: &KeycloakDescription, user: &str) -> Step<Secret> {
    let known = realm.passwords.get(user).cloned();
    Ok(known.with_context(|| format!("no password of {user} is known"))?)
}
