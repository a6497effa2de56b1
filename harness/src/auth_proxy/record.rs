//! A record of the requests that the proxy handled, for tests to read.
//!
//! The main type is [`Handled`]. The last thousand or so are kept.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Caller;

/// The number of requests that are kept.
const KEPT: usize = 1024;

/// A request and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Handled {
    /// The request's number, counted from 0 since the proxy started.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The caller, if it was identified.
    pub caller: Option<Caller>,
    /// The outcome.
    pub verdict: Verdict,
    /// The `Audit-Id` in the API server's response.
    pub audit_id: Option<String>,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The API server answered with this status.
    PassedOn {
        /// The status.
        status: u16,
    },
    /// The proxy answered instead of the API server.
    Refused {
        /// The status.
        status: u16,
        /// The reason, in the proxy's words, without a secret.
        why: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Record(Mutex<(u64, VecDeque<Handled>)>);

impl Record {
    /// Adds the request that `make` returns for the next number.
    pub(super) fn add(&self, make: impl FnOnce(u64) -> Handled) {
        let (next, kept) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(make(*next));
        *next += 1;
    }

    pub(super) fn all(&self) -> Vec<Handled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.iter().cloned().collect()
    }
}
