//! k3s as one container: server without agent, unprivileged, with our settings passed through.
//!
//! The main type is [`K3s`]. k3s makes its own authorities; [`K3s::start`] reads them back ([`read_back`]) so that the harness
//! can issue the certificates that scenarios need. The command line is in [`arguments`].

mod arguments;
mod read_back;
mod start;

pub use arguments::{PORT, arguments};
pub use read_back::{Directory, K3sFiles, read_back};
pub use start::K3s;
