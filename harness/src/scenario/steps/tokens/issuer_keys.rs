//! The keys of the harness' own issuer: new ones, and requests for those of strangers.

use cucumber::{given, then};

use super::{hold_beside_sound, sound};
use crate::credential::Credential;
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;

requires!(issuer);
#[given(expr = "{person} holds a new token, signed with a key that the issuer {string} has just published")]
async fn holds_token_of_new_key(world: &mut World, person: Person, issuer: String) -> Step {
    let user = world.user(&person)?;
    let signer = world.signer()?.clone();
    let key = signer.further_key(&issuer).await?;
    let request = client(world)?.post(signer.keys_url(&issuer)?);
    let request = request.bearer_auth(signer.publication(&key)?.expose());
    request.send().await?.error_for_status()?;
    let token = sound(world, &issuer, &user)?.key(&key);
    // Only an API server that keeps the older keys refuses it.
    if signer.issuer(&issuer)?.lets_keys_be_kept {
        hold_beside_sound(world, &person, &issuer, &token)
    } else {
        Ok(world.hold(&person, Credential::Token(token.sign()?), None)?)
    }
}

#[then(expr = "the API server requested no stranger's keys")]
async fn requested_no_keys(world: &mut World) -> Step {
    let url = world.signer()?.strangers_asked_url();
    let asked: u64 = client(world)?.get(url).send().await?.error_for_status()?.json().await?;
    expect!(asked == 0, "no request for a stranger's keys", "{asked} requests");
    Ok(())
}

/// Returns a client of the issuer, which is the lab's own, wherever the API server's certificate comes from.
fn client(world: &World) -> Step<reqwest::Client> {
    let authority = reqwest::Certificate::from_pem(world.issuer_authority()?.as_bytes())?;
    Ok(reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build()?)
}
