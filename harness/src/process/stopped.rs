//! Processes that a signal has stopped (SIGSTOP): they live and hold their ports, and answer nobody until SIGCONT.
//!
//! The main type is [`Stopped`]. A process that a debugger holds is in another state ("tracing stop"), and is left alone.

use std::time::{Duration, Instant};

/// The time after which a stopped process is given up. A server that is slowed down on purpose is stopped for much shorter.
const LONG: Duration = Duration::from_secs(5);

/// The process that each check so far has found stopped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped(Option<Halt>);

/// A process that is stopped.
#[derive(Clone, Copy, Debug)]
struct Halt {
    pid: u32,
    /// The processor time that it has had, and how often it was given a processor: more, if it was continued between two checks.
    ran: u64,
    since: Instant,
}

impl Stopped {
    /// Notes that a check found the process `pid` stopped, or none. Returns `true` once every check of the last five seconds found the same one,
    /// and it did nothing meanwhile.
    pub fn for_long(&mut self, pid: Option<u32>) -> bool {
        self.at(Instant::now(), pid.map(|pid| (pid, ran(pid))))
    }

    fn at(&mut self, now: Instant, halted: Option<(u32, u64)>) -> bool {
        self.0 = halted.map(|(pid, ran)| match self.0 {
            Some(halt) if (halt.pid, halt.ran) == (pid, ran) => halt,
            _ => Halt { pid, ran, since: now },
        });
        self.0.is_some_and(|halt| now.duration_since(halt.since) >= LONG)
    }
}

/// Returns the processor time that the process `pid` has had, in ticks, plus the number of times that its first thread was given a processor,
/// which even an idle one is when it is continued; 0 where the system does not tell.
fn ran(pid: u32) -> u64 {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    ticks(&read("stat")).unwrap_or_default() + switches(&read("status"))
}

/// Adds the lines `voluntary_ctxt_switches` and `nonvoluntary_ctxt_switches` of `/proc/PID/status` (proc_pid_status(5)).
fn switches(status: &str) -> u64 {
    let counts = status.lines().filter_map(|line| line.split_once("voluntary_ctxt_switches:"));
    counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum()
}

/// Adds the fields utime and stime of `/proc/PID/stat` (proc_pid_stat(5)). The program's name, in parentheses, may contain blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Returns `true` if the process `pid` is stopped; `false` where the system does not tell.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    // Without /proc, asking `ps` again and again would cost more than the answer is worth.
    std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| says_stopped(&status))
}

/// Parses the line `State: T (stopped)` of `/proc/PID/status` (proc_pid_status(5)).
#[must_use]
pub fn says_stopped(status: &str) -> bool {
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| state.trim_start().starts_with('T'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_stays_stopped_is_given_up() {
        let began = Instant::now();
        let mut stopped = Stopped::default();
        let mut at = |seconds, halted| stopped.at(began + Duration::from_secs(seconds), halted);
        assert!(!at(0, Some((1, 7))));
        assert!(!at(4, Some((1, 7))));
        assert!(!at(5, None), "it was continued");
        assert!(!at(6, Some((1, 7))));
        assert!(!at(11, Some((1, 8))), "it was continued and stopped again");
        assert!(!at(16, Some((2, 8))), "another one");
        assert!(!at(20, Some((2, 8))));
        assert!(at(21, Some((2, 8))));
    }

    #[test]
    fn processor_time_is_that_of_the_program_and_of_the_kernel_for_it() {
        let stat = "4711 (a (b) c) T 1 4711 4711 0 -1 1077936128 1 2 3 4 250 17 0 0 20 0 9 0 100 0 0";
        assert_eq!(ticks(stat), Some(267));
        assert_eq!(ticks("4711 (x"), None);
        assert_eq!(
            switches("Threads:\t9\nvoluntary_ctxt_switches:\t30\nnonvoluntary_ctxt_switches:\t4\n"),
            34
        );
        assert_eq!(ran(u32::MAX), 0);
        assert!(ran(std::process::id()) > 0);
    }

    #[test]
    fn a_process_that_a_debugger_holds_is_not_stopped() {
        assert!(says_stopped("Name:\tetcd\nState:\tT (stopped)\nVmRSS:\t   2048 kB\n"));
        assert!(!says_stopped("Name:\tetcd\nState:\tt (tracing stop)\n"));
        assert!(!says_stopped("Name:\tT\nState:\tS (sleeping)\n"));
        assert!(!is_stopped(std::process::id()));
    }
}
