//! The only poller. A condition says [`Condition::NotYet`] and why; a time-out is an
//! error that repeats the why.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is asked.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// How often a condition is asked that a server of somebody else has to answer.
const GENTLE_INTERVAL: Duration = Duration::from_millis(500);

/// What a condition says when it is asked.
#[derive(Debug)]
pub enum Condition<T> {
    /// It holds.
    Met(T),
    /// It does not hold yet, and why.
    NotYet(String),
}

/// Why waiting ended without the condition being met.
#[derive(Debug, thiserror::Error)]
pub enum WaitError<E: std::error::Error + 'static> {
    /// The time is over.
    #[error("{what} did not come about within {limit:?}: {why}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long, in all.
        limit: Duration,
        /// What the condition said last.
        why: String,
    },
    /// The condition can never be met.
    #[error(transparent)]
    Failed(#[from] E),
}

/// Asks `condition` every [`INTERVAL`] until it is met, fails or `limit` is over.
///
/// # Errors
/// The condition's own error, or [`WaitError::TimedOut`] with its last word.
pub async fn until<T, E, F>(what: &str, limit: Duration, condition: impl FnMut() -> F) -> Result<T, WaitError<E>>
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<Condition<T>, E>>,
{
    ask_every(INTERVAL, what, limit, condition).await
}

/// The same, twice a second: for what the server of somebody else has to answer.
///
/// # Errors
/// As [`until`].
pub async fn until_gently<T, E, F>(what: &str, limit: Duration, condition: impl FnMut() -> F) -> Result<T, WaitError<E>>
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<Condition<T>, E>>,
{
    ask_every(GENTLE_INTERVAL, what, limit, condition).await
}

async fn ask_every<T, E, F>(interval: Duration, what: &str, limit: Duration, mut condition: impl FnMut() -> F) -> Result<T, WaitError<E>>
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<Condition<T>, E>>,
{
    let started = Instant::now();
    let mut last = "it was not asked to its end once".to_owned();
    loop {
        let left = limit.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, condition()).await {
            Ok(Ok(Condition::Met(value))) => return Ok(value),
            Ok(Ok(Condition::NotYet(why))) => last = why,
            Ok(Err(error)) => return Err(WaitError::Failed(error)),
            Err(_) => {}
        }
        if started.elapsed() >= limit {
            return Err(WaitError::TimedOut {
                what: what.to_owned(),
                limit,
                why: last,
            });
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one poller")]
        tokio::time::sleep(interval).await;
    }
}
