//! A command with a terminal of its own. The main type is [`Terminal`].

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authlab::process::wait::{Condition, WaitError, until};
use rustix::process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// The timeout for everything that these tests wait for.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A command in a session with a controlling terminal.
pub struct Terminal {
    keyboard: File,
    /// Kept open, so that the terminal settings that the command left can be read after its end.
    screen: OwnedFd,
    shown: Arc<Mutex<String>>,
    pub child: Child,
}

impl Terminal {
    /// Starts `command` on a new terminal, with its standard output redirected.
    pub fn start(command: &mut Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        // Other tests' child processes must not inherit it.
        rustix::io::fcntl_setfd(&keyboard, rustix::io::FdFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let screen = rustix::fs::open(ptsname(&keyboard, Vec::new()).unwrap(), flags, rustix::fs::Mode::empty()).unwrap();
        command
            .stdin(screen.try_clone().unwrap())
            .stderr(screen.try_clone().unwrap())
            .stdout(Stdio::piped());
        // SAFETY: between fork and exec only three system calls are made, all async-signal-safe, and no memory is allocated.
        unsafe {
            command.pre_exec(|| {
                // These tests may be run by `nohup`, whose effect is inherited.
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                setsid()?;
                ioctl_tiocsctty(std::io::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        let keyboard = File::from(keyboard);
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut reading, seen) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut some = [0; 1024];
            while let Ok(length) = reading.read(&mut some) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&some[..length]));
            }
        });
        Self {
            keyboard,
            screen,
            shown,
            child,
        }
    }

    pub fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits until `text` is shown.
    pub fn expect(&self, text: &str) {
        wait(text, || {
            let shown = self.shown();
            if shown.contains(text) {
                Condition::Met(())
            } else {
                Condition::NotYet(shown)
            }
        });
    }

    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Returns whether the terminal echoes input.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.screen).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end and returns the exit code.
    pub fn end(&mut self) -> Option<i32> {
        ended(&mut self.child).code()
    }

    /// Returns the standard output.
    pub fn printed(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed midway may leave it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end and returns the exit status.
pub fn ended(child: &mut Child) -> ExitStatus {
    wait("the end of the command", || match child.try_wait().unwrap() {
        Some(status) => Condition::Met(status),
        None => Condition::NotYet("it runs".to_owned()),
    })
}

/// Waits for a condition with the project's poller.
pub fn wait<T>(what: &str, mut condition: impl FnMut() -> Condition<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited: Result<T, WaitError<Infallible>> = runtime.block_on(until(what, LIMIT, || std::future::ready(Ok(condition()))));
    waited.unwrap_or_else(|error| panic!("{error}"))
}
