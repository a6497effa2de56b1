//! The connections of a listener, and which of them is idle for longest.
//!
//! The main types are [`Activity`], one connection's part, and [`Crowd`], the listener's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// The state of a connection: busy, or idle since a certain time.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The listener's notification that this connection becomes idle.
    idle: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    busy: usize,
    since: Instant,
}

impl Activity {
    fn new(idle: Arc<Notify>) -> Self {
        let state = Mutex::new(State {
            busy: 0,
            since: Instant::now(),
        });
        Self(Arc::new(Shared { state, idle }))
    }

    /// Marks the connection as busy until the guard is dropped: the listener does not close it in favour of another.
    #[must_use]
    pub fn busy(&self) -> Busy {
        self.state().busy += 1;
        Busy(self.clone())
    }

    /// Records that bytes moved on the connection.
    pub(super) fn moved(&self) {
        self.state().since = Instant::now();
    }

    /// Returns the time since bytes last moved.
    pub(super) fn silence(&self) -> Duration {
        self.state().since.elapsed()
    }

    /// Returns the time since when it is idle, if it is.
    fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.busy == 0).then_some(state.since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a connection from being idle; see [`Activity::busy`].
#[derive(Debug)]
pub struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        {
            let mut state = self.0.state();
            state.busy -= 1;
            state.since = Instant::now();
        }
        self.0.0.idle.notify_one();
    }
}

/// The connections of a listener. Dropping it closes them.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    tasks: JoinSet<()>,
    members: Vec<(Activity, AbortHandle)>,
    idle: Arc<Notify>,
}

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            tasks: JoinSet::new(),
            members: Vec::new(),
            idle: Arc::default(),
        }
    }

    /// Returns the activity of a new connection.
    pub(super) fn activity(&self) -> Activity {
        Activity::new(Arc::clone(&self.idle))
    }

    /// Makes room for one more, if need be by ending the connection that has been idle for longest. Returns `false` when all are busy.
    pub(super) fn make_room(&mut self) -> bool {
        self.members.retain(|(_, task)| !task.is_finished());
        if self.members.len() < self.most {
            return true;
        }
        let idle = self.members.iter().enumerate();
        let idle = idle.filter_map(|(number, (activity, _))| Some((activity.idle_since()?, number)));
        let Some((_, longest)) = idle.min() else { return false };
        self.members.swap_remove(longest).1.abort();
        true
    }

    /// Adds a connection.
    pub(super) fn admit(&mut self, activity: Activity, connection: impl Future<Output = ()> + Send + 'static) {
        self.members.push((activity, self.tasks.spawn(connection)));
    }

    /// Returns when a connection has ended or become idle.
    pub(super) async fn change(&mut self) {
        tokio::select! {
            Some(_) = self.tasks.join_next() => {}
            () = self.idle.notified() => {}
        }
    }

    /// Waits until all have ended.
    pub(super) async fn disperse(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
