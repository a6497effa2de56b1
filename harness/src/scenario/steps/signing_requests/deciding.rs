//! Approving, denying and signing requests, and the permission for that. The main type is [`Decision`].

use std::convert::Infallible;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cucumber::{given, then, when};
use serde_json::json;

use super::status::{Status, with_condition};
use super::{CERTIFICATES, PATH, REQUESTS, current, team};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pki::Authority;
use crate::probe::{Answer, Question};
use crate::scenario::steps::rights::{Right, grant_everywhere};
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;

phrases! {
    /// A decision about a request.
    enum Decision as "request_decision" {
        Approve = "approves",
        Deny = "denies",
        /// Writes a certificate into it.
        Sign = "signs",
    }
}

phrases! {
    /// A decision that takes a permission for the signer: the verb of the rule.
    enum Permission as "request_permission" {
        Approve = "approve",
        Sign = "sign",
    }
}

impl Permission {
    /// Returns the right to change the part of every request that the decision is written into.
    fn for_requests(self) -> Right {
        let part = match self {
            Self::Approve => "approval",
            Self::Sign => "status",
        };
        Right::new("update", CERTIFICATES, format!("{REQUESTS}/{part}"))
    }

    fn for_signer(self, signer: String) -> Right {
        Right::new(self.words(), CERTIFICATES, "signers").named([signer])
    }
}

/// The signer that a permission is for: `the signer "example.com/*"`, or `no signer`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "permitted_signer", regex = r#"no signer|the signer "[^"]*""#)]
pub(super) struct PermittedSigner(pub(super) Option<String>);

impl FromStr for PermittedSigner {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self(said.split('"').nth(1).map(str::to_owned)))
    }
}

requires!(administrator, client_certificates);
#[given(expr = "{person} may {request_permission} requests for {permitted_signer}")]
async fn may_decide(world: &mut World, person: Person, permission: Permission, signer: PermittedSigner) -> Step {
    let mut rights = vec![permission.for_requests()];
    rights.extend(signer.0.map(|signer| permission.for_signer(signer)));
    allow(world, &person, &rights).await
}

#[when(expr = "{person} {request_decision} the request")]
async fn decides(world: &mut World, person: Person, decision: Decision) -> Step {
    decide(world, &person, decision).await.map(drop)
}

#[then(expr = "{person} can {request_permission} it once permitted for the signer {string}")]
async fn can_once_permitted(world: &mut World, person: Person, permission: Permission, signer: String) -> Step {
    allow(world, &person, &[permission.for_signer(signer)]).await?;
    let decision = match permission {
        Permission::Approve => Decision::Approve,
        Permission::Sign => Decision::Sign,
    };
    let answer = decide(world, &person, decision).await?;
    let can = permission.words();
    expect!(answer.verdict == Verdict::Accepted, "they can {can} the request", "{answer}");
    Ok(())
}

async fn allow(world: &mut World, person: &Person, rights: &[Right]) -> Step {
    let team = team(world, person).await?;
    grant_everywhere(world, "Group", &team, rights).await
}

/// Decides about the request that was made last, as the person.
async fn decide(world: &mut World, person: &Person, decision: Decision) -> Step<Answer> {
    let who = world.person(person)?;
    let credential = world.holding(&who)?.credential.clone();
    decide_with(world, &who, &credential, decision).await
}

async fn decide_with(world: &mut World, who: &Person, credential: &Credential, decision: Decision) -> Step<Answer> {
    let request = current(world).await?;
    let path = format!("{PATH}/{}", request.name());
    let question = match decision {
        Decision::Approve => Question::put(
            format!("{path}/approval"),
            serde_json::to_value(with_condition(request, "Approved"))?,
        ),
        Decision::Deny => Question::put(format!("{path}/approval"), serde_json::to_value(with_condition(request, "Denied"))?),
        Decision::Sign => {
            let mut signed = serde_json::to_value(request)?;
            // The API server asks no more of it than that it is a certificate.
            let certificate = Authority::root("the signer")?;
            signed["status"]["certificate"] = json!(STANDARD.encode(certificate.certificate()));
            Question::put(format!("{path}/status"), signed)
        }
    };
    Ok(world.ask_with(who, credential, &question).await)
}

/// Approves the request that was made last.
pub(super) async fn approve_as_administrator(world: &mut World) -> Step {
    let credential = world.administrator_credential()?;
    let answer = decide_with(world, &Person::called("the administrator"), &credential, Decision::Approve).await?;
    expect!(
        answer.verdict == Verdict::Accepted,
        "the administrator's approval is accepted",
        "{answer}"
    );
    Ok(())
}
