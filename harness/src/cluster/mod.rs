//! A cluster is an API server that can be asked, however it runs.
//!
//! The main types are [`ApiServer`] (where it is and where its record is read),
//! [`Setting`] (flags and files that one API server is started with, from
//! `fixtures/api_servers/`) and [`Capabilities`] (what scenarios may ask of the cluster, from
//! `fixtures/capabilities/`). How servers run is the business of a driver:
//! a [`control_plane`] of the project's own runs as plain processes ([`process`]) or in containers ([`pod`]).

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::sabotage::Distortion;

mod authentication;
mod authorities;
mod capabilities;
mod client_authorities;
mod configuration_change;
pub mod control_plane;
mod etcd;
pub mod runtime;
pub mod k3s;
pub mod kind;
pub mod pod;
pub mod process;
mod provisions;
mod read_kubeconfig;
mod readiness;
mod setting;
mod versions;

pub use authentication::Placeholders;
pub use authorities::{Authorities, FRONT_PROXY, ReadBack};
pub use capabilities::{Asked, Capabilities, Described, Observed, UnknownCapability};
pub use client_authorities::TrustedAuthority;
pub use configuration_change::ConfigurationChange;
pub use provisions::{Provisions, ProvisionsError, Surroundings};
pub use read_kubeconfig::{AdministratorKubeconfig, UnreadableKubeconfig};
pub use readiness::ReadinessError;
pub use setting::{Setting, SettingError};
pub use versions::{Behaviours, Minor};

/// The API server that everything is asked of unless a scenario says otherwise.
pub const MAIN: &str = "main";

/// What the API servers that authlab starts call themselves in service accounts' tokens (`--service-account-issuer`).
pub const SERVICE_ACCOUNT_ISSUER: &str = "https://kubernetes.default.svc";

/// The size at which an API server begins another audit log, in megabytes: its own 100 are reached by a lab that is used for a day, and
/// whoever reads the log meanwhile would miss what was in the old one.
const AUDIT_LOG_MEGABYTES: u32 = 100_000;

/// How a cluster's servers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// etcd, kube-apiserver and kube-controller-manager as ordinary processes.
    Process,
    /// The servers in containers.
    Container,
    /// k3s in a container.
    K3s,
    /// A kind cluster.
    Kind,
    /// The cluster that a kubeconfig names.
    Existing,
}

impl Driver {
    /// All drivers.
    pub const ALL: [Self; 5] = [Self::Process, Self::Container, Self::K3s, Self::Kind, Self::Existing];

    /// Its name, as options and files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Container => "container",
            Self::K3s => "k3s",
            Self::Kind => "kind",
            Self::Existing => "existing",
        }
    }
}

/// An API server that runs: where it is asked, and where its record is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiServer {
    /// The name of its setting.
    pub name: String,
    /// Its address, `https://127.0.0.1:PORT`.
    pub url: String,
    /// The authority its serving certificate is signed by, PEM.
    pub serving_authority: String,
    /// Where its record is read; none where nobody lets us.
    pub logs: Option<Logs>,
    /// Held while one request is asked of it whose refusal shall be found in its log.
    pub gate: PathBuf,
    /// The file with the authorities whose client certificates it accepts, where it may be rewritten.
    pub client_authorities: Option<PathBuf>,
    /// The file with its AuthenticationConfiguration, where it has one that may be replaced. Who does that holds the gate
    /// beside it, of the same name with the extension `gate`.
    pub authentication: Option<PathBuf>,
    /// The file with the authorities of front proxies, where it may be rewritten.
    pub request_header_authorities: Option<PathBuf>,
    /// The directory with its own authority of clients and its own key of service accounts; none where it has the lab's.
    pub own_authorities: Option<PathBuf>,
}

/// Where the record of an API server is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Its log.
    pub log: PathBuf,
    /// Its audit log, an event a line.
    pub audit_log: PathBuf,
    /// How soon its log has what it is about.
    #[serde(alias = "pace")]
    pub log_delay: LogDelay,
    /// What is wrong on purpose with what is read of it.
    #[serde(default, skip_serializing_if = "Distortion::is_none")]
    pub distortion: Distortion,
}

/// How soon a log has what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogDelay {
    /// The line about a request is there before its answer is.
    AtOnce,
    /// Somebody passes the lines on: they come in order, a moment later.
    PassedOn,
}
