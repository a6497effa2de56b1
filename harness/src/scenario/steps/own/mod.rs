//! Somebody's own configuration: the credentials that people present to its API server. The modules are about claims and about rights.

mod claims;
mod rights;

use anyhow::{Context, anyhow};
use cucumber::given;
use gherkin::Step as GherkinStep;

use super::{Person, Step, Texts};
use crate::hint::Hint as _;
use crate::scenario::world::World;
use crate::token_shape::TokenShape;
use crate::trial::Presented;

requires!(project, issuer_stand_ins);
/// The claims, one per row, are all that the token has beside those that every token needs.
#[given(expr = "{person} has a token of {string}( with)(:)")]
async fn has_a_token(world: &mut World, person: Person, issuer: String, step: &GherkinStep) -> Step {
    let claims = claims::in_table(issuer, step.table.as_ref())?;
    Ok(world.present(&person, Presented::Token(claims)).await?)
}

requires!(project, issuer_stand_ins);
/// The claims in the table are laid over those that the provider's tokens have (`fixtures/token_shapes/`).
#[given(expr = "{person} has a token of {string} like {string}( with)(:)")]
async fn has_a_token_like(world: &mut World, person: Person, issuer: String, shape: String, step: &GherkinStep) -> Step {
    let shape = TokenShape::named(&shape).map_err(|unknown| match unknown.hint() {
        Some(hint) => anyhow!("{unknown} ({hint})"),
        None => unknown.into(),
    })?;
    let claims = claims::like(shape, claims::in_table(issuer, step.table.as_ref())?);
    Ok(world.present(&person, Presented::Token(claims)).await?)
}

requires!(project, cluster_signing_key);
#[given(expr = "{person} has a certificate with the common name {string}")]
async fn has_a_certificate(world: &mut World, person: Person, common_name: String) -> Step {
    let organizations = Vec::new();
    Ok(world
        .present(
            &person,
            Presented::Certificate {
                common_name,
                organizations,
            },
        )
        .await?)
}

requires!(project, cluster_signing_key);
#[given(expr = "{person} has a certificate with the common name {string} and the organization(s) {texts}")]
async fn has_a_certificate_with_groups(world: &mut World, person: Person, common_name: String, organizations: Texts) -> Step {
    let organizations = organizations.0;
    Ok(world
        .present(
            &person,
            Presented::Certificate {
                common_name,
                organizations,
            },
        )
        .await?)
}

requires!(project, administrator);
#[given(expr = "{person} is the service account {string}")]
async fn is_a_service_account(world: &mut World, person: Person, account: String) -> Step {
    let named = account
        .split_once('/')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    let (namespace, name) = named.with_context(|| format!("'{account}' is no service account (expected: NAMESPACE/NAME)"))?;
    let presents = Presented::ServiceAccount {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    Ok(world.present(&person, presents).await?)
}
