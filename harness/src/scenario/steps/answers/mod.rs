//! The API server's answers, and the record that proves them. This file is about accepted requests; [`Outcome`] is that of a further
//! request. The modules are about the caller's identity and about refusals.

mod identity;
mod refusals;

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use cucumber::then;

use super::{Person, Step};
use crate::cluster::{Behaviours, Minor};
use crate::credential::Credential;
use crate::event::{ReasonSource, Verdict};
use crate::jwt::Jwt;
use crate::probe::{Answer, Identity, Question, ask};
use crate::process::wait::{Condition, until};
use crate::scenario::world::{Expected, World};

/// Credentials like the one held, never presented so far: the API server remembers an accepted token for
/// ten seconds, whatever happens to it meanwhile (kubernetes `TokenSuccessCacheTTL`).
#[derive(Default)]
pub(super) struct Spares(pub(super) Vec<Credential>);

/// The time until every answer shows a change, at most: longer than the API server remembers a token.
const SOON: Duration = Duration::from_secs(20);

/// The time until an API server trusts another authority, at most: it checks its files when they change and every minute.
pub(super) const TRUSTED: Duration = Duration::from_secs(90);

// An answer that does not itself say who the caller is has the audit event for a witness.
requires!(audit_log unless "asks the API server who");
#[then(expr = "{person} is accepted as {string}")]
async fn accepted_as(world: &mut World, person: Person, user: String) -> Step {
    let user = world.filled(&user)?;
    accepted(world.answer_expected(&person, Expected::Accepted).await?, &user)
}

/// The outcome of a further request, in words.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "outcome",
    regex = r#"(?:soon )?accepted as "[^"]*"|refused as unauthenticated, because "[^"]*""#
)]
enum Outcome {
    Accepted { user: String, soon: bool },
    Unauthenticated { reason: String },
}

impl FromStr for Outcome {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        let quoted = said.split('"').nth(1).unwrap_or_default().to_owned();
        Ok(if said.starts_with("refused") {
            Self::Unauthenticated { reason: quoted }
        } else {
            Self::Accepted {
                user: quoted,
                soon: said.starts_with("soon"),
            }
        })
    }
}

#[then(expr = "{person}, who asks the API server who {word} is, is {outcome}")]
async fn asks_and_is(world: &mut World, person: Person, _pronoun: String, outcome: Outcome) -> Step {
    if matches!(outcome, Outcome::Accepted { soon: true, .. }) {
        soon(world, &person, Verdict::Accepted).await?;
    } else {
        world.ask(&person, &Question::who_am_i()).await?;
    }
    match outcome {
        Outcome::Accepted { user, .. } => accepted(world.answer()?, &user),
        Outcome::Unauthenticated { reason } => refusals::unauthenticated(world, &person, &reason),
    }
}

phrases! {
    /// The kind of a valid credential, in words.
    enum ValidCredential as "valid_credential" {
        Certificate = "certificate",
        Token = "token",
        Login = "login",
        Announcement = "announcement",
    }
}

impl ValidCredential {
    /// Returns whether `credential` is of this kind; a login is a token that the identity provider signed.
    fn is(self, world: &World, credential: &Credential) -> bool {
        match (self, credential) {
            (Self::Certificate, Credential::Certificate(_))
            | (Self::Token, Credential::Token(_))
            | (Self::Announcement, Credential::ProxyHeaders { .. }) => true,
            (Self::Login, Credential::Token(token)) => {
                let issuer = Jwt::parse(token.expose()).ok().and_then(|jwt| jwt.claims.get("iss").cloned());
                world.filled("{issuer}").is_ok_and(|provider| issuer == Some(provider.into()))
            }
            _ => false,
        }
    }
}

#[then(expr = "{person}, with a valid {valid_credential}, is still accepted")]
async fn twin_accepted(world: &mut World, person: Person, what: ValidCredential) -> Step {
    let twin = match world.answers().last() {
        Some(_) => world.twin()?,
        None => bail!("nothing was asked yet"),
    };
    expect!(
        what.is(world, &twin.credential),
        "the valid counterpart to be a {what:?}",
        "it is: {:?}",
        twin.credential
    );
    let answer = world.ask_with(&person, &twin.credential, &Question::who_am_i()).await;
    accepted(&answer, &twin.user)
}

/// Asks until the verdict is `verdict`, each time with another spare credential while there are any. The last answer counts.
async fn soon(world: &mut World, person: &Person, verdict: Verdict) -> Step {
    let who = world.person(person)?;
    let held = world.holding(&who)?.credential.clone();
    let mut credentials = std::mem::take(&mut world.notes::<Spares>().0);
    credentials.push(held);
    let endpoint = world.endpoint();
    let mut asked = 0;
    // A sound twin is never refused, so there is nothing to wait for.
    let limit = if verdict == Verdict::Unauthenticated && world.has_presented_twin() {
        Duration::ZERO
    } else if verdict == Verdict::Accepted {
        TRUSTED
    } else {
        SOON
    };
    let waited = until(verdict.name(), limit, || {
        let credential = &credentials[asked.min(credentials.len() - 1)];
        asked += 1;
        let (endpoint, who) = (&endpoint, who.name());
        async move {
            let answer = ask(endpoint, who, credential, &Question::who_am_i()).await;
            Ok::<_, Infallible>(if answer.verdict == verdict {
                Condition::Met(answer)
            } else {
                Condition::NotYet(answer.to_string())
            })
        }
    });
    let answer = waited.await?;
    world.answered(answer);
    Ok(())
}

/// Fails unless the answer is an acceptance as `user`.
pub(super) fn accepted(answer: &Answer, user: &str) -> Step {
    expect!(answer.verdict == Verdict::Accepted, "accepted as \"{user}\"", "{answer}");
    let identity = identity(answer)?;
    expect!(identity.user == user, "accepted as \"{user}\"", "{answer}");
    Ok(())
}

/// Fails unless the answer is the refusal `verdict`, with a reason that contains `reason`.
pub(super) fn refused(version: Minor, answer: &Answer, verdict: Verdict, reason: &str) -> Step {
    let reason = Behaviours::known().worded(reason, version);
    let seen = answer.record.reason.as_deref().unwrap_or_default();
    // Without access to the log, only the verdict can be compared with the expected one; the report says so.
    let as_expected = answer.record.source == ReasonSource::NotObservable || seen.contains(reason);
    let expected = verdict.words();
    expect!(
        answer.verdict == verdict && !reason.is_empty() && as_expected,
        "{expected}, because: {reason}",
        "{answer}"
    );
    Ok(())
}

/// Returns the identity that the server authenticated the caller as.
pub(super) fn identity(answer: &Answer) -> Step<&Identity> {
    Ok(answer
        .identity
        .as_ref()
        .with_context(|| format!("the answer does not say who the caller is: {answer}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_an_acceptance_or_a_refusal() {
        let read = |said: &str| said.parse::<Outcome>();
        let accepted = |soon| {
            let user = "alice".to_owned();
            Ok(Outcome::Accepted { user, soon })
        };
        assert_eq!(read(r#"accepted as "alice""#), accepted(false));
        assert_eq!(read(r#"soon accepted as "alice""#), accepted(true));
        let reason = "not yet".to_owned();
        assert_eq!(
            read(r#"refused as unauthenticated, because "not yet""#),
            Ok(Outcome::Unauthenticated { reason })
        );
    }
}
