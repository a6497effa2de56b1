//! Signals: the first asks all work to stop, the second exits at once. Closing the terminal also asks, but never counts as the second.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Exit;
use super::terminal;
use crate::interrupt::Interrupter;

/// Listens to SIGINT, SIGTERM, SIGHUP and SIGQUIT from now on.
pub(super) fn listen(interrupter: Interrupter) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut quit = signal(SignalKind::quit())?;
    // `nohup` must keep its effect.
    let mut hangup = if hangups_are_ignored() {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    };
    tokio::spawn(async move {
        let mut asked = 0;
        loop {
            tokio::select! {
                _ = interrupt.recv() => asked += 1,
                _ = terminate.recv() => asked += 1,
                // The kernel and the shell both send SIGHUP when a terminal is closed, and session managers send it after SIGTERM: so it
                // never counts as a repeated request.
                () = received(&mut hangup) => {}
                _ = quit.recv() => leave(),
            }
            if asked > 1 {
                leave();
            }
            interrupter.interrupt();
        }
    });
    Ok(())
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

fn leave() -> ! {
    terminal::restore();
    #[expect(
        clippy::exit,
        reason = "asked twice: the servers die with this process, nothing else is worth waiting for"
    )]
    std::process::exit(Exit::Interrupted as i32);
}

/// Returns whether this process was started with SIGHUP ignored.
fn hangups_are_ignored() -> bool {
    // SAFETY: an action of zeros is a valid value, and the call only fills it in: a null pointer as the new action changes nothing.
    let (asked, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut action), action)
    };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}
