//! Tokens as known providers issue them (`fixtures/token_shapes/`). The main function is [`token`].

use std::time::SystemTime;

use anyhow::Context;
use serde_json::{Map, Value};

use crate::credential::Credential;
use crate::identity_provider::issuer::Token;
use crate::scenario::steps::Step;
use crate::scenario::world::{Twin, World};
use crate::template::fill_json;
use crate::token_shape::ShapedIssuer;

/// The claims of the lab's own tokens that a shape has, or leaves out, by itself.
const OWN: [&str; 3] = ["aud", "sub", "jti"];

/// Returns the example of the shape of `issuer`, with the life that the provider gives.
pub(super) fn token(world: &World, issuer: &ShapedIssuer) -> Step<Token> {
    let signer = world.signer()?;
    let directory = |name: &str| (name == "directory").then(|| signer.directory_url());
    let claims: Map<String, Value> = issuer
        .claims()
        .into_iter()
        .map(|(name, value)| Ok((name, fill_json(value, &directory)?)))
        .collect::<anyhow::Result<_>>()?;
    let token = OWN
        .iter()
        .fold(signer.token(issuer.trusted_name())?, |token, claim| token.without(claim));
    Ok(token.claims(claims).expires(SystemTime::now() + issuer.shape.life()))
}

/// Returns the sound counterpart of a token of `issuer`: the example that the same provider's documented entry accepts.
pub(super) fn twin(world: &World, issuer: &ShapedIssuer) -> Step<Twin> {
    let (sound, accepted) = issuer
        .sound()
        .with_context(|| format!("no example of {} is accepted", issuer.shape.provider))?;
    Ok(Twin {
        credential: Credential::Token(token(world, sound)?.sign()?),
        user: accepted.username.clone(),
    })
}
