//! The terminal's echo: off while a secret is typed, and on again however that ends.
//!
//! The main type is [`Silence`]. What it changed is known to the whole process, since a signal ends it elsewhere.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal that is silent now.
static SILENT: Mutex<Option<Silent>> = Mutex::new(None);

struct Silent {
    terminal: OwnedFd,
    before: Termios,
}

/// Nothing that is typed is shown, until it is dropped or [`restore`] is called.
pub(super) struct Silence(());

impl Silence {
    /// Switches the echo of `terminal` off.
    ///
    /// # Errors
    /// It is no terminal.
    pub(super) fn begin(terminal: impl AsFd) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes = silenced(&before);
        // Known before it is done: a signal may come in between.
        let changed = terminal.try_clone()?;
        *SILENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Silent { terminal, before });
        let silence = Self(());
        tcsetattr(&changed, OptionalActions::Flush, &silent)?;
        Ok(silence)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the echo on its way out, also out of a panic.
pub(super) struct RestoredAtEnd;

impl Drop for RestoredAtEnd {
    fn drop(&mut self) {
        restore();
    }
}

/// Switches the echo on again, if it is off because of us.
pub(super) fn restore() {
    let silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Silent { terminal, before }) = silent else { return };
    even_in_the_background(|| {
        // A shell that has taken its terminal back has its own settings there.
        if tcgetattr(&terminal).is_ok_and(|now| now.local_modes == silenced(&before)) {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
        }
    });
}

fn silenced(before: &Termios) -> LocalModes {
    before.local_modes.difference(LocalModes::ECHO)
}

/// Does `work` without being stopped for it: who runs this may be gone already, and the terminal somebody else's (SIGTTOU).
fn even_in_the_background<T>(work: impl FnOnce() -> T) -> T {
    let leave = |action| {
        // SAFETY: no code of ours is installed; the action is to ignore, or what was there before.
        unsafe { libc::signal(libc::SIGTTOU, action) }
    };
    let before = leave(libc::SIG_IGN);
    let done = work();
    if before != libc::SIG_ERR {
        leave(before);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// What is said is about the one terminal of a process: all of it is one test.
    #[test]
    fn the_echo_is_off_for_as_long_as_is_needed() {
        let (_keyboard, terminal) = pair();
        let silence = Silence::begin(&terminal).expect("it is a terminal");
        assert!(!echoes(&terminal));
        drop(silence);
        assert!(echoes(&terminal));

        // Out of a panic, by whoever unwinds first.
        let panicked = std::panic::catch_unwind(|| {
            let _silence = Silence::begin(&terminal).expect("it is a terminal");
            assert!(echoes(&terminal), "this is meant to panic");
        });
        assert!(panicked.is_err());
        assert!(echoes(&terminal));

        // By a signal, while the guard is elsewhere and stays there.
        let silence = Silence::begin(&terminal).expect("it is a terminal");
        restore();
        assert!(echoes(&terminal));
        drop(silence);

        // By the end of the command.
        std::mem::forget(Silence::begin(&terminal).expect("it is a terminal"));
        drop(RestoredAtEnd);
        assert!(echoes(&terminal));

        // A shell has taken the terminal back, and reads it character by character.
        let silence = Silence::begin(&terminal).expect("it is a terminal");
        let mut theirs = tcgetattr(&terminal).expect("it is a terminal");
        theirs.local_modes.remove(LocalModes::ICANON);
        tcsetattr(&terminal, OptionalActions::Now, &theirs).expect("it is a terminal");
        drop(silence);
        assert!(!echoes(&terminal));

        let none = std::fs::File::open("/dev/null").expect("it is there");
        assert!(Silence::begin(&none).is_err());
    }

    fn pair() -> (OwnedFd, OwnedFd) {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal can be had");
        grantpt(&keyboard).expect("it is ours");
        unlockpt(&keyboard).expect("it is ours");
        let name = ptsname(&keyboard, Vec::new()).expect("it has a name");
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let terminal = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).expect("it is ours");
        (keyboard, terminal)
    }

    fn echoes(terminal: &OwnedFd) -> bool {
        tcgetattr(terminal)
            .expect("it is a terminal")
            .local_modes
            .contains(LocalModes::ECHO)
    }
}
