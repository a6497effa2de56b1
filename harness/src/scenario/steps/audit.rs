//! The audit event of a request: its level and stages, the caller's credential in it, and the authorizer's decision.
//!
//! The main type is [`Fact`]: one statement about the event.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use cucumber::then;
use serde_json::Value;

use super::{Person, Step, Texts};
use crate::credential::Credential;
use crate::pki::Leaf;
use crate::probe::{AuditEvent, End};
use crate::process::wait::{Condition, WaitError, until};
use crate::scenario::world::World;

/// The fields of an event (audit.k8s.io/v1 `Event`) beside those of impersonation, and the fields of a user in it. Not one of them has a
/// place for an authenticator's name.
const FIELDS: &[&str] = &[
    "kind",
    "apiVersion",
    "level",
    "auditID",
    "stage",
    "requestURI",
    "verb",
    "user",
    "sourceIPs",
    "userAgent",
    "objectRef",
    "responseStatus",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "annotations",
];
const FIELDS_OF_USER: &[&str] = &["username", "uid", "groups", "extra"];

/// The annotations that authorization adds (kubernetes/apiserver `pkg/endpoints/filters/authorization.go`).
const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";

/// The key of the caller's credential in the extra of a user (kubernetes/apiserver `pkg/authentication/user/user.go`).
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// The time until every stage of a request is in the audit log, at most: the last one is written when the response has been sent.
const WRITTEN: Duration = Duration::from_secs(5);

/// A statement about the event: `has the level "Request", with the request alone`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(
    name = "audit_fact",
    regex = r#"has the level "[^"]*", with (?:no body|the request alone|the request and the response)|has no field for the authenticator|records the decision "[^"]*", because "[^"]*""#
)]
enum Fact {
    Level { level: String, request: bool, response: bool },
    NoAuthenticator,
    Decision { decision: String, reason: String },
}

impl FromStr for Fact {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        let Texts(quoted) = said.parse()?;
        let mut quoted = quoted.into_iter();
        let mut next = || quoted.next().context("nothing is quoted");
        Ok(if said.starts_with("has the level") {
            Self::Level {
                level: next()?,
                request: said.contains("with the request"),
                response: said.contains("the response"),
            }
        } else if said.starts_with("has no field") {
            Self::NoAuthenticator
        } else {
            Self::Decision {
                decision: next()?,
                reason: next()?,
            }
        })
    }
}

requires!(audit_log);
#[then(expr = "the audit event {audit_fact}")]
fn holds(world: &mut World, fact: Fact) -> Step {
    let event = &event(world)?.0;
    match fact {
        Fact::Level { level, request, response } => {
            let seen = event["level"].as_str().unwrap_or_default();
            let has = |field: &str| event.get(field).is_some();
            let bodies = (has("requestObject"), has("responseObject"));
            expect!(
                seen == level && bodies == (request, response),
                "the level {level}, the request's body: {request}, the response's: {response}",
                "the level {seen}, the request's body: {}, the response's: {}",
                bodies.0,
                bodies.1
            );
        }
        Fact::NoAuthenticator => {
            let others = [
                beside(event, FIELDS),
                beside(&event["user"], FIELDS_OF_USER),
                beside(&event["annotations"], &[DECISION, REASON]),
            ]
            .concat();
            expect!(
                others.is_empty(),
                "no field that could name an authenticator",
                "there are also {others:?}"
            );
        }
        Fact::Decision { decision, reason } => {
            let annotation = |key: &str| event["annotations"][key].as_str().unwrap_or_default();
            let (seen, why) = (annotation(DECISION), annotation(REASON));
            expect!(
                seen == decision && !reason.is_empty() && why.contains(&reason),
                "the decision \"{decision}\", because: {reason}",
                "the decision \"{seen}\", because: {why}"
            );
        }
    }
    Ok(())
}

/// The names of the fields of `object` that are not among `known`.
fn beside(object: &Value, known: &[&str]) -> Vec<String> {
    let fields = object.as_object().into_iter().flat_map(serde_json::Map::keys);
    fields.filter(|field| !known.contains(&field.as_str())).cloned().collect()
}

requires!(audit_log, certificate_credential_id);
/// The impersonated user has no credential.
#[then(expr = "the audit event has the certificate of {person} for the caller's credential, and none for {string}")]
fn has_credential_id(world: &mut World, person: Person, impersonated: String) -> Step {
    let leaf = certificate(&world.holding(&person)?.credential).context("they hold no certificate")?;
    let expected = format!("X509SHA256={}", leaf.fingerprint()?);
    let event = event(world)?;
    let id = |field| {
        let user = event.user(field)?;
        Some((user.user, user.extra.get(CREDENTIAL_ID).cloned().unwrap_or_default()))
    };
    let (caller, other) = (id("user").unwrap_or_default(), id("impersonatedUser").unwrap_or_default());
    expect!(
        caller.1 == [expected.as_str()] && other.0 == impersonated && other.1.is_empty(),
        "the credential {expected} for the caller, and none for \"{impersonated}\"",
        "{caller:?} and {other:?}"
    );
    Ok(())
}

/// Returns the certificate that is presented with `credential`.
fn certificate(credential: &Credential) -> Option<&Leaf> {
    match credential {
        Credential::Certificate(leaf) => Some(leaf),
        Credential::Impersonation { own, .. } => certificate(own),
        _ => None,
    }
}

/// The stages in which a request is recorded: `no stage`, `the stage "ResponseComplete" alone`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "audit_stages", regex = r#"no stage|exactly the stages? "[^"]*"(?:(?:, | and )"[^"]*")*"#)]
struct Stages(BTreeSet<String>);

impl FromStr for Stages {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        let Texts(quoted) = said.parse()?;
        Ok(Self(quoted.into_iter().collect()))
    }
}

requires!(audit_log);
#[then(expr = "the audit log has the request in {audit_stages}")]
async fn is_recorded(world: &mut World, stages: Stages) -> Step {
    let expected = stages.0;
    let logs = world.endpoint().server.logs.context("the API server's audit log cannot be read")?;
    let id = world.answer()?.record.audit_id.clone().context("the answer has no audit id")?;
    // For a request that is not recorded there is nothing to wait for: its answer has waited for an event already.
    let seen = || -> std::io::Result<BTreeSet<String>> {
        let text = logs.distortion.of_audit_log(End::default().since(&logs.audit_log)?);
        let events = text.lines().filter(|line| line.contains(&id));
        let events = events.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(events.filter_map(|event| event["stage"].as_str().map(str::to_owned)).collect())
    };
    let recorded = until("the stages of the request in the audit log", WRITTEN, || async {
        let seen = seen()?;
        Ok::<_, std::io::Error>(if seen.is_superset(&expected) {
            Condition::Met(seen)
        } else {
            Condition::NotYet(format!("{seen:?}"))
        })
    });
    let seen = match recorded.await {
        Err(WaitError::TimedOut { .. }) => seen()?,
        seen => seen?,
    };
    expect!(seen == expected, "the stages {expected:?}", "{seen:?}");
    Ok(())
}

/// Returns the audit event of the last request.
pub(super) fn event(world: &World) -> Step<&AuditEvent> {
    Ok(world
        .answer()?
        .record
        .event
        .as_ref()
        .context("there is no audit event for the request")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_read_with_what_it_quotes() {
        let read = |said: &str| said.parse::<Fact>().unwrap();
        let level = |level: &str, request, response| Fact::Level {
            level: level.to_owned(),
            request,
            response,
        };
        assert_eq!(read(r#"has the level "Metadata", with no body"#), level("Metadata", false, false));
        assert_eq!(
            read(r#"has the level "Request", with the request alone"#),
            level("Request", true, false)
        );
        assert_eq!(
            read(r#"has the level "RequestResponse", with the request and the response"#),
            level("RequestResponse", true, true)
        );
        assert_eq!(read("has no field for the authenticator"), Fact::NoAuthenticator);
        let (decision, reason) = ("allow".to_owned(), "RBAC".to_owned());
        assert_eq!(
            read(r#"records the decision "allow", because "RBAC""#),
            Fact::Decision { decision, reason }
        );
    }
}
