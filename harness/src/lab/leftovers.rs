//! Leftovers of crashes: processes, containers and directories of labs whose owner is gone.
//!
//! The main function is [`clear`]; its result, [`Cleared`], lists the leftovers, those of other owners, and those not cleared.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;

use super::LabError;
use super::description::LabDescription;
use super::directory::{self, Abandoned, Claim, Marker, Ownership, There};
use super::existing::InCluster;
use super::processes::Left;
use crate::cause::with_causes;
use crate::engine::{self, Engine, Filter, Labels};
use crate::owner::{LabId, Owner};
use crate::process::Running;
use crate::process::wait::{Condition, until};

/// The time that killed servers may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(10);

/// The result of clearing.
#[derive(Debug, Default, Serialize)]
pub struct Cleared {
    /// The labs whose directories were removed.
    pub labs: Vec<String>,
    /// The number of processes that were killed.
    pub processes: usize,
    /// The number of containers and networks that were removed.
    pub containers: usize,
    /// Labs whose owners may live where this machine cannot see them; they were left alone.
    pub elsewhere: Vec<LabElsewhere>,
    /// Containers, networks and volumes of owners that are not proved to be gone; they were left alone.
    pub others: Vec<OfOthers>,
    /// Runs that were killed while they used an existing cluster: their objects may still be there.
    pub in_clusters: Vec<InCluster>,
    /// Labs whose container engine does not answer; they were left as they are.
    pub unreached: Vec<Unreached>,
    /// The failures.
    #[serde(skip)]
    pub failed: Vec<LabError>,
}

/// A lab that was created where its processes are not visible from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabElsewhere {
    /// Its name.
    pub lab: String,
    /// The place of its creator.
    pub of: String,
}

/// A lab whose container engine does not answer, so that its containers cannot be cleared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// Its name.
    pub lab: String,
    /// The directory, which stays.
    pub directory: PathBuf,
    /// The engine's address and what was seen there.
    pub why: String,
}

/// Objects of another owner in an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfOthers {
    /// Their owner.
    pub of: String,
    /// The number of containers, networks and volumes.
    pub things: usize,
}

/// The directories and containers without a living owner that are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clearing {
    /// Those whose owners ended without clearing up.
    Crashed,
    /// Those that were kept for their logs, too.
    AlsoKept,
    /// Those whose owners may live where this machine cannot see them, too, unless their lock is held.
    AlsoForeign,
}

impl Clearing {
    fn claim(self) -> Claim {
        if self == Self::AlsoForeign {
            Claim::Asserted
        } else {
            Claim::Proved
        }
    }

    fn wants(self, ownership: Ownership) -> bool {
        match ownership {
            Ownership::Owned => false,
            // These are reported by name, as they may not be touched.
            Ownership::Unknown => self >= Self::AlsoKept,
            Ownership::Crashed => true,
            Ownership::Kept => self >= Self::AlsoKept,
        }
    }
}

/// The number of cleared objects of one lab, even if clearing was not completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) processes: usize,
    pub(super) containers: usize,
}

/// Clears the processes, containers and directories of labs without a living owner. Labs that are up are not touched, nor is anything
/// that is not proved to be a lab's. The result contains failures beside what was done.
pub async fn clear(clearing: Clearing) -> Cleared {
    let mut cleared = Cleared::default();
    let found = match directory::found() {
        Ok(found) => found,
        Err(error) => {
            cleared.failed.push(error);
            return cleared;
        }
    };
    for lab in found.into_iter().filter(|lab| clearing.wants(lab.ownership)) {
        if lab.ownership == Ownership::Crashed
            && let Some(left) = InCluster::of(&lab.name, &lab.path)
        {
            cleared.in_clusters.push(left);
            if clearing < Clearing::AlsoKept {
                continue;
            }
        }
        let mut counts = Counts::default();
        match clear_one(&lab.path, clearing.claim(), &mut counts).await {
            Ok(true) => cleared.labs.push(lab.name),
            Ok(false) => {}
            Err(LabError::Elsewhere { of, .. }) => cleared.elsewhere.push(LabElsewhere {
                lab: lab.name,
                of: of.to_string(),
            }),
            Err(LabError::Engine(error)) => cleared.unreached.push(Unreached {
                lab: lab.name,
                directory: lab.path,
                why: with_causes(&error),
            }),
            Err(error) => cleared.failed.push(error),
        }
        cleared.processes += counts.processes;
        cleared.containers += counts.containers;
    }
    cleared.failed.extend(directory::remove_going().err());
    let orphans = clear_orphans(clearing.claim(), &mut cleared).await;
    cleared.failed.extend(orphans.err());
    cleared
}

/// Removes the containers of labs whose owner is certainly gone, whatever became of their directories: labels name the owner. Adds the
/// number of removed containers and those of other owners to `cleared`. Without an engine there is nothing to remove.
async fn clear_orphans(claim: Claim, cleared: &mut Cleared) -> Result<(), LabError> {
    let Ok(engine) = Engine::find(None).await else { return Ok(()) };
    let things = engine::found(&engine, &Filter::all()).await?;
    let here = Owner::here();
    let mut judged: BTreeMap<Option<LabId>, Fate> = BTreeMap::new();
    let (mut orphans, mut others) = (Vec::new(), BTreeMap::new());
    for thing in things {
        let id = thing.labels.as_ref().map(|labels| labels.id.clone());
        match judged.entry(id).or_insert_with(|| fate(thing.labels.as_ref(), &here)).clone() {
            Fate::Lives => {}
            Fate::Orphan => orphans.push(thing),
            Fate::Untold(_) if claim == Claim::Asserted => orphans.push(thing),
            Fate::Untold(of) => *others.entry(of).or_insert(0) += 1,
        }
    }
    cleared.others = others.into_iter().map(|(of, things)| OfOthers { of, things }).collect();
    let (swept, failed) = engine::remove_all(&engine, &orphans).await;
    cleared.containers += swept.total();
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// The fate of an object in an engine, by the state of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    Orphan,
    /// The owner's state is unknown; contains the owner.
    Untold(String),
}

/// Judges by the owner in `labels`, as seen from `here`.
fn fate(labels: Option<&Labels>, here: &Owner) -> Fate {
    let Some(labels) = labels else {
        return Fate::Untold("an owner that is not in its labels".to_owned());
    };
    // The lock is better proof than a process id; but only the lock of this very lab.
    let lock = match directory::look(&labels.directory) {
        There::Lab(Some(marker), ownership) if marker.id == labels.id => Some(ownership),
        There::Lab(..) | There::Nothing | There::Other(_) => None,
    };
    if lock == Some(Ownership::Owned) {
        return Fate::Lives;
    }
    if let Err(elsewhere) = labels.owner.expect_visible_from(here) {
        return Fate::Untold(elsewhere.to_string());
    }
    if lock.is_some() {
        return Fate::Orphan;
    }
    match Running::open(labels.owner.pid).map(|process| process.map(|process| process.has_ended())) {
        Ok(None | Some(Ok(true))) => Fate::Orphan,
        Ok(Some(Ok(false))) => Fate::Lives,
        Ok(Some(Err(_))) | Err(_) => Fate::Untold("a process that this system does not identify".to_owned()),
    }
}

/// Removes the containers of the lab that was in `path`, if it had any, and returns how many there were.
pub(super) async fn clear_containers(path: &Path, marker: &Marker) -> Result<usize, LabError> {
    // A crash may have left a damaged description.
    let known = LabDescription::load(path).ok().flatten().and_then(|description| description.engine);
    match Engine::find(known.as_deref()).await {
        Ok(engine) => Ok(engine::sweep(&engine, &Filter::lab(&marker.id)).await?.total()),
        Err(error) if known.is_some() => Err(error.into()),
        Err(_) => Ok(0),
    }
}

/// Clears the leftovers of the lab in `path`; `false` if it has an owner, or does not exist.
pub(super) async fn clear_one(path: &Path, claim: Claim, counts: &mut Counts) -> Result<bool, LabError> {
    // This process owns it from here on, so that no lab of that name is started in the meantime.
    let Some(left) = Abandoned::take_over(path, claim).await? else {
        return Ok(false);
    };
    if let Some(marker) = &left.marker {
        clear_servers(path, marker, claim, &mut counts.processes).await?;
        counts.containers += clear_containers(path, marker).await?;
    }
    left.remove()?;
    Ok(true)
}

/// Ends the servers of the lab in `path`, if it has no owner; its directory stays.
pub(super) async fn end_servers(path: &Path) -> Result<(), LabError> {
    if let Some(left) = Abandoned::take_over(path, Claim::Proved).await?
        && let Some(marker) = &left.marker
    {
        clear_servers(path, marker, Claim::Proved, &mut 0).await?;
    }
    Ok(())
}

/// Kills the servers of the lab that was in `path`, waits until they are gone, and adds their number to `count`.
pub(super) async fn clear_servers(path: &Path, marker: &Marker, claim: Claim, count: &mut usize) -> Result<(), LabError> {
    let killed = tokio::sync::Mutex::new(BTreeSet::new());
    // A dying server may still start another process, so the search is repeated until none is left.
    let gone = until("the end of the servers", END_LIMIT, || async {
        let left = Left::of(&marker.id);
        let mut last = None;
        for server in &left.servers {
            killed.lock().await.insert(server.pid());
            last = Some(match server.signal(Signal::KILL) {
                Ok(()) => format!("process {} was killed and is still running", server.pid()),
                Err(error) => format!("cannot kill process {} ({error})", server.pid()),
            });
        }
        Ok::<_, Infallible>(last.map_or(Condition::Met(left.strange), Condition::NotYet))
    });
    let gone = gone.await;
    *count += killed.into_inner().len();
    match gone {
        Ok(strange) if strange.is_empty() || claim == Claim::Asserted => Ok(()),
        Ok(pids) => Err(LabError::StrangeServers {
            path: path.to_owned(),
            pids,
        }),
        Err(late) => Err(LabError::ServersLeft {
            path: path.to_owned(),
            why: late.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
