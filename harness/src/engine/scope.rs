//! One lab's part of an engine. The main type is [`Scope`].

use super::{Engine, EngineError, Filter, Labels, Network, Swept, sweep};

/// A network, and the labels of everything that is made beside and in it. Cheap to clone; dropping it removes nothing.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The engine.
    pub engine: Engine,
    /// The network of the containers.
    pub network: Network,
    /// The labels of everything that is made.
    pub labels: Labels,
}

impl Scope {
    /// Creates the network `name` in `engine`, for things that carry `labels`.
    ///
    /// # Errors
    /// The name is taken, or the engine refuses.
    pub async fn create(engine: Engine, name: &str, labels: Labels) -> Result<Self, EngineError> {
        let network = Network::create(&engine, name, &labels).await?;
        Ok(Self { engine, network, labels })
    }

    /// Removes everything that carries the labels.
    ///
    /// # Errors
    /// Something could not be removed.
    pub async fn sweep(&self) -> Result<Swept, EngineError> {
        sweep(&self.engine, &Filter::owned(&self.labels)).await
    }
}
