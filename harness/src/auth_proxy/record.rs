//! What the proxy did, request by request, for tests to read.
//!
//! The main type is [`Handled`]. The last thousand or so are kept.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Caller;

/// How many requests are remembered.
const KEPT: usize = 1024;

/// One request, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Handled {
    /// Its number, counted from 0 since the proxy started.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// Who called, where that was made out.
    pub caller: Option<Caller>,
    /// What became of it.
    pub verdict: Verdict,
    /// The `Audit-Id` that came back from the API server.
    pub audit_id: Option<String>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The API server answered with this status.
    PassedOn {
        /// The status.
        status: u16,
    },
    /// The proxy answered in its place.
    Refused {
        /// The status.
        status: u16,
        /// Why, in the proxy's words, without a secret.
        why: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Record(Mutex<(u64, VecDeque<Handled>)>);

impl Record {
    /// Adds what `make` says of the next number.
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
