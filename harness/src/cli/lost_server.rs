//! The servers of a lab while scenarios are carried out: when one is lost, every later request fails because of that alone.
//!
//! The main function is [`a_server_is_lost`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::CommandError;
use super::exit::Exit;
use crate::lab::{Lab, LabError, LabStatus, ProcessDescription, ServerStatus};
use crate::process::stopped::Stopped;
use crate::process::wait::{Condition, until_gently};
use crate::process::{Running, last_lines};

/// An upper bound for the duration of a run.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 60 * 60);

/// The lines of a lost server's log that are shown.
const LAST_LINES: usize = 3;

/// The free space below which a full disk may be the reason why a server exited: etcd needs 64 MB for each part of its log (etcd
/// `server/storage/wal/wal.go`, `SegmentSizeBytes`).
const NEARLY_FULL: u64 = 64 * 1000 * 1000;

/// A server of a lab that no longer responds.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    server: String,
    /// Its process id, if a signal stopped it; otherwise it has exited.
    stopped: Option<u32>,
    log: Option<PathBuf>,
    /// The free space for the lab's files at that time, in bytes, if it is known.
    free: Option<u64>,
}

impl Lost {
    fn exited(server: String, log: Option<PathBuf>) -> Self {
        Self {
            server,
            stopped: None,
            log,
            free: None,
        }
    }

    /// Returns the error of a run that this ends.
    pub(super) fn error(&self) -> CommandError {
        let server = &self.server;
        let Some(pid) = self.stopped else {
            let said = self.log.iter().flat_map(|log| last_lines(log, LAST_LINES));
            let said: String = said.map(|line| format!("\n  {line}")).collect();
            let told = format!("{server} exited, so the remaining scenarios were not carried out");
            let error = CommandError::new(Exit::Failed, told).hint(match said.as_str() {
                "" => "read its log in the lab's directory".to_owned(),
                said => format!("the end of its log, which is in the lab's directory:{said}"),
            });
            return match self.free.filter(|free| *free < NEARLY_FULL) {
                // The log may lack the reason then: it is on the same disk.
                Some(free) => error.hint(format!(
                    "the disk of the lab's directory is full, or nearly so: {} MB are free",
                    free / 1_000_000
                )),
                None => error,
            };
        };
        let told = format!("{server} (process {pid}) was stopped by a signal (SIGSTOP), so the remaining scenarios were not carried out");
        CommandError::new(Exit::Failed, told).hint(format!("if the lab is still up, `kill -CONT {pid}` continues it"))
    }
}

/// Waits until a server of `lab` that runs as a process is lost, and returns it. Waits for ever if none is.
pub async fn a_server_is_lost(lab: &Lab) -> Lost {
    let name = &lab.description().name;
    let watch = Mutex::new(Watch::default());
    let lost = until_gently("the loss of a server", LONGEST_RUN, || async {
        // Before the look at what runs: a server that is ended on purpose is still in the list, and is not in the next one.
        let started = lab.processes();
        let servers = LabStatus::of(name).await?.servers;
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        Ok::<_, LabError>(match watch.lost(&servers, started) {
            Some(lost) => Condition::Met(lost),
            None => Condition::NotYet("all of them run".to_owned()),
        })
    });
    match lost.await {
        Ok(lost) => Lost {
            free: lab.free_space(),
            ..lost
        },
        // The state is unknown; the scenarios will show it.
        Err(_) => std::future::pending().await,
    }
}

/// The findings of the checks so far.
#[derive(Debug, Default)]
struct Watch {
    stopped: Stopped,
    /// The processes of servers of this run that the check before found ended.
    missing: BTreeSet<u32>,
}

impl Watch {
    /// Returns the server that is lost. `servers` are those that are written down, and all that run; `started` are those of this process, which
    /// end and begin during a run.
    fn lost(&mut self, servers: &[ServerStatus], started: Vec<ProcessDescription>) -> Option<Lost> {
        let halted = servers.iter().find(|server| server.stopped);
        let for_long = self.stopped.for_long(halted.and_then(|server| server.pid));
        let exited = servers.iter().find(|server| !server.alive && server.container.is_none());
        if let Some(exited) = exited {
            return Some(Lost::exited(exited.name.clone(), exited.log.clone()));
        }
        if let Some(halted) = halted.filter(|_| for_long) {
            // One that is not written down has only its program's name.
            let named = started.into_iter().find(|server| Some(server.pid) == halted.pid);
            return Some(Lost {
                server: named.map_or_else(|| halted.name.clone(), |server| server.name),
                stopped: halted.pid,
                log: None,
                free: None,
            });
        }
        let missing: Vec<ProcessDescription> = started.into_iter().filter(has_ended).collect();
        let before = std::mem::replace(&mut self.missing, missing.iter().map(|server| server.pid).collect());
        // Of the second check in whose list it is, so that it was not ended on purpose.
        let missing = missing.into_iter().find(|server| before.contains(&server.pid))?;
        Some(Lost::exited(missing.name, missing.log))
    }
}

/// Returns whether the process of `server` has ended; where the system cannot tell, it has not.
fn has_ended(server: &ProcessDescription) -> bool {
    match Running::open(server.pid) {
        Ok(Some(process)) => process.has_ended().unwrap_or(false),
        Ok(None) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, pid: u32, alive: bool) -> ServerStatus {
        ServerStatus {
            name: name.to_owned(),
            pid: Some(pid),
            container: None,
            alive,
            stopped: false,
            memory: None,
            log: None,
            flags: Vec::new(),
        }
    }

    /// A process id that no process has: it is above the largest (proc_sys_kernel(5), `pid_max`).
    const ENDED: u32 = 1 << 30;

    fn started(pid: u32) -> Vec<ProcessDescription> {
        vec![ProcessDescription {
            name: "kube-apiserver tokens".to_owned(),
            pid,
            log: None,
        }]
    }

    #[test]
    fn one_that_is_written_down_and_does_not_run_is_lost_at_once() {
        let servers = [server("etcd", 1, true), server("keycloak", 2, false)];
        let lost = Watch::default().lost(&servers, Vec::new()).expect("it is lost");
        assert_eq!(lost.server, "keycloak");
        let with = |free| Lost {
            free: Some(free),
            ..Lost::exited(lost.server.clone(), None)
        };
        let told = with(NEARLY_FULL).error().render();
        assert!(
            told.contains("keycloak exited, so the remaining scenarios were not carried out"),
            "{told}"
        );
        assert!(!told.contains("is full"), "{told}");
        let told = with(1_999_999).error().render();
        assert!(
            told.contains("the disk of the lab's directory is full, or nearly so: 1 MB are free"),
            "{told}"
        );
    }

    #[test]
    fn one_that_was_ended_on_purpose_is_not_lost() {
        let servers = [server("etcd", 1, true)];
        let mut watch = Watch::default();
        let ended = watch.lost(&servers, started(ENDED));
        assert_eq!(ended, None, "it may have been ended on purpose after the list was made");
        assert_eq!(watch.lost(&servers, Vec::new()), None, "it was");
        assert_eq!(watch.lost(&servers, started(std::process::id())), None, "it runs");
        assert_eq!(watch.lost(&servers, started(ENDED)), None);
        let lost = watch.lost(&servers, started(ENDED)).expect("it is in the list again");
        assert_eq!(lost.server, "kube-apiserver tokens");
    }
}
