//! Reviews by the API server: of a token (authentication.k8s.io/v1 `TokenReview`), and of what somebody may do (authorization.k8s.io/v1
//! `SubjectAccessReview`). [`Expected`] is a row of the table that a step compares a review with.

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::{Context, Result};
use cucumber::{then, when};
use serde_json::{Value, json};

use super::{Person, Step, Texts};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::probe::Question;
use crate::scenario::world::World;

/// The audiences that a review is about, if it names any: `, for the audience "vault"`.
#[derive(Clone, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "reviewed_for", regex = r#"(?:, for the audiences? "[^"]*"(?:(?:, | and )"[^"]*")*)?"#)]
struct ReviewedFor(Vec<String>);

impl FromStr for ReviewedFor {
    type Err = anyhow::Error;

    fn from_str(said: &str) -> Result<Self> {
        let Texts(audiences) = said.parse()?;
        Ok(Self(audiences))
    }
}

#[when(expr = "{person} asks the API server whose token {person} holds{reviewed_for}")]
async fn asks_whose_token(world: &mut World, person: Person, holder: Person, audiences: ReviewedFor) -> Step {
    // A pronoun is the person named before the holder.
    let person = world.person(&person)?;
    let Credential::Token(token) = world.holding(&holder)?.credential.clone() else {
        bail!("{} holds no token", holder.name())
    };
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": { "token": token.expose(), "audiences": audiences.0 },
    });
    let question = Question::post("/apis/authentication.k8s.io/v1/tokenreviews", review);
    Ok(world.ask(&person, &question).await.map(drop)?)
}

requires!(administrator);
/// A question about oneself is a SelfSubjectAccessReview, which is about the user and groups that the caller is authenticated as.
#[when(expr = "{person} asks the API server whether {person} may list {word}")]
async fn asks_whether(world: &mut World, asker: Person, about: Person, resource: String) -> Step {
    let attributes = json!({ "namespace": world.namespace().await?, "verb": "list", "resource": resource });
    let (kind, path, spec) = if about.is_pronoun() {
        (
            "SelfSubjectAccessReview",
            "selfsubjectaccessreviews",
            json!({ "resourceAttributes": attributes }),
        )
    } else {
        (
            "SubjectAccessReview",
            "subjectaccessreviews",
            json!({ "user": about.user(), "resourceAttributes": attributes }),
        )
    };
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec });
    let question = Question::post(format!("/apis/authorization.k8s.io/v1/{path}"), review);
    Ok(world.ask(&asker, &question).await.map(drop)?)
}

/// The part of a review that a row of the table is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `yes` or `no`; a missing field is a no.
    YesOrNo(&'static str),
    /// The text itself.
    Text(&'static str),
    /// A text that contains the expected one, or is empty if that is.
    Reason(&'static str),
    /// All items, in any order.
    Items(String),
}

/// A row of the table: a part of the review, and what is expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expected {
    part: Part,
    value: String,
}

impl Expected {
    fn read(part: &str, value: &str) -> Result<Self> {
        let part = match part {
            "authenticated" => Part::YesOrNo("/authenticated"),
            "allowed" => Part::YesOrNo("/allowed"),
            "denied" => Part::YesOrNo("/denied"),
            "user" => Part::Text("/user/username"),
            "UID" => Part::Text("/user/uid"),
            "error" => Part::Reason("/error"),
            "reason" => Part::Reason("/reason"),
            "groups" => Part::Items("/user/groups".to_owned()),
            "audiences" => Part::Items("/audiences".to_owned()),
            other => {
                let key = other
                    .strip_prefix("extra ")
                    .with_context(|| format!("a review has no part '{other}'"))?;
                Part::Items(format!("/user/extra/{}", key.replace('~', "~0").replace('/', "~1")))
            }
        };
        Ok(Self {
            part,
            value: value.to_owned(),
        })
    }

    /// Returns what is seen in `status` where it is not as expected.
    fn unlike(&self, status: &Value) -> Option<String> {
        let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        match &self.part {
            Part::YesOrNo(pointer) => {
                let seen = status.pointer(pointer).and_then(Value::as_bool).unwrap_or_default();
                (seen != (self.value == "yes")).then(|| seen.to_string())
            }
            Part::Text(pointer) => Some(text(pointer)).filter(|seen| *seen != self.value),
            Part::Reason(pointer) => {
                let seen = text(pointer);
                let is_like = seen.contains(&self.value) && seen.is_empty() == self.value.is_empty();
                (!is_like).then_some(seen)
            }
            Part::Items(pointer) => {
                let items = status
                    .pointer(pointer)
                    .and_then(Value::as_array)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let seen: BTreeSet<&str> = items.iter().filter_map(Value::as_str).collect();
                let expected: BTreeSet<&str> = self.value.split(", ").filter(|item| !item.is_empty()).collect();
                (seen != expected).then(|| format!("{seen:?}"))
            }
        }
    }
}

/// One part of the review per row.
#[then("the review returns:")]
fn returns(world: &mut World, step: &gherkin::Step) -> Step {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "a review", "{answer}");
    let status = &answer.body["status"];
    let table = step.table.as_ref().context("the step has a table of the review's parts")?;
    for row in &table.rows {
        let [part, value] = row.as_slice() else {
            bail!("a row is a part of the review and its value; seen was {row:?}")
        };
        if let Some(seen) = Expected::read(part, value)?.unlike(status) {
            differs!("{part}: {value}", "{part}: {seen}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_review_is_as_expected_or_is_told() {
        let status = json!({
            "authenticated": true, "error": "it is locked", "audiences": ["a", "b"],
            "user": { "username": "alice", "groups": ["x"], "extra": { "example.com/shift": ["blue"] } },
        });
        let sound = [
            ("authenticated", "yes"),
            ("denied", "no"),
            ("user", "alice"),
            ("UID", ""),
            ("error", "locked"),
            ("reason", ""),
            ("groups", "x"),
            ("audiences", "b, a"),
            ("extra example.com/shift", "blue"),
            ("extra other", ""),
        ];
        let unlike = |part: &str, value: &str| Expected::read(part, value).unwrap().unlike(&status);
        for (part, value) in sound {
            assert_eq!(unlike(part, value), None, "{part}");
        }
        for (part, value) in [
            ("authenticated", "no"),
            ("user", "ali"),
            ("error", ""),
            ("groups", "x, y"),
            ("audiences", ""),
        ] {
            assert!(unlike(part, value).is_some(), "{part}");
        }
        assert!(Expected::read("colour", "blue").is_err());
    }
}
