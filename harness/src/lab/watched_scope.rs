//! The things of a lab in a container engine: a network, and everything else that carries its labels.
//!
//! The main types are [`WatchedScope`] and [`ScopeOnDemand`], which makes it for the first server that needs it. Containers belong to the
//! engine and outlive the process that started them, so a watcher, a separate process, removes them when the lab's owner dies without
//! having done so; this needs no cooperation of the dying owner. A program that cannot be executed again as the watcher has none: it
//! removes them itself, unless it is killed, as a note says.

use std::net::IpAddr;

use tokio::sync::OnceCell;

use super::{Directory, LabError};
use crate::engine::{Engine, EngineError, Filter, Labels, Reach, Scope, Watcher, sweep, watching_program};
use crate::event::Events;
use crate::identity_provider::Address;

/// The scope of a lab that may or may not need one.
pub(super) struct ScopeOnDemand<'a> {
    lab: &'a str,
    directory: &'a Directory,
    events: &'a Events,
    made: OnceCell<WatchedScope>,
}

impl<'a> ScopeOnDemand<'a> {
    /// Returns the scope of the lab `lab` in `directory`; nothing is made yet.
    pub(super) fn new(lab: &'a str, directory: &'a Directory, events: &'a Events) -> Self {
        Self {
            lab,
            directory,
            events,
            made: OnceCell::new(),
        }
    }

    /// Returns the scope in `engine`, the one that all containers of a lab run on.
    pub(super) async fn in_engine(&self, engine: &Engine) -> Result<&WatchedScope, LabError> {
        let make = || WatchedScope::start(engine.clone(), self.lab, self.directory, self.events);
        self.made.get_or_try_init(make).await
    }

    /// Returns the scope, if a server needed it.
    pub(super) fn into_made(self) -> Option<WatchedScope> {
        self.made.into_inner()
    }
}

/// A lab's part of a container engine. If dropped without [`WatchedScope::end`], it is removed, by the watcher if there is one.
#[derive(Debug)]
pub(super) struct WatchedScope {
    pub(super) scope: Scope,
    watch: Watching,
}

/// The process that removes the lab's things when the lab is dropped.
#[derive(Debug)]
enum Watching {
    /// A separate process, which works even if this one is killed.
    Watcher(Box<Watcher>),
    /// This process.
    Ourselves,
    /// Nothing is left to be removed.
    Over,
}

impl WatchedScope {
    /// Creates a network for the lab `lab`, whose directory all containers see, and starts watching it.
    async fn start(engine: Engine, lab: &str, directory: &Directory, events: &Events) -> Result<Self, LabError> {
        let labels = Labels::new(lab, directory.path()).with_id(directory.id().clone());
        // The watcher starts before anything exists that it would have to remove.
        let watch = match watching_program() {
            Some(program) => {
                let (program, words) = program.map_err(EngineError::Watcher)?;
                Watching::Watcher(Box::new(Watcher::start(&program, words, &engine, &labels).await?))
            }
            None => {
                events.note(
                    "if this program is killed, its containers stay until `authlab down --all` (docs/from-rust.md shows how a program of \
                     yours can avoid that)",
                );
                Watching::Ourselves
            }
        };
        Ok(Self {
            scope: Scope::create(engine, &format!("authlab-{lab}"), labels).await?,
            watch,
        })
    }

    /// Returns the address at which both containers and users on this machine reach the harness' own servers.
    pub(super) fn address(&self) -> Address {
        match (self.scope.engine.reach(), self.scope.network.gateway()) {
            (Reach::Gateway, Some(gateway)) => Address::at(gateway),
            (Reach::Gateway, None) => Address::loopback(),
            (Reach::Name(name), _) => Address {
                listen: IpAddr::from([127, 0, 0, 1]),
                host: name.to_owned(),
            },
        }
    }

    /// Removes everything.
    ///
    /// # Errors
    /// An object could not be removed; the watcher keeps trying after this process has ended.
    pub(super) async fn end(mut self) -> Result<(), LabError> {
        self.scope.sweep().await?;
        if let Watching::Watcher(watcher) = std::mem::replace(&mut self.watch, Watching::Over) {
            // Everything is removed: a watcher that does not end has nothing to do.
            let _dismissed = watcher.dismiss().await;
        }
        Ok(())
    }
}

impl Drop for WatchedScope {
    fn drop(&mut self) {
        if !matches!(self.watch, Watching::Ourselves) {
            return;
        }
        let (address, filter) = (self.scope.engine.address().to_owned(), Filter::owned(&self.scope.labels));
        // The current runtime may be shutting down.
        let swept = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(EngineError::Watcher)?;
            runtime.block_on(async { sweep(&Engine::find(Some(&address)).await?, &filter).await.map(drop) })
        });
        // `down --all` finds leftovers by their labels.
        let _left = swept.join().map(|swept: Result<(), EngineError>| swept);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::engine::fake::{Fake, answer, introduction};
    use crate::event::Event;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_program_that_cannot_watch_is_told_so_and_removes_what_it_gives_up() {
        let (asked, there) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(false)));
        let (heard, has) = (Arc::clone(&asked), Arc::clone(&there));
        let engine = Fake::start(move |name, _| {
            if let Some(answer) = introduction(name, "1.41") {
                return answer;
            }
            heard.lock().unwrap().push(name.to_owned());
            let mut there = has.lock().unwrap();
            match name.split('?').next().unwrap_or_default() {
                "POST /networks/create" => {
                    *there = true;
                    answer(201, r#"{"Id": "n1", "Warning": ""}"#)
                }
                "GET /networks" if *there => answer(200, r#"[{"Id": "n1", "Name": "authlab-blue"}]"#),
                "DELETE /networks/n1" => {
                    *there = false;
                    answer(204, "")
                }
                "GET /networks/n1" => answer(200, r#"{"Id": "n1", "Name": "authlab-blue"}"#),
                "GET /volumes" => answer(200, r#"{"Volumes": []}"#),
                _ => answer(200, "[]"),
            }
        });
        let notes = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notes);
        let events = Events::new(move |event| {
            if let Event::Note { text, .. } = event {
                told.lock().unwrap().push(text);
            }
        });
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::of_another(place.path().to_owned(), crate::owner::LabId::random());
        let found = Engine::find(Some(&engine.address())).await.unwrap();
        // This test binary was not registered as a watcher.
        let on_demand = ScopeOnDemand::new("blue", &directory, &events);
        assert!(!*there.lock().unwrap());
        on_demand.in_engine(&found).await.unwrap();
        on_demand.in_engine(&found).await.unwrap();
        assert!(*there.lock().unwrap());
        assert_eq!(notes.lock().unwrap().len(), 1);
        assert!(notes.lock().unwrap()[0].contains("`authlab down --all`"));
        drop(on_demand.into_made());
        assert!(!*there.lock().unwrap(), "{:?}", asked.lock().unwrap());
    }
}
