//! A cluster that the `kind` command makes, with our settings in its configuration.
//!
//! The main type is [`Kind`]. The command is the user's own ([`KindCommand`]); what it is told is a file ([`configuration`]). kubeadm
//! makes the authorities; [`Kind::start`] reads them back from the node ([`read_back`]).

mod command;
mod configuration;
mod read_back;
mod start;

pub use command::{CommandError, KindCommand, cluster_name};
pub use configuration::{Configuration, configuration};
pub use read_back::{NodeFiles, ReadBackError, read_back};
pub use start::{Kind, KindError};
