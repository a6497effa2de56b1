//! Foreign programs: starting, watching and stopping them; free ports, and the
//! poller that waits for them.
//!
//! The main types are [`Program`] (a program to start, printable before it runs) and
//! [`Child`] (a running one). Nothing started here outlives its owner: a child has
//! a process group of its own, is killed when its handle is dropped, and on
//! Linux the kernel kills it when the owner is gone, for any reason.

mod child;
pub mod port;
mod privileges;
mod running;
mod spawner;
pub mod stopped;
pub mod wait;

pub(crate) use crate::secret::last_lines;
pub use child::{Child, ProcessError, Program};
pub use running::Running;
