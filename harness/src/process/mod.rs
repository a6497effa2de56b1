//! Foreign programs: started, watched, stopped; the ports they get, and the one
//! poller that waits for them.
//!
//! The main types are [`Program`] (what to start, printable before it runs) and
//! [`Child`] (what runs). Nothing started here outlives its owner: a child has
//! a process group of its own, is killed when its handle is dropped, and on
//! Linux the kernel kills it when the owner is gone, however that ended.

mod child;
pub mod port;
mod privileges;
mod running;
mod spawner;
pub mod wait;

pub(crate) use crate::secret::last_lines;
pub use child::{Child, ProcessError, Program};
pub use running::Running;
