//! A cluster made by the `kind` command, with our settings in its configuration.
//!
//! The main type is [`Kind`]. The command is the user's own ([`KindCommand`]); its input is a file ([`configuration`]). kubeadm
//! makes the authorities; [`Kind::start`] reads them back from the node ([`read_back`]).

mod command;
mod configuration;
mod read_back;
mod start;

pub use command::{CommandError, KindCommand, cluster_name};
pub use configuration::{Configuration, configuration};
pub use read_back::{NodeFiles, read_back};
pub use start::Kind;
