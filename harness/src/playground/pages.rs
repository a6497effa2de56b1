//! The pages that are open in browsers: a newer request of one ends its older one. The main type is [`Pages`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// The largest number of pages that are remembered: a request of a further one forgets them all, which ends their requests.
const MOST: usize = 64;

/// The latest request of each page.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<HashMap<String, oneshot::Sender<()>>>);

/// Resolves when the page has made a newer request.
pub(super) type Superseded = oneshot::Receiver<()>;

impl Pages {
    /// Ends the older request of `page`, and returns what ends the new one.
    pub(super) fn newer(&self, page: &str) -> Superseded {
        let (end, superseded) = oneshot::channel();
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= MOST && !latest.contains_key(page) {
            latest.clear();
        }
        // Dropping the older sender resolves its receiver.
        latest.insert(page.to_owned(), end);
        superseded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_request_ends_the_older_one_of_its_page_alone() {
        let pages = Pages::default();
        let (mut first, mut other) = (pages.newer("a"), pages.newer("b"));
        let mut second = pages.newer("a");
        assert_eq!(first.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(second.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }
}
