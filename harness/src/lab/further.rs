//! The further API servers of a lab that stays up: started at their first use, and ended when they are no longer needed.
//!
//! The main type is [`Further`]. A run announces when it begins, and is over when its connection ends, for whatever reason: the objects
//! that its scenarios created are deleted then, too. No server ends while a run is under way. Afterwards a server ends that has received
//! no request for a while, according to its audit log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::control::Answers;
use super::description::LabDescription;
use super::supervisor::{LOG, save};
use super::{Call, Lab, LabError, ScenarioObjects, WantedCalls};
use crate::cause::with_causes;
use crate::cluster::{ApiServer, ending_with};
use crate::event::Events;

/// The time without requests after which an API server ends, unless the user sets another.
pub(super) const IDLE: Duration = Duration::from_secs(120);

/// The further API servers of a lab, as its owner tracks them. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Further(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lab: Lab,
    idle: Duration,
    used: Mutex<Use>,
    /// Notified whenever `used` changes.
    changed: Notify,
    /// Held while a server is started or ended and the description is updated.
    alone: tokio::sync::Mutex<()>,
}

/// The use of the further API servers.
#[derive(Debug, Default)]
struct Use {
    /// The number of runs under way.
    runs: usize,
    /// The time at which the last of them ended.
    over: Option<Instant>,
    /// Each server, and the time of the last request for it.
    servers: BTreeMap<String, (ApiServer, Instant)>,
}

impl Use {
    /// Returns the server that ends next, and the time until then; `None` while a run is under way.
    fn next(&self, idle: Duration) -> Option<(String, Duration)> {
        if self.runs > 0 {
            return None;
        }
        let over = self.over.map_or(Duration::MAX, |over| over.elapsed());
        let unused = |(server, asked): &(ApiServer, Instant)| asked.elapsed().min(over).min(unasked(server));
        let left = self.servers.iter().map(|(name, used)| (idle.saturating_sub(unused(used)), name));
        left.min().map(|(left, name)| (name.clone(), left))
    }
}

/// Returns the time since the last request to `server`, according to its audit log.
fn unasked(server: &ApiServer) -> Duration {
    let written = server.logs.as_ref().and_then(|logs| std::fs::metadata(&logs.audit_log).ok());
    let written = written.and_then(|file| file.modified().ok());
    // A clock that was set back makes the file's time useless.
    written.and_then(|written| written.elapsed().ok()).unwrap_or(Duration::MAX)
}

/// A run that is under way, until dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    further: Further,
    run: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        {
            let mut used = self.further.used();
            used.runs -= 1;
            used.over = Some(Instant::now());
        }
        self.further.0.changed.notify_one();
        let (client, made) = (self.further.0.lab.administrator().client(), ScenarioObjects::in_run(&self.run));
        // The runtime may be shutting down with the lab: the objects are removed with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (run, further) = (self.run.clone(), self.further.clone());
            runtime.spawn(async move {
                if let Err(error) = made.delete(&client).await {
                    further.note(&format!("cannot delete the objects of the run {run}: {}", with_causes(&error)));
                }
            });
        }
    }
}

impl Answers for Further {
    type UnderWay = UnderWay;

    async fn api_server(&self, name: String) -> Result<ApiServer, LabError> {
        self.start(name).await
    }

    async fn calls(&self, wanted: WantedCalls) -> Vec<Call> {
        self.0.lab.calls(&wanted).await
    }

    fn begins(&self, run: String) -> UnderWay {
        self.used().runs += 1;
        UnderWay {
            further: self.clone(),
            run,
        }
    }
}

impl Further {
    /// Returns the further API servers of `lab`; a server ends after the time `idle` without requests.
    pub(super) fn of(lab: Lab, idle: Duration) -> Self {
        Self(Arc::new(Inner {
            lab,
            idle,
            used: Mutex::default(),
            changed: Notify::new(),
            alone: tokio::sync::Mutex::new(()),
        }))
    }

    /// Writes to the owner's log: no other listener is left.
    fn note(&self, what: &str) {
        let log = File::options().append(true).open(self.0.lab.directory().join(LOG));
        // An error in writing the log cannot be reported anywhere else.
        let _unsaid = log.and_then(|mut log| writeln!(log, "{what}"));
    }

    fn used(&self) -> MutexGuard<'_, Use> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the API server with the setting `name`, unless it runs, and records it in the description.
    async fn start(&self, name: String) -> Result<ApiServer, LabError> {
        let _alone = self.0.alone.lock().await;
        let lab = &self.0.lab;
        let server = lab.api_server(&name, &Events::silent()).await?;
        let mut description = LabDescription::load(lab.directory())?.ok_or(LabError::Ended)?;
        description.api_servers.insert(name.clone(), server.clone());
        save(lab, description).await?;
        self.used().servers.insert(name, (server.clone(), Instant::now()));
        self.0.changed.notify_one();
        Ok(server)
    }

    /// Ends each server that is no longer needed, forever.
    pub(super) async fn end_unused(&self) -> ! {
        loop {
            let next = self.used().next(self.0.idle);
            match next {
                None => self.0.changed.notified().await,
                Some((name, Duration::ZERO)) => {
                    if let Err(error) = self.end(&name).await {
                        self.note(&format!("cannot stop the API server {name}: {}", with_causes(&error)));
                        self.used().servers.remove(&name);
                    }
                }
                // Either something changed or the time is over: check again.
                Some((_, left)) => drop(timeout(left, self.0.changed.notified()).await),
            }
        }
    }

    /// Ends the API server with the setting `name`, unless it has been used in the meantime.
    async fn end(&self, name: &str) -> Result<(), LabError> {
        let _alone = self.0.alone.lock().await;
        {
            let mut used = self.used();
            if used.next(self.0.idle).is_none_or(|(next, left)| next != name || !left.is_zero()) {
                return Ok(());
            }
            for name in ending_with(name) {
                used.servers.remove(name);
            }
        }
        let lab = &self.0.lab;
        // The server leaves the description before it ends, so that no other process finds it.
        let mut description = LabDescription::load(lab.directory())?.ok_or(LabError::Ended)?;
        for name in ending_with(name) {
            description.api_servers.remove(name);
        }
        save(lab, description.clone()).await?;
        lab.end_api_server(name).await?;
        save(lab, description).await
    }
}
