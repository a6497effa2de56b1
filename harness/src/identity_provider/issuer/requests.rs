//! The latest requests for the documents of stand-ins. The main type is [`StandInRequests`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The number of requests that are kept: a lab may stay up for months.
const KEPT: usize = 64;

/// A request of an API server for the discovery document or the keys of an issuer that the lab's issuer stands in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandInRequest {
    /// The time of the request.
    pub at: SystemTime,
    /// The URL of the issuer, to the letter.
    pub issuer: String,
    /// The path of the request, below the address of the stand-in.
    pub path: String,
    /// The HTTP status of the response.
    pub status: u16,
}

/// The latest requests, in order. Clones are the same record.
#[derive(Clone, Debug, Default)]
pub(super) struct StandInRequests(Arc<Mutex<VecDeque<StandInRequest>>>);

impl StandInRequests {
    /// Adds a request that is answered now; beyond [`KEPT`], the oldest one goes.
    pub(super) fn add(&self, issuer: &str, path: &str, status: u16) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == KEPT {
            requests.pop_front();
        }
        requests.push_back(StandInRequest {
            at: SystemTime::now(),
            issuer: issuer.to_owned(),
            path: path.to_owned(),
            status,
        });
    }

    /// Returns the requests since `begin`.
    pub(super) fn since(&self, begin: SystemTime) -> Vec<StandInRequest> {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|request| request.at >= begin).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_requests_are_kept_in_order() {
        let requests = StandInRequests::default();
        for number in 0..KEPT + 2 {
            requests.add("https://a.example", &format!("/{number}"), 200);
        }
        let kept = requests.since(SystemTime::UNIX_EPOCH);
        let paths: Vec<_> = kept.iter().map(|request| request.path.clone()).collect();
        assert_eq!(paths, (2..KEPT + 2).map(|number| format!("/{number}")).collect::<Vec<_>>());
        let last = kept.last().unwrap().at;
        assert!(!requests.since(last).is_empty());
        assert_eq!(requests.since(last + std::time::Duration::from_secs(1)), []);
    }
}
