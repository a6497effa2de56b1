//! A process that another program started, held so that its number cannot come to mean another process.
//!
//! The main type is [`Running`]. On Linux it is a file descriptor of the process (pidfd_open(2)): checks of the number after it was
//! opened are about the process that a signal reaches, as long as that has not ended.

use std::io;

use rustix::process::{Pid, Signal};

#[cfg(target_os = "linux")]
use rustix::fd::OwnedFd;

/// A process that ran when it was opened.
#[derive(Debug)]
pub struct Running {
    #[cfg(target_os = "linux")]
    handle: OwnedFd,
    pid: Pid,
}

impl Running {
    /// Returns the process with the number `pid`; `None` when there is no such process.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn open(pid: u32) -> io::Result<Option<Self>> {
        // A negative number would mean a process group.
        match i32::try_from(pid).ok().and_then(Pid::from_raw) {
            Some(pid) => Self::of(pid),
            None => Ok(None),
        }
    }

    #[cfg(target_os = "linux")]
    fn of(pid: Pid) -> io::Result<Option<Self>> {
        match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            Ok(handle) => Ok(Some(Self { handle, pid })),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(pid: Pid) -> io::Result<Option<Self>> {
        let running = Self { pid };
        Ok((!running.has_ended()?).then_some(running))
    }

    /// Returns its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Returns `true` once it has ended, even before its parent has waited for it.
    ///
    /// # Errors
    /// The system cannot tell.
    #[cfg(target_os = "linux")]
    pub fn has_ended(&self) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        // Readable once all of its threads have ended (pidfd_open(2)).
        let mut asked = [PollFd::new(&self.handle, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(poll(&mut asked, Some(&at_once))? > 0)
    }

    /// Returns `true` once no process has its number.
    ///
    /// # Errors
    /// The system cannot tell.
    #[cfg(not(target_os = "linux"))]
    pub fn has_ended(&self) -> io::Result<bool> {
        has_ended(rustix::process::test_kill_process(self.pid))
    }

    /// Sends it `signal`. Succeeds if it has already ended.
    ///
    /// # Errors
    /// It may not be signalled.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        let sent = rustix::process::pidfd_send_signal(&self.handle, signal);
        #[cfg(not(target_os = "linux"))]
        let sent = rustix::process::kill_process(self.pid, signal);
        match sent {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

/// Reads the result of an empty signal: a process that may not be signalled exists.
#[cfg(any(not(target_os = "linux"), test))]
fn has_ended(asked: rustix::io::Result<()>) -> io::Result<bool> {
    match asked {
        Ok(()) | Err(rustix::io::Errno::PERM) => Ok(false),
        Err(rustix::io::Errno::SRCH) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::wait::{Condition, until};

    #[test]
    fn only_a_process_that_is_not_there_has_ended() {
        use rustix::io::Errno;
        assert!(!has_ended(Ok(())).expect("it is told"));
        assert!(!has_ended(Err(Errno::PERM)).expect("it is told"), "another user's process is there");
        assert!(has_ended(Err(Errno::SRCH)).expect("it is told"));
        has_ended(Err(Errno::INVAL)).expect_err("that says nothing");
        assert!(Running::open(0).expect("it is told").is_none());
        assert!(Running::open(u32::MAX).expect("it is told").is_none());
        let first = Running::open(1).expect("it is told").expect("the first process always runs");
        assert!(!first.has_ended().expect("it is told"));
    }

    #[tokio::test]
    async fn a_process_that_nobody_has_waited_for_has_ended_all_the_same() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("there is cat");
        let running = Running::open(child.id()).expect("it is told").expect("it runs");
        assert_eq!(running.pid(), child.id());
        running.signal(Signal::KILL).expect("it is ours");
        let ended = until("its end", Duration::from_secs(10), || async {
            let ended = running.has_ended()?;
            Ok::<_, io::Error>(if ended {
                Condition::Met(())
            } else {
                Condition::NotYet("it runs".to_owned())
            })
        });
        ended.await.expect("it was killed");
        child.wait().expect("it can be waited for");
        running.signal(Signal::KILL).expect("one that has ended is as good");
    }
}
