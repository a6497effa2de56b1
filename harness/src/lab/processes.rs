//! The processes of this machine, as far as they belong to a lab.
//!
//! The main type is [`Seen`]. A lab's server is told by its program and by a file of the lab's directory in its
//! command line: process ids that were written down once may belong to somebody else by now.

use std::path::Path;

use rustix::process::Pid;

/// A process that runs.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) pid: u32,
    /// The name of its program, without the directory.
    pub(super) program: String,
    command: String,
    /// The memory it occupies, in bytes, where that can be read.
    pub(super) memory: Option<u64>,
}

/// The programs that a lab starts: no editor or pager of a person is meant for looking at a lab's file.
const PROGRAMS: &[&str] = &["etcd", "kube-apiserver", "kube-controller-manager", "java"];

/// The servers of the lab whose directory is `path`.
pub(super) fn servers(path: &Path) -> Vec<Seen> {
    // With the separator, so that the lab `a` is not taken for the lab `ab`.
    let wanted = format!("{}/", path.display());
    let ours = std::process::id();
    let mut seen = all();
    seen.retain(|process| process.pid != ours && PROGRAMS.contains(&process.program.as_str()) && process.command.contains(&wanted));
    seen
}

/// Whether there is a process with this number. It may be another one by now; one that has ended and only waits to be asked how is none.
pub(super) fn lives(pid: u32) -> bool {
    let there = Pid::from_raw(pid.cast_signed()).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
    // One that may not be looked at is believed to live.
    there
        && all()
            .into_iter()
            .find(|process| process.pid == pid)
            .is_none_or(|process| !process.program.is_empty())
}

/// The memory of a process, in bytes, where that can be read.
pub(super) fn memory(pid: u32) -> Option<u64> {
    all().into_iter().find(|process| process.pid == pid)?.memory
}

impl Seen {
    fn new(pid: u32, command: String, memory: Option<u64>) -> Self {
        let program = command.split(' ').next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_owned();
        Self {
            pid,
            program,
            command,
            memory,
        }
    }
}

/// Every process that we may see. One that has ended and only waits to be asked how has no command line, and so no program.
#[cfg(target_os = "linux")]
fn all() -> Vec<Seen> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let seen = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let arguments = std::fs::read(entry.path().join("cmdline")).ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        Some(Seen::new(
            pid,
            String::from_utf8_lossy(&arguments).replace('\0', " "),
            resident(&status),
        ))
    };
    processes.filter_map(seen).collect()
}

/// The line `VmRSS: 1234 kB` of `/proc/PID/status` (proc_pid_status(5)).
#[cfg(target_os = "linux")]
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Every process that we may see.
#[cfg(not(target_os = "linux"))]
fn all() -> Vec<Seen> {
    let listed = std::process::Command::new("ps").args(["-axo", "pid=,rss=,command="]).output();
    let text = listed
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let seen = |line: &str| {
        let (pid, rest) = line.trim_start().split_once(' ')?;
        let (kilobytes, command) = rest.trim_start().split_once(' ')?;
        Some(Seen::new(
            pid.parse().ok()?,
            command.to_owned(),
            kilobytes.parse::<u64>().ok().map(|size| size * 1024),
        ))
    };
    text.lines().filter_map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_the_last_part_of_the_first_word() {
        let seen = Seen::new(1, "/opt/servers/etcd --data-dir=/state/labs/a/etcd".to_owned(), None);
        assert_eq!(seen.program, "etcd");
        assert_eq!(Seen::new(1, String::new(), None).program, "");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_read_from_the_status_of_a_process() {
        assert_eq!(resident("Name:\tetcd\nVmRSS:\t   2048 kB\n"), Some(2 * 1024 * 1024));
        assert!(memory(std::process::id()).is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
