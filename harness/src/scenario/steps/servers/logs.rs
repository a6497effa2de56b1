//! The API server's log, apart from refusals.

use std::fs::File;
use std::future::ready;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use cucumber::then;

use super::super::Step;
use super::super::tokens::bootstrap::Made;
use crate::cluster::ApiServer;
use crate::process::wait::{Condition, until};
use crate::scenario::world::World;
use crate::secret::redact;

/// The time until an engine passes a log line on, at most.
const LIMIT: Duration = Duration::from_secs(5);

phrases! {
    /// The part of the log that a step is about.
    enum Topic as "log_topic" {
        Start = "its start",
        /// The last request; lines about others do not count.
        Request = "the request",
        /// The bootstrap token, whose id the lines repeat.
        Token = "the token",
    }
}

requires!(server_log);
#[then(expr = "the API server's log about {log_topic} says {string}")]
async fn says(world: &mut World, topic: Topic, text: String) -> Step {
    let id = match topic {
        Topic::Start => None,
        Topic::Token => Some(world.notes::<Made>().id()?.to_owned()),
        Topic::Request => {
            let lines = &world.answer()?.record.log;
            expect!(
                lines.iter().any(|line| line.contains(&text)),
                "a line that says \"{text}\"",
                "there are {lines:?}"
            );
            return Ok(());
        }
    };
    let texts: Vec<&str> = id.iter().map(String::as_str).chain([text.as_str()]).collect();
    line(&world.endpoint().server, &texts).await.map(drop)
}

requires!(server_log);
#[then(expr = "the API server's log does not contain the secret that was presented")]
async fn secret_is_not_logged(world: &mut World) -> Step {
    let made = world.notes::<Made>().clone();
    let logs = world.endpoint().server.logs.context("the API server's log cannot be read")?;
    let presented = made.presented()?.expose();
    let found = first_line(&logs.log, &mut 0, |line| line.contains(presented))?;
    expect!(found.is_none(), "a log without the secret that was presented", "a line with it");
    Ok(())
}

/// Returns the first line of the log of `server` that contains all of `texts`, verbatim.
async fn line(server: &ApiServer, texts: &[&str]) -> Step<String> {
    let logs = server.logs.as_ref().context("the API server's log cannot be read")?;
    let mut read = 0;
    let found = until("a line in the API server's log", LIMIT, || {
        let line = first_line(&logs.log, &mut read, |line| texts.iter().all(|text| line.contains(text)));
        ready(line.map(|line| {
            line.map_or_else(
                || {
                    Condition::NotYet(format!(
                        "no line has all of {:?}",
                        texts.iter().map(|text| redact(text)).collect::<Vec<_>>()
                    ))
                },
                Condition::Met,
            )
        }))
    });
    Ok(found.await?)
}

/// Returns the first line of `log` after `read` bytes that is `wanted`; `read` becomes the number of bytes read. Logs grow large, so
/// they are read line by line, and once.
fn first_line(log: &Path, read: &mut u64, wanted: impl Fn(&str) -> bool) -> std::io::Result<Option<String>> {
    let mut lines = BufReader::new(File::open(log)?);
    lines.seek(SeekFrom::Start(*read))?;
    let mut line = Vec::new();
    // A line that is still being written is left for the next time.
    while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        let text = String::from_utf8_lossy(&line);
        if wanted(&text) {
            return Ok(Some(text.trim_end().to_owned()));
        }
        *read += line.len() as u64;
        line.clear();
    }
    Ok(None)
}
