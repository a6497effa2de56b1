//! What a crash left: processes and directories of labs whose owner is gone.
//!
//! The main function is [`clear`]; its result, [`Cleared`], says what there was.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde::Serialize;

use super::directory::{self, Directory, Ownership};
use super::{LabError, processes};
use crate::process::wait::{Condition, until};

/// How long killed servers may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What was cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleared {
    /// The labs whose directories were removed.
    pub labs: Vec<String>,
    /// How many processes were killed.
    pub processes: usize,
}

/// Which of the directories without a living owner are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearing {
    /// Those of owners that ended without clearing up.
    Crashed,
    /// Those that were kept for their logs, too.
    AlsoKept,
}

/// Clears what labs without a living owner left, processes and directories. Labs that are up are not touched.
///
/// # Errors
/// A directory cannot be removed.
pub async fn clear(clearing: Clearing) -> Result<Cleared, LabError> {
    let mut cleared = Cleared::default();
    let wanted = |ownership| match ownership {
        Ownership::Owned => false,
        Ownership::Crashed => true,
        Ownership::Kept => clearing == Clearing::AlsoKept,
    };
    for lab in directory::found()?.into_iter().filter(|lab| wanted(lab.ownership)) {
        if let Some(processes) = clear_one(&lab.path).await? {
            cleared.processes += processes;
            cleared.labs.push(lab.name);
        }
    }
    directory::remove_going()?;
    Ok(cleared)
}

/// Clears what is left of the lab in `path` and says how many processes were killed; `None` when it has an owner, or is not there.
pub(super) async fn clear_one(path: &Path) -> Result<Option<usize>, LabError> {
    // Its owner from here on, so that nobody starts a lab of that name meanwhile.
    let Some(directory) = Directory::take_over(path)? else {
        return Ok(None);
    };
    let killed = kill(path).await;
    directory.remove()?;
    Ok(Some(killed))
}

/// Kills the servers of the lab in `path`, waits until they are gone and says how many there were.
pub(super) async fn kill(path: &Path) -> usize {
    let servers = processes::servers(path);
    for server in &servers {
        if let Some(pid) = Pid::from_raw(server.pid.cast_signed()) {
            // It may end by itself between the two lines; that is what is wanted.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
    if !servers.is_empty() {
        // One that does not end although it was killed hangs in the kernel: nothing more can be done about it.
        let _ = until("the end of the servers", END_LIMIT, || async {
            let left = processes::servers(path);
            Ok::<_, Infallible>(match left.first() {
                None => Condition::Met(()),
                Some(server) => Condition::NotYet(format!("{} ({}) still runs", server.program, server.pid)),
            })
        })
        .await;
    }
    servers.len()
}
