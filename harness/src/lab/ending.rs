//! Ending a lab that another process owns, and clearing one that has no owner any more.
//!
//! The main function is [`take_down`]. The owner is asked at the lab's control port, or by a signal to a process that is certainly the
//! owner; if neither is possible, the lab is left as it is.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;

use super::description::LabDescription;
use super::directory::{self, Claim, Found, Marker, Ownership, There};
use super::existing::InCluster;
use super::leftovers::{self, Counts};
use super::{LabError, control};
use crate::owner::Owner;
use crate::process::wait::{Condition, until};

/// The time that a lab may take to end before it is killed.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The time that an owner may take to write down that it is the owner.
const SIGNING: Duration = Duration::from_secs(1);

/// The way in which a lab ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Its owner ended it.
    Ended,
    /// Its owner did not respond and was killed, with all the servers it had started.
    Killed,
    /// It had no owner any more; its leftovers were cleared.
    Cleared,
}

/// The result of ending a lab.
#[derive(Debug)]
pub struct TakenDown {
    /// The number of its processes that the caller killed.
    pub processes: usize,
    /// The number of its containers and networks that the caller removed.
    pub containers: usize,
    /// The way in which it ended, or the reason why it did not.
    pub outcome: Result<Stopped, LabError>,
}

/// Ends the lab `name`, or clears its leftovers; with `foreign` also those of an owner that may live where this machine cannot see it,
/// unless the owner holds the lab's lock.
pub async fn take_down(name: &str, foreign: bool) -> TakenDown {
    let claim = if foreign { Claim::Asserted } else { Claim::Proved };
    let mut counts = Counts::default();
    let outcome = end(name, claim, &mut counts).await;
    TakenDown {
        processes: counts.processes,
        containers: counts.containers,
        outcome,
    }
}

async fn end(name: &str, claim: Claim, counts: &mut Counts) -> Result<Stopped, LabError> {
    let Some(Found { path, .. }) = directory::find(name)? else {
        return Err(super::attach::not_up(name)?);
    };
    if directory::ownership(&path) != Ownership::Owned {
        InCluster::expect_nothing_of(name, &path)?;
    }
    if leftovers::clear_one(&path, claim, counts).await? {
        return Ok(Stopped::Cleared);
    }
    let stopped = ask(name, &path).await?;
    // An owner that ended in time has left nothing.
    leftovers::clear_one(&path, claim, counts).await?;
    Ok(stopped)
}

/// Asks the owner of the lab in `path` to end it. The lab's lock is free afterwards.
async fn ask(name: &str, path: &Path) -> Result<Stopped, LabError> {
    let mut asked = ask_at_control_port(path).await || signal(path, Signal::TERM).await;
    if !asked && is_being_cleared(path) && !gone(path).await {
        // The leftovers were cleared for a new lab, whose owner can be asked.
        asked = signal(path, Signal::TERM).await;
    }
    if asked && gone(path).await || !is_held(path) {
        return Ok(Stopped::Ended);
    }
    // The owner did not respond.
    if asked && signal(path, Signal::KILL).await && gone(path).await {
        return Ok(Stopped::Killed);
    }
    let owner = Marker::read(path).ok().flatten().map(|marker| marker.owner);
    Err(LabError::NotReached {
        name: name.to_owned(),
        owner: directory::owner(path),
        of: owner.and_then(|owner| owner.expect_visible_from(&Owner::here()).err()),
    })
}

/// Asks the owner at the lab's control port; `false` if no owner of this lab responds there.
async fn ask_at_control_port(path: &Path) -> bool {
    // The address is one of this machine; on any other it may be another program's.
    let here = Owner::here();
    let Ok(Some(marker)) = Marker::read(path) else { return false };
    if !marker.owner.shares_kernel_with(&here) {
        return false;
    }
    match LabDescription::load(path)
        .ok()
        .flatten()
        .and_then(|description| description.control)
    {
        Some(control) => control::Client(control).end().await.is_ok(),
        None => false,
    }
}

/// Returns `true` if a process other than the lab's owner holds the lock: then that process clears the lab.
fn is_being_cleared(path: &Path) -> bool {
    match (directory::owner(path), Marker::read(path)) {
        (Some(signed), Ok(Some(marker))) => signed != marker.owner.pid,
        _ => false,
    }
}

/// Sends a signal to the owner of the lab in `path`; `false` without a proof which process that is.
async fn signal(path: &Path, signal: Signal) -> bool {
    // There is a moment between becoming the owner and writing that down.
    let known = until("the owner's process", SIGNING, || async {
        let process = directory::owners_process(path);
        Ok::<_, Infallible>(match (process, directory::ownership(path)) {
            (None, Ownership::Owned) => Condition::NotYet("there is no proof of it".to_owned()),
            (process, _) => Condition::Met(process),
        })
    });
    match known.await {
        Ok(Some(process)) => process.signal(signal).is_ok(),
        Ok(None) | Err(_) => false,
    }
}

/// Returns `false` only if the lock of the lab in `path` is certainly free: it was seen free, or is gone.
fn is_held(path: &Path) -> bool {
    match directory::look(path) {
        There::Nothing => false,
        There::Lab(_, ownership) => ownership == Ownership::Owned,
        There::Other(_) => true,
    }
}

async fn gone(path: &Path) -> bool {
    let gone = until("the end of the lab", STOP_LIMIT, || async {
        Ok::<_, Infallible>(if is_held(path) {
            Condition::NotYet("its owner still lives".to_owned())
        } else {
            Condition::Met(())
        })
    });
    gone.await.is_ok()
}
