//! The identity of a service account, and its rights.

use cucumber::{given, then};

use super::super::{Person, Step, answers, rights};
use super::{account, nodes};
use crate::scenario::world::World;

phrases! {
    /// The subject of a role binding.
    enum Subject as "account_subject" {
        Account = "its service account",
        Namespace = "all service accounts of its namespace",
    }
}

phrases! {
    /// The identity that a service account's token gives its holder.
    enum OwnIdentity as "own_identity" {
        Account = "its service account",
        DeployersAccount = "the deployer's service account",
        Node = "the node of its pod",
    }
}

requires!(administrator);
#[given(expr = "{account_subject} may {word} {word}")]
async fn may(world: &mut World, subject: Subject, verb: String, resource: String) -> Step {
    let account = account(world).await?;
    match subject {
        Subject::Account => rights::grant(world, "User", &account.user(), &verb, &resource).await,
        Subject::Namespace => rights::grant(world, "Group", &account.group(), &verb, &resource).await,
    }
}

requires!(audit_log unless "asks the API server who");
#[then(expr = "{person} is accepted as {own_identity}")]
async fn accepted_as(world: &mut World, person: Person, identity: OwnIdentity) -> Step {
    let user = match identity {
        OwnIdentity::Account | OwnIdentity::DeployersAccount => account(world).await?.user(),
        OwnIdentity::Node => nodes::made(world)?.user(),
    };
    answers::accepted(world.answer_to(&person)?, &user)
}

#[then(expr = "{person} is in the groups of service accounts and in no other")]
async fn in_groups(world: &mut World, person: Person) -> Step {
    let own = account(world).await?.group();
    let expected = ["system:authenticated", "system:serviceaccounts", &own].map(str::to_owned).into();
    let identity = answers::identity(world.answer_to(&person)?)?;
    expect!(
        identity.groups == expected,
        "exactly the groups {expected:?}",
        "{:?}",
        identity.groups
    );
    Ok(())
}

#[then(expr = "{person} has the UID of its service account")]
async fn has_uid(world: &mut World, person: Person) -> Step {
    let uid = account(world).await?.uid;
    let identity = answers::identity(world.answer_to(&person)?)?;
    expect!(!uid.is_empty() && identity.uid == uid, "the UID \"{uid}\"", "\"{}\"", identity.uid);
    Ok(())
}
