//! Impersonation: the permissions to act as another user, and the resulting identity.
//!
//! The main type is [`Impersonator`]: the caller, with the identities that they may impersonate.

mod audit;
mod identity;

use anyhow::Context;
use cucumber::{given, then};

use self::identity::{ImpersonatedIdentity, Whom, node_user};
use super::rights::{Right, grant_everywhere};
use super::{Person, Step, answers, requests, service_accounts};
use crate::cluster::Behaviours;
use crate::credential::Credential;
use crate::event::Verdict;
use crate::probe::{Answer, Endpoint, Question};
use crate::scenario::world::{Twin, World};

/// The impersonator: an identity of the scenario's own, since permissions to impersonate hold in the whole cluster, and
/// since the API server remembers for each user how they impersonated last.
#[derive(Default)]
struct Impersonator {
    /// The user name of a support engineer; a service account has its own.
    user: Option<String>,
    /// The identities that they may impersonate.
    allowed: Vec<ImpersonatedIdentity>,
}

phrases! {
    /// Whether somebody is allowed to act as another user.
    enum MayAct as "may_act" {
        Yes = "may still act",
        No = "may not act",
    }
}

requires!(administrator, client_certificates);
#[given(expr = "{person} is a support engineer")]
async fn is_impersonator(world: &mut World, person: Person) -> Step {
    let user = world.user(&person)?;
    let user = world.unique(&user);
    let leaf = world.client_certificate(&user, &["support-engineers"]).await?;
    world.notes::<Impersonator>().user = Some(user);
    Ok(world.hold(&person, Credential::Certificate(leaf), None)?)
}

#[given(expr = "{person} may impersonate {impersonated}")]
async fn may_impersonate(world: &mut World, person: Person, identity: ImpersonatedIdentity) -> Step {
    allow(world, &person, &identity.rights()).await?;
    world.notes::<Impersonator>().allowed.push(identity);
    Ok(())
}

/// Constrained impersonation (KEP-5284): the permissions for the identity, and for an action as that identity.
#[given(expr = "{person} may impersonate {impersonated} to list {word}")]
async fn may_impersonate_to_list(world: &mut World, person: Person, identity: ImpersonatedIdentity, resource: String) -> Step {
    let (mut rights, mode) = identity.constrained_rights()?;
    rights.push(Right::new(format!("impersonate-on:{mode}:list"), "", resource));
    allow(world, &person, &rights).await?;
    world.notes::<Impersonator>().allowed.push(identity);
    Ok(())
}

#[given(expr = "{person} has impersonated {impersonated} before")]
async fn has_impersonated(world: &mut World, person: Person, identity: ImpersonatedIdentity) -> Step {
    let answer = ask_as(world, &person, &identity, &Question::who_am_i()).await?;
    expect!(answer.verdict == Verdict::Accepted, "accepted", "{answer}");
    Ok(())
}

#[given(expr = "{person} impersonates {impersonated}")]
async fn impersonates(world: &mut World, person: Person, identity: ImpersonatedIdentity) -> Step {
    let credential = impersonating(world, &person, &identity).await?;
    // The sound counterpart of a request beyond the permissions is one within them.
    let allowed = world.notes::<Impersonator>().allowed.clone();
    let sound = allowed.last().filter(|_| !allowed.iter().any(|allowed| allowed.covers(&identity)));
    let twin = match sound {
        Some(sound) => Some(Twin {
            credential: impersonating(world, &person, sound).await?,
            user: user_name(world, sound).await?.context("nobody may be impersonated")?,
        }),
        None => None,
    };
    Ok(world.hold(&person, credential, twin)?)
}

#[given(expr = "the user that {person} impersonates may request certificates")]
async fn target_may_request(world: &mut World, person: Person) -> Step {
    let group = world.unique("requesters");
    let request = Right::new("create", "certificates.k8s.io", "certificatesigningrequests");
    grant_everywhere(world, "Group", &group, &[request]).await?;
    allow(world, &person, &[Right::new("impersonate", "", "groups").named([&group])]).await?;
    let Credential::Impersonation { own, mut headers } = world.holding(&person)?.credential.clone() else {
        bail!("nobody is impersonated")
    };
    headers.push(("Impersonate-Group".to_owned(), group));
    Ok(world.hold(&person, Credential::Impersonation { own, headers }, None)?)
}

#[then(expr = "{person} {may_act} as {impersonated}")]
async fn may_act(world: &mut World, person: Person, may: MayAct, identity: ImpersonatedIdentity) -> Step {
    let answer = ask_as(world, &person, &identity, &Question::who_am_i()).await?;
    let user = match user_name(world, &identity).await? {
        Some(user) => user,
        None => impersonator(world, &person).await?,
    };
    match may {
        MayAct::Yes => answers::accepted(&answer, &user),
        MayAct::No => {
            expect!(answer.verdict == Verdict::Forbidden, "forbidden to act as \"{user}\"", "{answer}");
            Ok(())
        }
    }
}

#[then(expr = "{person} may list {word} as {impersonated}")]
async fn may_list_as(world: &mut World, person: Person, resource: String, identity: ImpersonatedIdentity) -> Step {
    let question = requests::list(world, &resource).await?;
    let answer = ask_as(world, &person, &identity, &question).await?;
    expect!(answer.verdict == Verdict::Accepted, "allowed to list {resource}", "{answer}");
    Ok(())
}

/// The main API server has the feature on.
#[then(expr = "{person} may list {word} where constrained impersonation is on")]
async fn may_list_at_main(world: &mut World, person: Person, resource: String) -> Step {
    world.go_to(Endpoint::of(&world.main().clone())).await?;
    let question = requests::list(world, &resource).await?;
    let answer = world.ask(&person, &question).await?;
    expect!(answer.verdict == Verdict::Accepted, "allowed to list {resource}", "{answer}");
    Ok(())
}

#[then(expr = "the impersonation is refused as incomplete, because {string}")]
fn incomplete(world: &mut World, reason: String) -> Step {
    let expected = Behaviours::known()
        .value("impersonation_without_user", world.version())
        .unwrap_or_default();
    let answer = world.answer()?;
    let seen = answer.record.reason.as_deref().unwrap_or_default();
    let status = answer.status.map(|status| status.to_string()).unwrap_or_default();
    expect!(
        status == expected && seen.contains(&reason),
        "{expected}, because: {reason}",
        "{answer}"
    );
    Ok(())
}

/// Returns the user that `person` is authenticated as: the scenario's own, so that nobody else gets their permissions.
async fn impersonator(world: &mut World, person: &Person) -> Step<String> {
    if world.person(person)? == Person::called("the deployer") {
        return Ok(service_accounts::account(world).await?.user());
    }
    Ok(world
        .notes::<Impersonator>()
        .user
        .clone()
        .context("nobody is a support engineer yet")?)
}

/// Grants `rights` to the impersonator's own user, and to nobody else.
async fn allow(world: &mut World, person: &Person, rights: &[Right]) -> Step {
    let user = impersonator(world, person).await?;
    grant_everywhere(world, "User", &user, rights).await
}

/// Returns the name of the user in `identity`, if it has one.
async fn user_name(world: &mut World, identity: &ImpersonatedIdentity) -> Step<Option<String>> {
    Ok(match &identity.whom {
        Whom::Nobody | Whom::Oneself => None,
        // A name without a placeholder needs no namespace, which would be created.
        Whom::User(name) if !name.contains('{') => Some(name.clone()),
        Whom::User(name) => {
            world.namespace().await?;
            Some(world.filled(name)?)
        }
        Whom::ServiceAccount(name) => Some(format!("system:serviceaccount:{}:{name}", world.namespace().await?)),
        Whom::Node(name) => Some(node_user(name)),
        Whom::NodeOfItsPod => Some(node_user(&service_accounts::on_node(world).await?.node)),
        Whom::AnotherNode => Some(node_user(&world.unique("another"))),
    })
}

/// Returns the person's own credential with the request to impersonate `identity`.
async fn impersonating(world: &mut World, person: &Person, identity: &ImpersonatedIdentity) -> Step<Credential> {
    let headers = identity.headers(user_name(world, identity).await?);
    let own = match world.holding(person)?.credential.clone() {
        Credential::Impersonation { own, .. } => own,
        own => Box::new(own),
    };
    Ok(Credential::Impersonation { own, headers })
}

/// Sends `question` once, impersonating `identity`.
async fn ask_as(world: &mut World, person: &Person, identity: &ImpersonatedIdentity, question: &Question) -> Step<Answer> {
    let credential = impersonating(world, person, identity).await?;
    let who = world.person(person)?;
    Ok(world.ask_with(&who, &credential, question).await)
}
