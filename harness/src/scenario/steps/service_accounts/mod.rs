//! Service accounts, their tokens, and the objects that tokens are bound to. The main type is [`Account`].

use anyhow::Context;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

use super::{Person, Step, answers};
use crate::credential::Credential;
use crate::jwt::Jwt;
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

mod accounts;
mod bound_objects;
mod deletions;
mod external_signer;
mod kubelets;
mod nodes;
mod requests;
mod reviews;
mod secrets;
mod token_issuer;
mod tokens;
mod webhook_tokens;

pub(super) use nodes::{OnNode, SIGNER, SIGNER_OF_KUBERNETES, on_node};

/// The name of the service account that scenarios are about, in the scenario's own namespace.
const DEPLOYER: &str = "deployer";

/// The number of tokens set aside before a deletion: the API server takes a few milliseconds to know of it.
const SPARES: usize = 5;

/// A service account of the scenario.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
}

impl Account {
    /// Returns the user that its tokens stand for.
    pub(super) fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// Returns the group of all service accounts of its namespace.
    fn group(&self) -> String {
        format!("system:serviceaccounts:{}", self.namespace)
    }
}

/// The scenario's service account, and the token of it that somebody holds.
#[derive(Default)]
struct Deployer {
    account: Option<Account>,
    /// The specification that the token was requested with; `None` if it came in another way.
    asked: Option<TokenRequestSpec>,
    token: Option<Secret>,
}

/// Returns the scenario's service account, created on first use.
pub(super) async fn account(world: &mut World) -> Step<Account> {
    if let Some(account) = &world.notes::<Deployer>().account {
        return Ok(account.clone());
    }
    let account = create_account(world, DEPLOYER).await?;
    world.notes::<Deployer>().account = Some(account.clone());
    Ok(account)
}

/// Creates a service account in the scenario's namespace.
async fn create_account(world: &mut World, name: &str) -> Step<Account> {
    create_account_listing(world, name, &[]).await
}

/// Creates a service account that lists `secrets`, which need not exist yet.
async fn create_account_listing(world: &mut World, name: &str, secrets: &[&str]) -> Step<Account> {
    let namespace = world.namespace().await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.administrator()?, &namespace);
    let secrets: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
    let object = serde_json::from_value(json!({ "metadata": world.metadata(name), "secrets": secrets }))?;
    let uid = accounts.create(&PostParams::default(), &object).await?.uid().unwrap_or_default();
    Ok(Account {
        namespace,
        name: name.to_owned(),
        uid,
    })
}

/// Requests a token of the service account for the API server, never presented so far and bound to nothing.
pub(super) async fn fresh_token(world: &mut World) -> Step<Secret> {
    request(world, &TokenRequestSpec::default()).await
}

/// Requests the same as a sound credential, with the user that it stands for.
pub(super) async fn fresh(world: &mut World) -> Step<Twin> {
    let user = account(world).await?.user();
    Ok(Twin {
        credential: Credential::Token(fresh_token(world).await?),
        user,
    })
}

/// Requests a token of the service account (TokenRequest, KEP-1205).
async fn request(world: &mut World, spec: &TokenRequestSpec) -> Step<Secret> {
    let account = account(world).await?;
    request_for(world, &account, spec).await
}

async fn request_for(world: &World, account: &Account, spec: &TokenRequestSpec) -> Step<Secret> {
    request_by(world.administrator_here()?, account, spec).await
}

/// Requests a token of `account` from the API server of `client`.
async fn request_by(client: kube::Client, account: &Account, spec: &TokenRequestSpec) -> Step<Secret> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client, &account.namespace);
    let request = TokenRequest {
        spec: spec.clone(),
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request(&account.name, &PostParams::default(), &request)
        .await?;
    Ok(made.status.map(|status| Secret::new(status.token)).context("no token was given")?)
}

/// Gives `person` a token that is requested with `spec`.
async fn hold(world: &mut World, person: &Person, spec: TokenRequestSpec, twin: Option<Twin>) -> Step {
    let token = request(world, &spec).await?;
    let deployer = world.notes::<Deployer>();
    deployer.asked = Some(spec);
    deployer.token = Some(token.clone());
    world.hold(person, Credential::Token(token), twin)?;
    if let (true, Credential::Token(held)) = (world.is_inverted(), world.holding(person)?.credential.clone()) {
        world.notes::<Deployer>().token = Some(held);
    }
    Ok(())
}

/// Returns the token held, for steps that inspect it.
fn token(world: &mut World) -> Step<Secret> {
    Ok(world
        .notes::<Deployer>()
        .token
        .clone()
        .context("nobody holds a service account token")?)
}

/// Returns the claims of the token held.
fn claims(world: &mut World) -> Step<Map<String, Value>> {
    Ok(Jwt::parse(token(world)?.expose())?.claims)
}

/// Marks the deployer's token as flawed; a new one of its service account is the twin.
async fn spoil(world: &mut World) -> Step {
    let twin = fresh(world).await?;
    Ok(world.spoil(&Person::called("the deployer"), twin)?)
}

/// Sets aside tokens like the one held, for asking anew until a deletion is known.
async fn put_spares_by(world: &mut World) -> Step {
    let Some(spec) = world.notes::<Deployer>().asked.clone() else {
        bail!("the token was not asked for")
    };
    // The sound twin does not need them.
    let spares = if world.is_inverted() { 0 } else { SPARES };
    for _ in 0..spares {
        let spare = Credential::Token(request(world, &spec).await?);
        world.notes::<answers::Spares>().0.push(spare);
    }
    Ok(())
}

/// Fails unless the identity has exactly `value` under `key`, or nothing.
fn has_extra(world: &World, key: &str, value: Option<String>) -> Step {
    let identity = answers::identity(world.answer()?)?;
    let expected = value.map(|value| vec![value]);
    expect!(
        identity.extra.get(key) == expected.as_ref(),
        "the extra \"{key}\" to be {expected:?}",
        "{:?}",
        identity.extra
    );
    Ok(())
}
