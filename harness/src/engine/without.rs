//! Container engines in a build without the feature `containers`: the items of `engine/mod.rs`, without a client.
//!
//! [`Engine::find`] is the only way to an [`Engine`], and says what is missing ([`EngineError::NotCompiled`]). No value of that type
//! exists, so whatever needs one has no body here, and the code that uses containers is the same in both builds.

mod labels;
mod scope;
mod watcher;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::event::Events;
use crate::hint::Hint;

pub use labels::{Filter, Labels};
pub use scope::Scope;
pub use watcher::{Watcher, watching_program};

/// An error while using a container engine; only the first two ever happen.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("cannot use a container engine: authlab was compiled without its feature `containers`")]
    NotCompiled,
    #[error("cannot start the watcher that removes containers")]
    Watcher(#[source] io::Error),
    #[error("cannot find a container engine")]
    NoEngine {},
    #[error("image not found: {image}")]
    ImageMissing { image: String, said: Option<Infallible> },
    #[error("a container exited")]
    Ended {},
}

impl Hint for EngineError {
    fn hint(&self) -> Option<String> {
        matches!(self, Self::NotCompiled)
            .then(|| "add `features = [\"containers\"]` to the dependency on authlab in Cargo.toml, or choose processes".to_owned())
    }
}

/// The kind of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Docker,
    DockerDesktop,
    Podman,
}

/// A way for a container to reach listeners on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Gateway,
    Name(&'static str),
}

/// A container engine that responded.
#[derive(Clone, Debug)]
pub struct Engine(Infallible);

impl Engine {
    /// Finds no engine.
    ///
    /// # Errors
    /// Always [`EngineError::NotCompiled`].
    pub async fn find(_asked: Option<&str>) -> Result<Self, EngineError> {
        Err(EngineError::NotCompiled)
    }

    pub fn address(&self) -> &str {
        match self.0 {}
    }

    pub fn kind(&self) -> Kind {
        match self.0 {}
    }

    pub fn shares_kernel(&self) -> bool {
        match self.0 {}
    }

    pub fn reach(&self) -> Reach {
        match self.0 {}
    }

    pub fn own_user(&self) -> Option<String> {
        match self.0 {}
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {}
    }
}

/// The specification of a container, which no engine reads.
#[derive(Clone, Debug)]
pub struct ContainerSpec;

impl ContainerSpec {
    pub fn new(_name: impl Into<String>, _image: impl Into<String>, _labels: &Labels) -> Self {
        Self
    }

    pub fn program(self, _program: impl Into<String>) -> Self {
        self
    }

    pub fn arguments<A: Into<String>>(self, _arguments: impl IntoIterator<Item = A>) -> Self {
        self
    }

    pub fn environment(self, _name: impl Into<String>, _value: impl Into<String>) -> Self {
        self
    }

    pub fn user(self, _user: Option<String>) -> Self {
        self
    }

    pub fn shared(self, _source: impl AsRef<Path>) -> Self {
        self
    }

    pub fn shown(self, _source: impl AsRef<Path>, _target: impl Into<String>) -> Self {
        self
    }

    pub fn in_memory(self, _target: impl Into<String>, _options: impl Into<String>) -> Self {
        self
    }

    pub fn network(self, _network: &Network, _aliases: &[&str]) -> Self {
        self
    }

    pub fn inside_of(self, _container: &Container) -> Self {
        self
    }

    pub fn publish(self, _port: u16) -> Self {
        self
    }

    pub fn capability(self, _capability: impl Into<String>) -> Self {
        self
    }

    pub async fn create(&self, engine: &Engine) -> Result<Container, EngineError> {
        match engine.0 {}
    }

    pub async fn start(&self, engine: &Engine) -> Result<Container, EngineError> {
        match engine.0 {}
    }
}

/// The output of a program in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub code: i64,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

/// A created container.
#[derive(Clone, Debug)]
pub struct Container(Infallible);

impl Container {
    pub async fn start(self) -> Result<Self, EngineError> {
        match self.0 {}
    }

    pub async fn named(engine: &Engine, _name: &str) -> Result<Self, EngineError> {
        match engine.0 {}
    }

    pub fn id(&self) -> &str {
        match self.0 {}
    }

    pub fn name(&self) -> &str {
        match self.0 {}
    }

    pub fn published(&self, _port: u16) -> Option<u16> {
        match self.0 {}
    }

    pub async fn pid(&self) -> Result<Option<u32>, EngineError> {
        match self.0 {}
    }

    pub async fn memory(&self) -> Result<Option<u64>, EngineError> {
        match self.0 {}
    }

    pub async fn expect_running(&self) -> Result<(), EngineError> {
        match self.0 {}
    }

    pub async fn last_lines(&self, _count: usize) -> Result<Vec<String>, EngineError> {
        match self.0 {}
    }

    pub fn follow(&self, _log: impl Into<PathBuf>) -> Result<Following, EngineError> {
        match self.0 {}
    }

    pub async fn execute(&self, _command: &[&str]) -> Result<Output, EngineError> {
        match self.0 {}
    }

    pub async fn stop(self, _grace: Duration) -> Result<(), EngineError> {
        match self.0 {}
    }

    pub async fn remove(self) -> Result<(), EngineError> {
        match self.0 {}
    }

    pub async fn read(&self, _path: &str) -> Result<Vec<u8>, EngineError> {
        match self.0 {}
    }

    pub async fn copy_out(&self, _path: &str, _into: &Path) -> Result<(), EngineError> {
        match self.0 {}
    }

    pub async fn write(&self, _path: &str, _content: &[u8], _mode: u32) -> Result<(), EngineError> {
        match self.0 {}
    }

    pub async fn ended(&self, _limit: Duration) -> Result<i64, EngineError> {
        match self.0 {}
    }

    pub async fn unpack(&self, _directory: &str, _archive: Vec<u8>) -> Result<(), EngineError> {
        match self.0 {}
    }

    pub async fn commit(&self, _reference: Option<&str>, _like: &str) -> Result<Image, EngineError> {
        match self.0 {}
    }
}

/// A log that is being written.
#[derive(Debug)]
pub struct Following(Infallible);

impl Following {
    pub async fn ended(self) -> Result<(), EngineError> {
        match self.0 {}
    }
}

/// An image on the engine's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub reference: String,
    pub id: String,
}

/// The result of looking for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Present(Image),
    Missing,
}

impl Image {
    pub async fn presence(engine: &Engine, _reference: &str) -> Result<Presence, EngineError> {
        match engine.0 {}
    }

    pub fn expect_runnable(&self, engine: &Engine) -> Result<(), EngineError> {
        match engine.0 {}
    }

    pub async fn pull(engine: &Engine, _reference: &str, _events: &Events) -> Result<Self, EngineError> {
        match engine.0 {}
    }

    pub async fn remove(engine: &Engine, _reference: &str) -> Result<(), EngineError> {
        match engine.0 {}
    }
}

/// A created network.
#[derive(Clone, Debug)]
pub struct Network(Infallible);

impl Network {
    pub async fn create(engine: &Engine, _name: &str, _labels: &Labels) -> Result<Self, EngineError> {
        match engine.0 {}
    }

    pub fn name(&self) -> &str {
        match self.0 {}
    }

    pub fn gateway(&self) -> Option<IpAddr> {
        match self.0 {}
    }

    pub async fn remove(self) -> Result<(), EngineError> {
        match self.0 {}
    }
}

/// A thing of authlab in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub labels: Option<Labels>,
}

/// The number of things removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub containers: usize,
}

impl Swept {
    pub fn total(&self) -> usize {
        self.containers
    }
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, more: Self) {
        self.containers += more.containers;
    }
}

pub async fn found(engine: &Engine, _filter: &Filter) -> Result<Vec<Thing>, EngineError> {
    match engine.0 {}
}

pub async fn sweep(engine: &Engine, _filter: &Filter) -> Result<Swept, EngineError> {
    match engine.0 {}
}

pub async fn remove_all(engine: &Engine, _things: &[Thing]) -> (Swept, Option<EngineError>) {
    match engine.0 {}
}
