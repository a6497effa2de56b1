//! A kubeconfig with a login at the identity provider: the command-line client presents the ID token, and refreshes it once that has expired
//! (k8s.io/client-go `plugin/pkg/client/auth/oidc`). A [`Refresh`] is what the kubeconfig has for that.

use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cucumber::{given, then};
use serde_json::{Value, json};

use super::password;
use crate::credential::Credential;
use crate::jwt::Jwt;
use crate::kubeconfig;
use crate::pki::Authority;
use crate::scenario::steps::clients::Home;
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;
use crate::secret::Secret;

/// The means to refresh a login, in a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenario::steps) enum Refresh {
    Valid,
    UnknownClient,
    OtherAuthority,
    NoIdToken,
}

phrases! {
    Refresh as "kubeconfig_refresh" {
        "a refresh token" => Self::Valid,
        "a client ID that the provider does not know" => Self::UnknownClient,
        "a CA that did not sign the provider's certificate" => Self::OtherAuthority,
        "a refresh token that yields no ID token" => Self::NoIdToken,
    }
}

requires!(identity_provider, issuer, cast_accounts);
/// Writes a kubeconfig whose ID token has expired, so that the client needs the refresh token.
#[given(expr = "{person} has a kubeconfig with an expired token of the identity provider and {kubeconfig_refresh}")]
pub(in crate::scenario::steps) async fn has_kubeconfig(world: &mut World, person: Person, refresh: Refresh) -> Step {
    let user = world.user(&person)?;
    let provider = world.provider().await?;
    let password = password(&provider, &user)?;
    let refresh_token = match refresh {
        Refresh::NoIdToken => provider.log_in_without_id(&user, &password).await?,
        _ => {
            let login = provider.log_in(&user, &password, "valid").await?;
            login.refresh.context("the login can be refreshed")?
        }
    };
    let authority = match refresh {
        Refresh::OtherAuthority => Authority::root("stranger")?.certificate().to_owned(),
        _ => provider.authority().to_owned(),
    };
    let client = match refresh {
        Refresh::UnknownClient => "nobody",
        _ => provider.client_id(),
    };
    // The client reads only the expiry of this token.
    let expired = world.signer()?.token("rs256")?.expired(Duration::from_secs(3600)).sign()?;
    let endpoint = world.endpoint();
    let mut file = kubeconfig::json("lab", &endpoint.url, &endpoint.authority, &Credential::Nothing)?;
    let secret = provider.secret_of(provider.client_id()).map_or("", Secret::expose);
    file["users"][0]["user"] = json!({ "auth-provider": { "name": "oidc", "config": {
        "idp-issuer-url": provider.issuer(), "client-id": client, "client-secret": secret,
        "idp-certificate-authority-data": STANDARD.encode(authority),
        "id-token": expired.expose(), "refresh-token": refresh_token.expose(),
    } } });
    let home = world.temporary()?;
    Home::set_up(world, home, &file)
}

#[then("the kubeconfig holds a token that has not expired")]
fn holds_new_token(world: &mut World) -> Step {
    let path = world.notes::<Home>().path()?.join("kubeconfig");
    let written: Value = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
    let token = written
        .pointer("/users/0/user/auth-provider/config/id-token")
        .and_then(Value::as_str)
        .context("the kubeconfig has a token")?;
    let claims = Jwt::parse(token)?.claims;
    let expires = claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
    let now = jiff::Timestamp::now().as_second();
    expect!(expires > now, "a token that expires after {now}", "it expires at {expires}");
    Ok(())
}
