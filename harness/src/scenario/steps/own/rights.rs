//! Rights: the API server reviews what people may do, and nothing is done.

use anyhow::Context;
use cucumber::then;
use gherkin::Step as GherkinStep;

use super::super::{Person, Step};
use crate::scenario::world::{Expected, World};
use crate::trial::{Action, Decision};

/// Whether somebody may do something.
struct Right(Expected);

phrases! {
    Right as "right" {
        "may" => Self(Expected::Accepted),
        "may not" => Self(Expected::Refused),
    }
}

requires!(project);
#[then(expr = "{person} {right} {string}")]
async fn may(world: &mut World, person: Person, right: Right, action: String) -> Step {
    reviewed(world, &person, &right, &action).await.map(drop)
}

requires!(project);
/// One action per row.
#[then(expr = "{person} {right}(:)")]
async fn may_all(world: &mut World, person: Person, right: Right, step: &GherkinStep) -> Step {
    let table = step
        .table
        .as_ref()
        .context("expected a table below the step, with an action per row")?;
    for row in &table.rows {
        match row.as_slice() {
            [action] => _ = reviewed(world, &person, &right, action).await?,
            other => bail!("expected rows of one action; seen: {other:?}"),
        }
    }
    Ok(())
}

requires!(project);
/// The reason is the authorizer's own: the binding and the role that allow it.
#[then(expr = "{person} {right} {string}, because {string}")]
async fn may_because(world: &mut World, person: Person, right: Right, action: String, reason: String) -> Step {
    let decision = reviewed(world, &person, &right, &action).await?;
    let seen = &decision.reason;
    expect!(!reason.is_empty() && seen.contains(&reason), "because: {reason}", "\"{seen}\"");
    Ok(())
}

/// Fails unless the API server decides on `action` as `right` says.
async fn reviewed(world: &mut World, person: &Person, right: &Right, action: &str) -> Step<Decision> {
    let action: Action = action.parse()?;
    let decision = world.may(person, &action, right.0).await?;
    let Decision { action, allowed, reason } = &decision;
    let because = if reason.is_empty() {
        String::new()
    } else {
        format!(", because: {reason}")
    };
    match right.0 {
        Expected::Accepted => expect!(*allowed, "may {action}", "may not{because}"),
        Expected::Refused => expect!(!*allowed, "may not {action}", "may{because}"),
    }
    Ok(decision)
}
