//! Requests to an API server. This file is about single ones; the modules are about connections and about many requests at once.

mod connections;
mod crowds;

use std::convert::Infallible;
use std::time::Duration;

use cucumber::{given, when};

use super::{Person, Step};
use crate::credential::Credential;
use crate::event::Verdict;
use crate::pki::Request;
use crate::probe::{Answer, Endpoint, Question, ask};
use crate::process::wait::{Condition, until};
use crate::scenario::world::{Twin, World};

requires!(anonymous_requests);
#[given(expr = "{person} holds no credential")]
fn holds_nothing(world: &mut World, person: Person) -> Step {
    // The missing credential is the flaw here: its sound counterpart is a certificate, where the harness can issue one.
    let twin = match world.own_client_authority().filter(|_| world.is_inverted()) {
        Some(clients) => Some(Twin {
            credential: Credential::Certificate(clients.issue(&Request::client(&person.user(), &[]))?),
            user: person.user(),
        }),
        None => None,
    };
    Ok(world.hold(&person, Credential::Nothing, twin)?)
}

#[when(expr = "{person} asks the API server who {word} is/are")]
async fn asks_who(world: &mut World, person: Person, _pronoun: String) -> Step {
    Ok(world.ask(&person, &Question::who_am_i()).await.map(drop)?)
}

requires!(administrator);
#[when(expr = "{person} asks to list {word}")]
async fn asks_to_list(world: &mut World, person: Person, resource: String) -> Step {
    let question = list(world, &resource).await?;
    Ok(world.ask(&person, &question).await.map(drop)?)
}

phrases! {
    /// A form of the question who somebody is, beside the usual one.
    enum Form as "form_of_question" {
        OtherFormat = "in a response format that it does not support",
        Beta = "in the API version v1beta1",
        Alpha = "in the API version v1alpha1",
        V1 = "in the API version v1",
    }
}

requires!(
    self_reviews_in_beta if "in the API version v1beta1",
    self_reviews_in_alpha if "in the API version v1alpha1",
);
#[when(expr = "{person} asks the API server who {word} is, {form_of_question}")]
async fn asks_who_in_another_form(world: &mut World, person: Person, _pronoun: String, form: Form) -> Step {
    let question = match form {
        Form::OtherFormat => Question::who_am_i().header("Accept", "text/csv"),
        Form::Beta => Question::who_am_i_in("v1beta1"),
        Form::Alpha => Question::who_am_i_in("v1alpha1"),
        Form::V1 => Question::who_am_i(),
    };
    Ok(world.ask(&person, &question).await.map(drop)?)
}

phrases! {
    /// A state of the API server that it tells.
    enum Health as "health" {
        Alive = "alive",
        Healthy = "healthy",
        Ready = "ready",
    }
}

#[when(expr = "{person} asks whether the API server is {health}")]
async fn asks_for_health(world: &mut World, person: Person, health: Health) -> Step {
    let path = match health {
        Health::Alive => "/livez",
        Health::Healthy => "/healthz",
        Health::Ready => "/readyz",
    };
    Ok(world.ask(&person, &Question::get(path)).await.map(drop)?)
}

/// Returns the request that lists `resource` in the scenario's namespace.
pub(super) async fn list(world: &mut World, resource: &str) -> Step<Question> {
    let namespace = world.namespace().await?;
    Ok(Question::get(format!("/api/v1/namespaces/{namespace}/{resource}")))
}

/// The time until an API server learns of a new object, at most.
pub(super) const HEARD: Duration = Duration::from_secs(10);

/// The time that requests of one attempt wait for their turn ([`crate::probe::Gate`]), at most: all scenarios that are carried out beside this
/// one may ask the same server. The server has no part in that.
const QUEUED: Duration = Duration::from_secs(30);

/// Asks until the answer is an acceptance: a refusal is not final while the API server has not learned of an object (`what`).
pub(super) async fn until_accepted(
    endpoint: &Endpoint,
    what: &str,
    who: &str,
    credential: &Credential,
    question: &Question,
    limit: Duration,
) -> Step<Answer> {
    let accepted = until(what, limit + QUEUED, || async {
        let answer = ask(endpoint, who, credential, question).await;
        Ok::<_, Infallible>(if answer.verdict == Verdict::Accepted {
            Condition::Met(answer)
        } else {
            Condition::NotYet(answer.to_string())
        })
    });
    Ok(accepted.await?)
}
