//! A proxy's record of the requests that it handled, in a file that other processes may read.
//!
//! The main type is [`Handled`], one line of that file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Caller;

/// A request and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// The time at which the request arrived.
    pub at: Timestamp,
    /// The time until the headers of the response were known, in milliseconds.
    pub ms: u64,
    /// The method.
    pub method: String,
    /// The path and the query, redacted.
    pub target: String,
    /// The caller, if it was identified.
    pub caller: Option<Caller>,
    /// The outcome.
    pub verdict: Verdict,
    /// The `Audit-Id` in the API server's response.
    pub audit_id: Option<String>,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl Handled {
    /// Returns the requests in a record, or in a part of it.
    #[must_use]
    pub fn all(record: &str) -> Vec<Self> {
        record.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.verdict {
            Verdict::PassedOn { status } | Verdict::Refused { status, .. } => status,
        }
    }
}

/// The file to which requests are appended, if the proxy keeps a record.
#[derive(Debug)]
pub(super) struct Record(Option<Mutex<File>>);

impl Record {
    /// Opens the record `path`, for its owner alone.
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(|path| File::options().create(true).append(true).mode(0o600).open(path));
        Ok(Self(file.transpose()?.map(Mutex::new)))
    }

    /// Appends a request.
    pub(super) fn add(&self, handled: &Handled) {
        if let (Some(file), Ok(line)) = (&self.0, serde_json::to_string(handled)) {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // A full disk must not keep the proxy from answering.
            let _unkept = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}
