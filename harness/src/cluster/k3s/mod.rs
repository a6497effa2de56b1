//! k3s as one container: server without agent, unprivileged, with our settings passed through.
//!
//! The main function is [`start`]. k3s makes its own authorities; they are read back ([`read_back`]) so that the harness can issue the
//! certificates that scenarios need. The command line is in [`arguments`].

mod arguments;
mod read_back;
mod start;

pub use arguments::arguments;
pub use read_back::{Directory, read_back};
pub use start::start;

use super::driver::DriverFacts;

pub(super) const DRIVER: DriverFacts = DriverFacts {
    name: "k3s",
    cluster: "k3s",
    capabilities: include_str!("../../../fixtures/capabilities/k3s.toml"),
    images: Some(|images| images.k3s.iter().map(|image| ("k3s", image.clone())).collect()),
    chosen: Some("the cluster is k3s in a container, whose image is there"),
};
