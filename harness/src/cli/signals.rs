//! Signals: the first asks everybody to stop, the second stops at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use crate::interrupt::Interrupter;

/// Listens to SIGINT and SIGTERM from now on.
pub(super) fn listen(interrupter: Interrupter) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        for asked in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if asked > 1 {
                #[expect(
                    clippy::exit,
                    reason = "asked twice: the servers die with this process, nothing else is worth waiting for"
                )]
                std::process::exit(Exit::Interrupted as i32);
            }
            interrupter.interrupt();
        }
    });
    Ok(())
}
