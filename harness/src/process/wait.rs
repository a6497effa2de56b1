//! The only poller. A condition returns [`Condition::NotYet`] with the reason; a time-out is an
//! error that repeats that reason. [`BackOff`] is the only pause.

use std::future::Future;
use std::time::{Duration, Instant};

/// The polling interval.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// The polling interval for a condition that a foreign server has to answer.
const GENTLE_INTERVAL: Duration = Duration::from_millis(500);

/// The longest pause of a [`BackOff`].
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The state of a condition.
#[derive(Debug)]
pub enum Condition<T> {
    /// It holds.
    Met(T),
    /// It does not hold yet, with the reason.
    NotYet(String),
}

/// The reason that waiting ended before the condition was met.
#[derive(Debug, thiserror::Error)]
pub enum WaitError<E: std::error::Error + 'static> {
    /// The time limit is exceeded.
    #[error("timed out after {limit:?} waiting for {what}: {why}")]
    TimedOut {
        /// The awaited condition.
        what: String,
        /// The time limit.
        limit: Duration,
        /// The last reason of the condition.
        why: String,
    },
    /// The condition can never be met.
    #[error(transparent)]
    Failed(#[from] E),
}

/// Asks `condition` every [`INTERVAL`] until it is met, fails or `limit` is over.
///
/// # Errors
/// The condition's own error, or [`WaitError::TimedOut`] with its last reason.
pub async fn until<T, E, F>(what: &str, limit: Duration, condition: impl FnMut() -> F) -> Result<T, WaitError<E>>
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<Condition<T>, E>>,
{
    ask_every(INTERVAL, what, limit, condition).await
}

/// Waits as [`until`] does, but asks only twice a second: for conditions that a foreign server has to answer.
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

/// Pauses between failing attempts that have no limit, since the cause goes away on its own: accepting connections in a process
/// without free file descriptors. Each pause is twice as long as the one before, up to a second; after a success, begin with a new one.
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
        #[expect(clippy::disallowed_methods, reason = "nothing signals when an attempt would succeed")]
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
