//! Service accounts and their tokens.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use cucumber::{given, then, when};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret as SecretObject, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

use super::{Person, Step, answers, rights};
use crate::credential::Credential;
use crate::jwt::Jwt;
use crate::pki::key_pair;
use crate::probe::Question;
use crate::process::wait::{Condition, until};
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// The name of the service account that scenarios are about, in the scenario's own namespace.
const DEPLOYER: &str = "deployer";

/// The number of tokens set aside before a deletion: the API server takes a few milliseconds to know of it.
const SPARES: usize = 5;

/// The flaw of a service account token, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "service_account_token_flaw",
    regex = "should have been renewed an hour ago|expired an hour ago|is not valid before an hour from now|was signed with a stranger's key"
)]
enum TokenFlaw {
    Stale,
    Expired,
    NotYetValid,
    Stranger,
}

impl FromStr for TokenFlaw {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        Ok(match said {
            "should have been renewed an hour ago" => Self::Stale,
            "expired an hour ago" => Self::Expired,
            "is not valid before an hour from now" => Self::NotYetValid,
            "was signed with a stranger's key" => Self::Stranger,
            other => bail!("no service account token has the flaw: {other}"),
        })
    }
}

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

#[derive(Default)]
struct Deployer {
    account: Option<Account>,
    /// The specification that the token was requested with; `None` if it came in another way.
    asked: Option<TokenRequestSpec>,
    token: Option<Secret>,
    /// A token that was put into another Secret.
    other: Option<Twin>,
}

requires!(administrator);
#[given(expr = "{person} has a service account")]
async fn has_account(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    account(world).await.map(drop)
}

requires!(administrator);
#[given(expr = "{person} holds a service account token")]
async fn holds_token(world: &mut World, person: Person) -> Step {
    hold(world, &person, TokenRequestSpec::default(), None).await
}

requires!(administrator);
#[given(expr = "{person} holds a service account token for the audience {string}")]
async fn holds_token_for(world: &mut World, person: Person, audience: String) -> Step {
    let twin = fresh(world).await?;
    hold(
        world,
        &person,
        TokenRequestSpec {
            audiences: vec![audience],
            ..TokenRequestSpec::default()
        },
        Some(twin),
    )
    .await
}

requires!(administrator, service_account_key);
#[given(expr = "{person} holds a service account token that {service_account_token_flaw}")]
async fn holds_flawed_token(world: &mut World, person: Person, flaw: TokenFlaw) -> Step {
    let account = account(world).await?;
    let genuine = Jwt::parse(fresh_token(world).await?.expose())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let timed = |issued: u64, expires: u64| {
        let mut claims = genuine.claims.clone();
        claims.extend([("iat", issued), ("nbf", issued), ("exp", expires)].map(|(claim, time)| (claim.to_owned(), time.into())));
        claims
    };
    const HOUR: u64 = 3600;
    let key = world.service_account_key()?;
    let sound = timed(now, now + HOUR);
    let token = match flaw {
        TokenFlaw::Stale => {
            let mut claims = timed(now - 2 * HOUR, now + HOUR);
            claims["kubernetes.io"]["warnafter"] = (now - HOUR).into();
            sign(&genuine.header, &claims, &key)?
        }
        TokenFlaw::Expired => sign(&genuine.header, &timed(now - 2 * HOUR, now - HOUR), &key)?,
        TokenFlaw::NotYetValid => sign(&genuine.header, &timed(now + HOUR, now + 2 * HOUR), &key)?,
        TokenFlaw::Stranger => sign(&genuine.header, &sound, &key_pair()?.0)?,
    };
    let twin = Twin {
        credential: Credential::Token(sign(&genuine.header, &sound, &key)?),
        user: account.user(),
    };
    Ok(world.hold(&person, Credential::Token(token), Some(twin))?)
}

requires!(administrator);
#[given(expr = "{person} holds the service account token that a Secret was filled with")]
async fn holds_token_of_secret(world: &mut World, person: Person) -> Step {
    let account = account(world).await?;
    let token = filled_secret(world, &account, "first").await?;
    let other = filled_secret(world, &account, "second").await?;
    let deployer = world.notes::<Deployer>();
    deployer.token = Some(token.clone());
    deployer.other = Some(Twin {
        credential: Credential::Token(other),
        user: account.user(),
    });
    Ok(world.hold(&person, Credential::Token(token), None)?)
}

requires!(administrator);
#[given(expr = "a Secret was filled with a token of another service account")]
async fn another_secret_was_filled(world: &mut World) -> Step {
    let other = create_account(world, "other").await?;
    filled_secret(world, &other, "other").await.map(drop)
}

#[given(expr = "one like it is accepted")]
async fn one_like_it_is_accepted(world: &mut World) -> Step {
    let user = account(world).await?.user();
    let spec = world.notes::<Deployer>().asked.clone().context("the token was not asked for")?;
    let credential = Credential::Token(request(world, &spec).await?);
    let answer = world
        .ask_with(&Person::called("the deployer"), &credential, &Question::who_am_i())
        .await;
    answers::accepted(&answer, &user)
}

requires!(administrator);
#[given(expr = "its service account may list {word}")]
async fn account_may_list(world: &mut World, resource: String) -> Step {
    let user = account(world).await?.user();
    rights::grant(world, "User", &user, "list", &resource).await
}

requires!(administrator);
#[given(expr = "its service account may watch {word}")]
async fn account_may_watch(world: &mut World, resource: String) -> Step {
    let user = account(world).await?.user();
    rights::grant(world, "User", &user, "watch", &resource).await
}

requires!(administrator);
#[given(expr = "all service accounts of its namespace may list {word}")]
async fn accounts_of_namespace_may_list(world: &mut World, resource: String) -> Step {
    let group = account(world).await?.group();
    rights::grant(world, "Group", &group, "list", &resource).await
}

#[when(expr = "its service account is deleted")]
async fn account_is_deleted(world: &mut World) -> Step {
    put_spares_by(world).await?;
    delete_account(world).await?;
    if world.is_inverted() {
        let other = create_account(world, "not-deleted").await?;
        let token = request_for(world, &other, &TokenRequestSpec::default()).await?;
        world.notes::<Deployer>().token = Some(token.clone());
        let twin = Twin {
            credential: Credential::Token(token),
            user: other.user(),
        };
        world.spoil(&Person::called("the deployer"), twin)?;
    }
    Ok(())
}

#[when(expr = "its service account is deleted and made anew")]
async fn account_is_made_anew(world: &mut World) -> Step {
    put_spares_by(world).await?;
    delete_account(world).await?;
    let anew = create_account(world, DEPLOYER).await?;
    world.notes::<Deployer>().account = Some(anew);
    spoil(world).await
}

#[when(expr = "the Secret with its token is deleted")]
async fn token_secret_is_deleted(world: &mut World) -> Step {
    let namespace = world.namespace().await?;
    let secrets: Api<SecretObject> = Api::namespaced(world.administrator()?, &namespace);
    secrets.delete("first", &DeleteParams::default()).await?;
    let other = world.notes::<Deployer>().other.clone().context("no other Secret was filled")?;
    Ok(world.spoil(&Person::called("the deployer"), other)?)
}

requires!(audit_log unless "asks the API server who");
#[then(expr = "{person} is accepted as its service account")]
async fn accepted_as_account(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let user = account(world).await?.user();
    answers::accepted(world.answer()?, &user)
}

#[then(expr = "{person} is in the groups of service accounts and in no other")]
async fn in_groups_of_accounts(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let own = account(world).await?.group();
    let expected = ["system:authenticated", "system:serviceaccounts", &own].map(str::to_owned).into();
    let identity = answers::identity(world.answer()?)?;
    expect!(
        identity.groups == expected,
        "exactly the groups {expected:?}",
        "{:?}",
        identity.groups
    );
    Ok(())
}

#[then(expr = "{person} has the UID of its service account")]
async fn has_uid_of_account(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let uid = account(world).await?.uid;
    let identity = answers::identity(world.answer()?)?;
    expect!(!uid.is_empty() && identity.uid == uid, "the UID \"{uid}\"", "\"{}\"", identity.uid);
    Ok(())
}

#[then(expr = "the credential's id is the token's")]
fn credential_id(world: &mut World) -> Step {
    let id = claims(world)?
        .get("jti")
        .and_then(Value::as_str)
        .context("the token has no id")?
        .to_owned();
    has_extra(world, "authentication.kubernetes.io/credential-id", Some(format!("JTI={id}")))
}

#[then(expr = "the credential has no id")]
fn no_credential_id(world: &mut World) -> Step {
    has_extra(world, "authentication.kubernetes.io/credential-id", None)
}

#[then(expr = "the token never expires")]
fn token_never_expires(world: &mut World) -> Step {
    let claims = claims(world)?;
    expect!(!claims.contains_key("exp"), "a token without expiry", "its claims are {claims:?}");
    Ok(())
}

#[then(expr = "with a new token of its service account {person} is accepted")]
async fn accepted_with_new_token(world: &mut World, person: Person) -> Step {
    let who = world.person(&person)?;
    let new = fresh(world).await?;
    let answer = world.ask_with(&who, &new.credential, &Question::who_am_i()).await;
    answers::accepted(&answer, &new.user)
}

#[then(expr = "another service account of its namespace is accepted")]
async fn another_account_is_accepted(world: &mut World) -> Step {
    let other = create_account(world, "other").await?;
    let credential = Credential::Token(request_for(world, &other, &TokenRequestSpec::default()).await?);
    let answer = world
        .ask_with(&Person::called("another service account"), &credential, &Question::who_am_i())
        .await;
    answers::accepted(&answer, &other.user())
}

#[then(expr = "no Secret is of the deployer's service account")]
async fn no_secret_of_account(world: &mut World) -> Step {
    let account = account(world).await?;
    let items = world
        .answer()?
        .body
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .context("the answer is not a list")?;
    let owner = |item: &Value| {
        item.pointer("/metadata/annotations/kubernetes.io~1service-account.name")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let owners: Vec<_> = items.iter().filter_map(owner).collect();
    expect!(
        owners.iter().any(|owner| owner == "other"),
        "the other service account's Secret to be listed",
        "Secrets of {owners:?}"
    );
    let name = &account.name;
    expect!(!owners.contains(name), "no Secret of \"{name}\"", "Secrets of {owners:?}");
    let accounts: Api<ServiceAccount> = Api::namespaced(world.administrator()?, &account.namespace);
    let listed = accounts.get(&account.name).await?.secrets.unwrap_or_default();
    expect!(listed.is_empty(), "the service account to list no Secret", "{listed:?}");
    Ok(())
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

/// Returns the token held, for steps that inspect it.
pub(super) fn token(world: &mut World) -> Step<Secret> {
    Ok(world
        .notes::<Deployer>()
        .token
        .clone()
        .context("nobody holds a service account token")?)
}

/// Returns the claims of the token held.
pub(super) fn claims(world: &mut World) -> Step<Map<String, Value>> {
    Ok(Jwt::parse(token(world)?.expose())?.claims)
}

/// Creates a service account in the scenario's namespace.
pub(super) async fn create_account(world: &mut World, name: &str) -> Step<Account> {
    let namespace = world.namespace().await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.administrator()?, &namespace);
    let object = serde_json::from_value(json!({ "metadata": world.metadata(name) }))?;
    let uid = accounts.create(&PostParams::default(), &object).await?.uid().unwrap_or_default();
    Ok(Account {
        namespace,
        name: name.to_owned(),
        uid,
    })
}

async fn delete_account(world: &mut World) -> Step {
    let account = account(world).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.administrator()?, &account.namespace);
    accounts.delete(&account.name, &DeleteParams::default()).await?;
    Ok(())
}

/// Requests a token of the service account (TokenRequest, KEP-1205).
async fn request(world: &mut World, spec: &TokenRequestSpec) -> Step<Secret> {
    let account = account(world).await?;
    request_for(world, &account, spec).await
}

async fn request_for(world: &World, account: &Account, spec: &TokenRequestSpec) -> Step<Secret> {
    let accounts: Api<ServiceAccount> = Api::namespaced(world.administrator_here()?, &account.namespace);
    let request = TokenRequest {
        spec: spec.clone(),
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request(&account.name, &PostParams::default(), &request)
        .await?;
    Ok(made.status.map(|status| Secret::new(status.token)).context("no token was given")?)
}

pub(super) async fn hold(world: &mut World, person: &Person, spec: TokenRequestSpec, twin: Option<Twin>) -> Step {
    let token = request(world, &spec).await?;
    let deployer = world.notes::<Deployer>();
    deployer.asked = Some(spec);
    deployer.token = Some(token.clone());
    world.hold(&person, Credential::Token(token), twin)?;
    if let (true, Credential::Token(held)) = (world.is_inverted(), world.holding(&person)?.credential.clone()) {
        world.notes::<Deployer>().token = Some(held);
    }
    Ok(())
}

/// Marks the deployer's token as flawed; a new one of its service account is the twin.
pub(super) async fn spoil(world: &mut World) -> Step {
    let twin = fresh(world).await?;
    Ok(world.spoil(&Person::called("the deployer"), twin)?)
}

/// Sets aside tokens like the one held, for asking anew until a deletion is known.
pub(super) async fn put_spares_by(world: &mut World) -> Step {
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

/// Creates a Secret for a token of `account`, and waits until the controller has filled it.
async fn filled_secret(world: &mut World, account: &Account, name: &str) -> Step<Secret> {
    let secrets: Api<SecretObject> = Api::namespaced(world.administrator()?, &account.namespace);
    let mut metadata = world.metadata(name);
    metadata["annotations"] = json!({ "kubernetes.io/service-account.name": account.name });
    let secret = serde_json::from_value(json!({ "type": "kubernetes.io/service-account-token", "metadata": metadata }))?;
    secrets.create(&PostParams::default(), &secret).await?;
    let filled = until("the token in the Secret", Duration::from_secs(10), || async {
        let token = secrets.get(name).await?.data.unwrap_or_default().remove("token");
        let token = token
            .and_then(|token| String::from_utf8(token.0).ok())
            .filter(|token| !token.is_empty());
        Ok::<_, kube::Error>(token.map_or_else(
            || Condition::NotYet("it has none".to_owned()),
            |token| Condition::Met(Secret::new(token)),
        ))
    });
    Ok(filled.await?)
}

/// Signs as kube-apiserver does: ES256, with the header of one of its own tokens.
fn sign(header: &Map<String, Value>, claims: &Map<String, Value>, key: &Secret) -> Step<Secret> {
    let kid = header.get("kid").and_then(Value::as_str).map(str::to_owned);
    let header = jsonwebtoken::Header {
        kid,
        typ: None,
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256)
    };
    let key = jsonwebtoken::EncodingKey::from_ec_pem(key.expose().as_bytes())?;
    Ok(Secret::new(jsonwebtoken::encode(&header, claims, &key)?))
}

/// Fails unless the identity has exactly `value` under `key`, or nothing.
pub(super) fn has_extra(world: &World, key: &str, value: Option<String>) -> Step {
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
