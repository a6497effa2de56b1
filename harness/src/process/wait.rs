//! The only poller. A condition says [`Condition::NotYet`] and why; a time-out is an
//! error that repeats the why. [`BackOff`] is the only pause.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is asked.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// How often a condition is asked that a server of somebody else has to answer.
const GENTLE_INTERVAL: Duration = Duration::from_millis(500);

/// The longest pause of a [`BackOff`].
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    #[error("timed out after {limit:?} waiting for {what}: {why}")]
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

/// Pauses between attempts that fail until something passes by itself, and that have no limit: accepting connections in a process that
/// has no file left to open. Each pause is twice as long as the one before, up to a second; after a success, begin with a new one.
#[derive(Debug)]
pub struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> Self {
        Self(INTERVAL)
    }
}

impl BackOff {
    /// Waits before the next attempt.
    pub async fn pause(&mut self) {
        let pause = self.0;
        self.0 = LONGEST_PAUSE.min(pause * 2);
        #[expect(clippy::disallowed_methods, reason = "nothing tells when an attempt would succeed")]
        tokio::time::sleep(pause).await;
    }
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
