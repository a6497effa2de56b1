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
    /// Its command line, the program first.
    pub(super) arguments: Vec<String>,
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
    let names = |process: &Seen| process.arguments.iter().any(|argument| argument.contains(&wanted));
    seen.retain(|process| process.pid != ours && PROGRAMS.contains(&process.program.as_str()) && names(process));
    seen
}

/// The program of API servers.
const API_SERVER: &str = "kube-apiserver";

impl Seen {
    /// Whether it is an API server.
    pub(super) fn is_api_server(&self) -> bool {
        self.program == API_SERVER
    }

    /// Its flags, as a person may see them; none of what is no API server.
    pub(super) fn flags(&self) -> Vec<String> {
        let flags = self.arguments.iter().skip(1).filter(|_| self.is_api_server());
        flags.map(|flag| crate::secret::redact(flag).into_owned()).collect()
    }
}

/// The flags of the process `pid`, if it is an API server that may be looked at.
pub(super) fn flags(pid: u32) -> Vec<String> {
    all()
        .into_iter()
        .find(|process| process.pid == pid)
        .map(|process| process.flags())
        .unwrap_or_default()
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
    fn new(pid: u32, arguments: Vec<String>, memory: Option<u64>) -> Self {
        let program = arguments.first().map(String::as_str).unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_owned();
        Self {
            pid,
            program,
            arguments,
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
        let arguments = String::from_utf8_lossy(&arguments);
        let arguments = arguments.trim_end_matches('\0').split('\0').map(str::to_owned);
        Some(Seen::new(pid, arguments.collect(), resident(&status)))
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
            command.split(' ').map(str::to_owned).collect(),
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
        let seen = |command: &[&str]| Seen::new(1, command.iter().map(|word| (*word).to_owned()).collect(), None);
        let etcd = seen(&["/opt/servers/etcd", "--data-dir=/state/labs/a/etcd"]);
        assert_eq!((etcd.program.as_str(), etcd.flags()), ("etcd", Vec::new()));
        assert_eq!(seen(&[""]).program, "");
        let server = seen(&["/opt/my servers/kube-apiserver", "--secure-port=1"]);
        assert_eq!(server.flags(), ["--secure-port=1"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_read_from_the_status_of_a_process() {
        assert_eq!(resident("Name:\tetcd\nVmRSS:\t   2048 kB\n"), Some(2 * 1024 * 1024));
        assert!(memory(std::process::id()).is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
