//! The limit of failures in a run: once it is reached, no further scenario begins, and those that run are finished. The main type is
//! [`FailureLimit`].
//!
//! cucumber's own `fail_fast` knows neither a number nor the scenarios of an inverted run, which fail although every step held.

use std::cell::Cell;
use std::future;

use tokio::sync::Notify;

/// The scenarios of a run so far, and the most that may fail. A run has one, on one thread.
#[derive(Debug, Default)]
pub(super) struct FailureLimit {
    /// The number of failures after which nothing begins; `None` if all scenarios are run.
    most: Option<usize>,
    begun: Cell<usize>,
    /// The scenarios whose last hook has run; their outcome may not be known yet.
    left: Cell<usize>,
    judged: Cell<usize>,
    failed: Cell<usize>,
    news: Notify,
}

impl FailureLimit {
    pub(super) fn new(most: Option<usize>) -> Self {
        Self { most, ..Self::default() }
    }

    /// Waits until a scenario may begin: for ever, once the limit is reached.
    pub(super) async fn begin(&self) {
        if self.most.is_some() {
            // The outcome of a scenario is known a moment after it has left its place to the next.
            while self.left.get() > self.judged.get() {
                self.news.notified().await;
            }
            if self.is_reached() {
                future::pending::<()>().await;
            }
        }
        self.begun.set(self.begun.get() + 1);
    }

    /// Counts a scenario whose last hook has run.
    pub(super) fn left(&self) {
        self.left.set(self.left.get() + 1);
    }

    /// Counts a scenario whose outcome is known.
    pub(super) fn judged(&self, has_failed: bool) {
        self.judged.set(self.judged.get() + 1);
        self.failed.set(self.failed.get() + usize::from(has_failed));
        self.news.notify_waiters();
    }

    /// Returns the limit if it is reached, and every scenario that began is finished.
    pub(super) fn has_ended_run(&self) -> Option<usize> {
        self.most.filter(|_| self.is_reached() && self.begun.get() <= self.judged.get())
    }

    fn is_reached(&self) -> bool {
        self.most.is_some_and(|most| self.failed.get() >= most)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn nothing_begins_before_the_last_outcome_is_known_or_after_the_limit() {
        let limit = FailureLimit::new(Some(1));
        assert!(limit.begin().now_or_never().is_some());
        assert!(limit.begin().now_or_never().is_some(), "two begin side by side");
        limit.left();
        assert!(limit.begin().now_or_never().is_none(), "the outcome of the first is not known");
        limit.judged(true);
        assert!(limit.begin().now_or_never().is_none(), "the limit is reached");
        assert_eq!(limit.has_ended_run(), None, "the second still runs");
        limit.left();
        limit.judged(false);
        assert_eq!(limit.has_ended_run(), Some(1));
    }

    #[test]
    fn without_a_limit_everything_begins() {
        let limit = FailureLimit::new(None);
        limit.left();
        limit.judged(true);
        assert!(limit.begin().now_or_never().is_some());
        assert_eq!(limit.has_ended_run(), None);
    }
}
