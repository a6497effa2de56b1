//! The inputs of a cluster's start, however it runs, and its result. The types are [`Inputs`] and [`Started`].

use std::path::Path;

use super::{ApiServer, Authorities, Given, Minor, Placeholders};

/// The inputs that a lab gives to its cluster.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The lab's directory, which containers see under the same path.
    pub directory: &'a Path,
    /// The authorities of the lab; a distribution's own replace some of them.
    pub authorities: &'a Authorities,
    /// The version of Kubernetes.
    pub version: Minor,
    /// The addresses of the lab's issuers.
    pub places: &'a Placeholders,
    /// The flags and files of the main API server, in place of its setting.
    pub main: Option<&'a Given>,
}

/// A cluster whose main API server is ready.
#[derive(Debug)]
pub struct Started<C> {
    /// Its servers.
    pub cluster: C,
    /// The main API server.
    pub main: ApiServer,
    /// The authorities that it trusts: the lab's, with a distribution's own in them.
    pub authorities: Authorities,
}

impl<C> Started<C> {
    /// Returns the same with another view of its servers.
    pub fn map<D>(self, view: impl FnOnce(C) -> D) -> Started<D> {
        Started {
            cluster: view(self.cluster),
            main: self.main,
            authorities: self.authorities,
        }
    }
}
