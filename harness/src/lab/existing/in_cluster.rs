//! The note that a run makes before it creates anything in an existing cluster: its objects remain there if the run is killed.
//!
//! The main type is [`InCluster`]. As long as the file exists, the lab's directory proves that the run was started here, and it
//! is not cleared with the others.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::lab::LabError;

/// The file, in the lab's directory.
const FILE: &str = "existing-cluster.json";

/// A run that was killed, and the cluster in which its objects may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InCluster {
    /// The name of the run's lab.
    pub lab: String,
    /// The address of the cluster's API server.
    pub server: String,
}

impl InCluster {
    /// Records in `directory` that objects of `lab` may be at `server` from now on.
    pub(super) fn note(lab: &str, server: &str, directory: &Path) -> Result<(), LabError> {
        let noted = Self {
            lab: lab.to_owned(),
            server: server.to_owned(),
        };
        let text = serde_json::to_string(&noted).unwrap_or_default();
        Ok(crate::pki::write_private(&directory.join(FILE), &text)?)
    }

    /// Removes the note: no objects of the lab are in a cluster any more.
    pub(super) fn strike(directory: &Path) {
        // A note that stays only causes one more check.
        let _ = std::fs::remove_file(directory.join(FILE));
    }

    /// Reads the note on `lab` in `directory`. An unreadable note counts: objects may be anywhere.
    pub(in crate::lab) fn of(lab: &str, directory: &Path) -> Option<Self> {
        let path = directory.join(FILE);
        std::fs::symlink_metadata(&path).ok()?;
        let noted = std::fs::read_to_string(&path)
            .ok()
            .and_then(|text| serde_json::from_str::<Self>(&text).ok());
        Some(Self {
            lab: lab.to_owned(),
            server: noted.map_or_else(|| "(address not recorded)".to_owned(), |noted| noted.server),
        })
    }

    /// Expects that no cluster has objects of `lab`.
    ///
    /// # Errors
    /// There may be some.
    pub(in crate::lab) fn expect_nothing_of(lab: &str, directory: &Path) -> Result<(), LabError> {
        match Self::of(lab, directory) {
            None => Ok(()),
            Some(Self { lab, server }) => Err(LabError::InCluster { lab, server }),
        }
    }
}
