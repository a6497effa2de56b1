//! Deletions of the objects that tokens end with ([`Ended`]).

use cucumber::when;
use k8s_openapi::api::authentication::v1::TokenRequestSpec;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::DeleteParams;

use super::super::{Person, Step};
use super::bound_objects::{Kind, delete_own, own};
use super::{DEPLOYER, Deployer, account, create_account, nodes, put_spares_by, request_for, secrets, spoil};
use crate::credential::Credential;
use crate::scenario::world::{Twin, World};

phrases! {
    /// An object that the deployer's token ends with.
    enum Ended as "object_of_token" {
        Account = "its service account",
        Pod = "its pod",
        Secret = "its Secret",
        SecretWithToken = "the Secret with its token",
        Node = "the node",
    }
}

#[when(expr = "{object_of_token} is deleted")]
async fn is_deleted(world: &mut World, object: Ended) -> Step {
    match object {
        Ended::SecretWithToken => secrets::delete_held(world).await,
        Ended::Account => {
            delete(world, object).await?;
            spoil_without_account(world).await
        }
        Ended::Pod | Ended::Secret | Ended::Node => {
            delete(world, object).await?;
            spoil(world).await
        }
    }
}

#[when(expr = "{object_of_token} is deleted and recreated")]
async fn is_recreated(world: &mut World, object: Ended) -> Step {
    delete(world, object).await?;
    match object {
        Ended::Account => {
            let recreated = create_account(world, DEPLOYER).await?;
            world.notes::<Deployer>().account = Some(recreated);
        }
        Ended::Pod => drop(own(world, Kind::Pod).await?),
        Ended::Secret => drop(own(world, Kind::Secret).await?),
        Ended::SecretWithToken | Ended::Node => bail!("{} is only deleted", object.words()),
    }
    spoil(world).await
}

/// Deletes the object, once there are spare tokens that end with it.
async fn delete(world: &mut World, object: Ended) -> Step {
    put_spares_by(world).await?;
    match object {
        Ended::Account => {
            let account = account(world).await?;
            let accounts: Api<ServiceAccount> = Api::namespaced(world.administrator()?, &account.namespace);
            accounts.delete(&account.name, &DeleteParams::default()).await?;
            Ok(())
        }
        Ended::Pod => delete_own(world, Kind::Pod).await,
        Ended::Secret => delete_own(world, Kind::Secret).await,
        Ended::Node => nodes::delete(world).await,
        Ended::SecretWithToken => bail!("no spare token ends with {}", object.words()),
    }
}

/// Marks the deployer's token as flawed; a service account that is gone has no new one, so another one's is the twin.
async fn spoil_without_account(world: &mut World) -> Step {
    if !world.is_inverted() {
        return Ok(());
    }
    let other = create_account(world, "not-deleted").await?;
    let token = request_for(world, &other, &TokenRequestSpec::default()).await?;
    world.notes::<Deployer>().token = Some(token.clone());
    let twin = Twin {
        credential: Credential::Token(token),
        user: other.user(),
    };
    Ok(world.spoil(&Person::called("the deployer"), twin)?)
}
