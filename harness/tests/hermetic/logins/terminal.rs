//! A command at a terminal of its own. The main type is [`Terminal`].

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

/// How long anything may take that is waited for here.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A command whose session a terminal controls.
pub struct Terminal {
    keyboard: File,
    /// Held, so that what the command left of its settings can be seen when it is gone.
    screen: OwnedFd,
    shown: Arc<Mutex<String>>,
    pub child: Child,
}

impl Terminal {
    /// Starts `command` at a new terminal, with its standard output elsewhere.
    pub fn start(command: &mut Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        // Not for what other tests start.
        rustix::io::fcntl_setfd(&keyboard, rustix::io::FdFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let screen = rustix::fs::open(ptsname(&keyboard, Vec::new()).unwrap(), flags, rustix::fs::Mode::empty()).unwrap();
        command
            .stdin(screen.try_clone().unwrap())
            .stderr(screen.try_clone().unwrap())
            .stdout(Stdio::piped());
        // SAFETY: between fork and exec only two system calls are made, both async-signal-safe, and nothing is allocated.
        unsafe {
            command.pre_exec(|| {
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

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.screen).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Its exit code, once it has ended.
    pub fn end(&mut self) -> Option<i32> {
        ended(&mut self.child).code()
    }

    /// What it printed on standard output.
    pub fn printed(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed half way may leave it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How it ended, once it has.
pub fn ended(child: &mut Child) -> ExitStatus {
    wait("the end of the command", || match child.try_wait().unwrap() {
        Some(status) => Condition::Met(status),
        None => Condition::NotYet("it runs".to_owned()),
    })
}

/// Waits for a condition, with the project's one poller.
pub fn wait<T>(what: &str, mut condition: impl FnMut() -> Condition<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited: Result<T, WaitError<Infallible>> = runtime.block_on(until(what, LIMIT, || std::future::ready(Ok(condition()))));
    waited.unwrap_or_else(|error| panic!("{error}"))
}
