//! The terminal's echo: off while a secret is typed, and always restored.
//!
//! The main type is [`Silence`]. The changed settings are global to the process, since a signal is handled elsewhere.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal whose echo is off now.
static SILENT: Mutex<Option<Silent>> = Mutex::new(None);

struct Silent {
    terminal: OwnedFd,
    before: Termios,
}

/// A guard: typed text is not shown until it is dropped or [`restore`] is called.
pub(super) struct Silence(());

impl Silence {
    /// Switches the echo of `terminal` off.
    ///
    /// # Errors
    /// `terminal` is not a terminal.
    pub(super) fn begin(terminal: impl AsFd) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes = silenced(&before);
        // Recorded before the change: a signal may come in between.
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

/// A guard that restores the echo when it is dropped, also by a panic.
pub(super) struct RestoredAtEnd;

impl Drop for RestoredAtEnd {
    fn drop(&mut self) {
        restore();
    }
}

/// Switches the echo on again, if this process has switched it off.
pub(super) fn restore() {
    let silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Silent { terminal, before }) = silent else { return };
    even_in_the_background(|| {
        // A shell that has taken its terminal back has set its own modes.
        if tcgetattr(&terminal).is_ok_and(|now| now.local_modes == silenced(&before)) {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
        }
    });
}

fn silenced(before: &Termios) -> LocalModes {
    before.local_modes.difference(LocalModes::ECHO)
}

/// Runs `work` with SIGTTOU ignored: the parent may be gone already, and the terminal may belong to another process group.
fn even_in_the_background<T>(work: impl FnOnce() -> T) -> T {
    let leave = |action| {
        // SAFETY: no handler of this program is installed; the action is to ignore, or the earlier one.
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

    /// There is one terminal per process, so all of this is one test.
    #[test]
    fn the_echo_is_off_for_as_long_as_is_needed() {
        let (_keyboard, terminal) = pair();
        let silence = Silence::begin(&terminal).expect("it is a terminal");
        assert!(!echoes(&terminal));
        drop(silence);
        assert!(echoes(&terminal));

        // A panic: the first guard to unwind restores the echo.
        let panicked = std::panic::catch_unwind(|| {
            let _silence = Silence::begin(&terminal).expect("it is a terminal");
            assert!(echoes(&terminal), "this is meant to panic");
        });
        assert!(panicked.is_err());
        assert!(echoes(&terminal));

        // A signal, while the guard is held elsewhere and not dropped.
        let silence = Silence::begin(&terminal).expect("it is a terminal");
        restore();
        assert!(echoes(&terminal));
        drop(silence);

        // The end of the command.
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
