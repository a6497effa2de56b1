//! Clusters: API servers that can be asked, however they run.
//!
//! The main types are [`ApiServer`] (its address and its logs),
//! [`Setting`] (flags and files that one API server is started with, from
//! `fixtures/api_servers/`) and [`Capabilities`] (the capabilities that scenarios may require, from
//! `fixtures/capabilities/`). A [`Driver`] runs the servers: a [`control_plane`] of the project's own as plain processes ([`process`]) or
//! in containers ([`container_group`]), or a [`Distribution`] ([`k3s`], [`kind`]).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sabotage::Distortion;

mod authentication;
mod authorities;
mod capabilities;
mod client_authorities;
mod configuration_change;
pub mod container_group;
pub mod control_plane;
mod distribution;
mod driver;
mod error;
mod etcd;
pub mod given;
pub mod k3s;
pub mod kind;
pub mod process;
mod provisions;
mod readiness;
pub mod runtime;
mod setting;
mod start;
mod versions;

pub use authentication::{Placeholders, pieces};
pub use authorities::{Authorities, FRONT_PROXY, ReadBack};
pub use capabilities::{Asked, Capabilities, Described, Observed, UnknownCapability};
pub use client_authorities::TrustedAuthority;
pub use configuration_change::ConfigurationChange;
pub use distribution::{Distribution, Written};
pub use driver::Driver;
pub use error::ClusterError;
pub use given::Given;
pub use provisions::Provisions;
pub use setting::{Program, Setting, SettingError};
pub use start::{Inputs, Started};
pub use versions::{Behaviours, Minor};

/// The API server that receives all requests unless a scenario names another.
pub const MAIN: &str = "main";

/// The setting of the API server behind the [`AGGREGATOR`] ([`Program::AggregatedApi`]).
pub const AGGREGATED_API: &str = "aggregated_api";

/// The setting of the API server that passes requests on to the aggregated API server.
pub const AGGREGATOR: &str = "aggregator";

/// Returns the settings of the servers that end with the one with the setting `name`, in order: those that cannot continue without it, and
/// itself. A scenario asks for that one first, so that the owner of a lab knows of all.
pub fn ending_with(name: &str) -> impl Iterator<Item = &str> {
    (name == AGGREGATOR).then_some(AGGREGATED_API).into_iter().chain([name])
}

/// The user that the aggregated API server is when it delegates authentication and authorization.
pub const AGGREGATED_API_USER: &str = "aggregated-api";

/// The DNS name of the aggregated API server's service: `SERVICE.NAMESPACE.svc`, which kube-apiserver verifies
/// (kube-aggregator `pkg/apiserver/handler_proxy.go`).
pub const AGGREGATED_API_SERVICE: [&str; 2] = ["aggregated-api", "authlab"];

/// The service-account issuer of the API servers that authlab starts (`--service-account-issuer`).
pub const SERVICE_ACCOUNT_ISSUER: &str = "https://kubernetes.default.svc";

/// The size at which an API server rotates its audit log, in megabytes: a lab that is used for a day reaches the default of 100, and
/// a reader would then miss the events in the old file.
const AUDIT_LOG_MEGABYTES: u32 = 100_000;

/// A running API server: its address, and its logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiServer {
    /// The name of its setting.
    pub name: String,
    /// Its address, `https://127.0.0.1:PORT`.
    pub url: String,
    /// The CA of its serving certificate, PEM.
    pub serving_authority: String,
    /// Its logs; `None` if they cannot be read.
    pub logs: Option<Logs>,
    /// The lock file that is held during a request whose refusal shall be found in the log.
    pub gate: PathBuf,
    /// The file with the CAs whose client certificates it accepts; `None` if it may not be rewritten.
    pub client_authorities: Option<PathBuf>,
    /// The file with its AuthenticationConfiguration, if it has one that may be replaced. To replace it, hold the gate
    /// beside it, of the same name with the extension `gate`.
    pub authentication: Option<PathBuf>,
    /// The file with the CAs of front proxies; `None` if it may not be rewritten.
    pub request_header_authorities: Option<PathBuf>,
    /// The directory with its own CA of clients and its own key of service accounts; `None` if it uses the lab's.
    pub own_authorities: Option<PathBuf>,
}

impl ApiServer {
    /// The flag of the file with the authorizers, and the file's name.
    pub(crate) const AUTHORIZATION: &str = "authorization-config";

    /// Returns the file with its AuthorizationConfiguration. To replace it, hold the gate beside it, of the same name with the extension
    /// `gate`, which holds the file as it was at the start; there is such a gate only if there is such a file.
    #[must_use]
    pub fn authorization(&self) -> PathBuf {
        self.gate.with_file_name(Self::AUTHORIZATION)
    }
}

/// The logs of an API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Its log.
    pub log: PathBuf,
    /// Its audit log, one event per line.
    pub audit_log: PathBuf,
    /// The delay of the lines of its log.
    #[serde(alias = "pace")]
    pub log_delay: LogDelay,
    /// The deliberate fault in the logs as they are read.
    #[serde(default, skip_serializing_if = "Distortion::is_none")]
    pub distortion: Distortion,
}

/// The delay between a request and its line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogDelay {
    /// The line about a request is written before the response is sent.
    AtOnce,
    /// Another program forwards the lines: they arrive in order, a moment later.
    PassedOn,
}
