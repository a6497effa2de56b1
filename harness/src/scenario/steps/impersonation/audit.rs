//! The audit events and the metrics of impersonation. The main type is [`Constraint`].

use std::convert::Infallible;
use std::str::FromStr;

use cucumber::then;

use super::impersonator;
use crate::scenario::steps::audit::event;
use crate::scenario::steps::servers::metrics::Counts;
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;

/// The constrained permission in an audit event: `the constraint "impersonate:user-info"`, or `no constraint`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "constraint", regex = r#"no constraint|the constraint "[^"]*""#)]
struct Constraint(Option<String>);

impl FromStr for Constraint {
    type Err = Infallible;

    fn from_str(said: &str) -> Result<Self, Infallible> {
        Ok(Self(said.split('"').nth(1).map(str::to_owned)))
    }
}

requires!(audit_log);
#[then(expr = "the audit event says that {person} impersonated {string}")]
async fn names_both(world: &mut World, person: Person, target: String) -> Step {
    let impersonator = impersonator(world, &person).await?;
    let event = event(world)?;
    let name = |field| event.user(field).map(|user| user.user);
    let (user, impersonated) = (name("user"), name("impersonatedUser"));
    expect!(
        user.as_ref() == Some(&impersonator) && impersonated.as_ref() == Some(&target),
        "an audit event by \"{impersonator}\" as \"{target}\"",
        "it is by {user:?} as {impersonated:?}"
    );
    Ok(())
}

requires!(audit_log);
/// audit.k8s.io/v1 `AuthenticationMetadata`.
#[then(expr = "the audit event names {constraint}")]
fn names_constraint(world: &mut World, constraint: Constraint) -> Step {
    let seen = event(world)?.0.pointer("/authenticationMetadata/impersonationConstraint");
    let seen = seen.and_then(serde_json::Value::as_str).filter(|seen| !seen.is_empty());
    let expected = constraint.0.as_deref();
    expect!(seen == expected, "the constraint {expected:?}", "the audit event has {seen:?}");
    Ok(())
}

requires!(audit_log);
#[then("the audit event names each of the impersonated user's groups once")]
fn names_groups_once(world: &mut World) -> Step {
    let event = event(world)?;
    let groups = event
        .0
        .pointer("/impersonatedUser/groups")
        .and_then(serde_json::Value::as_array)
        .cloned()
        .unwrap_or_default();
    let repeated = groups.iter().enumerate().any(|(index, group)| groups[..index].contains(group));
    expect!(!groups.is_empty() && !repeated, "each group once", "the audit event has {groups:?}");
    Ok(())
}

requires!(constrained_impersonation_counts);
/// kubernetes/apiserver `pkg/endpoints/filters/impersonation/metrics`.
#[then(expr = "at least one more impersonation in the mode {string} is counted as {string}, with its permission checks")]
async fn is_counted(world: &mut World, mode: String, decision: String) -> Step {
    let labels = [("mode", mode.as_str()), ("decision", decision.as_str())];
    for series in ["attempts_total", "attempts_duration_seconds_count", "authorization_attempts_total"] {
        Counts::at_least_one_more(world, &format!("apiserver_impersonation_{series}"), &labels).await?;
    }
    Ok(())
}
