//! A cluster made by the `kind` command, with our settings in its configuration.
//!
//! The main function is [`start`]. The command is the user's own ([`KindCommand`]); its input is a file ([`configuration`]). kubeadm
//! makes the authorities; they are read back from the node ([`read_back`]).

mod command;
mod configuration;
mod read_back;
mod start;

pub use command::{CommandError, KindCommand, cluster_name};
pub use configuration::{Configuration, configuration};
pub use read_back::read_back;
pub use start::start;

use super::driver::DriverFacts;

pub(super) const DRIVER: DriverFacts = DriverFacts {
    name: "kind",
    cluster: "the kind cluster",
    capabilities: include_str!("../../../fixtures/capabilities/kind.toml"),
    images: Some(|images| images.kind_node.iter().map(|image| ("kind node", image.clone())).collect()),
    chosen: None,
};
