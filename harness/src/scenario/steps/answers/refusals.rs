//! Refused requests: the kind of a [`Refusal`], the server's reason, and the places where the reason is told or not.

use anyhow::Context;
use cucumber::then;

use super::super::{Person, Step};
use super::{refused, soon};
use crate::event::{ReasonSource, Verdict};
use crate::scenario::world::{Expected, World};

phrases! {
    /// The kind of a refusal, which decides where its reason is.
    enum Refusal as "refusal" {
        Unauthenticated = "refused as unauthenticated",
        /// After a change that takes effect a little later.
        SoonUnauthenticated = "soon refused as unauthenticated",
        Unlogged = "refused as unauthenticated without an error in the log",
        ByAuthProxy = "refused by the auth proxy as unauthenticated",
        Forbidden = "refused as forbidden",
        /// The server itself fails, or somebody that it asks (HTTP 500).
        InternalError = "refused with an internal error",
        InTls = "refused in the TLS handshake",
    }
}

requires!(audit_log if "without an error in the log");
#[then(expr = "{person} is {refusal}, because {string}")]
async fn is_refused(world: &mut World, person: Person, refusal: Refusal, reason: String) -> Step {
    if refusal == Refusal::Unauthenticated {
        world.answer_expected(&person, Expected::Refused).await?;
    }
    // Not every brace in a reason is a placeholder.
    let reason = reason.replace("{provider}", world.provider_name());
    match refusal {
        Refusal::Unauthenticated => unauthenticated(world, &person, &reason),
        Refusal::SoonUnauthenticated => {
            soon(world, &person, Verdict::Unauthenticated).await?;
            unauthenticated(world, &person, &reason)
        }
        Refusal::Unlogged => unauthenticated_unlogged(world, &person, &reason),
        Refusal::ByAuthProxy => unauthenticated_by_auth_proxy(world, &person, &reason),
        Refusal::Forbidden => refused_as(world, &person, Verdict::Forbidden, &reason),
        Refusal::InternalError => internal_error(world, &person, &reason),
        Refusal::InTls => refused_as(world, &person, Verdict::TlsRefused, &reason),
    }
}

#[then(expr = "{person} is refused as unauthenticated, with no other error than {string}")]
fn unauthenticated_only(world: &mut World, person: Person, reason: String) -> Step {
    unauthenticated(world, &person, &reason)?;
    let record = &world.answer()?.record;
    let seen = record.reason.clone().unwrap_or_default();
    expect!(
        seen == reason || record.source == ReasonSource::NotObservable,
        "no other reason than \"{reason}\"",
        "\"{seen}\""
    );
    Ok(())
}

#[then(expr = "the request is refused as bad, because {string}")]
fn bad_request(world: &mut World, reason: String) -> Step {
    refused(world.version(), world.answer()?, Verdict::BadRequest, &reason)
}

/// Compares the body of every response to an unauthenticated request so far.
#[then(expr = "the response(s) do/does not reveal the reason")]
fn reveals_nothing(world: &mut World) -> Step {
    // kubernetes/apiserver `pkg/endpoints/filters/authentication.go`: the same for every cause.
    const BODY: &str = concat!(
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
        r#""message":"Unauthorized","reason":"Unauthorized","code":401}"#
    );
    let last = world.answer()?;
    let others = world.answers().iter().filter(|answer| answer.verdict == Verdict::Unauthenticated);
    for answer in std::iter::once(last).chain(others) {
        expect!(answer.text.trim_end() == BODY, "the body {BODY}", "{}", answer.text);
    }
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

/// Fails unless the last answer to `person` is a refusal as unauthenticated, with its reason in the log.
pub(super) fn unauthenticated(world: &mut World, person: &Person, reason: &str) -> Step {
    refused_as(world, person, Verdict::Unauthenticated, reason)?;
    let source = world.answer_to(person)?.record.source;
    expect!(
        matches!(source, ReasonSource::Log | ReasonSource::NotObservable),
        "the reason in the API server's log",
        "it was found in: {}",
        source.name()
    );
    Ok(())
}

/// Without an authenticator's opinion there is no error to log: the audit event is the only record.
fn unauthenticated_unlogged(world: &mut World, person: &Person, reason: &str) -> Step {
    refused_as(world, person, Verdict::Unauthenticated, reason)?;
    let answer = world.answer()?;
    expect!(
        answer.record.source == ReasonSource::Audit,
        "nothing in the API server's log",
        "{answer}"
    );
    Ok(())
}

fn unauthenticated_by_auth_proxy(world: &mut World, person: &Person, reason: &str) -> Step {
    refused_as(world, person, Verdict::Unauthenticated, reason)?;
    let record = &world.answer()?.record;
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

fn internal_error(world: &mut World, person: &Person, reason: &str) -> Step {
    let answer = world.answer_to(person)?;
    let seen = answer.record.reason.as_deref().unwrap_or_default();
    expect!(
        answer.status == Some(500) && !reason.is_empty() && seen.contains(reason),
        "an internal error, because: {reason}",
        "{answer}"
    );
    Ok(())
}

fn refused_as(world: &mut World, person: &Person, verdict: Verdict, reason: &str) -> Step {
    let version = world.version();
    refused(version, world.answer_to(person)?, verdict, reason)
}
