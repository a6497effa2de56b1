//! Requests to an API server, and the proof of its responses by the server's own logs.
//!
//! The main types are [`Endpoint`] (the target), [`Question`] and [`Answer`]: the verdict, the caller's identity
//! according to the server, and the [`Record`]: the reason in its log and the event in its audit log,
//! bound to this very request.

mod answer;
mod ask;
mod exchange;
mod gate;
mod handshake;
mod http2;
mod klog;
mod metrics;
mod question;
mod record;
mod reload;
mod seen;
mod watch;
mod web_socket;

pub use answer::{Answer, Identity};
pub use ask::{Endpoint, ask, watch};
pub use gate::Gate;
pub use handshake::{HandshakeError, acceptable_authorities};
pub use http2::{Http2, Http2Error};
pub use metrics::{LAST_CONFIGURATION, Metrics, NoMetrics, hash};
pub use question::Question;
pub use record::{AuditEvent, End, Mark, Record, latest_log};
pub use reload::{Reload, ReloadError, Stage, TOLD, TRYING, configuration_gate, last_reload, replace_configuration};
pub use watch::{Watch, WatchError};
