//! Requests to an API server, and the proof of its responses by the server's own logs.
//!
//! The main types are [`Endpoint`] (the target), [`Question`] and [`Answer`]: the verdict, the caller's identity
//! according to the server, and the [`Record`]: the reason in its log and the event in its audit log,
//! bound to this very request.

mod answer;
mod ask;
mod dial;
mod endpoint;
mod exchange;
mod failure;
mod gate;
mod handshake;
mod header;
mod http2;
mod klog;
mod metrics;
mod proxy;
mod question;
mod record;
mod reload;
mod route;
mod seen;
#[cfg(test)]
mod tests;
mod tunnel;
mod watch;
mod web_socket;

pub use answer::{Answer, Identity};
pub use ask::{ask, watch};
pub use endpoint::Endpoint;
pub use failure::{Failure, ProxyFailure, Refusal, Stage as RequestStage, alert_name, socks_reply};
pub use gate::Gate;
pub use handshake::{HandshakeError, acceptable_authorities};
pub use header::{HeaderFault, unsendable};
pub use http2::{Http2, Http2Error};
pub use klog::failure;
pub use metrics::{LAST_CONFIGURATION, Metrics, NoMetrics, hash};
pub use proxy::{Proxy, ProxyError, ProxyScheme};
pub use question::Question;
pub use record::{AuditEvent, End, Mark, Record, latest_log};
pub use reload::{
    Reload, ReloadError, Stage, TOLD, TRYING, authorization_gate, configuration_gate, last_reload, replace_authorization,
    replace_configuration,
};
pub use route::{Route, RouteError};
pub use watch::{Watch, WatchError};
