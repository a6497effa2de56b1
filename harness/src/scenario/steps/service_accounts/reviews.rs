//! Reviews of tokens by the API server (authentication.k8s.io/v1 `TokenReview`).

use cucumber::{then, when};
use serde_json::{Value, json};

use super::super::{Person, Step};
use super::{account, token};
use crate::event::Verdict;
use crate::probe::Question;
use crate::scenario::world::World;

#[when(expr = "{person} has the deployer's token reviewed for the audience {string}")]
async fn has_token_reviewed(world: &mut World, person: Person, audience: String) -> Step {
    review(world, &person, &[&audience]).await
}

#[then(expr = "the token is accepted as the deployer's, for the audience {string}")]
async fn accepted_as_deployers(world: &mut World, audience: String) -> Step {
    let user = account(world).await?.user();
    let status = status(world)?;
    expect!(
        status["authenticated"] == true && status["user"]["username"] == user.as_str(),
        "authenticated as \"{user}\"",
        "{status}"
    );
    expect!(status["audiences"] == json!([audience]), "the audience \"{audience}\"", "{status}");
    Ok(())
}

#[then(expr = "reviewed by {person} for the API server itself, the token is refused, because {string}")]
async fn refused_for_server(world: &mut World, person: Person, reason: String) -> Step {
    review(world, &person, &[]).await?;
    let status = status(world)?;
    let error = status["error"].as_str().unwrap_or_default();
    expect!(
        status["authenticated"] != true && error.contains(&reason),
        "not authenticated, because {reason}",
        "{status}"
    );
    Ok(())
}

async fn review(world: &mut World, person: &Person, audiences: &[&str]) -> Step {
    let token = token(world)?;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": { "token": token.expose(), "audiences": audiences },
    });
    let question = Question::post("/apis/authentication.k8s.io/v1/tokenreviews", review);
    Ok(world.ask(person, &question).await.map(drop)?)
}

/// Returns the status of the review in the last answer.
fn status(world: &World) -> Step<Value> {
    let answer = world.answer()?;
    expect!(answer.verdict == Verdict::Accepted, "the token is reviewed", "{answer}");
    Ok(answer.body["status"].clone())
}
