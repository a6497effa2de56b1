//! The further API servers of a lab that stays up: started when they are first asked for, and ended when nobody needs them any more.
//!
//! The main type is [`Further`]. A run tells when it begins, and is over when its connection ends, however it came to that: what its
//! scenarios made is deleted then, too, and as long as a run is under way no server ends. Afterwards one ends that nobody has asked
//! for a while; its audit log tells of whoever does.

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
use super::{Lab, LabError, Made};
use crate::cause::with_causes;
use crate::cluster::ApiServer;
use crate::event::Events;

/// How long nobody has to have asked an API server, unless a person says otherwise.
pub(super) const IDLE: Duration = Duration::from_secs(120);

/// The further API servers of a lab, as its owner knows them. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Further(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lab: Lab,
    idle: Duration,
    used: Mutex<Use>,
    /// Told whenever that changes.
    changed: Notify,
    /// Held by whoever starts or ends a server and writes that down.
    alone: tokio::sync::Mutex<()>,
}

/// The use that is made of them.
#[derive(Debug, Default)]
struct Use {
    /// How many runs are under way.
    runs: usize,
    /// When the last of them was over.
    over: Option<Instant>,
    /// Each server, and when it was asked for last.
    servers: BTreeMap<String, (ApiServer, Instant)>,
}

impl Use {
    /// The server that ends next, and in which time; none while a run is under way.
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

/// How long nobody has sent a request to `server`, as far as it is told.
fn unasked(server: &ApiServer) -> Duration {
    let written = server.logs.as_ref().and_then(|logs| std::fs::metadata(&logs.audit_log).ok());
    let written = written.and_then(|file| file.modified().ok());
    // A clock that was set back says nothing.
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
        let (client, made) = (self.further.0.lab.administrator().client(), Made::in_run(&self.run));
        // With the lab, the runtime may be ending: what was made ends with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (run, further) = (self.run.clone(), self.further.clone());
            runtime.spawn(async move {
                if let Err(error) = made.delete(&client).await {
                    further.note(&format!("what the run {run} made is not deleted: {}", with_causes(&error)));
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

    fn begins(&self, run: String) -> UnderWay {
        self.used().runs += 1;
        UnderWay {
            further: self.clone(),
            run,
        }
    }
}

impl Further {
    /// Those of `lab`; one ends that nobody has asked for as long as `idle`.
    pub(super) fn of(lab: Lab, idle: Duration) -> Self {
        Self(Arc::new(Inner {
            lab,
            idle,
            used: Mutex::default(),
            changed: Notify::new(),
            alone: tokio::sync::Mutex::new(()),
        }))
    }

    /// Into the owner's log: nobody else listens any more.
    fn note(&self, what: &str) {
        let log = File::options().append(true).open(self.0.lab.directory().join(LOG));
        // There is nowhere else to say that it cannot be said.
        let _unsaid = log.and_then(|mut log| writeln!(log, "{what}"));
    }

    fn used(&self) -> MutexGuard<'_, Use> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the API server with the setting `name`, unless it runs, and writes down that it does.
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

    /// Ends each server that nobody needs any more, for ever.
    pub(super) async fn end_unused(&self) -> ! {
        loop {
            let next = self.used().next(self.0.idle);
            match next {
                None => self.0.changed.notified().await,
                Some((name, Duration::ZERO)) => {
                    if let Err(error) = self.end(&name).await {
                        self.note(&format!("the API server {name} does not end: {}", with_causes(&error)));
                        self.used().servers.remove(&name);
                    }
                }
                // Whether something changed or the time is over: it is looked at anew.
                Some((_, left)) => drop(timeout(left, self.0.changed.notified()).await),
            }
        }
    }

    /// Ends the API server with the setting `name`, unless somebody has asked for it meanwhile.
    async fn end(&self, name: &str) -> Result<(), LabError> {
        let _alone = self.0.alone.lock().await;
        {
            let mut used = self.used();
            if used.next(self.0.idle).is_none_or(|(next, left)| next != name || !left.is_zero()) {
                return Ok(());
            }
            used.servers.remove(name);
        }
        let lab = &self.0.lab;
        // Nobody finds it any more before it is gone.
        let mut description = LabDescription::load(lab.directory())?.ok_or(LabError::Ended)?;
        description.api_servers.remove(name);
        save(lab, description.clone()).await?;
        lab.end_api_server(name).await?;
        save(lab, description).await
    }
}
