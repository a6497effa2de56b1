//! The API server's answers, and the record that proves them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use cucumber::then;

use super::{Person, Step, Texts};
use crate::cluster::{Behaviours, Minor};
use crate::credential::Credential;
use crate::event::{ReasonSource, Verdict};
use crate::jwt::Jwt;
use crate::probe::{Answer, Identity, Question, ask};
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;

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
fn accepted_as(world: &mut World, person: Person, user: String) -> Step {
    world.person(&person)?;
    let user = world.filled(&user)?;
    accepted(world.answer()?, &user)
}

#[then(expr = "{person} is in the group(s) {texts}")]
fn in_groups(world: &mut World, person: Person, groups: Texts) -> Step {
    world.person(&person)?;
    let identity = identity(world.answer()?)?;
    let groups: Vec<String> = groups.0.iter().map(|group| world.filled(group)).collect::<anyhow::Result<_>>()?;
    let missing: Vec<_> = groups.iter().filter(|group| !identity.groups.contains(*group)).collect();
    expect!(missing.is_empty(), "the groups {missing:?}, too", "{:?}", identity.groups);
    Ok(())
}

#[then(expr = "{person} is in exactly the group(s) {texts}")]
fn in_exactly_groups(world: &mut World, person: Person, groups: Texts) -> Step {
    world.person(&person)?;
    let identity = identity(world.answer()?)?;
    let expected: BTreeSet<String> = groups.0.into_iter().collect();
    expect!(
        identity.groups == expected,
        "exactly the groups {expected:?}",
        "{:?}",
        identity.groups
    );
    Ok(())
}

#[then(expr = "{person} is in no group {string}")]
fn not_in_group(world: &mut World, person: Person, group: String) -> Step {
    world.person(&person)?;
    let identity = identity(world.answer()?)?;
    expect!(
        !identity.groups.contains(&group),
        "not the group \"{group}\"",
        "{:?}",
        identity.groups
    );
    Ok(())
}

#[then(expr = "{person} has the UID {string}")]
fn has_uid(world: &mut World, person: Person, uid: String) -> Step {
    world.person(&person)?;
    let identity = identity(world.answer()?)?;
    expect!(identity.uid == uid, "the UID \"{uid}\"", "\"{}\"", identity.uid);
    Ok(())
}

#[then(expr = "{person} has no UID")]
fn has_no_uid(world: &mut World, person: Person) -> Step {
    has_uid(world, person, String::new())
}

#[then(expr = "{person} has the extra {string} with {texts}")]
fn has_extra(world: &mut World, person: Person, key: String, values: Texts) -> Step {
    world.person(&person)?;
    let (expected, extra) = (values.0, &identity(world.answer()?)?.extra);
    expect!(
        extra.get(&key) == Some(&expected),
        "the extra \"{key}\" with {expected:?}",
        "{extra:?}"
    );
    Ok(())
}

#[then(expr = "{person} has no extra {string}")]
fn has_no_extra(world: &mut World, person: Person, key: String) -> Step {
    world.person(&person)?;
    let seen = identity(world.answer()?)?.extra.get(&key);
    expect!(seen.is_none(), "no extra \"{key}\"", "{seen:?}");
    Ok(())
}

#[then(expr = "{person} is refused as unauthenticated, because {string}")]
fn unauthenticated(world: &mut World, person: Person, reason: String) -> Step {
    world.person(&person)?;
    let answer = world.answer()?;
    refused(world.version(), answer, Verdict::Unauthenticated, &reason)?;
    expect!(
        matches!(answer.record.source, ReasonSource::Log | ReasonSource::NotObservable),
        "the reason in the API server's log",
        "it was found in: {}",
        answer.record.source.name()
    );
    Ok(())
}

#[then(expr = "{person} is refused as unauthenticated, only because {string}")]
fn unauthenticated_only(world: &mut World, person: Person, reason: String) -> Step {
    unauthenticated(world, person, reason.clone())?;
    let record = &world.answer()?.record;
    let seen = record.reason.clone().unwrap_or_default();
    expect!(
        seen == reason || record.source == ReasonSource::NotObservable,
        "no other reason than \"{reason}\"",
        "\"{seen}\""
    );
    Ok(())
}

#[then(expr = "{person} is refused as unauthenticated, because {string} and because {string}")]
fn unauthenticated_twice(world: &mut World, person: Person, reason: String, other: String) -> Step {
    unauthenticated(world, person.clone(), reason)?;
    unauthenticated(world, person, other)
}

requires!(audit_log);
#[then(expr = "{person} is refused as unauthenticated with nothing logged, because {string}")]
fn unauthenticated_silently(world: &mut World, person: Person, reason: String) -> Step {
    world.person(&person)?;
    let answer = world.answer()?;
    refused(world.version(), answer, Verdict::Unauthenticated, &reason)?;
    // Without an authenticator's opinion there is no error to log: the audit event is the only record.
    expect!(
        answer.record.source == ReasonSource::Audit,
        "nothing in the API server's log",
        "{answer}"
    );
    Ok(())
}

#[then(expr = "{person} is soon refused as unauthenticated, because {string}")]
async fn soon_unauthenticated(world: &mut World, person: Person, reason: String) -> Step {
    soon(world, &person, Verdict::Unauthenticated).await?;
    unauthenticated(world, person, reason)
}

#[then(expr = "{person} is soon accepted as {string}")]
async fn soon_accepted(world: &mut World, person: Person, user: String) -> Step {
    soon(world, &person, Verdict::Accepted).await?;
    accepted(world.answer()?, &user)
}

#[then(expr = "{person} is refused in TLS, because {string}")]
fn refused_in_tls(world: &mut World, person: Person, reason: String) -> Step {
    world.person(&person)?;
    refused(world.version(), world.answer()?, Verdict::TlsRefused, &reason)
}

#[then(expr = "the answer gives nothing away")]
fn gives_nothing_away(world: &mut World) -> Step {
    // kubernetes/apiserver `pkg/endpoints/filters/authentication.go`: the same for every cause.
    const BODY: &str = concat!(
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
        r#""message":"Unauthorized","reason":"Unauthorized","code":401}"#
    );
    let answer = world.answer()?;
    expect!(answer.text.trim_end() == BODY, "the body {BODY}", "{}", answer.text);
    Ok(())
}

#[then(expr = "{person} is refused as forbidden, because {string}")]
fn forbidden(world: &mut World, person: Person, reason: String) -> Step {
    world.person(&person)?;
    refused(world.version(), world.answer()?, Verdict::Forbidden, &reason)
}

#[then(expr = "the request is refused as bad, because {string}")]
fn bad_request(world: &mut World, reason: String) -> Step {
    refused(world.version(), world.answer()?, Verdict::BadRequest, &reason)
}

#[then(expr = "{person} is refused by the auth proxy as unauthenticated, because {string}")]
fn unauthenticated_by_proxy(world: &mut World, person: Person, reason: String) -> Step {
    world.person(&person)?;
    let answer = world.answer()?;
    refused(world.version(), answer, Verdict::Unauthenticated, &reason)?;
    let record = &answer.record;
    expect!(
        record.source == ReasonSource::Body,
        "the auth proxy's own reason",
        "it was found in: {}",
        record.source.name()
    );
    expect!(
        record.audit_id.is_none(),
        "the API server never sees the request",
        "it has the audit id {:?}",
        record.audit_id
    );
    Ok(())
}

requires!(audit_log);
#[then(expr = "the audit event says {string}")]
fn audit_event_says(world: &mut World, message: String) -> Step {
    let answer = world.answer()?;
    let event = answer.record.event.as_ref().context("there is no audit event for the request")?;
    let seen = event.message().unwrap_or_default();
    expect!(
        seen.contains(&message),
        "an audit event that says \"{message}\"",
        "it says \"{seen}\""
    );
    Ok(())
}

phrases! {
    /// The kind of a sound credential, in words.
    enum SoundThing as "sound_thing" {
        Certificate = "certificate",
        Token = "token",
        Login = "login",
        Announcement = "announcement",
    }
}

impl SoundThing {
    /// Returns whether `credential` is of this kind; a login is a token that the identity provider signed.
    fn is(self, world: &World, credential: &Credential) -> bool {
        match (self, credential) {
            (Self::Certificate, Credential::Certificate(_))
            | (Self::Token, Credential::Token(_))
            | (Self::Announcement, Credential::ProxyHeaders { .. }) => true,
            (Self::Login, Credential::Token(token)) => {
                let issuer = Jwt::parse(token.expose()).ok().and_then(|jwt| jwt.claims.get("iss").cloned());
                world.filled("{keycloak}").is_ok_and(|keycloak| issuer == Some(keycloak.into()))
            }
            _ => false,
        }
    }
}

#[then(expr = "{person}, whose {sound_thing} is sound, is still accepted")]
async fn twin_accepted(world: &mut World, person: Person, what: SoundThing) -> Step {
    let twin = match world.answers().last() {
        Some(_) => world.twin()?,
        None => bail!("nothing was asked yet"),
    };
    expect!(
        what.is(world, &twin.credential),
        "the sound counterpart to be a {what:?}",
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

#[then(expr = "{person}, who asks the same, is accepted as {string}")]
async fn other_accepted(world: &mut World, person: Person, user: String) -> Step {
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    accepted(&answer, &user)
}

#[then(expr = "{person}, who asks the same, is refused as unauthenticated, because {string}")]
async fn other_refused(world: &mut World, person: Person, reason: String) -> Step {
    let answer = world.ask(&person, &Question::who_am_i()).await?;
    refused(world.version(), &answer, Verdict::Unauthenticated, &reason)
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
