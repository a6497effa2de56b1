//! What the API server wrote to its log beside refusals.

use std::time::Duration;

use anyhow::Context;
use cucumber::then;

use super::Step;
use super::bootstrap_tokens::Made;
use crate::cluster::ApiServer;
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;
use crate::secret::redact;

/// How long an engine may take to pass a line on.
const LIMIT: Duration = Duration::from_secs(5);

#[then(expr = "the API server logs of its start that {string}")]
async fn logs_of_its_start(world: &mut World, text: String) -> Step {
    world.needs("server_log")?;
    line(&world.door().server, &[&text]).await.map(drop)
}

#[then(expr = "the API server logs that it could not ask the webhook")]
fn logs_of_the_webhook(world: &mut World) -> Step {
    world.needs("server_log")?;
    let lines = &world.answer()?.record.log;
    ensure!(
        lines
            .iter()
            .any(|line| line.contains("Failed to make webhook authenticator request: ")),
        "expected a line about the webhook; there are {lines:?}"
    );
    Ok(())
}

#[then(expr = "the API server logs of the token that {string}")]
async fn logs_of_the_token(world: &mut World, text: String) -> Step {
    world.needs("server_log")?;
    let made = world.notes::<Made>().clone();
    line(&world.door().server, &[made.id()?, &text]).await.map(drop)
}

#[then(expr = "the secret that was presented stands nowhere in the API server's log")]
async fn secret_is_not_logged(world: &mut World) -> Step {
    world.needs("server_log")?;
    let made = world.notes::<Made>().clone();
    let logs = world.door().server.logs.context("the API server's log cannot be read")?;
    let log = std::fs::read(&logs.log)?;
    ensure!(
        !String::from_utf8_lossy(&log).contains(made.presented()?.expose()),
        "expected a log without the secret that was presented"
    );
    Ok(())
}

/// The first line of the log of `server` that has all of `texts` in it, as it is.
async fn line(server: &ApiServer, texts: &[&str]) -> Step<String> {
    let logs = server.logs.as_ref().context("the API server's log cannot be read")?;
    let found = until("a line in the API server's log", LIMIT, || async {
        let log = std::fs::read(&logs.log)?;
        let log = String::from_utf8_lossy(&log);
        let line = log.lines().find(|line| texts.iter().all(|text| line.contains(text)));
        Ok::<_, std::io::Error>(line.map_or_else(
            || {
                Condition::NotYet(format!(
                    "no line has all of {:?}",
                    texts.iter().map(|text| redact(text)).collect::<Vec<_>>()
                ))
            },
            |line| Condition::Met(line.to_owned()),
        ))
    });
    Ok(found.await?)
}
