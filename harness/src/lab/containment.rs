//! What a lab has in a container engine: a network, and everything else that carries its labels.
//!
//! The main type is [`Containment`]. Containers belong to the engine and outlive who asked for them, so a watcher, a process of its own,
//! removes them when the lab's owner dies without having done so; nothing depends on the owner's last words.

use std::net::IpAddr;

use super::{Directory, LabError};
use crate::engine::{Engine, EngineError, Filter, Labels, Network, Reach, Watcher, sweep};
use crate::identity_provider::Address;

/// A lab's part of a container engine. Dropped without [`Containment::end`], the watcher removes it.
#[derive(Debug)]
pub(super) struct Containment {
    pub(super) engine: Engine,
    pub(super) labels: Labels,
    pub(super) network: Network,
    watcher: Watcher,
}

impl Containment {
    /// A network for the lab called `lab`, whose directory all containers see; watched over.
    pub(super) async fn start(engine: Engine, lab: &str, directory: &Directory) -> Result<Self, LabError> {
        let labels = Labels::new(lab, directory.path()).with_id(directory.id().clone());
        let program = std::env::current_exe().map_err(EngineError::Watcher)?;
        // Before anything is there that it would have to remove.
        let watcher = Watcher::start(&program, &["watch-containers"], &engine, &labels).await?;
        let network = Network::create(&engine, &format!("authlab-{lab}"), &labels).await?;
        Ok(Self {
            engine,
            labels,
            network,
            watcher,
        })
    }

    /// Where the harness' own servers are reached by containers and by people on this machine alike.
    pub(super) fn address(&self) -> Address {
        match (self.engine.reach(), self.network.gateway()) {
            (Reach::Gateway, Some(gateway)) => Address::at(gateway),
            (Reach::Gateway, None) => Address::loopback(),
            (Reach::Name(name), _) => Address {
                listen: IpAddr::from([127, 0, 0, 1]),
                host: name.to_owned(),
            },
        }
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// Something could not be removed; the watcher goes on trying when this process has ended.
    pub(super) async fn end(self) -> Result<(), LabError> {
        sweep(&self.engine, &Filter::owned(&self.labels)).await?;
        // All is removed: one that does not end has nothing to do.
        let _dismissed = self.watcher.dismiss().await;
        Ok(())
    }
}
