//! Secrets that the cluster fills with a token of a service account.

use std::time::Duration;

use anyhow::Context;
use cucumber::{given, then, when};
use k8s_openapi::api::core::v1::{Secret as SecretObject, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::super::servers::metrics::Counts;
use super::super::{Person, Step};
use super::requests::annotation;
use super::{Account, DEPLOYER, Deployer, account, create_account, create_account_listing};
use crate::credential::Credential;
use crate::process::wait::{Condition, until};
use crate::scenario::world::{Twin, World};
use crate::secret::Secret;

/// The name of the Secret whose token somebody holds.
const HELD: &str = "first";

phrases! {
    /// Whether a service account lists a Secret, as it did with those that were created automatically.
    enum Listed as "listed_secret" {
        No = "",
        Yes = " that its service account lists",
    }
}

phrases! {
    /// The origin of a Secret, by the API server's record.
    enum Origin as "secret_origin" {
        Request = "that was created on request",
        Automatic = "that was created automatically",
    }
}

/// A token in another Secret, the twin of the one held.
#[derive(Default)]
struct Other(Option<Twin>);

requires!(administrator);
#[given(expr = "{person} holds a service account token from a Secret{listed_secret}")]
async fn holds_token_of_secret(world: &mut World, person: Person, listed: Listed) -> Step {
    if listed == Listed::Yes {
        // From its beginning: the API server then knows the list as soon as it knows the account.
        let account = create_account_listing(world, DEPLOYER, &[HELD]).await?;
        world.notes::<Deployer>().account = Some(account);
    }
    let account = account(world).await?;
    let token = filled_secret(world, &account, HELD).await?;
    let other = filled_secret(world, &account, "second").await?;
    world.notes::<Deployer>().token = Some(token.clone());
    world.notes::<Other>().0 = Some(Twin {
        credential: Credential::Token(other),
        user: account.user(),
    });
    Ok(world.hold(&person, Credential::Token(token), None)?)
}

requires!(administrator);
#[given(expr = "another service account has a token in a Secret")]
async fn another_has_token_in_secret(world: &mut World) -> Step {
    let other = create_account(world, "other").await?;
    filled_secret(world, &other, "other").await.map(drop)
}

#[then(expr = "no Secret belongs to the deployer")]
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

/// Deletes the Secret whose token somebody holds, which ends the token.
pub(super) async fn delete_held(world: &mut World) -> Step {
    let namespace = world.namespace().await?;
    let secrets: Api<SecretObject> = Api::namespaced(world.administrator()?, &namespace);
    secrets.delete(HELD, &DeleteParams::default()).await?;
    spoil_held(world)
}

requires!(administrator);
/// As the controller does that cleans up (kubernetes `pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go`).
#[when("the Secret with its token is marked as invalid")]
async fn is_marked(world: &mut World) -> Step {
    let namespace = world.namespace().await?;
    let secrets: Api<SecretObject> = Api::namespaced(world.administrator()?, &namespace);
    let mark = json!({ "metadata": { "labels": { "kubernetes.io/legacy-token-invalid-since": "2026-01-01" } } });
    secrets.patch(HELD, &PatchParams::default(), &Patch::Merge(mark)).await?;
    spoil_held(world)
}

requires!(audit_log);
/// kubernetes `pkg/serviceaccount/legacy.go`: in a count, in the audit event and at the Secret.
#[then(expr = "the use of the Secret is recorded, as one {secret_origin}")]
async fn use_is_recorded(world: &mut World, origin: Origin) -> Step {
    let (key, count) = match origin {
        Origin::Request => ("authentication.k8s.io/legacy-token-manual-secret", "manual"),
        Origin::Automatic => ("authentication.k8s.io/legacy-token-autogenerated-secret", "auto"),
    };
    Counts::at_least_one_more(world, &format!("serviceaccount_legacy_{count}_token_uses_total"), &[]).await?;
    let seen = annotation(world, key)?;
    expect!(
        seen.as_deref() == Some(HELD),
        "the Secret's name in {key}",
        "the audit event has {seen:?}"
    );
    let namespace = world.namespace().await?;
    let secrets: Api<SecretObject> = Api::namespaced(world.administrator()?, &namespace);
    let labels = secrets.get(HELD).await?.metadata.labels.unwrap_or_default();
    let day = labels.get("kubernetes.io/legacy-token-last-used").cloned().unwrap_or_default();
    // The request may have been before midnight.
    let now = jiff::Timestamp::now();
    let days = [now, now - jiff::SignedDuration::from_mins(10)].map(|time| time.strftime("%Y-%m-%d").to_string());
    expect!(days.contains(&day), "the day of its use as a label", "{labels:?}");
    Ok(())
}

/// Marks the token that somebody holds as flawed.
fn spoil_held(world: &mut World) -> Step {
    let other = world.notes::<Other>().0.clone().context("no other Secret was filled")?;
    Ok(world.spoil(&Person::called("the deployer"), other)?)
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
